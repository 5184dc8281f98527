import { entriesUnder, readIn, type Scope, type Tree } from '@holdfast/engine/data';
import { isAncestor, isRefusal, type Leaf, type Path, type Seq } from '@holdfast/protocol';

import type { Looker } from '../storage/turn.ts';
import type { OpenStore } from './deps.ts';
import { invalidParam, refused } from './errors.ts';
import { Members, type Seen } from './members.ts';
import { TURN_LEAVES } from './turns.ts';

/** The state now, or at the seq that `at_seq` names. */
export async function treeAt(
  store: OpenStore,
  atSeq: string | undefined,
  looker: Looker,
): Promise<Tree> {
  if (atSeq === undefined) return store.view().tree;
  const past = await store.past(seqOf(atSeq, 'at_seq'), looker);
  if (isRefusal(past)) throw refused(past);
  return past;
}

type Asked = {
  readonly store: OpenStore;
  readonly path: Path;
  /** What may be read of a state. */
  readonly scopeOf: (tree: Tree) => Scope;
  readonly looker: Looker;
};

/** Of so many leaves an object is put together at once, and kept with the state. */
const FEW_LEAVES = 100;

/** A leaf, or a map: the members of a large one are made as they are sent. */
export type Found = Omit<Leaf, 'value'> & { readonly value: unknown };

/** What is looked at, for somebody. */
export type Looked = Seen & { readonly looker: Looker };

/** What somebody finds at a path of a state: of a map, what is visible of it (stores.md §11.2.4). */
export async function findAt(looked: Looked, path: Path): Promise<Found | undefined> {
  const { tree, scope } = looked;
  if (tree.count(path) <= FEW_LEAVES) return readIn(tree, scope, path);
  const whole = scope.coversSubtree(path);
  if (!whole && !scope.reaches(path)) return undefined;
  const revision = whole ? tree.mapRevision(path) : await latestBelow(looked, path);
  if (revision === undefined) return undefined;
  return { value: new Members(looked, path), type: 'map', revision };
}

/** The last revision of the leaves below a path that may be read; undefined where there are none. */
async function latestBelow({ tree, scope, looker }: Looked, path: Path): Promise<Seq | undefined> {
  let latest: Seq | undefined;
  let passed = 0;
  for (const entry of entriesUnder(tree, path, scope)) {
    passed += 1;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    if (entry === null || passed % TURN_LEAVES === 0) await looker.rest();
    if (entry !== null) latest = Math.max(latest ?? 0, entry.revision);
  }
  return latest;
}

/** What somebody finds at a path, now or then; `isPart`: of a map of which something may be hidden. */
export async function readAt(
  { store, scopeOf, path, looker }: Asked,
  atSeq: string | undefined,
): Promise<(Found & { readonly isPart: boolean }) | undefined> {
  const tree = await treeAt(store, atSeq, looker);
  const scope = scopeOf(tree);
  const looked = { tree, scope, looker };
  const found = await findAt(looked, path);
  if (found === undefined) return undefined;
  const isLeaf = tree.leaf(path) !== undefined;
  const isPart = !isLeaf && !scope.coversSubtree(path);
  if (atSeq === undefined || isLeaf || isPart) return { ...found, isPart };
  const least = (await latestBelow(looked, path)) ?? 0;
  const to = Number(atSeq);
  // Nothing below it has changed since: that holds also where the log has forgotten what was removed before.
  const now = store.view().tree.mapRevision(path) ?? Infinity;
  const revision =
    now <= to ? now : await lastRemoval({ store, looker }, path, { from: least, to });
  return { ...found, isPart, revision: revision ?? least };
}

/** A map's revision is that of the last op that removed below it, where none wrote there since (stores.md §1.3.2). */
async function lastRemoval(
  { store, looker }: Pick<Asked, 'store' | 'looker'>,
  path: Path,
  { from, to }: { readonly from: Seq; readonly to: Seq },
): Promise<Seq | null> {
  let last: Seq | null = null;
  for (let at = Math.max(from, store.standing().oldestSeq - 1); at < to;) {
    // oxlint-disable-next-line no-await-in-loop -- in the order of the log
    const ops = await store.read(at, to);
    for (const op of ops) {
      if (op.seq <= to && op.removed.some((gone) => isAncestor(path, gone.path))) last = op.seq;
    }
    const end = ops.at(-1);
    if (end === undefined) break;
    at = end.seq;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    await looker.rest();
  }
  return last;
}

/** Reads a seq of a query. */
export function seqOf(text: string | undefined, name: string): Seq {
  const seq = /^\d{1,16}$/.test(text ?? '') ? Number(text) : NaN;
  if (Number.isSafeInteger(seq)) return seq;
  throw invalidParam(`${name} must be a seq: an integer from 0 on.`);
}
