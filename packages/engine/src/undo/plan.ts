import {
  childPath,
  isAncestor,
  type Json,
  type JsonObject,
  type Leaf,
  parentOf,
  type Path,
  type Precondition,
  type Refusal,
  refuse,
  type Segments,
  segmentsOf,
  type Transaction,
  type Write,
} from '@holdfast/protocol';
import { ancestorsOf, areExactly, isPlain, sameLeaf } from './capture.ts';
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

type Member = readonly [key: string, value: Json];

class Plan {
  conflict: Refusal | null = null;
  readonly #view: UndoView;
  readonly #isRebased: boolean;
  /** Others may have come first at these paths, above or below them. */
  readonly #rebased: ReadonlySet<string>;
  /** What the step left, by path. */
  readonly #after = new Map<Path, Leaf>();
  readonly #deletes: Write[] = [];
  readonly #writes: Write[] = [];
  /** Members of maps that get other values, by the path of the map: a map takes one write, however many there are. */
  readonly #members = new Map<Path, [Member, ...Member[]]>();
  readonly #conditions = new Map<string, Precondition>();

  constructor({ changes, roots, fate, rebasedAt = () => roots }: Step, view: UndoView) {
    this.#view = view;
    this.#isRebased = fate() === 'rebased';
    this.#rebased = placesOf(this.#isRebased ? rebasedAt() : []);
    for (const { path, after } of changes) if (after !== undefined) this.#after.set(path, after);
    const rest = this.#restoreWholes(changes, roots);
    for (const change of rest) this.#restore(change);
  }

  /** Deletions first: what a step put in the way of what was there is gone before that comes back. */
  get ops(): readonly Write[] {
    const merges = [...this.#members].map(([map, members]): Write => {
      const [[key, value], ...more] = members;
      if (more.length === 0) return { op: 'set', path: childPath(map, key), value };
      return { op: 'merge', path: map, value: Object.fromEntries(members) };
    });
    return [...this.#deletes, ...this.#writes, ...merges];
  }

