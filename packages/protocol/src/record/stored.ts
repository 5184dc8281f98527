import { fromBase64, toBase64 } from '../base64.ts';
import { isBase64, isBigint } from '../envelope.ts';
import { RejectedError } from '../errors.ts';
import { isObject, type Json, type JsonObject, setOwn } from '../json.ts';
import { utf8Length } from '../utf8.ts';

/** Deeper than any limit of a store: what is nested deeper is no value, and neither is a cycle. */
const depthMax = 64;
/** Parts of one value: far more than the largest object may have. */
const partsMax = 1_000_000;

/** What there is beside the values that a store holds. */
export type Beyond = {
  /** Whether a plain object would read as something that is not one. */
  readonly isOdd: (members: JsonObject) => boolean;
  /** The value of an envelope that no store knows; null where it is none. */
  readonly read: (type: string, text: string) => { readonly value: unknown } | null;
};

type Walk = { readonly beyond: Beyond | null; parts: number };

/**
 * The JSON of a value as a store holds it (records.md §3.3): `bigint`, `Uint8Array` and `Date` become envelopes, undefined
 * members are left out. Throws `invalid_value` for what no store holds.
 */
export function encodeStored(value: unknown): Json {
  return encodeWith(null, value);
}

/** The native value of what a store holds; `decimal` stays an envelope, and so does a `datetime` that no `Date` would write so. */
export function decodeStored(json: Json): unknown {
  return decodeWith(null, json);
}

/** The JSON of a value that may hold what is beyond stores, too. */
export function encodeWith(beyond: Beyond | null, value: unknown): Json {
  return encode(value, { beyond, parts: 0 }, 0);
}

/** The way back. */
export function decodeWith(beyond: Beyond | null, json: Json): unknown {
  return decode(json, { beyond, parts: 0 }, 0);
}

function encode(value: unknown, walk: Walk, depth: number): Json {
  count(walk, depth);
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'string':
      if (utf8Length(value) === -1) throw invalid('a text holds an unpaired surrogate');
      return value;
    case 'number':
      return Number.isFinite(value) ? value + 0 : odd(walk, value, String(value));
    case 'bigint':
      return envelope('bigint', String(value));
    case 'object':
      return encodeObject(value, walk, depth);
    case 'undefined':
    case 'function':
    case 'symbol':
      return odd(walk, value, '');
  }
}

function encodeObject(value: object | null, walk: Walk, depth: number): Json {
  if (value === null) return null;
  // oxlint-disable-next-line no-restricted-globals -- a type, no clock
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw invalid('there is an invalid Date');
    return envelope('datetime', value.toISOString());
  }
  if (value instanceof Uint8Array) return envelope('bytes', toBase64(value));
  // Array.from, so that holes are undefined members and not nothing.
  if (Array.isArray(value)) return Array.from(value, (item) => encode(item, walk, depth + 1));
  return encodeMembers(value, walk, depth);
}

function encodeMembers(value: object, walk: Walk, depth: number): JsonObject {
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  if (!isPlain || !isObject(value)) throw invalid('there is an instance of a class');
  const members: { [key: string]: Json } = {};
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member !== undefined) setOwn(members, key, encode(member, walk, depth + 1));
  }
  return walk.beyond?.isOdd(members) === true ? { _type: 'object', _typed: members } : members;
}

function decode(json: Json, walk: Walk, depth: number): unknown {
  count(walk, depth);
  if (Array.isArray(json)) return json.map((item) => decode(item, walk, depth + 1));
  if (!isObject(json)) return json;
  const { _type: type, _typed: typed } = json;
  if (Object.keys(json).length !== 2) return decodeMembers(json, walk, depth);
  if (typeof type === 'string' && typeof typed === 'string') {
    const native = nativeOf(type, typed) ?? walk.beyond?.read(type, typed);
    if (native) return native.value;
  }
  const isWrapped = walk.beyond !== null && type === 'object' && isObject(typed);
  return isWrapped ? decodeMembers(typed, walk, depth + 1) : decodeMembers(json, walk, depth);
}

function decodeMembers(json: JsonObject, walk: Walk, depth: number): object {
  const members: { [key: string]: unknown } = {};
  for (const key of Object.keys(json)) {
    setOwn(members, key, decode(json[key] ?? null, walk, depth + 1));
  }
  return members;
}

/** The native value of an envelope; null where it stays one. */
function nativeOf(type: string, text: string): { readonly value: unknown } | null {
  if (type === 'bigint' && isBigint(text)) return { value: BigInt(text) };
  if (type === 'bytes' && isBase64(text)) return { value: fromBase64(text) };
  if (type !== 'datetime') return null;
  // oxlint-disable-next-line no-restricted-globals -- of a given time; the clock is not asked
  const date = new Date(text);
  const isExact = !Number.isNaN(date.getTime()) && date.toISOString() === text;
  return isExact ? { value: date } : null;
}

function count(walk: Walk, depth: number): void {
  walk.parts += 1;
  if (depth > depthMax) throw invalid('it is nested too deep, or within itself');
  if (walk.parts > partsMax) throw new RejectedError('value_too_large', { limit: partsMax });
}

/** What no store holds: NaN, ±Infinity and undefined members of arrays travel; functions and symbols do not. */
function odd({ beyond }: Walk, value: unknown, text: string): Json {
  const isKnown = typeof value === 'number' || value === undefined;
  if (beyond !== null && isKnown) return envelope(typeof value, text);
  throw invalid(`there is ${text || `what is of type ${typeof value}`}`);
}

function envelope(type: string, text: string): JsonObject {
  return { _type: type, _typed: text };
}

function invalid(why: string): RejectedError {
  return new RejectedError('invalid_value', {}, `invalid_value: ${why}.`);
}
