import { type Fence, isRefusal, type Limits, refuse, type Seq, toPath } from '@holdfast/protocol';
import type { Context } from 'hono';

import { type Problem, refused } from './errors.ts';
import { paramOf } from './query.ts';

/** What must hold of the entry for a write to pass: anything, nothing there, something there, or one of some revisions. */
export type Condition =
  | { readonly kind: 'none' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'exists' }
  | { readonly kind: 'revision'; readonly oneOf: readonly Seq[] };

/** What else than a revision a tag may be: of what stands there now its revision, of anything else null; undefined: it is no tag. */
type Naming = (tag: string) => Seq | null | undefined;

/** Reads `If-Match` and `If-None-Match` of a write (stores.md §15.1.3). */
export function conditionOf(c: Context, naming: Naming = () => undefined): Condition {
  const match = c.req.header('if-match');
  const noneMatch = c.req.header('if-none-match');
  if (match !== undefined && noneMatch !== undefined) throw bad('Send one of the two headers.');
  if (noneMatch !== undefined) {
    if (noneMatch.trim() !== '*') throw bad('If-None-Match of a write takes * only.');
    return { kind: 'absent' };
  }
  if (match === undefined) return { kind: 'none' };
  if (match.trim() === '*') return { kind: 'exists' };
  return { kind: 'revision', oneOf: readTags(match, naming) };
}

/** The lease that a write relies on: `?fence=KEY:TOKEN`, a parameter since keys are paths, which headers cannot carry (stores.md §5.1.3). */
export function fenceIn(c: Context, limits: Limits): { readonly fence?: Fence } {
  const text = paramOf(c, 'fence');
  if (text === undefined) return {};
  const [, name = '', digits] = /^(.+):(\d{1,16})$/su.exec(text) ?? [];
  const key = toPath(name, limits);
  const token = Number(digits);
  if (!isRefusal(key) && Number.isSafeInteger(token)) return { fence: { key, token } };
  throw bad('A fence is KEY:TOKEN, the path of a lease and its token, such as jobs/nightly:42.');
}

/** Of requests that name their paths in the body: a guard that is given beside it would not be looked at. */
export function guardedByBody(c: Context): void {
  if (isGuarded(c)) throw bad('This takes its guards in the body: if_match, if_absent, fence.');
}

/** Of requests that take no guards: the same. */
export function unguarded(c: Context): void {
  if (isGuarded(c)) throw bad('This takes no guards: If-Match, If-None-Match, fence.');
}

function isGuarded(c: Context): boolean {
  const isByHeader = ['if-match', 'if-none-match'].some((name) => c.req.header(name) !== undefined);
  return isByHeader || paramOf(c, 'fence') !== undefined;
}

/** Whether a reader has this revision already: the answer is 304 then. */
export function isKnown(c: Context, revision: Seq): boolean {
  const header = c.req.header('if-none-match')?.trim();
  if (header === undefined) return false;
  // A comparison for reading is weak: W/"7" names the same bytes as "7".
  return (
    header === '*' ||
    header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag(revision))
  );
}

/** A strong ETag. */
export function etag(revision: Seq): string {
  return `"${revision}"`;
}

// `"7"`, `7` and lists of them; weak tags are well-formed and never match.
function readTags(header: string, naming: Naming): readonly Seq[] {
  const revisions: Seq[] = [];
  for (const tag of header.split(',').map((part) => part.trim())) {
    if (/^W\/"[^"]*"$/.test(tag)) continue;
    const named = naming(tag);
    const revision = named === undefined ? readRevision(tag) : named;
    if (revision !== null) revisions.push(revision);
  }
  return revisions;
}

function readRevision(tag: string): Seq {
  const digits = /^"(\d{1,16})"$|^(\d{1,16})$/.exec(tag);
  const revision = Number(digits?.[1] ?? digits?.[2] ?? 0);
  if (revision === 0 || !Number.isSafeInteger(revision)) {
    throw bad(`${tag.slice(0, 40)} is no revision.`);
  }
  return revision;
}

function bad(detail: string): Problem {
  return refused(refuse('invalid_precondition', { detail }));
}
