import type { LoggedOp } from '@holdfast/engine/authority';
import { asPath, type Json } from '@holdfast/protocol';
import { expect, test } from 'vitest';

import { LogRing } from '../../src/host/log-ring.ts';

const MEBIBYTE = 1024 * 1024;

function op(seq: number, value: Json): LoggedOp {
  const path = asPath('a');
  const origin = { deviceId: 'd', clientOpId: `d:s:${seq}`, at: 0, principal: null };
  return { seq, op: 'set', path, value, arg: null, tx: null, removed: [], ...origin };
}

/** A ring after so many ops of this value, each pushed by itself, and the first seq after which it still reaches. */
function filled(count: number, value: Json): { ring: LogRing; reachesAfter: number } {
  const ring = new LogRing(0);
  for (let seq = 1; seq <= count; seq += 1) ring.push([op(seq, value)]);
  let reachesAfter = 0;
  while (ring.read(reachesAfter, count, Infinity) === null) reachesAfter += 1;
  return { ring, reachesAfter };
}

test('thousands of small ops stay in memory, and what is read is dense', () => {
  const { ring, reachesAfter } = filled(20_000, 1);
  expect(20_000 - reachesAfter).toBeGreaterThanOrEqual(4096);
  expect(20_000 - reachesAfter).toBeLessThanOrEqual(2 * 4096);
  const ops = ring.read(19_000, 20_000, Infinity) ?? [];
  expect(ops.map(({ seq }) => seq)).toEqual(ops.map((_, at) => 19_001 + at));
  expect(ops).toHaveLength(1000);
});

test.each<[string, Json]>([
  ['texts', 'x'.repeat(MEBIBYTE)],
  ['maps', Object.fromEntries(Array.from({ length: 16 }, (_, i) => [i, 'x'.repeat(65_536)]))],
])('of large %s only so many stay as fit into a few mebibytes', (_what, value) => {
  const { ring, reachesAfter } = filled(200, value);
  expect(200 - reachesAfter).toBeLessThanOrEqual(16);
  expect(200 - reachesAfter).toBeGreaterThanOrEqual(1);
  expect(ring.read(reachesAfter, 200, Infinity)?.map(({ seq }) => seq)).toEqual(
    Array.from({ length: 200 - reachesAfter }, (_, at) => reachesAfter + 1 + at),
  );
});

test('an op larger than the ring leaves an empty one that goes on', () => {
  const ring = new LogRing(0);
  ring.push([op(1, 'x'.repeat(40 * MEBIBYTE))]);
  expect(ring.read(0, 1, Infinity)).toBeNull();
  expect(ring.read(1, 1, Infinity)).toEqual([]);
  ring.push([op(2, 1)]);
  expect(ring.read(1, 2, Infinity)).toMatchObject([{ seq: 2 }]);
});

test('of large ops a reader takes a few at a time, and one at least', () => {
  const { ring, reachesAfter } = filled(20, 'x'.repeat(MEBIBYTE / 2));
  const seqsOf = (bytesMax: number) =>
    ring.read(reachesAfter, 20, bytesMax)?.map(({ seq }) => seq - reachesAfter);
  expect([seqsOf(2 * MEBIBYTE), seqsOf(1)]).toEqual([[1, 2, 3], [1]]);
});
