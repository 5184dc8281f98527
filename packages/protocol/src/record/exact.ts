import { fromBase64, toBase64 } from '../base64.ts';
import { isBase64 } from '../envelope.ts';
import { RejectedError } from '../errors.ts';
import { isObject, type Json, type JsonObject, setOwn } from '../json.ts';
import { utf8Length } from '../utf8.ts';
import { canonicalJson } from './canonical.ts';

/** Deeper than any limit of a store: what is nested deeper is no value, and neither is a cycle. */
const depthMax = 64;
/** Parts of one value: far more than the largest object may have. */
const partsMax = 1_000_000;

/** Which values there are: those that a store holds, or also NaN, ±Infinity and undefined members of arrays. */
type Dialect = 'stored' | 'exact';

type Walk = { readonly dialect: Dialect; parts: number };

/**
 * The JSON of a value as a store holds it (records.md §3.3): `bigint`, `Uint8Array` and `Date` become envelopes, undefined
 * members are left out. Throws `invalid_value` for what no store holds.
 */
export function encodeStored(value: unknown): Json {
  return encode(value, { dialect: 'stored', parts: 0 }, 0);
}

/** The JSON of a value on transports, in caches and seeds: NaN, ±Infinity and undefined members of arrays travel too. */
export function encodeExact(value: unknown): Json {
  return encode(value, { dialect: 'exact', parts: 0 }, 0);
}

/** The native value of what a store holds; `decimal` stays an envelope, and so does a `datetime` that no `Date` would write so. */
export function decodeStored(json: Json): unknown {
  return decode(json, { dialect: 'stored', parts: 0 }, 0);
}

/** The value that {@link encodeExact} was given. */
export function decodeExact(json: Json): unknown {
  return decode(json, { dialect: 'exact', parts: 0 }, 0);
}

/** Equality of values, everywhere in records: that of the canonical JSON of their encoding (records.md §3.3). */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  return canonicalJson(encodeExact(a)) === canonicalJson(encodeExact(b));
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
      return Number.isFinite(value) ? value + 0 : odd(walk, 'number', String(value));
    case 'bigint':
      return envelope('bigint', String(value));
    case 'undefined':
      return odd(walk, 'undefined', '');
    case 'object':
      return encodeObject(value, walk, depth);
    case 'function':
    case 'symbol':
      throw invalid(`there is a ${typeof value}`);
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
  const isWrapped = walk.dialect === 'exact' && isOdd(members);
  return isWrapped ? { _type: 'object', _typed: members } : members;
}

function decode(json: Json, walk: Walk, depth: number): unknown {
  count(walk, depth);
  if (Array.isArray(json)) return json.map((item) => decode(item, walk, depth + 1));
  if (!isObject(json)) return json;
  const { _type: type, _typed: text } = json;
  if (typeof type === 'string' && Object.keys(json).length === 2) {
    if (typeof text === 'string') {
      const native = nativeOf(type, text, walk.dialect);
      if (native !== null) return native.value;
    }
    if (walk.dialect === 'exact' && type === 'object' && isObject(text)) {
      return decodeMembers(text, walk, depth + 1);
    }
  }
  return decodeMembers(json, walk, depth);
}

function decodeMembers(json: JsonObject, walk: Walk, depth: number): object {
  const members: { [key: string]: unknown } = {};
  for (const key of Object.keys(json)) {
    setOwn(members, key, decode(json[key] ?? null, walk, depth + 1));
  }
  return members;
}

/** The native value of an envelope; null where it stays one. */
function nativeOf(
  type: string,
  text: string,
  dialect: Dialect,
): { readonly value: unknown } | null {
  switch (type) {
    case 'bigint':
      return /^(0|-?[1-9]\d{0,1023})$/.test(text) ? { value: BigInt(text) } : null;
    case 'bytes':
      return isBase64(text) ? { value: fromBase64(text) } : null;
    case 'datetime':
      return dateOf(text);
    default:
      return dialect === 'exact' ? oddOf(type, text) : null;
  }
}

/** The Date that would write itself as the text. */
function dateOf(text: string): { readonly value: unknown } | null {
  // oxlint-disable-next-line no-restricted-globals -- of a given time; the clock is not asked
  const date = new Date(text);
  const isExact = !Number.isNaN(date.getTime()) && date.toISOString() === text;
  return isExact ? { value: date } : null;
}

function oddOf(type: string, text: string): { readonly value: unknown } | null {
  if (type === 'number' && /^(NaN|-?Infinity)$/.test(text)) return { value: Number(text) };
  return type === 'undefined' && text === '' ? { value: undefined } : null;
}

/** Whether a plain object would read as something that only the exact dialect has. */
function isOdd(members: JsonObject): boolean {
  const { _type: type, _typed: typed } = members;
  return (
    Object.keys(members).length === 2 &&
    ((typeof typed === 'string' && (type === 'number' || type === 'undefined')) ||
      (type === 'object' && isObject(typed)))
  );
}

function count(walk: Walk, depth: number): void {
  walk.parts += 1;
  if (depth > depthMax) throw new RejectedError('too_deep', { limit: depthMax });
  if (walk.parts > partsMax) throw new RejectedError('value_too_large', { limit: partsMax });
}

function odd({ dialect }: Walk, type: string, text: string): Json {
  if (dialect === 'exact') return envelope(type, text);
  throw invalid(type === 'number' ? `there is ${text}` : 'there is an undefined');
}

function envelope(type: string, text: string): JsonObject {
  return { _type: type, _typed: text };
}

function invalid(why: string): RejectedError {
  return new RejectedError('invalid_value', {}, `invalid_value: ${why}.`);
}