  get preconditions(): readonly Precondition[] {
    return [...this.#conditions.values()];
  }

  /** What came, or went, altogether below a root is taken back by one write. Returns the other changes. */
  #restoreWholes(changes: readonly LeafChange[], roots: readonly Path[]): readonly LeafChange[] {
    if (this.#isRebased) return changes;
    const below = belowEach(roots, changes);
    const done = new Set<LeafChange>();
    // The shortest first: what one of them brings back, a longer one need not, and must not be written over.
    for (const root of roots.toSorted((a, b) => a.length - b.length)) {
      const its = (below.get(root) ?? []).filter((change) => !done.has(change));
      for (const change of this.#regrow(root, its) ?? this.#uproot(root, its)) done.add(change);
    }
    return changes.filter((change) => !done.has(change));
  }

  /** Brings back what was below a root where nothing is now; null: something is. */
  #regrow(root: Path, changes: readonly LeafChange[]): readonly LeafChange[] | null {
    const gone = changes.filter(
      ({ before, after }) => before !== undefined && isPlain(before) && after === undefined,
    );
    if (gone.length < 2 || !this.#isVacant(root)) return null;
    this.#expectVacant(root);
    const leaves = gone.flatMap(({ path, before }) =>
      before === undefined || before.type === 'lease' ? [] : [placed([path, before.value])],
    );
    if (leaves.length > 0) this.#writes.push(...regrow(root, leaves));
    return gone;
  }

  /** Removes a root below which nothing is but what the step has put there. */
  #uproot(root: Path, changes: readonly LeafChange[]): readonly LeafChange[] {
    const made = changes.filter(
      ({ before, after }) => before === undefined && after !== undefined && isPlain(after),
    );
    const leaves = new Map(
      made.flatMap(({ path, after }) => (after === undefined ? [] : [[path, after] as const])),
    );
    if (made.length < 2 || !areExactly(this.#view.below(root), leaves)) return [];
    const values = [...leaves].map(([path, { value }]) => [path, value] as const);
    this.#expect({ kind: 'equals', path: root, value: assembled(root, values) });
    this.#deletes.push({ op: 'delete', path: root });
    return made;
  }

  #isRebasedAt(path: Path): boolean {
    const near = [path, `${path}/`, ...ancestorsOf(path)];
    return near.some((each) => this.#rebased.has(each));
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
    if (restoration === null || (restoration.exact && this.#isRebasedAt(path))) {
      this.#refuse(path);
      return;
    }
    const { ops, exact } = restoration;
    if (after === undefined) this.#expectGone(path);
    else if (now !== undefined && ops.length > 0) {
      // Also of totals and sets: what came in their place meanwhile must not be added to, nor cleared away.
      this.#expect({ kind: 'equals', path, value: now.value });
    }
    if (now !== undefined && this.#merge(ops)) return;
    const target = before === undefined && exact ? this.#deletes : this.#writes;
    target.push(...ops);
  }

  /**
   * Whether a leaf that stands there, so that it is in a map, gets its value with others of that map; who does not know all
   * of the map may not merge into it.
   */
  #merge([op, ...more]: readonly Write[]): boolean {
    if (op?.op !== 'set' || more.length > 0) return false;
    const { path, value } = op;
    const map = parentOf(path);
    if (map === null || !this.#view.knows(map)) return false;
    const member: Member = [segmentsOf(path).at(-1) ?? '', value];
    const members = this.#members.get(map);
    if (members === undefined) this.#members.set(map, [member]);
    else members.push(member);
    return true;
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

/** The changes below each of some paths. */
function belowEach(
  roots: readonly Path[],
  changes: readonly LeafChange[],
): ReadonlyMap<Path, LeafChange[]> {
  const below = new Map<Path, LeafChange[]>(roots.map((root) => [root, []]));
  for (const change of changes) {
    for (const above of ancestorsOf(change.path)) below.get(above)?.push(change);
  }
  return below;
}

type Placed = { readonly segments: Segments; readonly value: Json };

/** More leaves than this come back by several writes: servers take 10,000 by one (stores.md §12.1). */
const wholeMax = 5000;

/** Writes what was below a path where nothing is now. */
function regrow(path: Path, leaves: readonly Placed[]): readonly Write[] {
  const depth = segmentsOf(path).length;
  if (leaves.length <= wholeMax) return [{ op: 'set', path, value: mapAt(depth, leaves) }];
  const writes: Write[] = [];
  let part: Placed[] = [];
  const writePart = (): void => {
    if (part.length > 0) writes.push({ op: 'merge', path, value: mapAt(depth, part) });
    part = [];
  };
  for (const [key, child] of childrenAt(depth, leaves)) {
    if (part.length + child.length > wholeMax) writePart();
    if (child.length > wholeMax) writes.push(...regrow(childPath(path, key), child));
    else part.push(...child);
  }
  writePart();
  return writes;
}

function placed([path, value]: readonly [Path, Json]): Placed {
  return { segments: segmentsOf(path), value };
}

/** The value of a map at a path that has these leaves below it. */
function assembled(path: Path, leaves: readonly (readonly [Path, Json])[]): Json {
  return mapAt(segmentsOf(path).length, leaves.map(placed));
}

function mapAt(depth: number, leaves: readonly Placed[]): JsonObject {
  const members = [...childrenAt(depth, leaves)].map(([key, child]) => {
    const [first] = child;
    const isLeaf = first !== undefined && first.segments.length === depth + 1;
    return [key, isLeaf ? first.value : mapAt(depth + 1, child)] as const;
  });
  return Object.fromEntries(members);
}

function childrenAt(depth: number, leaves: readonly Placed[]): ReadonlyMap<string, Placed[]> {
  const children = new Map<string, Placed[]>();
  for (const leaf of leaves) {
    const key = leaf.segments[depth] ?? '';
    const child = children.get(key);
    if (child === undefined) children.set(key, [leaf]);
    else child.push(leaf);
  }
  return children;
}

/** Paths, and what is above each with a `/` behind it. */
function placesOf(paths: readonly Path[]): ReadonlySet<string> {
  return new Set(paths.flatMap((path) => [path, ...ancestorsOf(path).map((each) => `${each}/`)]));
}
