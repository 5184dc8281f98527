import { leafTypes } from '@holdfast/protocol';

import { scopes as names } from './names.ts';

/** A part of a JSON Schema (draft 2020-12, as OpenAPI 3.1 has it). */
export type Schema = { readonly [keyword: string]: unknown };

/** Words. */
export const text: Schema = { type: 'string' };
/** Words, or nothing. */
export const textOrNull: Schema = { type: ['string', 'null'] };
/** A whole number. */
export const integer: Schema = { type: 'integer' };
/** A place in a store's log. */
export const seq: Schema = { type: 'integer', minimum: 0 };
/** A moment of time. */
export const instant: Schema = { type: 'string', format: 'date-time' };
/** A moment of time, or never. */
export const instantOrNull: Schema = { type: ['string', 'null'], format: 'date-time' };
/** The place of a leaf or map. */
export const path: Schema = {
  type: 'string',
  description: 'Segments, escaped (`~0`, `~1`), joined by `/`.',
};
/** What a leaf holds. */
export const value: Schema = {
  description: 'Any JSON; typed values in their envelopes (stores.md §3.1).',
};

/** An object with exactly these fields required, unless said. */
export function object(
  properties: { readonly [name: string]: Schema },
  optional: readonly string[] = [],
): Schema & { readonly properties: { readonly [name: string]: Schema } } {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, ...(required.length > 0 && { required }) };
}

/** A list. */
export function list(items: Schema, more: Schema = {}): Schema {
  return { type: 'array', items, ...more };
}

/** Which stores a token names. */
export const storeMode: Schema = { enum: ['all', 'selected'] };
/** Scopes of a token. */
export const scopeList: Schema = list({ enum: names });
/** What a token may, and where. */
export const grants: { readonly [name: string]: Schema } = {
  scopes: scopeList,
  store_access: object({ mode: storeMode, store_ids: list(text) }),
};
/** What a token may read and write within its stores. */
export const pathRules: Schema = {
  ...list(object({ pattern: text, allow: list({ enum: ['read', 'write'] }) })),
  type: ['array', 'null'],
};
/** A lease that has to be held. */
export const fence: Schema = object({ key: path, token: integer });
/** The types of leaves. */
export const leafType: Schema = { enum: leafTypes };
