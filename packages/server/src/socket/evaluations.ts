import type { LoggedOp } from '@holdfast/engine/authority';
import { planOf } from '@holdfast/engine/collection';
import { Scope, type Tree } from '@holdfast/engine/data';
import { Veil } from '@holdfast/engine/gate';
import { asGlob, globOf, type Path, type Seq } from '@holdfast/protocol';
import { canonicalJson, encodeStored } from '@holdfast/protocol/record';
import type { Crowd } from '../host/crowd.ts';
import type { StoreHost } from '../host/store-host.ts';
import type { Indexes } from './indexes.ts';
import { touchedBy } from './ops.ts';
import { everything, patternOf } from './scope.ts';
import { IndexUse } from './shared-index.ts';
import { type QueryTerms, SharedQuery } from './shared-query.ts';

/** Hears when the windows of queries have moved on. */
export type Watcher = { moved(tree: Tree, at: Seq): void };

/** Who goes on piece by piece, and by what rows are found. */
type EvaluationsRoom = { readonly crowd: Crowd; readonly indexes: Indexes };

/** The queries of one store that are open: each evaluated once for all who share it (records.md §14.2.3). */
export class Evaluations {
  readonly #host: StoreHost;
  readonly #crowd: Crowd;
  readonly #indexes: Indexes;
  readonly #shared = new Map<string, SharedQuery>();
  readonly #watchers = new Set<Watcher>();

  constructor(host: StoreHost, { crowd, indexes }: EvaluationsRoom) {
    this.#host = host;
    this.#crowd = crowd;
    this.#indexes = indexes;
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
    const near = this.#indexes.nearOf(terms.def);
    const use = this.#useFor(terms);
    const shared = new SharedQuery(key, apart(terms), { near, use });
    if (use !== null) this.#indexes.join(use.index);
    this.#shared.set(key, shared);
    shared.load(() => this.#host.view().tree, this.#crowd);
    return shared;
  }

  /** The index that serves a query. It has the objects as they are: who may read only parts of them is not shown what lies there. */
  #useFor({ def, query, readable }: QueryTerms): IndexUse | null {
    const plan = readable.isWhole ? planOf(def, query) : null;
    return plan && new IndexUse(this.#indexes.of(def, plan), plan);
  }

  release(shared: SharedQuery): void {
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#shared.delete(shared.key);
    if (shared.use !== null) this.#indexes.leave(shared.use.index);
  }

  /** Tells a watcher after each commit until the returned function is called. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Takes in what was committed, and what indexes have become by it. */
  follow(ops: readonly LoggedOp[]): void {
    const at = ops.at(-1)?.seq;
    if (this.#shared.size === 0 || at === undefined) return;
    const { tree } = this.#host.view();
    const paths = new Set(ops.flatMap(touchedBy));
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
