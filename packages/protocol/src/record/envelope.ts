import { isObject } from '../json.ts';

/** The state of one object at one sequence, as transports carry it (records.md §4). */
export type Envelope<V = unknown> = {
  /** The complete object, never a patch; null where there is none. */
  readonly value: V | null;
  readonly schema_version: string;
  readonly sequence: number;
  /** The object's sequence before the commit; serves the counting of gaps only. */
  readonly prev?: number;
  readonly incarnation?: string | null;
  /** The id of the commit's request. */
  readonly op_id?: string | null;
  readonly deleted?: true;
};

/** An envelope that has passed the shape gate, with every member. */
export type ReadEnvelope = {
  readonly value: unknown;
  readonly schemaVersion: string;
  readonly sequence: number;
  /** null: it does not tell. */
  readonly prev: number | null;
  readonly incarnation: string | null;
  readonly opId: string | null;
  readonly isDeleted: boolean;
};

/** The shape gate (records.md §4.4): the envelope, or what is wrong with it. The value is not looked at. */
export function readEnvelope(message: unknown): ReadEnvelope | { readonly fault: string } {
  if (!isObject(message)) return { fault: 'an envelope is an object' };
  const { value = null, deleted } = message;
  const { incarnation, opId, sequence, prev, version } = membersOf(message);
  if (sequence === null) return { fault: 'sequence must be an integer from 0' };
  if (version === undefined) return { fault: 'schema_version must be a string' };
  if (incarnation === undefined) return { fault: 'incarnation must be a string of at most 128' };
  if (opId === undefined) return { fault: 'op_id must be a string of at most 128' };
  if (prev === undefined || (prev !== null && prev >= sequence)) {
    return { fault: 'prev must be an integer below the sequence' };
  }
  // Peers that tell no incarnation number densely (records.md §4.3).
  const before = prev === null && incarnation === null ? sequence - 1 : prev;
  const known = { value, schemaVersion: version, sequence, prev: before, incarnation, opId };
  return { ...known, isDeleted: deleted === true };
}

/** The members by type; undefined, or for the sequence null, is what cannot be one. */
function membersOf(message: { readonly [member: string]: unknown }): {
  readonly [Name in 'incarnation' | 'opId' | 'version']: string | null | undefined;
} & {
  readonly sequence: number | null;
  readonly prev: number | null | undefined;
  readonly version: string | undefined;
} {
  const {
    incarnation = null,
    op_id: opId = null,
    prev = null,
    schema_version: version = '',
  } = message;
  return {
    incarnation: isName(incarnation) ? incarnation : undefined,
    opId: isName(opId) ? opId : undefined,
    sequence: sequenceOf(message['sequence']),
    prev: prev === null ? null : (sequenceOf(prev) ?? undefined),
    version: typeof version === 'string' ? version : undefined,
  };
}

function sequenceOf(value: unknown): number | null {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return Number.isSafeInteger(number) && Number(number) >= 0 ? Number(number) : null;
}

function isName(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && value.length <= 128);
}
