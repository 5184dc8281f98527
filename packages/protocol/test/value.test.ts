import fc from 'fast-check';
import {
  asPath,
  checkValue,
  defaultLimits,
  flatten,
  isPlainObject,
  isRefusal,
  type Json,
  jsonCodec,
  jsonEquals,
  typeOfValue,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { codeOf, jsonArbitrary } from './arbitraries.ts';

const p = asPath('p');
const typed = (type: string, text: unknown): object => ({ _type: type, _typed: text });
const file = {
  _type: 'file',
  hash: `sha256:${'0a'.repeat(32)}`,
  size: 3,
  content_type: 'text/plain',
  filename: null,
  uploaded_at: '2026-03-31T12:00:00Z',
};

test.each([
  typed('decimal', '-29.99e+10'),
  typed('datetime', '2024-02-29T23:59:59.123456789+14:00'),
  typed('bigint', '-9007199254740993'),
  typed('bigint', '0'),
  typed('bytes', ''),
  typed('bytes', 'AAE='),
  typed('bytes', 'AA=='),
  file,
  { _type: 'animal', _typed: 1 },
  { _typed: '1' },
  { _scalar: 1, _json: {}, ['__proto__']: { constructor: 1 } },
  'a\u0000b',
  [],
  {},
  null,
])('%j is a value', (value) => {
  expect(checkValue(value, p)).toBeNull();
});

test.each([
  typed('decimal', '1.'),
  typed('decimal', '1e12345'),
  typed('decimal', 7),
  typed('decimal', '1'.repeat(257)),
  typed('datetime', 'x'),
  typed('datetime', '2026-02-29T12:00:00Z'),
  typed('datetime', '2026-03-31T12:00Z'),
  typed('datetime', '2026-03-31T12:00:00'),
  typed('datetime', '2026-13-01T12:00:00Z'),
  typed('datetime', '2026-03-31T24:00:00Z'),
  typed('datetime', '2026-03-31T12:00:00.1234567890Z'),
  typed('bigint', '-0'),
  typed('bigint', '01'),
  typed('bigint', '1'.repeat(1025)),
  typed('bytes', 'AAE'),
  typed('bytes', 'AAF='),
  typed('bytes', 'A_E='),
  { ...file, size: -1 },
  { ...file, hash: 'sha256:x' },
])('%j has the keys of an envelope and bad content', (value) => {
  expect(codeOf(checkValue(value, p))).toBe('invalid_typed_value');
  expect(codeOf(checkValue({ deep: { er: value } }, p))).toBe('invalid_typed_value');
});

test.each([
  { _type: 'lease', holder: null, token: 1, expires_at: 1 },
  { _type: 'counter' },
  { _type: 'set', _typed: '[]' },
  { _type: 'decimal', x: 1 },
  { _type: 'decimal' },
  { _type: 'bytes', _typed: '', more: 1 },
  { ...file, more: 1 },
  [file],
])('S32 %j takes a reserved _type', (value) => {
  expect(codeOf(checkValue(value, p))).toBe('reserved_type');
  expect(codeOf(checkValue({ deep: { er: value } }, p))).toBe('reserved_type');
});

test('S32 the leaf p/_type may not hold a reserved name, and any other text may', () => {
  expect(codeOf(checkValue('decimal', asPath('p/_type')))).toBe('reserved_type');
  expect(codeOf(checkValue('decimal', asPath('_type')))).toBe('reserved_type');
  expect(checkValue('animal', asPath('p/_type'))).toBeNull();
  expect(checkValue('decimal', asPath('p/x_type'))).toBeNull();
  expect(isPlainObject({ _type: 'animal', _typed: 1 })).toBe(true);
});

// The first one is what JSON.parse makes of it.
test.each([Number('9007199254740993'), 2 ** 53, -(2 ** 53), 1e300, 1.5e16, Infinity, Number.NaN])(
  'S33 %d is out of range',
  (number) => {
    expect(codeOf(checkValue(number, p))).toBe('number_out_of_range');
    expect(codeOf(checkValue([{ a: number }], p))).toBe('number_out_of_range');
  },
);

test('S33 the greatest safe integers are values, and a bigint keeps every digit', () => {
  expect(checkValue(Number.MAX_SAFE_INTEGER, p)).toBeNull();
  expect(checkValue(Number.MIN_SAFE_INTEGER, p)).toBeNull();
  expect(checkValue(typed('bigint', '9007199254740993'), p)).toBeNull();
});

test.each([
  undefined,
  () => 1,
  Symbol('x'),
  7n,
  new Date(0),
  new Map(),
  ['\ud800'],
  { k: 'a\udc00' },
  [{ '\ud800': 1 }],
])('what JSON lacks is an invalid value (%#)', (value) => {
  expect(codeOf(checkValue(value, p))).toBe('invalid_value');
  expect(codeOf(checkValue([value], p))).toBe('invalid_value');
});

test('a refusal names the path of the offender', () => {
  const refusal = checkValue({ a: { 'b/c': [1e300] } }, p);
  expect(refusal?.details).toEqual({ path: 'p/a/b~1c' });
});

test.each([
  [{ '': 1 }, 'empty_segment'],
  [{ 'a\u0000': 1 }, 'invalid_segment'],
  [{ '\ud800': 1 }, 'invalid_segment'],
  [{ ['x'.repeat(256)]: 1 }, 'segment_too_long'],
  [{ ['/'.repeat(128)]: 1 }, 'segment_too_long'],
])('the keys of a map are segments (%#)', (value, code) => {
  expect(codeOf(checkValue(value, p))).toBe(code);
});

function nest(levels: number, wrap: (inner: Json) => Json): Json {
  return levels === 0 ? 1 : wrap(nest(levels - 1, wrap));
}

const list = (inner: Json): Json => [inner];
const map = (inner: Json): Json => ({ k: inner });

test('each limit passes at its figure and refuses one above it', () => {
  const { max_depth: depth, max_value_bytes: bytes } = defaultLimits;
  expect(checkValue(nest(depth, list), p)).toBeNull();
  expect(codeOf(checkValue(nest(depth + 1, list), p))).toBe('too_deep');
  expect(checkValue(nest(depth - 1, map), p)).toBeNull();
  expect(codeOf(checkValue(nest(depth, map), p))).toBe('too_deep');
  expect(checkValue('x'.repeat(bytes - 2), p)).toBeNull();
  expect(codeOf(checkValue('x'.repeat(bytes - 1), p))).toBe('value_too_large');
  expect(codeOf(checkValue({ a: ['x'.repeat(bytes)] }, p))).toBe('value_too_large');
  const limits = { ...defaultLimits, max_leaves_per_write: 3, max_path_bytes: 9 };
  expect(checkValue({ a: 1, b: { c: 2, d: 3 } }, p, limits)).toBeNull();
  expect(codeOf(checkValue({ a: 1, b: { c: 2, d: 3, e: 4 } }, p, limits))).toBe('too_many_leaves');
  expect(checkValue({ '1234567': 1 }, p, limits)).toBeNull();
  expect(codeOf(checkValue({ '12345678': 1 }, p, limits))).toBe('path_too_long');
});

test('a leaf counts with exactly the bytes of its JSON', () => {
  fc.assert(
    fc.property(jsonArbitrary, (value) => {
      const leaf = [value];
      if (checkValue(leaf, p) !== null) return;
      const bytes = Buffer.byteLength(JSON.stringify(leaf));
      const at = (limit: number): unknown =>
        checkValue(leaf, p, { ...defaultLimits, max_value_bytes: limit });
      expect(at(bytes)).toBeNull();
      expect(codeOf(at(bytes - 1))).toBe('value_too_large');
    }),
  );
});

test('a value nested beyond any stack is refused, not fatal', () => {
  const text = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  expect(codeOf(checkValue(jsonCodec.decode(text), p))).toBe('too_deep');
  const maps = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`;
  expect(codeOf(checkValue(jsonCodec.decode(maps), p))).toBe('too_deep');
});

test('an accepted value flattens to valid leaves, none of them a map with content, no two in conflict', () => {
  fc.assert(
    fc.property(jsonArbitrary, (value) => {
      if (checkValue(value, p) !== null) return;
      for (const [path, leaf] of flatten(p, value)) {
        expect(checkValue(leaf, path)).toBeNull();
        expect(isPlainObject(leaf) && Object.keys(leaf).length > 0).toBe(false);
      }
      const paths = flatten(p, value).map(([path]) => path);
      expect(new Set(paths).size).toBe(paths.length);
    }),
  );
});

test('flattening keeps the order of keys, empty maps, lists and envelopes', () => {
  const price = { _type: 'decimal', _typed: '1.50' };
  const value = { b: 1, a: { 'x/y': [{ k: 1 }], empty: {}, price } };
  expect(flatten(p, value)).toEqual([
    ['p/b', 1],
    ['p/a/x~1y', [{ k: 1 }]],
    ['p/a/empty', {}],
    ['p/a/price', price],
  ]);
  expect(Object.is(flatten(p, -0)[0]?.[1], 0)).toBe(true);
});

test('the type of a leaf follows from its value', () => {
  const types = [null, true, 'x', 3, 3.5, [], {}, typed('bytes', ''), file].map((value) =>
    isJson(value) ? typeOfValue(value) : null,
  );
  expect(types).toEqual([
    'null',
    'boolean',
    'string',
    'integer',
    'float',
    'list',
    'map',
    'bytes',
    'file',
  ]);
});

function isJson(value: unknown): value is Json {
  return !isRefusal(checkValue(value, p));
}

test('equality is deep, ignores the order of keys and is not fooled by prototypes', () => {
  expect(jsonEquals({ a: 1, b: [2, { c: 3 }] }, { b: [2, { c: 3 }], a: 1 })).toBe(true);
  expect(jsonEquals([1, 2], [2, 1])).toBe(false);
  expect(jsonEquals([], {})).toBe(false);
  expect(jsonEquals({ constructor: null }, { other: null })).toBe(false);
  expect(jsonEquals({ ['__proto__']: 1 }, { ['__proto__']: 2 })).toBe(false);
  expect(jsonEquals({ a: null }, {})).toBe(false);
});
