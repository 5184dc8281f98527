import { comparePaths, type Entry, type Path } from '@holdfast/protocol';
import type { Change, Range, Tree } from '../data/index.ts';
import { looksEqual } from './act.ts';

/** Two states to compare, and the part of them that matters: null is the whole. */
export type Compared = {
  readonly before: Tree;
  readonly after: Tree;
  readonly under: readonly Path[] | null;
};

/** The differences of two states, leaf by leaf; null for each leaf looked at without one, so that a caller may pause. */
export function* differences({
  before,
  after,
  under,
}: Compared): Generator<Change | null, void, undefined> {
  const ranges: readonly Range[] = under === null ? [{}] : under.map((path) => ({ under: path }));
  for (const range of ranges) {
    yield* mergeWalk(walk(before, range), walk(after, range));
  }
}

/** The paths of a list that no other of them is above; null where one of them stands for everything. */
export function topmost(paths: readonly (Path | null)[]): readonly Path[] | null {
  const top: Path[] = [];
  for (const path of paths.toSorted((a, b) => comparePaths(a ?? '', b ?? ''))) {
    if (path === null) return null;
    if (!top.some((each) => each === path || path.startsWith(`${each}/`))) top.push(path);
  }
  return top;
}

function* mergeWalk(
  before: Iterator<Entry, void>,
  after: Iterator<Entry, void>,
): Generator<Change | null, void, undefined> {
  let old = before.next().value ?? null;
  let young = after.next().value ?? null;
  while (old !== null || young !== null) {
    const order = rank(old, young);
    const gone = order <= 0 ? old : null;
    const come = order >= 0 ? young : null;
    yield changeOf(gone, come);
    if (gone !== null) old = before.next().value ?? null;
    if (come !== null) young = after.next().value ?? null;
  }
}

function walk(tree: Tree, range: Range): Iterator<Entry, void> {
  return tree.entries(range)[Symbol.iterator]();
}

function rank(old: Entry | null, young: Entry | null): number {
  if (old === null) return 1;
  return young === null ? -1 : comparePaths(old.path, young.path);
}

function changeOf(gone: Entry | null, come: Entry | null): Change | null {
  const path = (come ?? gone)?.path;
  if (path === undefined || looksEqual(gone ?? undefined, come ?? undefined)) return null;
  return { path, before: gone ?? undefined, after: come ?? undefined };
}
