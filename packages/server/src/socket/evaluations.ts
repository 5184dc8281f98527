import type { LoggedOp } from '@holdfast/engine/authority';
import { Evaluation, type Row, type RowOp } from '@holdfast/engine/collection';
import { readIn, Scope, type Tree } from '@holdfast/engine/data';
import { objectsOf, type Placed, Places, Veil } from '@holdfast/engine/gate';
import {
  asGlob,
  globOf,
  type Path,
  type Query,
  type RecordDef,
  segmentsOf,
  type Seq,
} from '@holdfast/protocol';
import { canonicalJson, encodeStored } from '@holdfast/protocol/record';
import type { Crowd } from '../host/crowd.ts';
import type { StoreHost } from '../host/store-host.ts';
import { writtenBy } from './ops.ts';
import { everything, patternOf } from './scope.ts';

/** So many leaves, or objects of a query, are looked at before others have their turn. */
const PIECE = 500;
/** So many paths are remembered with what is near them: more than one commit has, as a rule. */
const NEAR_MAX = 500;

/** A query, and what of the store whoever asks may read. */
export type QueryTerms = {
  readonly def: RecordDef;
  readonly query: Query;
  readonly readable: Scope;
};

/** Hears when the windows of queries have moved on. */
export type Watcher = { moved(tree: Tree, at: Seq): void };

/** An object at a path or above it, and the field of it that the path is in; undefined: the object itself. */
type Near = Pick<Placed<null>, 'path' | 'params'> & { readonly field: string | undefined };

/** Which objects of a template are near a path. It is asked about the same paths for each query, so it is looked up once. */
class Neighbourhood {
  readonly #places: Places<null>;
  readonly #known = new Map<Path, readonly Near[]>();

  constructor(template: string) {
    this.#places = new Places([{ template, item: null }]);
  }

  of(path: Path): readonly Near[] {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const segments = segmentsOf(path);
    const found = this.#places.around(path).map(({ path: object, params }) => ({
      path: object,
      params,
      field: segments[segmentsOf(object).length],
    }));
    if (this.#known.size === NEAR_MAX) this.#known.clear();
    this.#known.set(path, found);
    return found;
  }
}

/** A query that all who ask the same share. */
export class SharedQuery {
  readonly key: string;
  readonly terms: QueryTerms;
  readonly evaluation: Evaluation;
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

  constructor(key: string, terms: QueryTerms, near: Neighbourhood) {
    this.key = key;
    this.terms = terms;
    const { def, query } = terms;
    this.#near = near;
    this.#params = Object.entries(query.params);
    this.evaluation = new Evaluation(def.name, query, []);
  }

  /** Takes in all objects that there are: at once where they are few, else a piece in each turn, as long as it is in use. */
  load(stateNow: () => Tree, crowd: Crowd): void {
    const tree = stateNow();
    const objects = objectsOf(tree, this.terms.def);
    if (this.#take(objects, tree)) return;
    const rest = async (): Promise<void> => {
      do {
        // oxlint-disable-next-line no-await-in-loop -- one piece after the other
        await crowd.next();
      } while (this.users > 0 && !this.#take(objects, tree));
      this.loading = null;
      this.#change(stateNow(), this.#late);
      this.#late.clear();
    };
    this.loading = rest();
  }

  /** Takes in what has become of objects: how the window changes by it, for those who have it. */
  touch(tree: Tree, objects: ReadonlySet<Path>): void {
    if (this.loading === null) this.step = this.#change(tree, objects);
    else for (const path of objects) this.#late.add(path);
  }

  /** Takes in a piece of what there is; whether that was the last. */
  #take(objects: Iterator<Path | null>, tree: Tree): boolean {
    const found = new Set<Path>();
    let next = objects.next();
    for (let count = 1; next.done !== true; count += 1) {
      const { value: path } = next;
      if (path !== null && this.around(path).includes(path)) found.add(path);
      if (count === PIECE) break;
      next = objects.next();
    }
    this.#change(tree, found);
    return next.done === true;
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
    const rows = Array.from(objects, (path) => this.rowOf(tree, path));
    const step = rows.length === 0 ? null : this.evaluation.change(rows);
    if (step !== null) this.#shown = null;
    return step;
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
    const { readable } = this.terms;
    // What is seen of an object may depend on any field of it.
    if (readable.bounds.length > 0) return this.around(path);
    const moved = this.#around(path).filter(({ path: object, field }) => {
      const isAsked = field === undefined || this.evaluation.fields.has(field);
      if (isAsked || !this.evaluation.has(object)) return true;
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

/** The queries of one store that are open: each evaluated once for all who share it (records.md §14.2.3). */
export class Evaluations {
  readonly #host: StoreHost;
  readonly #crowd: Crowd;
  readonly #shared = new Map<string, SharedQuery>();
  /** By the templates of records, which are as many as are declared. */
  readonly #near = new Map<string, Neighbourhood>();
  readonly #watchers = new Set<Watcher>();

  constructor(host: StoreHost, crowd: Crowd) {
    this.#host = host;
    this.#crowd = crowd;
  }

  /** How many there are. */
  get size(): number {
    return this.#shared.size;
  }

  /** Opens a query, or joins those who have; throws `invalid_cursor`. */
  hold(asked: QueryTerms): SharedQuery {
    const terms = narrowed(asked);
    const key = keyOf(terms);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = new SharedQuery(key, apart(terms), this.#nearOf(terms.def));
      this.#shared.set(key, shared);
      shared.load(() => this.#host.view().tree, this.#crowd);
    }
    shared.users += 1;
    return shared;
  }

  #nearOf({ path }: RecordDef): Neighbourhood {
    const near = this.#near.get(path) ?? new Neighbourhood(path);
    this.#near.set(path, near);
    return near;
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
      shared.touch(tree, new Set(touchedOf(shared)));
    }
    try {
      for (const watcher of this.#watchers) watcher.moved(tree, at);
    } finally {
      for (const shared of this.#shared.values()) shared.wasTold();
    }
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

/**
 * Of what may be read, what bears on the objects: who may read more elsewhere, such as what is their own, sees the same rows.
 */
function narrowed(terms: QueryTerms): QueryTerms {
  const { def, query, readable } = terms;
  const objects = patternOf(asGlob(`${globOf(def.path, query.params)}/**`));
  const { patterns, bounds } = readable.within(new Scope([objects]));
  const isAll = patterns.some(({ source }) => source === objects.source);
  return { ...terms, readable: new Scope(isAll ? everything.map(patternOf) : patterns, bounds) };
}

function keyOf({ def, query, readable }: QueryTerms): string {
  const rules = readable.patterns.map(({ source }) => source).toSorted();
  const bounds = readable.bounds.map((each) =>
    each instanceof Veil ? each.rowsName(def.name) : each.name,
  );
  return canonicalJson(encodeStored([def.name, query, rules, bounds]));
}

/** The paths that an op wrote, and those of the leaves that vanished by it. */
function pathsOf(op: LoggedOp): readonly Path[] {
  return [...writtenBy(op), ...op.removed.map(({ path }) => path)];
}
