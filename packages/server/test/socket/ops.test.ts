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
