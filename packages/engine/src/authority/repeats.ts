import { isRefusal } from '@holdfast/protocol';
import { seesRequest } from '../data/index.ts';
import type { Answer, Submission } from './types.ts';

/** What of a request tells what it repeats. */
export type Asking = Pick<
  Submission,
  'fingerprint' | 'principal' | 'request' | 'caller' | 'grants'
>;

/** What of an earlier request of the same id tells who repeats it. */
type Earlier = Pick<Answer, 'fingerprint' | 'principal'>;

/**
 * What an earlier request of the same id is to a later one: the same; another one, so that the id is taken; or none of its
 * business. Devices name themselves, so ids are secrets of nobody: whoever names the device of others neither takes up their
 * ids nor learns what they wrote where it may not look. Somebody whose token has become another is to repeat all the same
 * what was asked with the former one. Where it was not noted whose a request was, that it happens once comes first.
 */
export function likenessOf(
  asking: Asking,
  { fingerprint, principal }: Earlier,
): 'same' | 'other' | 'foreign' {
  const isSame = fingerprint === asking.fingerprint;
  const isOwn =
    principal === asking.principal || (principal === undefined && asking.grants === undefined);
  if (isOwn) return isSame ? 'same' : 'other';
  return isSame && (principal === undefined || seesAll(asking)) ? 'same' : 'foreign';
}

/**
 * Which of the records of its id a request repeats, one's own first; `other`: the id is taken; null: none of them is about
 * it.
 */
export function recordFor(asking: Asking, records: readonly Answer[]): Answer | 'other' | null {
  const own = records.filter(({ principal }) => principal === asking.principal);
  let isTaken = false;
  for (const record of own.length > 0 ? own : records) {
    const likeness = likenessOf(asking, record);
    if (likeness === 'same') return record;
    isTaken ||= likeness === 'other';
  }
  return isTaken ? 'other' : null;
}

/** The record of what somebody asked under an id, or whoever may read all there is; null where there is none. */
export function recordOf(
  { principal, grants }: Pick<Submission, 'principal' | 'grants'>,
  records: readonly Answer[],
): Answer | null {
  const own = records.find((record) => record.principal === principal);
  return own ?? (grants === undefined ? (records[0] ?? null) : null);
}

function seesAll({ request, grants }: Asking): boolean {
  return grants === undefined || (!isRefusal(request) && seesRequest(grants, request));
}
