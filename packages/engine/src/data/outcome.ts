import {
  checkValue,
  isObject,
  type Json,
  jsonEquals,
  type Leaf,
  type Refusal,
  refuse,
  type ValueLimits,
  type Write,
} from '@holdfast/protocol';
import type { FileWrite, LeaseWrite, Outcome } from './context.ts';
import type { Tree } from './tree.ts';

type Plain = Exclude<Write, LeaseWrite> | FileWrite;

type Of<Name extends Plain['op']> = Extract<Plain, { readonly op: Name }>;

/** What a write comes to that is not about leases (stores.md §4.2). */
export function outcomeOf(tree: Tree, request: Plain, limits: ValueLimits): Outcome | Refusal {
  switch (request.op) {
    case 'delete':
      return { value: null, arg: null };
    case 'increment':
      return total(tree, request);
    case 'add':
    case 'remove':
      return members(tree, request, limits);
    case 'set':
    case 'merge':
    case 'put_file':
      break;
  }
  return { value: request.value, arg: null };
}

function total(tree: Tree, { path, value }: Of<'increment'>): Outcome | Refusal {
  const leaf = tree.leaf(path);
  const current = leaf === undefined ? 0 : leaf.value;
  if (typeof current !== 'number') return mismatch(leaf);
  const sum = current + value;
  if (Math.abs(sum) > Number.MAX_SAFE_INTEGER) return refuse('number_out_of_range', { path });
  // Never −0 (stores.md §3.1).
  return { value: sum === 0 ? 0 : sum, arg: value };
}

/** The set with the member first, or without it. */
function members(
  tree: Tree,
  { op, path, value: member }: Of<'add' | 'remove'>,
  limits: ValueLimits,
): Outcome | Refusal {
  const leaf = tree.leaf(path);
  const current: Json = leaf === undefined ? [] : leaf.value;
  if (!Array.isArray(current)) return mismatch(leaf);
  if (op === 'remove') {
    if (tree.hasBelow(path)) return mismatch(leaf);
    const at = current.findIndex((each) => jsonEquals(each, member));
    return { value: current.filter((_, index) => index !== at), arg: member };
  }
  const value = distinct.has(current)
    ? [member, ...current.filter((each) => !jsonEquals(each, member))]
    : onceEach([member, ...current]);
  distinct.add(value);
  // A member passed the limits alone; in the list it may be a level, or a byte, too much.
  return checkValue(value, path, limits) ?? { value, arg: member };
}

function mismatch(leaf: Leaf | undefined): Refusal {
  return refuse('type_mismatch', { type: leaf?.type ?? 'map' });
}

/** Lists that were made here, and hold each value once: who adds to one of a thousand members writes out none of them. */
const distinct = new WeakSet<object>();

function onceEach(list: readonly Json[]): readonly Json[] {
  const seen = new Set<string>();
  return list.filter((each) => seen.size !== seen.add(canonical(each)).size);
}

/** The same text for equal values and for no others, whatever the order of their keys. */
function canonical(value: Json): string {
  return JSON.stringify(value, (_, each: Json) =>
    isObject(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
