import {
  fromBase64,
  isObject,
  type Json,
  type JsonObject,
  setOwn,
  toBase64,
} from '@holdfast/protocol';

/** What may be written: JSON, and the native values that have an envelope (stores.md §3.1, §18 C21). */
export type Writable =
  | null
  | boolean
  | number
  | string
  | bigint
  | Date
  | Uint8Array
  | readonly Writable[]
  | { readonly [key: string]: Writable };

/** What {@link fromEnvelope} makes of JSON. */
export type Native =
  | null
  | boolean
  | number
  | string
  | bigint
  | Date
  | Uint8Array
  | readonly Native[]
  | { readonly [key: string]: Native };

/** The envelope of an exact decimal number, such as `decimal('29.99')`; its text is kept verbatim. */
export function decimal(text: string): JsonObject {
  return envelope('decimal', text);
}

/**
 * JSON with an envelope in place of each `Date`, `bigint` and `Uint8Array`, at any depth. Writes do this by themselves.
 * What is no JSON at all is left as it is, for the check of the write to refuse.
 */
export function toEnvelope(value: Writable): Json {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the check of the write looks at what comes out
  return convert(value, 0) as Json;
}

// Deeper than any limit: the check of the write refuses it, and a cycle ends.
const depthMax = 200;

function convert(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return envelope('bigint', String(value));
  if (typeof value !== 'object' || value === null || depth > depthMax) return value;
  if (value instanceof Date) return envelope('datetime', instantOf(value));
  if (value instanceof Uint8Array) return envelope('bytes', toBase64(value));
  if (Array.isArray(value)) return value.map((item) => convert(item, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  if (!isPlain || !isObject(value)) return value;
  const copy: { [key: string]: unknown } = {};
  for (const key of Object.keys(value)) setOwn(copy, key, convert(value[key], depth + 1));
  return copy;
}

/**
 * The native value of an envelope, at any depth: `datetime` as `Date` (to the millisecond), `bigint` as `bigint`, `bytes`
 * as `Uint8Array`, `decimal` as its text. Everything else stays as it is.
 */
export function fromEnvelope(value: Json): Native {
  if (Array.isArray(value)) return value.map(fromEnvelope);
  if (!isObject(value)) return value;
  const { _type: type, _typed: text } = value;
  if (typeof text === 'string' && Object.keys(value).length === 2) {
    if (type === 'datetime') return new Date(text);
    if (type === 'bigint') return BigInt(text);
    if (type === 'bytes') return fromBase64(text);
    if (type === 'decimal') return text;
  }
  const copy: { [key: string]: Native } = {};
  for (const key of Object.keys(value)) setOwn(copy, key, fromEnvelope(value[key] ?? null));
  return copy;
}

function envelope(type: string, text: string): JsonObject {
  return { _type: type, _typed: text };
}

/** An invalid date has no text; the check of the write refuses this one as `invalid_typed_value`. */
function instantOf(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'Invalid Date' : date.toISOString();
}
