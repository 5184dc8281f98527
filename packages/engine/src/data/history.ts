import {
  childPath,
  comparePaths,
  type Entry,
  flatten,
  isPlainObject,
  jsonEquals,
  type Leaf,
  type Op,
  type Path,
} from '@holdfast/protocol';
import { typeOfOp } from './apply.ts';
import { sorting } from './sorting.ts';
import type { Change, Tree } from './tree.ts';

/** So many leaves are taken in, or back, at a time. */
const PART_LEAVES = 5000;

/** What stood at a leaf before a stretch of the log, and what stands there after. */
type Ends = { readonly before: Leaf | undefined; after: Leaf | undefined };

/** An op with the leaves whose old value vanished by it (stores.md §1.2.2). */
type RemovingOp = Op & { readonly removed: readonly Entry[] };

/**
 * A stretch of a store's log: what stood at each leaf before it, and what stands there after (stores.md §13). It takes
 * the ops in the order of the log and needs no state, for every op keeps the leaves it removed.
 */
export class Span {
  readonly #leaves = new Map<Path, Ends>();

  take(op: RemovingOp): void {
    const parts = this.taking([op]);
    while (parts.next().done !== true);
  }

  /** The same with several ops, part by part: one alone may have removed all that there was. */
  *taking(ops: Iterable<RemovingOp>): Generator<void, void, undefined> {
    let passed = 0;
    for (const op of ops) {
      for (const [path, before, after] of touched(op)) {
        const known = this.#leaves.get(path);
        if (known === undefined) this.#leaves.set(path, { before, after });
        else known.after = after;
        passed += 1;
        if (passed % PART_LEAVES === 0) yield;
      }
    }
  }

  /** Leaves that differ in value or type from what they were, in path order (stores.md §13.2.2); part by part, as they may be many. */
  *changing(): Generator<void, readonly Change[], undefined> {
    const changes: Change[] = [];
    let passed = 0;
    for (const [path, { before, after }] of this.#leaves) {
      if (!sameLeaf(before, after)) changes.push({ path, before, after });
      passed += 1;
      if (passed % PART_LEAVES === 0) yield;
    }
    return yield* sorting(changes, (a, b) => comparePaths(a.path, b.path));
  }

  /**
   * Takes a tree back from the end of the span to its beginning. Leaves and their revisions are exact; a map that lost
   * or gained some keeps the revision it has.
   */
  rewind(tree: Tree): void {
    const parts = this.rewinding(tree);
    while (parts.next().done !== true);
  }

  /** The same part by part: others may have their turns in between. */
  *rewinding(tree: Tree): Generator<void, void, undefined> {
    let passed = 0;
    for (const [path, { before }] of this.#leaves) {
      if (before === undefined && tree.leaf(path) !== undefined) tree.remove(path, 0);
      passed += 1;
      if (passed % PART_LEAVES === 0) yield;
    }
    for (const [path, { before }] of this.#leaves) {
      if (before !== undefined) tree.put(path, before);
      passed += 1;
      if (passed % PART_LEAVES === 0) yield;
    }
  }
}

/** Whether two leaves show the same, whenever they were written. */
export function sameLeaf(a: Leaf | undefined, b: Leaf | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.type === b.type && jsonEquals(a.value, b.value);
}

/** What an op did to each leaf: those that it removed come first, also those that it wrote anew. */
function* touched(
  op: RemovingOp,
): Generator<readonly [Path, before: Leaf | undefined, after: Leaf | undefined]> {
  for (const { path, value, type, revision } of op.removed) {
    yield [path, { value, type, revision }, undefined];
  }
  for (const [path, leaf] of written(op)) yield [path, undefined, leaf];
}

/** The leaves that an op wrote (stores.md §4.4). */
function* written(op: RemovingOp): Generator<readonly [Path, Leaf]> {
  const { path, value, seq: revision } = op;
  if (op.op === 'delete' || op.op === 'release') return;
  if (op.op === 'set') yield* leavesOf(path, op);
  else if (op.op !== 'merge') yield [path, { value, type: typeOfOp(op.op, value), revision }];
  else if (isPlainObject(value)) {
    for (const [key, child] of Object.entries(value)) {
      yield* leavesOf(childPath(path, key), { value: child, seq: revision });
    }
  }
}

function* leavesOf(
  path: Path,
  { value, seq: revision }: Pick<Op, 'value' | 'seq'>,
): Generator<readonly [Path, Leaf]> {
  for (const [leaf, content] of flatten(path, value)) {
    yield [leaf, { value: content, type: typeOfOp('set', content), revision }];
  }
}
