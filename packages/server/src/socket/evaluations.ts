import type { LoggedOp } from '@holdfast/engine/authority';
import { planOf } from '@holdfast/engine/collection';
import { Scope, type Tree } from '@holdfast/engine/data';
import { Veil } from '@holdfast/engine/gate';
import { asGlob, globOf, type Path, type RecordDef, type Seq } from '@holdfast/protocol';
import { canonicalJson, encodeStored } from '@holdfast/protocol/record';
import type { Crowd } from '../host/crowd.ts';
import type { StoreHost } from '../host/store-host.ts';
import { Neighbourhood } from './neighbourhood.ts';
import { writtenBy } from './ops.ts';
import { everything, patternOf } from './scope.ts';
import { indexKeyOf, IndexUse, SharedIndex } from './shared-index.ts';
import { type QueryTerms, SharedQuery } from './shared-query.ts';

/** Hears when the windows of queries have moved on. */
export type Watcher = { moved(tree: Tree, at: Seq): void };

/** The queries of one store that are open: each evaluated once for all who share it (records.md §14.2.3). */
export class Evaluations {
  readonly #host: StoreHost;
  readonly #crowd: Crowd;
  readonly #shared = new Map<string, SharedQuery>();
  /** By the templates of records, which are as many as are declared. */
  readonly #near = new Map<string, Neighbourhood>();
  /** Those that queries use, by what they are of. */
  readonly #indexes = new Map<string, SharedIndex>();
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
    const shared = this.#shared.get(key) ?? this.#opened(key, terms);
    shared.users += 1;
    return shared;
  }

  #opened(key: string, terms: QueryTerms): SharedQuery {
    const near = this.#nearOf(terms.def);
    const use = this.#useFor(terms, near);
    const shared = new SharedQuery(key, apart(terms), { near, use });
    const stateNow = (): Tree => this.#host.view().tree;
    if (use !== null) this.#join(use.index, stateNow);
    this.#shared.set(key, shared);
    shared.load(stateNow, this.#crowd);
    return shared;
  }

  /** The index that serves a query. It has the objects as they are: who may read only parts of them is not shown what lies there. */
  #useFor({ def, query, readable }: QueryTerms, near: Neighbourhood): IndexUse | null {
    const plan = readable.isWhole ? planOf(def, query) : null;
    if (plan === null) return null;
    const index = this.#indexes.get(indexKeyOf(def, plan)) ?? new SharedIndex(def, plan, near);
    return new IndexUse(index, plan);
  }

  #join(index: SharedIndex, stateNow: () => Tree): void {
    index.users += 1;
    if (this.#indexes.get(index.key) === index) return;
    this.#indexes.set(index.key, index);
    index.load(stateNow, this.#crowd);
  }

  #nearOf({ path }: RecordDef): Neighbourhood {
    const near = this.#near.get(path) ?? new Neighbourhood(path);
    this.#near.set(path, near);
    return near;
  }

  release(shared: SharedQuery): void {
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#shared.delete(shared.key);
    const index = shared.use?.index;
    if (index === undefined) return;
    index.users -= 1;
    if (index.users === 0) this.#indexes.delete(index.key);
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
    for (const index of this.#indexes.values()) index.touch(tree, paths);
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
