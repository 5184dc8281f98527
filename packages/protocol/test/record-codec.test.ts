import {
  canonicalJson,
  decodeExact,
  decodeStored,
  encodeExact,
  encodeStored,
  isHandshakeAnswer,
  readEnvelope,
  sameValue,
} from '@holdfast/protocol/record';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const natives = [
  { big: 12n, when: new Date(0), bytes: new Uint8Array([0, 255, 7]), list: [1, [2n]], empty: {} },
  { price: { _type: 'decimal', _typed: '29.990' } },
  { odd: { _type: 'datetime', _typed: '2020-01-01T00:00:00Z' }, ['__proto__x']: 1 },
];

test.each(natives)(
  'R104 what a record may hold comes back from the store and from a transport: %o',
  (value) => {
    const stored = JSON.parse(JSON.stringify(encodeStored(value)));
    expect(decodeStored(stored)).toEqual(value);
    expect(decodeExact(JSON.parse(JSON.stringify(encodeExact(value))))).toEqual(value);
    expect(sameValue(value, decodeStored(stored))).toBe(true);
  },
);

test('R104 undefined members are left out, and −0 is 0', () => {
  expect(encodeStored({ a: undefined, b: -0 })).toEqual({ b: 0 });
  expect(Object.is((encodeStored({ b: -0 }) as { b: number }).b, 0)).toBe(true);
});

class Odd {
  readonly x = 1;
}

const cycle: { self?: unknown } = {};
cycle.self = cycle;

test.each([
  NaN,
  Infinity,
  [undefined],
  new Map(),
  new Set(),
  new Odd(),
  () => 1,
  Symbol('x'),
  '\uD800',
  new Date(NaN),
])('R104 %s is invalid_value in a record', (value) => {
  expect(() => encodeStored({ value })).toThrow(expect.objectContaining({ code: 'invalid_value' }));
});

test.each([
  [Infinity, 'there is Infinity'],
  [[undefined], 'there is what is of type undefined'],
])('what a record cannot hold, such as %s, is named in a sentence', (value, sentence) => {
  expect(() => encodeStored({ value })).toThrow(sentence);
});

test('R104 what another type says in the same words is none of the native ones', () => {
  for (const type of ['decimal', 'other']) {
    const said = ['5', 'AAAA', '2026-01-01T00:00:00.000Z'].map((text) => ({
      _type: type,
      _typed: text,
    }));
    expect(decodeStored(said)).toEqual(said);
    expect(decodeExact(said)).toEqual(said);
  }
});

test('R104 a cycle ends', () => {
  const wide = { n: 1, list: [cycle], again: cycle };
  for (const value of [cycle, wide]) {
    const refused = expect.objectContaining({ code: 'invalid_value' });
    expect(() => encodeStored(value)).toThrow(refused);
    expect(() => encodeExact(value)).toThrow(refused);
  }
});

test('R104 what no store holds travels all the same, and what looks like it is not mistaken for it', () => {
  const value = {
    numbers: [NaN, -Infinity, Infinity, undefined],
    like: [
      { _type: 'number', _typed: 'NaN' },
      { _type: 'undefined', _typed: '' },
      { _type: 'object', _typed: { _type: 'number', _typed: 'NaN' } },
      { _type: 'object', _typed: 'text' },
    ],
  };
  const json = JSON.parse(JSON.stringify(encodeExact(value)));
  expect(decodeExact(json)).toEqual(value);
  expect(json.numbers[0]).toEqual({ _type: 'number', _typed: 'NaN' });
  expect(sameValue([NaN], [NaN])).toBe(true);
  expect(sameValue([new Date(1)], [new Date(2)])).toBe(false);
  expect(sameValue({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(true);
});

test('R104 any JSON is what it was, through both codecs; equal values have one canonical text', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const plain = value as never;
      expect(sameValue(decodeExact(encodeExact(plain)), value)).toBe(true);
      const shuffled = JSON.parse(JSON.stringify(value));
      expect(canonicalJson(shuffled)).toBe(canonicalJson(JSON.parse(canonicalJson(shuffled))));
    }),
    { numRuns: 300 },
  );
});

test.each([undefined, NaN, '2', 1.5, 2 ** 60, -1, null])(
  'R67 the sequence %s fails the shape gate',
  (sequence) => {
    expect(readEnvelope({ value: {}, schema_version: '1', sequence })).toHaveProperty('fault');
  },
);

test('R67 a bigint in range is a sequence', () => {
  expect(readEnvelope({ value: {}, schema_version: '1', sequence: 2n })).toMatchObject({
    sequence: 2,
  });
});

test('R51 an envelope of three fields is taken, and numbered densely; who tells an incarnation tells prev', () => {
  expect(readEnvelope({ value: 1, schema_version: '1', sequence: 4 })).toEqual({
    value: 1,
    schemaVersion: '1',
    sequence: 4,
    prev: 3,
    incarnation: null,
    opId: null,
    isDeleted: false,
  });
  expect(readEnvelope({ sequence: 9, prev: 2, incarnation: 'e1' })).toMatchObject({ prev: 2 });
  expect(readEnvelope({ sequence: 9, incarnation: 'e1' })).toMatchObject({ prev: null });
  const longest = 'x'.repeat(128);
  const named = { sequence: 9, incarnation: longest, op_id: longest };
  expect(readEnvelope(named)).toMatchObject({ incarnation: longest, opId: longest });
});

test.each([
  null,
  7,
  [],
  'x',
  { sequence: 1, schema_version: 1 },
  { sequence: 1, prev: 1 },
  { sequence: 1, prev: -1 },
  { sequence: 1, prev: '0' },
  { sequence: 1, incarnation: 1 },
  { sequence: 1, incarnation: 'x'.repeat(129) },
  { sequence: 1, op_id: 'x'.repeat(129) },
])('R70 %j is no envelope', (message) => {
  expect(readEnvelope(message)).toHaveProperty('fault');
});

test('an answer to a handshake is told from what is none', () => {
  expect(isHandshakeAnswer({ key: 'k', type: 'current' })).toBe(true);
  expect(isHandshakeAnswer({ key: 'k', type: 'gone', incarnation: 'e1', sequence: 4 })).toBe(true);
  for (const bad of [
    null,
    {},
    { key: 'k', type: 'x' },
    { key: 'k', type: 'gone' },
    { key: 'k', type: 'skew' },
    { key: 'k', type: 'denied' },
    { key: 'k', type: 'current', view: 1 },
    { key: 1, type: 'current' },
    { key: 'k', type: 'gone', incarnation: 'e1', sequence: 1.5 },
  ]) {
    expect(isHandshakeAnswer(bad)).toBe(false);
  }
});
