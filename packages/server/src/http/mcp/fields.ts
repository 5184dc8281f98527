import { isObject, refuse } from '@holdfast/protocol';

import { refused } from '../errors.ts';

/** What a tool is told, by name; a `place` is a seq, or text that stands for one; `any` is judged by the route that it goes to. */
export type Field = {
  readonly type: 'text' | 'integer' | 'flag' | 'place' | 'any';
  readonly says: string;
  /** Of `any`: what it should be, told to models; the route says no where it is not. */
  readonly schema?: object;
  readonly optional?: true;
  /** Of an integer; 0 if left out. */
  readonly least?: number;
  readonly most?: number;
};

/** The fields of a tool. */
export type Fields = { readonly [name: string]: Field };

/** What a tool was told: only what it has fields for, of their types. */
export type Told = { readonly [name: string]: unknown };

const jsonTypes = {
  text: 'string',
  integer: 'integer',
  flag: 'boolean',
  place: ['integer', 'string'],
} as const;

/** The fields as JSON Schema. */
export function schemaOf(fields: Fields): {
  type: 'object';
  properties: { [name: string]: object };
  required: string[];
  additionalProperties: false;
} {
  const entries = Object.entries(fields);
  return {
    type: 'object',
    properties: Object.fromEntries(
      entries.map(([name, { type, says, schema, least = 0, most }]) => [
        name,
        {
          ...(type === 'any' ? schema : { type: jsonTypes[type] }),
          ...(most !== undefined && { minimum: least, maximum: most }),
          description: says,
        },
      ]),
    ),
    required: entries.filter(([, { optional }]) => optional !== true).map(([name]) => name),
    additionalProperties: false,
  };
}

/** Reads what a tool is told; throws the refusal where it is not understood. */
export function readTold(fields: Fields, told: unknown): Told {
  if (!isObject(told)) throw misunderstood('arguments', 'They must be an object.');
  for (const name of Object.keys(told)) {
    if (Object.hasOwn(fields, name)) continue;
    throw misunderstood(name.slice(0, 40), `There are ${Object.keys(fields).join(', ')}.`);
  }
  const read: { [name: string]: unknown } = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = told[name] ?? undefined;
    // A value to be written may be null.
    if (field.type === 'any' && Object.hasOwn(told, name)) read[name] = told[name];
    else if (value !== undefined && fits(field, value)) read[name] = value;
    else if (value !== undefined) throw misunderstood(name, `It must be ${expected(field)}.`);
    else if (field.optional !== true) throw misunderstood(name, `It is missing. ${field.says}`);
  }
  return read;
}

function expected({ type, least = 0, most }: Field): string {
  if (type === 'place') return 'a seq as it was told';
  if (type !== 'integer') return type === 'flag' ? 'true or false' : 'text';
  return most === undefined ? 'a whole number' : `a whole number from ${least} to ${most}`;
}

function misunderstood(field: string, message: string): ReturnType<typeof refused> {
  return refused(refuse('invalid_payload', { field, message }));
}

function fits(field: Field, value: unknown): boolean {
  const { type, least = 0, most = Number.MAX_SAFE_INTEGER } = field;
  if (typeof value === 'string') return type === 'text' || type === 'place';
  if (type === 'flag') return typeof value === 'boolean';
  const isCount = type === 'integer' || type === 'place';
  return isCount && Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
}
