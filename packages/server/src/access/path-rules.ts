import { type Bound, type PathGrants, Scope } from '@holdfast/engine/data';
import {
  containsScope,
  isObject,
  isRefusal,
  parseGlob,
  type Pattern,
  requestLimits,
} from '@holdfast/protocol';

/** Leaves in the scope pattern may be read, written, or both (stores.md §11.2.1). */
export type PathRule = {
  /** In `users/${name}/**` a name `*` is everybody, and one with a `/` another place: look first at names that others choose. */
  readonly pattern: string;
  readonly allow: readonly ('read' | 'write')[];
};

/** Rules in one set (stores.md §12.1). */
export const RULES_MAX = 64;

const everything = new Scope([patternOf('**')]);
const versions = patternOf('_hf:schema/*');

/** Why a value is no set of path rules, in words; null if it is one. */
export function faultInRules(value: unknown): string | null {
  if (!Array.isArray(value)) return 'path rules must be a list.';
  if (value.length > RULES_MAX) return `there may be at most ${RULES_MAX} path rules.`;
  return value.every(isRule)
    ? null
    : 'a path rule must be {pattern, allow}: a glob, and a list of read and write.';
}

/** Whether a value is a set of path rules. */
export function isRules(value: unknown): value is readonly PathRule[] {
  return faultInRules(value) === null;
}

function isRule(value: unknown): value is PathRule {
  if (!isObject(value)) return false;
  const { pattern, allow } = value;
  return (
    typeof pattern === 'string' &&
    !isRefusal(parseGlob(pattern, requestLimits)) &&
    Array.isArray(allow) &&
    allow.every((each) => each === 'read' || each === 'write')
  );
}

/** What rules let somebody read and write; none: everything. */
export function grantsOf(rules: readonly PathRule[] | null): PathGrants {
  if (rules === null) return { read: everything, write: everything };
  const patternsFor = (right: 'read' | 'write'): Pattern[] =>
    rules.filter(({ allow }) => allow.includes(right)).map((rule) => patternOf(rule.pattern));
  const read = patternsFor('read');
  // Of which version objects are, all may read who may read anything (records.md §3.5).
  if (read.length > 0) read.push(versions);
  return { read: new Scope(read), write: new Scope(patternsFor('write')) };
}

function patternOf(text: string): Pattern {
  const pattern = parseGlob(text);
  if (isRefusal(pattern)) throw new TypeError(`"${text}" is no pattern: ${pattern.code}.`);
  return pattern;
}

/** What a principal may read and write of a store whose records hide something of it. */
export function grantsUnder(
  { pathRules = null }: { readonly pathRules?: readonly PathRule[] | null },
  veil: Bound | null,
): PathGrants {
  const { read, write } = grantsOf(pathRules);
  return { read: veil === null ? read : read.under(veil), write };
}

/** Whether each of the other rules is contained in one of these (stores.md §11.1.6). */
export function coversRules(
  own: readonly PathRule[] | null,
  other: readonly PathRule[] | null,
): boolean {
  if (own === null) return true;
  return other !== null && other.every((rule) => own.some((mine) => coversRule(mine, rule)));
}

function coversRule(own: PathRule, other: PathRule): boolean {
  return (
    other.allow.every((right) => own.allow.includes(right)) &&
    containsScope(patternOf(own.pattern), patternOf(other.pattern))
  );
}

/** Whether two sets of rules are the same, whatever their order. */
export function sameRules(a: readonly PathRule[] | null, b: readonly PathRule[] | null): boolean {
  return canonical(a) === canonical(b);
}

function canonical(rules: readonly PathRule[] | null): string {
  if (rules === null) return '';
  const texts = rules.map(({ pattern, allow }) => JSON.stringify([pattern, allow.toSorted()]));
  return JSON.stringify(texts.toSorted());
}
