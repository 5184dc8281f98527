import { isPlainObject, type Op, type Path } from '@holdfast/protocol';
import { apply, type Bound, project, type Scope, type Span, type Tree } from '../data/index.ts';
import { commitsOf, leavesOf } from './commits.ts';
import { Veil } from './veil.ts';

type RemovingOp = Parameters<Span['take']>[0];

/** The states that a commit lies between. */
export type Around = {
  readonly before: Tree;
  readonly after: Tree;
  /** Whether it has one op only. */
  readonly isLone: boolean;
  /** Whether what it led to is what is there now. */
  readonly isNow: boolean;
};

/** The veil that lies over a scope; null: none does. */
export function veilOver(scope: Scope): Veil | null {
  return scope.bounds.find((bound) => bound instanceof Veil) ?? null;
}

/**
 * What of an op is shown to somebody from whom records hide something (records.md §17): what it wrote, as far as it was
 * visible after its commit and is so now where the object still stands; that it removed, as far as that was visible before.
 */
export function retell(
  op: RemovingOp,
  scope: Scope,
  { veil, around }: { readonly veil: Veil; readonly around: Around },
): RemovingOp | null {
  const { before, after, isLone, isNow } = around;
  const asBefore = <T>(look: () => T): T => veil.asOf((path) => before.read(path)?.value, look);
  const wasSeen = (path: Path): boolean =>
    before.leaf(path) === undefined
      ? veil.objectsAround(path).length === 0 && scope.covers(path)
      : asBefore(() => scope.covers(path));
  const removes = (): boolean => op.removed.some(({ path }) => wasSeen(path));
  if (isRemoval(op)) {
    const isSeen = op.removed.length > 0 ? removes() : asBefore(() => scope.covers(op.path));
    return isSeen ? op : null;
  }
  const steps: readonly ((op: RemovingOp) => RemovingOp | null)[] = [
    (seen) =>
      veil.asOf(
        (path) => after.read(path)?.value,
        () => project(seen, scope, removes),
      ),
    (seen) =>
      isNow
        ? seen
        : veil.asOf(
            (path) => veil.now(path) ?? after.read(path)?.value,
            () => project(seen, scope, removes),
          ),
    // What the commit itself overwrote was never the state that rules were asked about.
    (seen) => (isLone ? seen : project(seen, survivors(op, veil, after), removes)),
  ];
  const shown = steps.reduce<RemovingOp | null>(
    (seen, step) => (seen === null || isRemoval(seen) ? seen : step(seen)),
    op,
  );
  // A rule that hides the whole object now hides nothing of what it took away.
  const isEmptied = shown === null && op.op === 'set' && isPlainObject(op.value) && removes();
  return isEmptied ? { ...op, op: 'delete', value: null } : shown;
}

function isRemoval({ op }: Op): boolean {
  return op === 'delete' || op === 'release';
}

/** Of the leaves that an op wrote below veiled objects, those that are still its own after the commit. */
function survivors({ seq }: Op, veil: Veil, after: Tree): Bound {
  return {
    name: 'survivors',
    covers: (path) => after.leaf(path)?.revision === seq || veil.objectsAround(path).length === 0,
    coversSubtree: () => false,
    reaches: () => true,
  };
}

/** The objects that ops changed, of those that a veil is about. */
export function objectsTouched(ops: readonly RemovingOp[], veil: Veil): readonly Path[] {
  const objects = new Set<Path>();
  for (const op of ops) {
    for (const path of leavesOf(op)) for (const each of veil.objectsAround(path)) objects.add(each);
  }
  return [...objects];
}

/** Goes along the log with the state, so that each commit is shown by what was hidden when it was made. */
export class Retelling {
  readonly #scope: Scope;
  readonly #veil: Veil;
  #tree: Tree;
  #hasTurned = false;
  #turned: ReadonlySet<Path> = new Set();

  /** Begins with the state before the first ops, which must stay as it is. */
  constructor(scope: Scope, veil: Veil, tree: Tree) {
    this.#scope = scope;
    this.#veil = veil;
    this.#tree = tree;
  }

  /** Whether what was taken in last has shown or hidden something that was there before. */
  get hasTurned(): boolean {
    return this.#hasTurned;
  }

  /** The state before what is taken in next. */
  get state(): Tree {
    return this.#tree;
  }

  /** The objects of which what was taken in last was shown otherwise than what is there now. */
  get turned(): ReadonlySet<Path> {
    return this.#turned;
  }

  /** Takes in whole commits, and tells what is shown of them; `end`: the state after them, where that is the one now. */
  take(ops: readonly RemovingOp[], end: Tree | null = null): readonly RemovingOp[] {
    const last = ops.at(-1);
    const seen: RemovingOp[] = [];
    const turned = new Set<Path>();
    this.#turned = turned;
    this.#hasTurned = false;
    for (const commit of commitsOf(ops)) {
      const before = this.#tree;
      const isLast = end !== null && commit.at(-1) === last;
      const after = isLast ? end : stateAfter(before, commit);
      const around = { before, after, isLone: commit.length === 1, isNow: isLast };
      for (const op of commit) {
        const shown = retell(op, this.#scope, { veil: this.#veil, around });
        if (shown !== null) seen.push(shown);
      }
      const objects = objectsTouched(commit, this.#veil);
      for (const path of objects) {
        if (this.#veil.isShownOtherwise(path, after.read(path)?.value)) turned.add(path);
      }
      this.#hasTurned ||= objects.some(
        (path) =>
          this.#scope.reaches(path) &&
          this.#veil.hasTurned(path, before.read(path)?.value, after.read(path)?.value),
      );
      this.#tree = after;
    }
    return seen;
  }
}

/** The state that a commit leads to; the one before it stays. */
export function stateAfter(before: Tree, commit: readonly Op[]): Tree {
  const after = before.draft();
  for (const op of commit) apply(after, op);
  return after;
}
