import type { Glob } from './brand.ts';
import { patternsOf } from './glob.ts';
import { isObject, type Json } from './json.ts';
import { isRefusal, type Refusal, refuse } from './refusals.ts';
import { utf8Length } from './utf8.ts';

/** Says whether a decoded value is of a type. */
export type Guard<T> = (value: unknown) => value is T;

/** A guard for each field of a payload. */
export type Shape<T> = { readonly [Field in keyof T]-?: Guard<T[Field]> };

/** Reads the fields of a shape and no others; a field that its guard refuses is `invalid_payload` (stores.md §7.2.2). */
export function readShape<T>(payload: unknown, shape: Shape<T>): T | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const read: { [field: string]: unknown } = {};
  for (const field in shape) {
    // A field that is absent reads as null.
    const value = payload[field] ?? null;
    if (!shape[field](value)) return invalidField(field);
    read[field] = value;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each field has passed its guard
  return read as T;
}

/** The refusal of a payload with a bad field. */
export function invalidField(field: string): Refusal {
  return refuse('invalid_payload', { field });
}

/** A seq, a count, a time: an integer from 0. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** An integer, such as a lease's token. */
export function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

export function isString(value: unknown): value is string {
  return typeof value === 'string';
}

/** A well-formed text of at most so many bytes in UTF-8. */
export function isText(value: unknown, bytesMax: number): value is string {
  if (typeof value !== 'string' || value.length > bytesMax) return false;
  const bytes = utf8Length(value);
  return bytes !== -1 && bytes <= bytesMax;
}

export function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isString);
}

/** Whether a decoded value is JSON: what decoders yield otherwise is no JSON type at all. Looks at the top only. */
export function isJson(value: unknown): value is Json {
  return value !== undefined && typeof value !== 'symbol';
}

/** The guard that takes null, or an absent field, as well. */
export function orNull<T>(guard: Guard<T>): Guard<T | null> {
  return (value): value is T | null => value === null || guard(value);
}

/** The guard of a closed set of texts. */
export function oneOf<const T extends string>(...texts: readonly T[]): Guard<T> {
  return (value): value is T => texts.some((text) => text === value);
}

/** The guard of a nested object. */
export function shaped<T>(shape: Shape<T>): Guard<T> {
  return (value): value is T => !isRefusal(readShape(value, shape));
}

/** Globs as a server names them: it has parsed them. */
export function isGlobs(value: unknown): value is readonly Glob[] {
  return isStrings(value) && patternsOf(value).length === value.length;
}
