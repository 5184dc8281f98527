import {
  childPath,
  type Entry,
  isLeaseOp,
  type Json,
  jsonEquals,
  type Leaf,
  type Mutate,
  parentOf,
  type Path,
  type Request,
  type Write,
} from '@holdfast/protocol';
import type { LeafChange, UndoView } from './types.ts';

/** The paths that a request writes; leases are no part of what is undone. */
export function rootsOf(request: Request): readonly Path[] {
  const writes = request.op === 'transact' ? request.ops : [request];
  return [...new Set(writes.flatMap(targetsOf))];
}

function targetsOf(write: Write | Mutate): readonly Path[] {
  const { op, path } = write;
  if (isLeaseOp(op)) return [];
  return op === 'merge' ? Object.keys(write.value).map((key) => childPath(path, key)) : [path];
}

/** All leaves that writes at these paths can change: there, below, and in the way above. */
export function leavesAround(view: UndoView, roots: readonly Path[]): ReadonlyMap<Path, Leaf> {
  const leaves = new Map<Path, Leaf>();
  const add = (path: Path): void => {
    const leaf = view.leaf(path);
    if (leaf !== undefined) leaves.set(path, leaf);
  };
  for (const root of roots) {
    for (const path of ancestorsOf(root)) add(path);
    add(root);
    for (const { path, ...leaf } of view.below(root)) leaves.set(path, leaf);
  }
  return leaves;
}

/** The strict ancestors of a path, the nearest first. */
export function ancestorsOf(path: Path): readonly Path[] {
  const ancestors: Path[] = [];
  for (let at = parentOf(path); at !== null; at = parentOf(at)) ancestors.push(at);
  return ancestors;
}

/** The leaves that differ. */
export function changesBetween(
  before: ReadonlyMap<Path, Leaf>,
  after: ReadonlyMap<Path, Leaf>,
): readonly LeafChange[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].flatMap((path) => {
    const change = { path, before: before.get(path), after: after.get(path) };
    return sameLeaf(change.before, change.after) ? [] : [change];
  });
}

/** Whether two leaves look the same; revisions are not looked at. */
export function sameLeaf(a: Leaf | undefined, b: Leaf | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.type === b.type && jsonEquals(a.value, b.value);
}

/** Whether others replace a leaf as a whole, and do not add to it. */
export function isPlain({ type }: Leaf): boolean {
  return type !== 'counter' && type !== 'set';
}

/**
 * What was at a leaf before two own changes of it, for both to be taken back: what somebody else did in between stays, as the
 * state before the second; of a total or a set, whose changes add up, only their own part goes.
 */
export function beforeBoth(first: LeafChange, second: LeafChange): Leaf | undefined {
  const { before } = second;
  if (sameLeaf(first.after, before)) return first.before;
  if (before?.type === 'set' && first.after?.type === 'set') {
    const [was, mine] = [membersOf(first.before), membersOf(first.after)];
    const kept = without(membersOf(before), without(mine, was));
    return { ...before, value: [...without(without(was, mine), kept), ...kept] };
  }
  const own = totalOf(first.after) - (first.before === undefined ? 0 : totalOf(first.before));
  return before === undefined || Number.isNaN(own + totalOf(before))
    ? before
    : { ...before, value: totalOf(before) - own };
}

function totalOf(leaf: Leaf | undefined): number {
  return leaf?.type === 'counter' && typeof leaf.value === 'number' ? leaf.value : Number.NaN;
}

function membersOf(set: Leaf | undefined): readonly Json[] {
  return Array.isArray(set?.value) ? set.value : [];
}

/** The members that are none of others. */
export function without(list: readonly Json[], others: readonly Json[]): readonly Json[] {
  return list.filter((each) => !others.some((other) => jsonEquals(each, other)));
}

/** Whether the entries are exactly these leaves. */
export function areExactly(entries: Iterable<Entry>, leaves: ReadonlyMap<Path, Leaf>): boolean {
  let count = 0;
  for (const entry of entries) {
    count++;
    if (!sameLeaf(leaves.get(entry.path), entry)) return false;
  }
  return count === leaves.size;
}
