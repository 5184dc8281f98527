import {
  type Leaf,
  type Op,
  parentOf,
  type Path,
  type Refusal,
  type Seq,
  utf8Length,
  type WriteReply,
} from '@holdfast/protocol';
import type { DecideContext } from './context.ts';
import type { Decision } from './decide.ts';
import { sameLeaf } from './history.ts';
import { opThatWrites } from './import.ts';
import type { Tree } from './tree.ts';
import type { Range } from './walk.ts';

/** Back to what stood at a path, or everywhere, at a seq (stores.md §13.3). */
export type RollbackRequest = {
  readonly op: 'rollback';
  /** Null: the whole store. */
  readonly path: Path | null;
  readonly toSeq: Seq;
  /** The state of the store at that seq. */
  readonly target: Tree;
};

const device = 'system:rollback';

/**
 * Turns a rollback into forward ops, deletes first: after them the state equals the historical one, leases excepted. Live
 * leases stay, and one in the way of what is to be restored refuses the whole (stores.md §13.3.3).
 */
export function decideRollback(
  tree: Tree,
  request: RollbackRequest,
  context: DecideContext,
): Decision | Refusal {
  const { path: under, toSeq } = request;
  const range = under === null ? {} : { under };
  const restored = wanted(request);
  for (const path of restored.keys()) {
    const refusal = inTheWay(tree, path, context);
    if (refusal !== null) return refusal;
  }
  const leases = liveLeases(tree, range, context);
  const stays = keepers([...restored.keys(), ...leases]);
  const records: Pick<Op, 'op' | 'path' | 'value'>[] = displaced(tree, under, restored).map(
    (path) => ({ op: 'delete', path, value: null }),
  );
  const gone = new Set<Path>();
  for (const { path } of tree.entries(range)) {
    if (restored.has(path) || leases.has(path) || liesUnder(path, gone)) continue;
    const top = highest(path, { under, stays });
    gone.add(top);
    records.push({ op: 'delete', path: top, value: null });
  }
  for (const [path, leaf] of restored) {
    if (!sameLeaf(tree.leaf(path), leaf)) {
      records.push({ op: opThatWrites(leaf), path, value: leaf.value });
    }
  }
  return decisionOf(records, { toSeq, isPath: under !== null }, context);
}

/** The historical leaves in path order; leases are never restored. */
function wanted({ path, target }: RollbackRequest): ReadonlyMap<Path, Leaf> {
  const leaves = new Map<Path, Leaf>();
  for (const entry of target.entries(path === null ? {} : { under: path })) {
    if (entry.type !== 'lease') leaves.set(entry.path, entry);
  }
  return leaves;
}

/** The leaf above a path that cannot stay beside what comes back there (stores.md §4.3.1). */
function displaced(
  tree: Tree,
  under: Path | null,
  restored: ReadonlyMap<Path, Leaf>,
): readonly Path[] {
  const above = under === null || restored.size === 0 ? undefined : tree.leafAbove(under);
  return above === undefined ? [] : [above];
}

function inTheWay(tree: Tree, path: Path, { leases }: DecideContext): Refusal | null {
  const above = tree.leafAbove(path);
  return leases?.checkUnder(tree, above ?? path, []) ?? null;
}

function liveLeases(tree: Tree, range: Range, { leases }: DecideContext): ReadonlySet<Path> {
  const live = new Set<Path>();
  for (const { path, type } of tree.entries(range)) {
    if (type === 'lease' && leases?.checkUnder(tree, path, [])) live.add(path);
  }
  return live;
}

/** Every path with something at it or below it that is to be there afterwards. */
function keepers(paths: Iterable<Path>): ReadonlySet<Path> {
  const all = new Set<Path>();
  for (const path of paths) {
    for (let at: Path | null = path; at !== null && !all.has(at); at = parentOf(at)) all.add(at);
  }
  return all;
}

function liesUnder(path: Path, tops: ReadonlySet<Path>): boolean {
  for (let at = parentOf(path); at !== null; at = parentOf(at)) if (tops.has(at)) return true;
  return false;
}

type Kept = { readonly under: Path | null; readonly stays: ReadonlySet<Path> };

/** The topmost map around a leaf of which nothing is to stay: one delete removes it all. */
function highest(path: Path, { under, stays }: Kept): Path {
  let top = path;
  while (top !== under) {
    const parent = parentOf(top);
    if (parent === null || stays.has(parent)) break;
    top = parent;
  }
  return top;
}

function decisionOf(
  records: readonly Pick<Op, 'op' | 'path' | 'value'>[],
  { toSeq, isPath }: { readonly toSeq: Seq; readonly isPath: boolean },
  { head, at, principal }: DecideContext,
): Decision {
  const last = head + records.length;
  const tx = records.length > 1 ? last : null;
  const ops = records.map((record, index) => ({
    ...record,
    seq: head + index + 1,
    arg: null,
    deviceId: device,
    clientOpId: idOf(toSeq, record.path),
    tx,
    at,
    principal,
  }));
  return { ops, result: replyOf(last, { isPath, written: records.length }) };
}

const idBytesMax = 128;

/** As much of it as an op id may have, in whole characters (stores.md §6.1). */
function idOf(toSeq: Seq, path: Path): string {
  let id = '';
  let bytes = 0;
  for (const character of `rollback:${toSeq}:${path}`) {
    bytes += utf8Length(character);
    if (bytes > idBytesMax) break;
    id += character;
  }
  return id;
}

function replyOf(
  storeSeq: Seq,
  { isPath, written }: { readonly isPath: boolean; readonly written: number },
): WriteReply {
  if (!isPath) return { ops_written: written, store_seq: storeSeq };
  return written === 0 ? { store_seq: storeSeq, noop: true } : { store_seq: storeSeq };
}
