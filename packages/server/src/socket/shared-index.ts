import { type Move, Ordering, type Plan, type Row } from '@holdfast/engine/collection';
import { readIn, Scope, sorting, type Tree } from '@holdfast/engine/data';
import { objectsOf } from '@holdfast/engine/gate';
import type { Path, RecordDef } from '@holdfast/protocol';
import type { Crowd } from '../host/crowd.ts';
import type { Neighbourhood } from './neighbourhood.ts';
import { inPieces, inTurns } from './pieces.ts';
import { everything, patternOf } from './scope.ts';

const whole = new Scope(everything.map(patternOf));

/** A declared index of a record in one store, and one direction: all queries that use it share it. */
export class SharedIndex {
  readonly key: string;
  readonly ordering: Ordering;
  readonly #def: RecordDef;
  readonly #near: Neighbourhood;
  readonly #fields: ReadonlySet<string>;
  users = 0;
  /** Settles when all objects are in; null: they are. */
  loading: Promise<void> | null = null;
  /** What the last commit has moved; whoever hears of it again finds nothing new. */
  moves: readonly Move[] = [];
  /** What was touched since the load began. */
  readonly #late = new Set<Path>();

  constructor(def: RecordDef, plan: Plan, near: Neighbourhood) {
    const { orders } = plan;
    this.key = indexKeyOf(def, plan);
    this.#def = def;
    this.#near = near;
    this.#fields = new Set(orders.map(([field]) => field));
    this.ordering = new Ordering(orders);
  }

  /** Takes in all objects that there are: at once where they are few, else a piece in each turn, as long as it is in use. */
  load(stateNow: () => Tree, crowd: Crowd): void {
    const tree = stateNow();
    const turns = { crowd, isWanted: () => this.users > 0 };
    const take = (found: readonly Path[]): void => this.ordering.gather(rowsOf(tree, found));
    const rest = inPieces(objectsOf(tree, this.#def), { ...turns, take });
    const parts = this.ordering.arrange(sorting);
    if (rest === null) Array.from(parts);
    else {
      this.loading = rest
        .then(() => inTurns(() => parts.next().done === true, turns))
        .then(() => this.#finish(stateNow()));
    }
  }

  /** All is in; what was touched meanwhile comes last. */
  #finish(tree: Tree): void {
    this.loading = null;
    this.#change(tree, this.#late);
    this.#late.clear();
  }

  /** Takes in what was written, before queries are told. */
  touch(tree: Tree, paths: Iterable<Path>): void {
    const objects = new Set([...paths].flatMap((path) => this.#movedBy(tree, path)));
    if (this.loading === null) this.moves = this.#change(tree, objects);
    else for (const path of objects) this.#late.add(path);
  }

  /** The objects that may have another place; one stays where it is when a field beside those of the index changes. */
  #movedBy(tree: Tree, path: Path): readonly Path[] {
    const moved = this.#near.of(path).filter(({ path: object, field }) => {
      const isOfIndex = field === undefined || this.#fields.has(field);
      return isOfIndex || !this.ordering.has(object) || !tree.hasBelow(object);
    });
    return moved.map((near) => near.path);
  }

  #change(tree: Tree, objects: Iterable<Path>): readonly Move[] {
    return this.ordering.change(rowsOf(tree, objects));
  }
}

function rowsOf(tree: Tree, objects: Iterable<Path>): readonly Row[] {
  return Array.from(objects, (path) => ({ path, value: readIn(tree, whole, path)?.value }));
}

/** Names an ordering among those of a store. */
export function indexKeyOf({ path }: RecordDef, { orders }: Plan): string {
  return JSON.stringify([path, orders]);
}

/** An index, and how it serves a query. */
export class IndexUse {
  readonly index: SharedIndex;
  readonly plan: Plan;

  constructor(index: SharedIndex, plan: Plan) {
    this.index = index;
    this.plan = plan;
  }

  get ordering(): Ordering {
    return this.index.ordering;
  }

  /** The objects that a query may be about. */
  objects(): Iterator<Path> {
    return this.ordering.objectsWithin(this.plan.range);
  }
}
