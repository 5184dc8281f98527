import type { LoggedOp } from '@holdfast/engine/authority';
import { Evaluation, type Row, type RowOp } from '@holdfast/engine/collection';
import { readIn, Scope, type Tree } from '@holdfast/engine/data';
import { objectsIn, Places, Veil } from '@holdfast/engine/gate';
import { type Path, type Query, type RecordDef, segmentsOf, type Seq } from '@holdfast/protocol';
import { canonicalJson, encodeStored } from '@holdfast/protocol/record';
import type { StoreHost } from '../host/store-host.ts';
import { writtenBy } from './ops.ts';

/** A query, and what of the store whoever asks may read. */
export type QueryTerms = {
  readonly def: RecordDef;
  readonly query: Query;
  readonly readable: Scope;
};

/** Hears when the windows of queries have moved on. */
export type Watcher = { moved(tree: Tree, at: Seq): void };

/** A query that all who ask the same share. */
export class SharedQuery {
  readonly key: string;
  readonly terms: QueryTerms;
  readonly evaluation: Evaluation;
  readonly #places: Places<Query['params']>;
  users = 0;
  /** How the last commits have changed the window; null: not at all. */
  step: readonly RowOp[] | null = null;

  constructor(key: string, terms: QueryTerms, tree: Tree) {
    this.key = key;
    this.terms = terms;
    const { def, query } = terms;
    this.#places = new Places([{ template: def.path, item: query.params }]);
    const paths = objectsIn(tree, def).filter((path) => this.around(path).includes(path));
    const rows = paths.map((path) => this.rowOf(tree, path));
    this.evaluation = new Evaluation(def.name, query, rows);
  }

  /** The objects at a path or above it that the query is about. */
  around(path: Path): readonly Path[] {
    return this.#places
      .around(path)
      .filter(({ item, params }) =>
        Object.entries(params).every(([name, value]) => (item[name] ?? value) === value),
      )
      .map((placed) => placed.path);
  }

  /** The objects that a change at a path may move; one that stays where it is has changed in a field nobody asks about. */
  movedBy(tree: Tree, path: Path): readonly Path[] {
    const objects = this.around(path);
    const { readable } = this.terms;
    // What is seen of an object may depend on any field of it.
    if (readable.bounds.length > 0) return objects;
    const segments = segmentsOf(path);
    return objects.filter((object) => {
      const field = segments[segmentsOf(object).length];
      const isAsked = field === undefined || this.evaluation.fields.has(field);
      if (isAsked || !this.evaluation.has(object)) return true;
      // Of one that is seen in part, what is left may be what is not seen.
      return !readable.coversSubtree(object) || !tree.hasBelow(object);
    });
  }

  /** An object as those see it who ask. */
  rowOf(tree: Tree, path: Path): Row {
    return { path, value: readIn(tree, this.terms.readable, path)?.value };
  }
}

/** The queries of one store that are open: each evaluated once for all who share it (records.md §14.2.3). */
export class Evaluations {
  readonly #host: StoreHost;
  readonly #shared = new Map<string, SharedQuery>();
  readonly #watchers = new Set<Watcher>();

  constructor(host: StoreHost) {
    this.#host = host;
  }

  /** How many there are. */
  get size(): number {
    return this.#shared.size;
  }

  /** Opens a query, or joins those who have; throws `invalid_cursor`. */
  hold(terms: QueryTerms): SharedQuery {
    const key = keyOf(terms);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = new SharedQuery(key, apart(terms), this.#host.view().tree);
      this.#shared.set(key, shared);
    }
    shared.users += 1;
    return shared;
  }

  release(shared: SharedQuery): void {
    shared.users -= 1;
    if (shared.users === 0) this.#shared.delete(shared.key);
  }

  /** Tells a watcher after each commit until the returned function is called. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Takes in what was committed. */
  follow(ops: readonly LoggedOp[]): void {
    const at = ops.at(-1)?.seq;
    if (this.#shared.size === 0 || at === undefined) return;
    const { tree } = this.#host.view();
    const paths = new Set(ops.flatMap(pathsOf));
    this.#move(tree, at, (shared) => [...paths].flatMap((path) => shared.movedBy(tree, path)));
  }

  /** Takes in that who looks through a veil sees another part of some objects, though nothing was committed. */
  turned(veil: Veil, objects: readonly Path[]): void {
    if (this.#shared.size === 0) return;
    const { tree, seq } = this.#host.view();
    this.#move(tree, seq, (shared) => {
      const { def, readable } = shared.terms;
      const { name } = def;
      const own = readable.bounds.find((each) => each instanceof Veil);
      if (own?.rowsName(name) !== veil.rowsName(name)) return [];
      const touched = objects.filter((path) => shared.around(path).includes(path));
      if (own !== veil) for (const each of touched) own?.hasChanged(each);
      return touched;
    });
  }

  #move(tree: Tree, at: Seq, touchedOf: (shared: SharedQuery) => readonly Path[]): void {
    for (const shared of this.#shared.values()) {
      const rows = [...new Set(touchedOf(shared))].map((path) => shared.rowOf(tree, path));
      shared.step = rows.length === 0 ? null : shared.evaluation.change(rows);
    }
    for (const watcher of this.#watchers) watcher.moved(tree, at);
  }
}

/** What viewers of a class share has a veil of its own: who has opened it first need not be the last. */
function apart(terms: QueryTerms): QueryTerms {
  const { def, readable } = terms;
  const veil = readable.bounds.find((each) => each instanceof Veil);
  if (veil === undefined || veil.rowsName(def.name) === veil.name) return terms;
  const bounds = readable.bounds.map((each) => (each === veil ? veil.twin() : each));
  return { ...terms, readable: new Scope(readable.patterns, bounds) };
}

function keyOf({ def, query, readable }: QueryTerms): string {
  const rules = readable.patterns.map(({ source }) => source);
  const bounds = readable.bounds.map((each) =>
    each instanceof Veil ? each.rowsName(def.name) : each.name,
  );
  return canonicalJson(encodeStored([def.name, query, rules, bounds]));
}

/** The paths that an op wrote, and those of the leaves that vanished by it. */
function pathsOf(op: LoggedOp): readonly Path[] {
  return [...writtenBy(op), ...op.removed.map(({ path }) => path)];
}
