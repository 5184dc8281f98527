import type { Desk, JsonAnswer } from './desk.ts';
import type { Field, Fields, Told } from './fields.ts';

/** Something an agent can do (stores.md §19.1). */
export type Tool = {
  readonly name: string;
  readonly says: string;
  /** It changes nothing. */
  readonly reads?: true;
  readonly fields: Fields;
  readonly run: (told: Told, desk: Desk) => Promise<JsonAnswer>;
};

/** The store that a tool works on. */
export const store: Field = { type: 'text', says: 'The store, as org/name.' };

/** The path that a tool works on. */
export const path: Field = {
  type: 'text',
  says: 'A path such as posts/hello/title, without a slash at its ends; ~1 stands for / and ~0 for ~ within a segment.',
};

/** What every tool that writes takes besides. */
export const repeatable: Fields = {
  op_id: {
    type: 'text',
    says: 'An id of your own, at most 128 bytes. A call that is repeated with it is done once and gets the first answer.',
    optional: true,
  },
};

/** Guards a write by the revision of what is replaced. */
export const match: Field = {
  type: 'any',
  schema: { type: 'integer' },
  says: 'The revision that must stand at the path, else nothing is written.',
  optional: true,
};

/** Guards a write by there being nothing to replace. */
export const absent: Field = {
  type: 'any',
  schema: { type: 'boolean' },
  says: 'true: only if nothing is there yet.',
  optional: true,
};

/** Guards a write by a lease. */
export const fence: Field = {
  type: 'any',
  schema: {
    type: 'object',
    properties: { key: { type: 'string' }, token: { type: 'integer' } },
    required: ['key', 'token'],
  },
  says: '{key, token}: write only while this lease is held, key being its path.',
  optional: true,
};

/** The headers that make a repeat harmless. */
export function once({ op_id: opId }: Told): { readonly [name: string]: string } {
  return typeof opId === 'string' ? { 'Idempotency-Key': opId } : {};
}

/** What was told, without some of it. */
export function without(told: Told, ...names: readonly string[]): Told {
  return Object.fromEntries(Object.entries(told).filter(([name]) => !names.includes(name)));
}
