import type { CollectionDef, Out, RecordDef } from '@holdfast/protocol';
import { type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';
import type { CollectionEntry } from './collection.ts';
import { noRows } from './idle.ts';
import type { CollectionHandle, CollectionState, OneHandle, RecordHandle } from './types.ts';

type Def = RecordDef;

/** What handles of collections need of their client. */
export type CollectionHandleDesk = {
  collectionOf(def: CollectionDef): CollectionEntry;
  knownCollection(def: CollectionDef): CollectionEntry | undefined;
  /** The collection as a server has drawn it; undefined: none has. */
  drawnCollection(def: CollectionDef): CollectionState<Def> | undefined;
  holdCollection(entry: CollectionEntry): Release;
  recordAt(def: Def, key: string): RecordHandle | undefined;
};

/** The one implementation of {@link CollectionHandle}. */
export class LiveCollection implements CollectionHandle {
  readonly state: Signal<CollectionState<Def>>;
  readonly #def: CollectionDef;
  readonly #desk: CollectionHandleDesk;

  constructor(def: CollectionDef, desk: CollectionHandleDesk) {
    this.#def = def;
    this.#desk = desk;
    this.state = {
      get: () => this.#state(),
      subscribe: (run) => this.#listen(({ state }) => state, run),
      getServer: () => this.#desk.drawnCollection(def) ?? this.#state(),
    };
  }

  get key(): string {
    return this.#def.key;
  }

  readonly get = (): readonly Out<Def>[] => {
    const values = this.#desk.knownCollection(this.#def)?.values.get() ?? noRows.rows;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is shown has passed the schema
    return values as readonly Out<Def>[];
  };

  readonly subscribe = (run: () => void): Release => this.#listen(({ values }) => values, run);

  keys(): readonly string[] {
    return this.#state().rows.map(({ key }) => key);
  }

  row(key: string): RecordHandle | undefined {
    return this.#desk.recordAt(this.#def.record, key);
  }

  async loadMore(count?: number): Promise<void> {
    await this.#held((entry) => {
      entry.widen(count);
      return entry.current();
    });
  }

  ready(): Promise<void> {
    return this.#held((entry) => entry.ready());
  }

  retain(): Release {
    return this.#desk.holdCollection(this.#desk.collectionOf(this.#def));
  }

  async #held(use: (entry: CollectionEntry) => Promise<void>): Promise<void> {
    const entry = this.#desk.collectionOf(this.#def);
    const release = this.#desk.holdCollection(entry);
    try {
      await use(entry);
    } finally {
      release();
    }
  }

  #state(): CollectionState<Def> {
    return this.#desk.knownCollection(this.#def)?.state.get() ?? noRows;
  }

  #listen(of: (entry: CollectionEntry) => Signal<unknown>, run: () => void): Release {
    const entry = this.#desk.collectionOf(this.#def);
    const release = this.#desk.holdCollection(entry);
    const leave = of(entry).subscribe(run);
    return releaseOnce(() => {
      leave();
      release();
    });
  }
}

/** The first row of a collection of one. */
export function firstOf(collection: CollectionHandle): OneHandle {
  return {
    state: collection.state,
    get: () => collection.get()[0],
    subscribe: (run) => collection.subscribe(run),
    row: () => {
      const [key] = collection.keys();
      return key === undefined ? undefined : collection.row(key);
    },
  };
}
