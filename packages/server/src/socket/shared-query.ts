import { Evaluation, IndexWindow, type Row, type RowOp } from '@holdfast/engine/collection';
import { readIn, type Scope, type Tree } from '@holdfast/engine/data';
import { objectsOf } from '@holdfast/engine/gate';
import type { Path, Query, RecordDef } from '@holdfast/protocol';
import type { Crowd } from '../host/crowd.ts';
import type { Near, Neighbourhood } from './neighbourhood.ts';
import { inPieces } from './pieces.ts';
import type { IndexUse } from './shared-index.ts';

/** A query, and what of the store whoever asks may read. */
export type QueryTerms = {
  readonly def: RecordDef;
  readonly query: Query;
  readonly readable: Scope;
};

/** What a query shares with others: what is near a path, and an index. */
export type Surroundings = { readonly near: Neighbourhood; readonly use: IndexUse | null };

/** A query that all who ask the same share. */
export class SharedQuery {
  readonly key: string;
  readonly terms: QueryTerms;
  /** The index that answers it as a whole, or tells what is to be looked at; null: everything is. */
  readonly use: IndexUse | null;
  readonly evaluation: Evaluation | IndexWindow;
  readonly #near: Neighbourhood;
  readonly #params: readonly (readonly [name: string, value: string])[];
  users = 0;
  /** How the last commits have changed the window; null: not at all. */
  step: readonly RowOp[] | null = null;
  /** What is told of the step, as long as it is being told. */
  readonly #encoded = new Map<string, Buffer>();
  /** Settles when all objects are in; null: they are. */
  loading: Promise<void> | null = null;
  /** The rows of the window, once asked about; null: not since it changed. */
  #shown: ReadonlySet<Path> | null = null;
  /** What was touched since a load began. */
  readonly #late = new Set<Path>();

  /** Throws `invalid_cursor`, and `invalid_query` for what compares with no value. */
  constructor(key: string, terms: QueryTerms, { near, use }: Surroundings) {
    this.key = key;
    this.terms = terms;
    this.use = use;
    const { def, query } = terms;
    this.#near = near;
    this.#params = Object.entries(query.params);
    this.evaluation =
      use?.plan.isWhole === true
        ? new IndexWindow(def.name, query, use)
        : new Evaluation(def.name, query, []);
  }

  /** Takes in all objects that there are: at once where they are few, else a piece in each turn, as long as it is in use. */
  load(stateNow: () => Tree, crowd: Crowd): void {
    const loading = this.#loaded(stateNow, crowd);
    if (loading === null) this.#finish(stateNow());
    else this.loading = loading.then(() => this.#finish(stateNow()));
  }

  /** Takes in what has become of objects: how the window changes by it, for those who have it. */
  touch(tree: Tree, objects: ReadonlySet<Path>): void {
    if (this.loading === null) this.step = this.#change(tree, objects);
    else for (const path of objects) this.#late.add(path);
  }

  /** Takes in what the index tells of, which has to be there first, or else everything; null: that is done. */
  #loaded(stateNow: () => Tree, crowd: Crowd): Promise<void> | null {
    const { loading = null } = this.use?.index ?? {};
    const taken = (): Promise<void> | null => this.#takeAll(stateNow(), crowd);
    return loading === null ? taken() : loading.then(async () => taken() ?? undefined);
  }

  #takeAll(tree: Tree, crowd: Crowd): Promise<void> | null {
    if (this.evaluation instanceof IndexWindow) return null;
    return inPieces(this.use?.objects() ?? objectsOf(tree, this.terms.def), {
      crowd,
      isWanted: () => this.users > 0,
      take: (found) => {
        const own = found.filter((path) => this.around(path).includes(path));
        this.#change(tree, new Set(own));
      },
    });
  }

  /** All is in; what was touched meanwhile comes last. */
  #finish(tree: Tree): void {
    this.loading = null;
    if (this.evaluation instanceof IndexWindow) this.evaluation.cut();
    else this.#change(tree, this.#late);
    this.#late.clear();
  }

  /** What the last step is to all to whom it is told alike, encoded once. */
  once(name: string, encode: () => Buffer): Buffer {
    const bytes = this.#encoded.get(name) ?? encode();
    this.#encoded.set(name, bytes);
    return bytes;
  }

  /** All have been told of the last step: nobody asks again for what was encoded of it. */
  wasTold(): void {
    this.#encoded.clear();
  }

  /** Whether an object is in the window. */
  shows(object: Path): boolean {
    return this.#rows.has(object);
  }

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  get #rows(): ReadonlySet<Path> {
    this.#shown ??= new Set(this.evaluation.window.rows);
    return this.#shown;
  }

  #change(tree: Tree, objects: ReadonlySet<Path>): readonly RowOp[] | null {
    const step = this.#stepBy(tree, objects);
    if (step !== null) this.#shown = null;
    return step;
  }

  #stepBy(tree: Tree, objects: ReadonlySet<Path>): readonly RowOp[] | null {
    const { evaluation, use } = this;
    // The index has looked at the objects, once for all.
    if (evaluation instanceof IndexWindow) return evaluation.follow(use?.index.moves ?? []);
    const rows = Array.from(objects, (path) => this.rowOf(tree, path));
    return rows.length === 0 ? null : evaluation.change(rows);
  }

  /** The objects at a path or above it that the query is about. */
  around(path: Path): readonly Path[] {
    return this.#around(path).map((near) => near.path);
  }

  #around(path: Path): readonly Near[] {
    return this.#near
      .of(path)
      .filter(({ params }) =>
        this.#params.every(([name, value]) => (params[name] ?? value) === value),
      );
  }

  /** The objects that a change at a path may move; one that stays where it is has changed in a field nobody asks about. */
  movedBy(tree: Tree, path: Path): readonly Path[] {
    const { evaluation } = this;
    if (evaluation instanceof IndexWindow) return [];
    const { readable } = this.terms;
    // What is seen of an object may depend on any field of it.
    if (readable.bounds.length > 0) return this.around(path);
    const moved = this.#around(path).filter(({ path: object, field }) => {
      const isAsked = field === undefined || evaluation.fields.has(field);
      if (isAsked || !evaluation.has(object)) return true;
      // Of one that is seen in part, what is left may be what is not seen.
      return !readable.coversSubtree(object) || !tree.hasBelow(object);
    });
    return moved.map((near) => near.path);
  }

  /** An object as those see it who ask. */
  rowOf(tree: Tree, path: Path): Row {
    return { path, value: readIn(tree, this.terms.readable, path)?.value };
  }
}
