import type { LoggedOp } from '@holdfast/engine/authority';
import { asPath, jsonCodec } from '@holdfast/protocol';
import { expect, test } from 'vitest';

import { encodePart, partsOf } from '../../src/socket/ops.ts';

const audience = { dialect: 4, topic: 'store:demo/main', codec: jsonCodec } as const;

function op(seq: number, value: string): LoggedOp {
  return {
    seq,
    op: 'set',
    path: asPath(`p/${seq}`),
    value,
    arg: null,
    deviceId: 'd'.repeat(64),
    clientOpId: `${'d'.repeat(64)}:session:${seq}`,
    tx: null,
    at: 0,
    principal: null,
    removed: [],
  };
}

test.each([
  ['a script of three bytes a character', '漢'.repeat(2000)],
  ['nothing much', 'x'],
])('S80 a frame of several commits holds no more than 256 KiB: %s', (_what, value) => {
  const ops = Array.from({ length: 1000 }, (_each, at) => op(at + 1, value));
  const parts = [...partsOf(ops, 1000)];
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.at(-1)?.to).toBe(1000);
  for (const part of parts) {
    expect(encodePart(audience, 0, part).byteLength).toBeLessThan(256 * 1024);
  }
});

/** So many ops of few bytes beside their values, all of one commit or each of its own. */
function small(count: number, { value = '', isOne = true } = {}): readonly LoggedOp[] {
  const names = { deviceId: 'd', clientOpId: 'o', tx: isOne ? count : null };
  return Array.from({ length: count }, (_each, at) => ({ ...op(at + 1, value), ...names }));
}

test('S80 a frame of several commits holds a thousand ops at most', () => {
  const parts = [...partsOf(small(1001, { isOne: false }), 1001)];
  expect(parts.map(({ to, ops }) => [to, ops.length])).toEqual([
    [1000, 1000],
    [1001, 1],
  ]);
});

test('S80 a commit of ten thousand ops, or of nearly 4 MiB, is told in one frame; of more, the state after it', () => {
  const value = 'x'.repeat(100_000);
  const commits = [small(10_000), small(10_001), small(41, { value }), small(42, { value })];
  const parts = commits.map((ops) => Array.from(partsOf(ops, ops.length)));
  expect(parts.map((each) => each.map(({ isLarge }) => isLarge))).toEqual([
    [false],
    [true],
    [false],
    [true],
  ]);
});
