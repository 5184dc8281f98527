import {
  jsonEquals,
  type Json,
  type Leaf,
  type Op,
  type OpName,
  type Path,
  type Seq,
} from '@holdfast/protocol';
import { apply, type Change, type MapRow, type Tree } from '../data/index.ts';
import type { WatchMode } from './types.ts';

/** Which modes of subscription hear of something: a set of bits. */
export type Audience = number;

/** The bit of each mode. */
export const modeBits: { readonly [Mode in WatchMode]: Audience } = {
  all: 1,
  committed: 2,
  optimistic: 4,
};

/** One op, committed or own, as subscribers hear of it: what it did to the leaves (stores.md §18 C11). */
export type Act = {
  readonly path: Path;
  readonly op: OpName | 'refused';
  readonly seq: Seq | null;
  readonly own: boolean;
  readonly audience: Audience;
  /** What was at the path before. */
  readonly previous: Json | undefined;
  readonly changes: readonly Change[];
  /** What it did to the revisions of maps. */
  readonly rows?: readonly MapRow[];
};

/** Says who did something, and who shall hear of it. */
export type Stamp = {
  readonly own: boolean;
  readonly committed: boolean;
  readonly audience: Audience;
};

/** Called amid a step with what it changes; null: perhaps anything. Whoever is called reads nothing before the step ends. */
export type Observe = (acts: readonly Act[] | null) => void;

/** Where a path is subscribed to; where it is not, nobody needs to know what was there. */
export type Hears = (path: Path) => boolean;

/**
 * Applies ops to a tree, and tells what each did. None sees what another left as its `previous`: nobody was shown a state
 * amid a commit.
 */
export function actsOf(
  tree: Tree,
  ops: readonly Op[],
  { own, committed, audience, hears }: Stamp & { readonly hears: Hears },
): readonly Act[] {
  const before = ops.map(({ path }) => valueAt(tree, path, hears));
  return ops.map((op, index) => {
    const changes: Change[] = [];
    const rows = apply(tree, op, (change) => changes.push(change));
    const seq = committed ? op.seq : null;
    return { path: op.path, op: op.op, seq, own, audience, previous: before[index], changes, rows };
  });
}

/** What is at a path, as far as somebody wants to know; a map is assembled only then. */
export function valueAt(tree: Tree, path: Path, hears: Hears): Json | undefined {
  const leaf = tree.leaf(path);
  if (leaf !== undefined) return leaf.value;
  return hears(path) ? tree.read(path)?.value : undefined;
}

/** Whether two leaves look the same to a reader; revisions are not looked at. */
export function looksEqual(a: Leaf | undefined, b: Leaf | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.type === b.type && jsonEquals(a.value, b.value);
}
