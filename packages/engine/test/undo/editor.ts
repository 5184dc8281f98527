import { apply, decide, type DecideContext, type Tree, Tree as Trees } from '@holdfast/engine/data';
import {
  changesBetween,
  type Direction,
  type Fate,
  leavesAround,
  rootsOf,
  type Step,
  UndoHistory,
  type UndoView,
} from '@holdfast/engine/undo';
import {
  asPath,
  defaultLimits,
  isRefusal,
  type Leaf,
  type Path,
  type Refusal,
  type Request,
} from '@holdfast/protocol';

/** The view that undo has of a tree. */
export function viewOf(tree: Tree): UndoView {
  return {
    leaf: (path) => tree.leaf(path),
    below: (path) => tree.entries({ after: `${path}/`, before: `${path}0` }),
    knows: () => true,
  };
}

/** A store of which one user undoes writes; others write, too. */
export class Editor {
  readonly tree = Trees.empty();
  readonly history: UndoHistory;
  fate: Fate = 'committed';
  #head = 0;

  constructor(limit = 1000) {
    this.history = new UndoHistory(limit);
  }

  /** Every leaf, without its revision. */
  get state(): { readonly [path: string]: Pick<Leaf, 'type' | 'value'> } {
    const leaves = [...this.tree.entries()];
    return Object.fromEntries(leaves.map(({ path, type, value }) => [path, { type, value }]));
  }

  /** A write of another. */
  foreign(request: Request): Refusal | null {
    const context: DecideContext = {
      head: this.#head,
      deviceId: 'd',
      opId: 'o',
      principal: null,
      at: 0,
      limits: defaultLimits,
    };
    const decision = decide(this.tree, request, context);
    if (isRefusal(decision)) return decision;
    for (const op of decision.ops) apply(this.tree, op);
    this.#head += decision.ops.length;
    return null;
  }

  /** A write of the user. */
  write(request: Request): Refusal | null {
    const step = this.#do(request);
    if (isRefusal(step)) return step;
    this.history.wrote(step);
    return null;
  }

  /** Undoes or redoes; `meanwhile` is what others do before the server decides. */
  take(way: Direction, meanwhile: () => void = () => undefined): 'done' | 'nothing' | Refusal {
    const plan = this.history.plan(way, viewOf(this.tree));
    if (plan === null) return 'nothing';
    if (isRefusal(plan)) return plan;
    meanwhile();
    const step = this.#do(plan);
    if (isRefusal(step)) return step;
    this.history.took(way, step);
    return 'done';
  }

  #do(request: Request): Step | Refusal {
    const roots = rootsOf(request);
    const before = leavesAround(viewOf(this.tree), roots);
    const refusal = this.foreign(request);
    if (refusal !== null) return refusal;
    const changes = changesBetween(before, leavesAround(viewOf(this.tree), roots));
    return { roots, changes, fate: () => this.fate };
  }
}

/** Requests at a few paths that get in each other's way. */
export const places: readonly Path[] = ['a', 'a/b', 'a/b/c', 'a/b/d', 'a/x', 'e', 'e/f', 'g'].map(
  asPath,
);
