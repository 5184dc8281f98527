import {
  checkValue,
  isObject,
  type Json,
  jsonEquals,
  type Leaf,
  type LeaseValue,
  type Refusal,
  refuse,
  type Seq,
  type ValueLimits,
} from '@holdfast/protocol';
import type { DecideContext, Intent } from './context.ts';
import { leaseOf } from './guards.ts';
import type { Tree } from './tree.ts';

type Of<Name extends Intent['op']> = Extract<Intent, { readonly op: Name }>;

/** The value that a write results in, and what was asked where that differs (stores.md §1.2.2). */
export type Outcome = { readonly value: Json; readonly arg: Json };

/** The outcome of what removes. */
export const nothing: Outcome = { value: null, arg: null };

/** `increment`: the new total (stores.md §4.2). */
export function total(tree: Tree, { path, value }: Of<'increment'>): Outcome | Refusal {
  const leaf = tree.leaf(path);
  const current = leaf === undefined ? 0 : leaf.value;
  if (typeof current !== 'number') return mismatch(leaf);
  const sum = current + value;
  if (Math.abs(sum) > Number.MAX_SAFE_INTEGER) return refuse('number_out_of_range', { path });
  // Never −0 (stores.md §3.1).
  return { value: sum === 0 ? 0 : sum, arg: value };
}

/** `add` and `remove`: the set with the member first, or without it (stores.md §4.2). */
export function members(
  tree: Tree,
  { op, path, value: member }: Of<'add' | 'remove'>,
  limits: ValueLimits,
): Outcome | Refusal {
  const leaf = tree.leaf(path);
  if (leaf === undefined && op === 'remove' && tree.hasBelow(path)) return mismatch(leaf);
  const current: Json = leaf === undefined ? [] : leaf.value;
  if (!Array.isArray(current)) return mismatch(leaf);
  const value = op === 'add' ? withMember(current, member) : withoutMember(current, member);
  // A member passed the limits alone; in the list it may be a level, or a byte, too much.
  const refusal = op === 'add' ? checkValue(value, path, limits) : null;
  return refusal ?? { value, arg: member };
}

function mismatch(leaf: Leaf | undefined): Refusal {
  return refuse('type_mismatch', { type: leaf?.type ?? 'map' });
}

function withMember(current: readonly Json[], member: Json): readonly Json[] {
  const seen = new Set([canonical(member)]);
  const rest = current.filter((each) => {
    const text = canonical(each);
    return !seen.has(text) && seen.add(text);
  });
  return [member, ...rest];
}

function withoutMember(current: readonly Json[], member: Json): readonly Json[] {
  const at = current.findIndex((each) => jsonEquals(each, member));
  return at === -1 ? current : current.toSpliced(at, 1);
}

/** The same text for equal values and for no others, whatever the order of their keys. */
function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.entries(value).map(
    ([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`,
  );
  return `{${fields.toSorted().join()}}`;
}

type Clock = Pick<DecideContext, 'at' | 'live'>;

/** `lease`: acquires or steals, or says who has it (stores.md §5.2). */
export function acquire(
  tree: Tree,
  { path, ttlMs, holder }: Of<'lease'>,
  context: Clock & { readonly token: Seq },
): Outcome | Refusal {
  const leaf = tree.leaf(path);
  const lease = leaseOf(leaf);
  if (lease === null && (leaf !== undefined || tree.hasBelow(path))) return refuse('occupied');
  if (lease !== null && context.live(path, lease)) return held(lease);
  const { token, at } = context;
  return { value: { _type: 'lease', holder, token, expires_at: at + ttlMs }, arg: null };
}

/** `renew`: extends a live lease from now (stores.md §5.2). */
export function extend(
  tree: Tree,
  { path, token, ttlMs }: Of<'renew'>,
  context: Clock,
): Outcome | Refusal {
  const lease = leaseOf(tree.leaf(path));
  if (lease === null || lease.token !== token || !context.live(path, lease)) {
    return refuse('not_held');
  }
  return { value: { ...lease, expires_at: context.at + ttlMs }, arg: null };
}

/** Whether a `release` finds its lease, live or expired (stores.md §5.2). */
export function isReleasable(tree: Tree, { path, token }: Of<'release'>): boolean {
  return leaseOf(tree.leaf(path))?.token === token;
}

/** The refusal that tells who holds a lease, and until when. */
export function held({ holder, expires_at }: LeaseValue): Refusal {
  return refuse('held', { holder, expires_at });
}
