import {
  childPath,
  isAncestor,
  type Json,
  type Leaf,
  type Path,
  type Precondition,
  type Refusal,
  refuse,
  type Segments,
  segmentsOf,
  type Transaction,
  type Write,
} from '@holdfast/protocol';
import { ancestorsOf, areExactly, sameLeaf } from './capture.ts';
import { restore } from './restore.ts';
import type { LeafChange, Step, UndoView } from './types.ts';

/**
 * The transaction that takes back a step, or a `conflict` that names the first leaf that somebody else has changed since.
 * Its conditions say again what was seen here, so that the server decides, too, and applies all of it or nothing.
 */
export function planOf(step: Step, view: UndoView): Transaction | Refusal {
  const plan = new Plan(step, view);
  return plan.conflict ?? { op: 'transact', ops: plan.ops, preconditions: plan.preconditions };
}

const isPlain = ({ type }: Leaf): boolean => type !== 'counter' && type !== 'set';

class Plan {
  conflict: Refusal | null = null;
  readonly #view: UndoView;
  readonly #isRebased: boolean;
  /** What the step left, by path. */
  readonly #after = new Map<Path, Leaf>();
  readonly #deletes: Write[] = [];
  readonly #writes: Write[] = [];
  readonly #conditions = new Map<string, Precondition>();

  constructor({ changes, roots, fate }: Step, view: UndoView) {
    this.#view = view;
    this.#isRebased = fate() === 'rebased';
    for (const { path, after } of changes) if (after !== undefined) this.#after.set(path, after);
    const rest = this.#restoreWholes(changes, roots);
    for (const change of rest) this.#restore(change);
  }

  /** Deletions first: what a step put in the way of what was there is gone before that comes back. */
  get ops(): readonly Write[] {
    return [...this.#deletes, ...this.#writes];
  }

  get preconditions(): readonly Precondition[] {
    return [...this.#conditions.values()];
  }

  /** Where a root is gone altogether, what was below comes back by one write. Returns the other changes. */
  #restoreWholes(changes: readonly LeafChange[], roots: readonly Path[]): readonly LeafChange[] {
    let rest = changes;
    if (this.#isRebased) return rest;
    // The shortest first: what one of them brings back, a longer one need not, and must not be written over.
    for (const root of roots.toSorted((a, b) => a.length - b.length)) {
      const isGone = ({ path, before, after }: LeafChange): boolean =>
        isAncestor(root, path) && before !== undefined && isPlain(before) && after === undefined;
      const gone = rest.filter(isGone);
      if (gone.length < 2 || !this.#isVacant(root)) continue;
      rest = rest.filter((change) => !gone.includes(change));
      this.#expectVacant(root);
      const leaves = gone.flatMap(({ path, before }) =>
        before === undefined || before.type === 'lease' ? [] : [[path, before.value] as const],
      );
      if (leaves.length === 0) continue;
      this.#writes.push({ op: 'set', path: root, value: assembled(root, leaves) });
    }
    return rest;
  }

  #isVacant(path: Path): boolean {
    const [first] = this.#view.below(path);
    return first === undefined && this.#view.leaf(path) === undefined && !this.#isBelowLeaf(path);
  }

  #isBelowLeaf(path: Path): boolean {
    return ancestorsOf(path).some((above) => this.#view.leaf(above) !== undefined);
  }

  #restore(change: LeafChange): void {
    const { path, before, after } = change;
    const now = this.#view.leaf(path);
    const restoration = restore(change, now);
    if (restoration === null || (restoration.exact && this.#isRebased)) {
      this.#refuse(path);
      return;
    }
    const { ops, exact } = restoration;
    if (after === undefined) this.#expectGone(path);
    else if (now !== undefined && ops.length > 0) {
      // Also of totals and sets: what came in their place meanwhile must not be added to, nor cleared away.
      this.#expect({ kind: 'equals', path, value: now.value });
    }
    const target = before === undefined && exact ? this.#deletes : this.#writes;
    target.push(...ops);
  }

  /** Nothing may be at the path, nor in its way, but what the step itself has put there. */
  #expectGone(path: Path): void {
    const mine = new Map([...this.#after].filter(([each]) => isAncestor(path, each)));
    if (!areExactly(this.#view.below(path), mine)) {
      this.#refuse(path);
      return;
    }
    if (mine.size === 0) {
      this.#expectVacant(path);
      return;
    }
    const leaves = [...mine].map(([each, { value }]) => [each, value] as const);
    this.#expect({ kind: 'equals', path, value: assembled(path, leaves) });
  }

  /**
   * That there is nothing at a path cannot be said of what is in its way above: there, either the nearest map has something
   * that a leaf in its place would have removed, or there is nothing at all, as far up as is known.
   */
  #expectVacant(path: Path): void {
    let vacant = path;
    for (const above of ancestorsOf(path)) {
      const leaf = this.#view.leaf(above);
      if (leaf !== undefined) {
        // The step's own, as it was left: it is deleted first.
        if (!sameLeaf(leaf, this.#after.get(above))) this.#refuse(above);
        return;
      }
      if (!this.#view.knows(above)) break;
      const [neighbour] = this.#view.below(above);
      if (neighbour !== undefined) {
        // Whatever lies there: a leaf may go while others come in its place.
        const segment = segmentsOf(neighbour.path)[segmentsOf(above).length] ?? '';
        this.#expect({ kind: 'exists', path: childPath(above, segment) });
        break;
      }
      vacant = above;
    }
    this.#expect({ kind: 'if_absent', path: vacant });
  }

  #expect(condition: Exclude<Precondition, { readonly kind: 'fence' | 'if_match' }>): void {
    this.#conditions.set(`${condition.kind} ${condition.path}`, condition);
  }

  #refuse(path: Path): void {
    this.conflict ??= refuse('conflict', {
      path,
      current_revision: this.#view.leaf(path)?.revision ?? null,
    });
  }
}

type Placed = { readonly segments: Segments; readonly value: Json };

/** The value of a map at a path that has these leaves below it. */
function assembled(path: Path, leaves: readonly (readonly [Path, Json])[]): Json {
  const placed = leaves.map(([each, value]) => ({ segments: segmentsOf(each), value }));
  return mapAt(segmentsOf(path).length, placed);
}

function mapAt(depth: number, leaves: readonly Placed[]): Json {
  const children = new Map<string, Placed[]>();
  for (const leaf of leaves) {
    const key = leaf.segments[depth] ?? '';
    const child = children.get(key);
    if (child === undefined) children.set(key, [leaf]);
    else child.push(leaf);
  }
  const members = [...children].map(([key, child]) => {
    const [first] = child;
    const isLeaf = first !== undefined && first.segments.length === depth + 1;
    return [key, isLeaf ? first.value : mapAt(depth + 1, child)] as const;
  });
  return Object.fromEntries(members);
}
