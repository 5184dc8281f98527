import type { Out, RecordDef, RecordRef } from '@holdfast/protocol';
import type { RecordWrite } from '@holdfast/engine/record';
import type { Release, Signal } from '@holdfast/engine/registry';
import { handled } from '../handled.ts';
import { orAborted } from '../or-aborted.ts';
import type { RecordEntry, SourceRef } from './delivery.ts';
import { Making } from './making.ts';
import { noStats } from './reading.ts';
import type {
  RecordHandle,
  RecordReceipt,
  RecordState,
  RecordStats,
  RecordWriteOptions,
} from './types.ts';
import type { Use } from './use.ts';

/** What handles need of their client. */
export type HandleDesk = {
  write(
    entry: RecordEntry,
    write: RecordWrite,
    options?: RecordWriteOptions,
  ): RecordReceipt<unknown>;
};

type Used = Use<RecordRef | SourceRef, RecordEntry, RecordState<unknown>>;

/** The one implementation of {@link RecordHandle}. */
export class StoreRecordHandle extends Making<RecordReceipt<RecordDef>> implements RecordHandle {
  readonly ref: RecordRef;
  readonly state: Signal<RecordState<Out<RecordDef>>>;
  readonly subscribe: Used['subscribe'];
  readonly #use: Used;
  readonly #desk: HandleDesk;

  constructor(ref: RecordRef | SourceRef, use: Used, desk: HandleDesk) {
    super();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type of a source's handle has no such member
    this.ref = ref as RecordRef;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is shown has passed the schema
    this.state = use.state as this['state'];
    this.subscribe = use.subscribe;
    this.#use = use;
    this.#desk = desk;
  }

  get key(): string {
    return this.ref.key;
  }

  readonly get = (): Out<RecordDef> | undefined => this.state.get().value;

  stats(): Readonly<RecordStats> {
    return { ...(this.#use.known?.stats ?? noStats()) };
  }

  ready({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return handled(async () => {
      signal?.throwIfAborted();
      await this.#use.until((entry) => (signal ? orAborted(signal, entry.ready()) : entry.ready()));
    });
  }

  whenIdle(): Promise<void> {
    return handled(async () => this.#use.known?.whenIdle());
  }

  retry(): void {
    this.#use.known?.retry();
  }

  retain(): Release {
    return this.#use.retain();
  }

  protected override emit(
    write: RecordWrite,
    options?: RecordWriteOptions,
  ): RecordReceipt<RecordDef> {
    return this.#desk.write(this.#use.entry, write, options);
  }
}

const stills: WeakMap<object, RecordState<unknown>> = /* @__PURE__ */ new WeakMap();

/** What a server and a browser that has yet to connect draw alike: without what only one of them knows. */
export function still(state: RecordState<unknown>): RecordState<unknown> {
  const only = { connected: false, source: 'seed', updatedAt: 0, lastSyncedAt: 0 } as const;
  const known = stills.get(state) ?? Object.freeze({ ...state, ...only });
  stills.set(state, known);
  return known;
}
