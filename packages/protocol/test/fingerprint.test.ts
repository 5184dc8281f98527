import fc from 'fast-check';
import {
  CAPVER,
  CAPVER_MIN,
  clientEvents,
  fingerprint,
  leafTypes,
  opNames,
  PROTOCOL_FINGERPRINT,
  refusals,
  serverEvents,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { jsonArbitrary } from './arbitraries.ts';

test('the words of the protocol are those that the pinned fingerprint stands for', () => {
  const reasons = Object.entries(refusals).map(([reason, { retry, http, fields }]) => [
    reason,
    retry,
    http,
    fields,
  ]);
  const tables = [[CAPVER_MIN, CAPVER], opNames, leafTypes, clientEvents, serverEvents, reasons];
  expect(fingerprint({ ops: tables })).toBe(PROTOCOL_FINGERPRINT);
});

const write = {
  op: 'set',
  path: 'a/b',
  value: { x: 1, y: [1, 2] },
  client_op_id: 'c',
  if_match: 3,
};

test('equal requests have equal fingerprints: key order, null fields, id and form of the path do not count', () => {
  const print = fingerprint(write);
  expect(fingerprint({ if_match: 3, value: { y: [1, 2], x: 1 }, path: 'a/b', op: 'set' })).toBe(
    print,
  );
  expect(fingerprint({ ...write, client_op_id: 'other', unblock: true, fence: null })).toBe(print);
  const { path: _, ...rest } = write;
  expect(fingerprint({ ...rest, path_segments: ['a', 'b'] })).toBe(print);
  expect(Number.isSafeInteger(print)).toBe(true);
});

test.each([
  { op: 'merge' },
  { path: 'a/c' },
  { path_segments: ['a/b'] },
  { value: { x: 1, y: [2, 1] } },
  { value: { x: '1', y: [1, 2] } },
  { value: { y: 1, x: [1, 2] } },
  { value: { x: 1, y: [1, 2], z: null } },
  { value: null },
  { if_match: 4 },
  { if_absent: true },
  { fence: { key: 'k', token: 1 } },
  { ttl_ms: 1 },
  { holder: 'me' },
  { token: 1 },
  { record: 'post' },
  { name: 'like' },
])('another request has another fingerprint: %j', (change) => {
  expect(fingerprint({ ...write, ...change })).not.toBe(fingerprint(write));
});

test('a write counts as a whole, whatever else its payload holds', () => {
  const odd = { ...write, ops: [] };
  expect(fingerprint({ ...odd, value: 2 })).not.toBe(fingerprint(odd));
});

test('the whole of a transaction counts', () => {
  const ops = [{ op: 'set', path: 'a', value: 1 }];
  const print = fingerprint({ client_op_id: 'c', ops });
  expect(fingerprint({ client_op_id: 'd', ops, unblock: true })).toBe(print);
  expect(fingerprint({ ops, preconditions: [{ path: 'a', exists: true }] })).not.toBe(print);
  expect(fingerprint({ ops: [...ops, ...ops] })).not.toBe(print);
});

test('values that differ have fingerprints that differ', () => {
  fc.assert(
    fc.property(jsonArbitrary, jsonArbitrary, (a, b) => {
      const same = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
      expect(fingerprint({ value: [a] }) === fingerprint({ value: [b] })).toBe(same);
    }),
    { numRuns: 2000 },
  );
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = Object.entries(value).map(([key, item]) => [key, sorted(item)] as const);
  return { sorted: pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)) };
}

test('no payload is too deep or too odd for a fingerprint', () => {
  const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  expect(fingerprint({ op: 'set', value: deep })).not.toBe(fingerprint({ op: 'set', value: [] }));
  expect(fingerprint({ op: Symbol('x'), path: 7 })).not.toBe(0);
  expect(fingerprint(null)).toBe(0);
});
