import { readFileSync } from 'node:fs';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import fc from 'fast-check';
import {
  asPath,
  checkValue,
  type Codec,
  DecodeError,
  frameTuple,
  isBadFrame,
  jsonCodec,
  readFrame,
  unreadable,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { codeOf, jsonArbitrary } from './arbitraries.ts';

const packed = messagePackCodec();
const codecs: { readonly [format: string]: Codec } = { json: jsonCodec, msgpack: packed };

type CodecVector = { readonly format: string; readonly input: unknown };

const vectors: readonly CodecVector[] = JSON.parse(
  readFileSync(new URL('vectors/codec_vectors.json', import.meta.url), 'utf8'),
);

function overWire(codec: Codec, value: unknown): unknown {
  return codec.decode(codec.encode(value));
}

function inFrame(codec: Codec, payload: unknown): unknown {
  const frame = { joinRef: '1', ref: '2', topic: 'store:a/b', event: 'write', payload };
  const read = readFrame(overWire(codec, frameTuple(frame)));
  return isBadFrame(read) ? read : read.payload;
}

test.each(vectors)('S28 codec vector $format $input', ({ format, input }) => {
  const codec = codecs[format];
  expect(codec).toBeDefined();
  if (codec === undefined) return;
  expect(overWire(codec, input)).toEqual(input);
  expect(inFrame(codec, input)).toEqual(input);
});

test.each(Object.entries(codecs))(
  'any JSON value survives %s, alone and in a frame',
  (_, codec) => {
    fc.assert(
      fc.property(jsonArbitrary, (value) => {
        // As text, since a comparison of objects trips over a key named constructor.
        expect(JSON.stringify(overWire(codec, value))).toBe(JSON.stringify(value));
        expect(JSON.stringify(inFrame(codec, { value }))).toBe(JSON.stringify({ value }));
      }),
      { numRuns: 500 },
    );
  },
);

test.each([
  0,
  1,
  127,
  128,
  255,
  256,
  65535,
  65536,
  2 ** 32 - 1,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  -1,
  -32,
  -33,
  -128,
  -129,
  -32768,
  -32769,
  -(2 ** 31),
  -(2 ** 31) - 1,
  Number.MIN_SAFE_INTEGER,
  0.1,
  -1e-7,
])('the number %d survives MessagePack', (number) => {
  expect(overWire(packed, number)).toBe(number);
});

test('MessagePack writes integers as the shortest int, other numbers as float64, and −0 as 0', () => {
  expect([...encode(-0)]).toEqual([0]);
  expect([...encode(200)]).toEqual([0xcc, 200]);
  expect([...encode(-33)]).toEqual([0xd0, 0xdf]);
  expect([...encode(0.5)]).toEqual([0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]);
});

test.each([0, 31, 32, 40, 41, 255, 256, 65535, 65536])(
  'texts of %d characters survive MessagePack',
  (length) => {
    for (const character of ['x', 'é', '€', '😀', '\ufeff']) {
      const text = character.repeat(length);
      expect(overWire(packed, text)).toBe(text);
    }
  },
);

test.each([0, 15, 16, 65535, 65536])('lists and maps of %d items survive MessagePack', (length) => {
  const list = Array.from({ length }, (_, index) => index);
  expect(overWire(packed, list)).toEqual(list);
  const map = Object.fromEntries(list.map((index) => [`k${index}`, index]));
  expect(overWire(packed, map)).toEqual(map);
});

test('a MessagePack frame is whole wherever the room for it runs out', () => {
  for (let filler = 4000; filler < 4200; filler += 1) {
    const value = ['x'.repeat(filler), null, [true, { a: 1 }], -1, 'é', 300];
    // A codec of its own: the room it has made once stays.
    const codec = messagePackCodec();
    expect(codec.decode(codec.encode(value))).toEqual(value);
  }
});

test('a property that is undefined is absent, as in JSON', () => {
  expect(overWire(packed, { a: undefined, b: 1 })).toEqual({ b: 1 });
});

test('keys cannot reach a prototype', () => {
  const evil = '{"__proto__":{"polluted":1},"constructor":{"prototype":1}}';
  for (const codec of [jsonCodec, packed]) {
    const value = overWire(codec, JSON.parse(evil));
    expect(Object.keys(Object(value))).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  }
});

function encode(value: unknown): Uint8Array {
  const bytes = packed.encode(value);
  if (typeof bytes === 'string') throw new Error('MessagePack is bytes');
  return bytes;
}

const bad: { readonly [name: string]: readonly number[] } = {
  bin: [0xc4, 2, 1, 2],
  ext: [0xc7, 1, 5, 9],
  'a timestamp': [0xd6, 0xff, 0, 0, 0, 0],
  'a key that is no string': [0x81, 0x01, 0x02],
  'a key of invalid UTF-8': [0x81, 0xa1, 0xff, 0x02],
  'invalid UTF-8': [0xa2, 0xc3, 0x28],
  'a surrogate in UTF-8': [0xa3, 0xed, 0xa0, 0x80],
};

/** A frame whose payload is a map with one key, the given bytes as its value. */
function frameWith(key: string, bytes: readonly number[]): Uint8Array {
  const head = encode(['1', '2', 'store:a/b', 'write']).subarray(1);
  return Uint8Array.from([0x95, ...head, 0x81, ...encode(key), ...bytes]);
}

test.each(Object.entries(bad))(
  '%s inside value is an invalid value, and the frame lives',
  (_, bytes) => {
    const frame = readFrame(packed.decode(frameWith('value', bytes)));
    expect(frame).toMatchObject({ ref: '2', topic: 'store:a/b' });
    expect(isBadFrame(frame)).toBe(false);
    const payload: unknown = 'payload' in frame ? frame.payload : null;
    expect(payload).toEqual({ value: unreadable });
    expect(codeOf(checkValue(unreadable, asPath('p')))).toBe('invalid_value');
    expect(codeOf(checkValue({ a: [unreadable] }, asPath('p')))).toBe('invalid_value');
  },
);

test.each(Object.entries(bad))(
  '%s in another field is an invalid payload that can be answered',
  (_, bytes) => {
    const frame = readFrame(packed.decode(frameWith('path', bytes)));
    expect(frame).toMatchObject({ kind: 'bad', joinRef: '1', ref: '2', topic: 'store:a/b' });
    const refusal: unknown = 'refusal' in frame ? frame.refusal : null;
    expect(refusal).toMatchObject({ code: 'invalid_payload', details: { field: 'path' } });
  },
);

test('S33 the greatest uint64 of MessagePack is out of range', () => {
  const most = packed.decode(Uint8Array.from([0xcf, ...Array.from({ length: 8 }, () => 0xff)]));
  expect(codeOf(checkValue(most, asPath('p')))).toBe('number_out_of_range');
  const least = packed.decode(Uint8Array.from([0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]));
  expect(codeOf(checkValue(least, asPath('p')))).toBe('number_out_of_range');
});

test.each([
  ['nothing', []],
  ['a text that is cut off', [0xa5, 0x61]],
  ['a list that claims four billion items', [0xdd, 0xff, 0xff, 0xff, 0xff]],
  ['a map that claims four billion items', [0xdf, 0xff, 0xff, 0xff, 0xff]],
  ['a bin that claims four billion bytes', [0xc6, 0xff, 0xff, 0xff, 0xff]],
  ['a byte that means nothing', [0xc1]],
  ['two values', [0x01, 0x02]],
])('%s does not decode', (_, bytes) => {
  expect(() => packed.decode(Uint8Array.from(bytes))).toThrow(DecodeError);
});

test('nesting beyond any stack is passed over in MessagePack', () => {
  const deep = Uint8Array.from([...Array.from({ length: 300_000 }, () => 0x91), 0x01]);
  const value = packed.decode(deep);
  expect(codeOf(checkValue(value, asPath('p')))).toBe('too_deep');
  expect(() => packed.decode(deep.slice(0, -1))).toThrow(DecodeError);
  const maps = Uint8Array.from([
    ...Array.from({ length: 300_000 }, () => [0x81, 0xa1, 0x61]).flat(),
    0x01,
  ]);
  expect(codeOf(checkValue(packed.decode(maps), asPath('p')))).toBe('too_deep');
});

test.each([
  ['lists of 16 bits', [0xdc, 0, 1]],
  ['lists of 32 bits', [0xdd, 0, 0, 0, 1]],
  ['maps of 16 bits', [0xde, 0, 1, 0xa1, 0x61]],
  ['maps of 32 bits', [0xdf, 0, 0, 0, 1, 0xa1, 0x61]],
])('%s within each other beyond any stack are passed over, and what follows is read', (_, head) => {
  const deep = Array.from({ length: 50_000 }, () => head).flat();
  const both = packed.decode(Uint8Array.from([0x92, ...deep, 0x07, ...encode('after')]));
  expect(both).toMatchObject({ 1: 'after' });
});

test('MessagePack takes JSON text too, and answers in bytes', () => {
  expect(packed.decode('[1]')).toEqual([1]);
  expect(packed.encode([1])).toBeInstanceOf(Uint8Array);
});

function survives(codec: Codec, data: string | Uint8Array): void {
  try {
    readFrame(codec.decode(data));
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
  }
}

test('decoders throw nothing but DecodeError, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      survives(packed, bytes);
      survives(jsonCodec, bytes);
      survives(packed, Uint8Array.from([0x95, ...bytes]));
    }),
    { numRuns: 3000 },
  );
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => survives(jsonCodec, text)));
});

test('a frame with flipped bytes still decodes or throws DecodeError', () => {
  const change = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 });
  fc.assert(
    fc.property(jsonArbitrary, change, (value, changes) => {
      const bytes = encode(['1', '2', 'store:a/b', 'write', { value }]);
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      try {
        const read = readFrame(packed.decode(bytes));
        const code = 'refusal' in read ? read.refusal.code : 'invalid_payload';
        expect(code).toBe('invalid_payload');
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
    { numRuns: 1000 },
  );
});
