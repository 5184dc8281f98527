import {
  type Entry,
  isRefusal,
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
import { differing } from './differing.ts';
import { sameLeaf } from './history.ts';
import { opThatWrites } from './import.ts';
import type { Tree } from './tree.ts';

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
 * leases stay, as those do that are what they were then, and a live one in the way of what is to be restored refuses the
 * whole (stores.md §13.3.3). Only what differs is looked at.
 */
export function decideRollback(
  tree: Tree,
  request: RollbackRequest,
  context: DecideContext,
): Decision | Refusal {
  const { path: under, toSeq, target } = request;
  const found = compare(tree, request, context);
  if (isRefusal(found)) return found;
  const { superfluous, kept, restored } = found;
  const deletes = [...displaced(tree, request)];
  const staying = new Staying({ tree, target, kept });
  const gone = new Set<Path>();
  for (const path of superfluous) {
    if (liesUnder(path, gone)) continue;
    const top = highest(path, under, staying);
    gone.add(top);
    deletes.push(top);
  }
  const records: Pick<Op, 'op' | 'path' | 'value'>[] = [];
  for (const path of deletes) records.push({ op: 'delete', path, value: null });
  for (const leaf of restored) {
    records.push({ op: opThatWrites(leaf), path: leaf.path, value: leaf.value });
  }
  return decisionOf(records, { toSeq, isPath: under !== null }, context);
}

type Found = {
  /** Leaves that are not to stay. */
  readonly superfluous: readonly Path[];
  /** Leases that stay though they were not there then, and what is above them. */
  readonly kept: ReadonlySet<Path>;
  readonly restored: readonly Entry[];
};

function compare(
  tree: Tree,
  { path: under, target }: RollbackRequest,
  context: DecideContext,
): Found | Refusal {
  const superfluous: Path[] = [];
  const kept = new Set<Path>();
  const restored: Entry[] = [];
  for (const { path, before, after } of differing(tree, target, under)) {
    if (after !== undefined && after.type !== 'lease') {
      const refusal = inTheWay(tree, path, context);
      if (refusal !== null) return refusal;
      if (!sameLeaf(before, after)) restored.push({ path, ...after });
    } else if (before !== undefined) {
      const stays = sameLeaf(before, after) || isLive(tree, path, context);
      if (stays) addWithAbove(path, kept);
      else superfluous.push(path);
    }
  }
  return { superfluous, kept, restored };
}

/** The leaf above a path that cannot stay beside what comes back there (stores.md §4.3.1). */
function displaced(tree: Tree, { path: under, target }: RollbackRequest): readonly Path[] {
  const above = under === null ? undefined : tree.leafAbove(under);
  if (under === null || above === undefined) return [];
  for (const { type } of target.entries({ under })) if (type !== 'lease') return [above];
  return [];
}

function inTheWay(tree: Tree, path: Path, { leases }: DecideContext): Refusal | null {
  const above = tree.leafAbove(path);
  return leases?.checkUnder(tree, above ?? path, []) ?? null;
}

function isLive(tree: Tree, path: Path, { leases }: DecideContext): boolean {
  return (leases?.checkUnder(tree, path, []) ?? null) !== null;
}

/** What the state is made of after a rollback. */
type Rest = Pick<Found, 'kept'> & { readonly tree: Tree; readonly target: Tree };

/** Which maps have something below them that is to be there afterwards. */
class Staying {
  readonly #of: Rest;
  readonly #known = new Map<Path, boolean>();

  constructor(of: Rest) {
    this.#of = of;
  }

  has(path: Path): boolean {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const found = this.#of.kept.has(path) || this.#hasOfThen(path);
    this.#known.set(path, found);
    return found;
  }

  #hasOfThen(path: Path): boolean {
    const { tree, target } = this.#of;
    for (const entry of target.entries({ under: path })) {
      // A lease of then is there only where it still is.
      if (entry.type !== 'lease' || sameLeaf(tree.leaf(entry.path), entry)) return true;
    }
    return false;
  }
}

function addWithAbove(path: Path, all: Set<Path>): void {
  for (let at: Path | null = path; at !== null && !all.has(at); at = parentOf(at)) all.add(at);
}

function liesUnder(path: Path, tops: ReadonlySet<Path>): boolean {
  for (let at = parentOf(path); at !== null; at = parentOf(at)) if (tops.has(at)) return true;
  return false;
}

/** The topmost map around a leaf of which nothing is to stay: one delete removes it all. */
function highest(path: Path, under: Path | null, staying: Staying): Path {
  let top = path;
  while (top !== under) {
    const parent = parentOf(top);
    if (parent === null || staying.has(parent)) break;
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
  const whole = `rollback:${toSeq}:${path}`;
  if (utf8Length(whole) <= idBytesMax) return whole;
  let id = '';
  let bytes = 0;
  for (const character of whole) {
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
