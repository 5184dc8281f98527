import { isObject, type Json } from '../json.ts';
import { canonicalJson } from './canonical.ts';
import { type Beyond, decodeWith, encodeWith } from './stored.ts';

/** NaN, ±Infinity and undefined; and plain objects that look like one of them. */
const exact: Beyond = {
  isOdd: (members) => {
    const { _type: type, _typed: typed } = members;
    return (
      Object.keys(members).length === 2 &&
      ((typeof typed === 'string' && (type === 'number' || type === 'undefined')) ||
        (type === 'object' && isObject(typed)))
    );
  },
  read: (type, text) => {
    if (type === 'number' && /^(NaN|-?Infinity)$/.test(text)) return { value: Number(text) };
    return type === 'undefined' && text === '' ? { value: undefined } : null;
  },
};

/** The JSON of a value on transports, in caches and seeds: NaN, ±Infinity and undefined members of arrays travel too. */
export function encodeExact(value: unknown): Json {
  return encodeWith(exact, value);
}

/** The value that {@link encodeExact} was given. */
export function decodeExact(json: Json): unknown {
  return decodeWith(exact, json);
}

/** Equality of values, everywhere in records: that of the canonical JSON of their encoding (records.md §3.3). */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  return canonicalJson(encodeExact(a)) === canonicalJson(encodeExact(b));
}
