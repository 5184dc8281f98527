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

/** So many leaves are taken back at a time. */
const PART_LEAVES = 5000;

/** An op with the leaves whose old value vanished by it (stores.md §1.2.2). */
type RemovingOp = Op & { readonly removed: readonly Entry[] };

/**
 * A stretch of a store's log: what stood at each leaf before it, and what stands there after (stores.md §13). It takes
 * the ops in the order of the log and needs no state, for every op keeps the leaves it removed.
 */
export class Span {
  readonly #before = new Map<Path, Leaf | undefined>();
  readonly #after = new Map<Path, Leaf | undefined>();

  take(op: RemovingOp): void {
    for (const { path, value, type, revision } of op.removed) {
      this.#note(path, { value, type, revision }, undefined);
    }
    for (const [path, leaf] of written(op)) this.#note(path, undefined, leaf);
  }

  /** Leaves that differ in value or type from what they were, in path order (stores.md §13.2.2); part by part, as they may be many. */
  *changing(): Generator<void, readonly Change[], undefined> {
    const changes: Change[] = [];
    let passed = 0;
    for (const [path, before] of this.#before) {
      const after = this.#after.get(path);
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
    for (const [path, before] of this.#before) {
      if (before === undefined && tree.leaf(path) !== undefined) tree.remove(path, 0);
      passed += 1;
      if (passed % PART_LEAVES === 0) yield;
    }
    for (const [path, before] of this.#before) {
      if (before !== undefined) tree.put(path, before);
      passed += 1;
      if (passed % PART_LEAVES === 0) yield;
    }
  }

  #note(path: Path, before: Leaf | undefined, after: Leaf | undefined): void {
    if (!this.#before.has(path)) this.#before.set(path, before);
    this.#after.set(path, after);
  }
}

/** Whether two leaves show the same, whenever they were written. */
export function sameLeaf(a: Leaf | undefined, b: Leaf | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.type === b.type && jsonEquals(a.value, b.value);
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
