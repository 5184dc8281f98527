import type { CollectionDef, Out, RecordDef } from '@holdfast/protocol';
import type { Release, Signal } from '@holdfast/engine/registry';
import { handled } from '../handled.ts';
import type { CollectionEntry } from './collection.ts';
import { noRows } from './idle.ts';
import type { CollectionHandle, CollectionState, OneHandle, RecordHandle } from './types.ts';
import type { Use } from './use.ts';

type Used = Use<CollectionDef, CollectionEntry, CollectionState<unknown>>;

/** The one implementation of {@link CollectionHandle}; `rowAt` gives the record of a key. */
export class LiveCollection implements CollectionHandle {
  readonly key: string;
  readonly state: Signal<CollectionState<RecordDef>>;
  readonly subscribe: Used['subscribe'];
  readonly row: (key: string) => RecordHandle | undefined;
  readonly #use: Used;

  constructor({ key }: CollectionDef, use: Used, rowAt: (key: string) => RecordHandle | undefined) {
    this.key = key;
    this.state = use.state;
    this.subscribe = use.subscribe;
    this.row = rowAt;
    this.#use = use;
  }

  readonly get = (): readonly Out<RecordDef>[] => {
    const values = this.#use.known?.value.get() ?? noRows.rows;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is shown has passed the schema
    return values as readonly Out<RecordDef>[];
  };

  keys(): readonly string[] {
    return this.state.get().rows.map(({ key }) => key);
  }

  loadMore(count?: number): Promise<void> {
    return handled(() => this.#use.until((entry) => entry.widen(count)));
  }

  ready(): Promise<void> {
    return handled(() => this.#use.until((entry) => entry.ready()));
  }

  retain(): Release {
    return this.#use.retain();
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
