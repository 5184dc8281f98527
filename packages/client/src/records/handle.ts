import type { Out, RecordDef, RecordRef } from '@holdfast/protocol';
import { type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';
import type { RecordWrite } from '@holdfast/engine/record';
import type { Followed, RecordEntry } from './delivery.ts';
import { idleState } from './idle.ts';
import { noStats } from './reading.ts';
import type {
  RecordHandle,
  RecordReceipt,
  RecordState,
  RecordStats,
  RecordWriteOptions,
} from './types.ts';

/** What handles need of their client. */
export type HandleDesk = {
  /** The entry of a record, made where there is none. */
  entry(ref: RecordRef | Followed): RecordEntry;
  hold(entry: RecordEntry): Release;
  /** The same, where there is one. */
  known(ref: RecordRef | Followed): RecordEntry | undefined;
  /** The record as a server has drawn it; undefined: none has. */
  drawn(ref: RecordRef | Followed): RecordState<unknown> | undefined;
};

/** The one implementation of {@link RecordHandle}; each time it is used it finds the record anew (registry.md §8.1). */
export class StoreRecordHandle implements RecordHandle {
  readonly ref: RecordRef;
  readonly state: Signal<RecordState<Out<RecordDef>>>;
  readonly #desk: HandleDesk;

  constructor(ref: RecordRef | Followed, desk: HandleDesk) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type of a source's handle has no such member
    this.ref = ref as RecordRef;
    this.#desk = desk;
    this.state = {
      get: () => this.#state(),
      subscribe: (run) => this.#listen(({ state }) => state, run),
      getServer: () => still(this.#desk.drawn(ref) ?? this.#state()),
    };
  }

  get key(): string {
    return this.ref.key;
  }

  readonly get = (): Out<RecordDef> | undefined => this.#state().value;

  readonly subscribe = (run: () => void): Release => this.#listen(({ value }) => value, run);

  stats(): Readonly<RecordStats> {
    return { ...(this.#desk.known(this.ref)?.stats ?? noStats()) };
  }

  async ready({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    const entry = this.#desk.entry(this.ref);
    const release = this.#desk.hold(entry);
    try {
      const ready = entry.ready();
      await (signal === undefined ? ready : Promise.race([ready, aborted(signal)]));
    } finally {
      release();
    }
  }

  async whenIdle(): Promise<void> {
    await this.#desk.known(this.ref)?.whenIdle();
  }

  retry(): void {
    this.#desk.known(this.ref)?.retry();
  }

  retain(): Release {
    return this.#desk.hold(this.#desk.entry(this.ref));
  }

  set(value: object, options?: RecordWriteOptions): RecordReceipt<RecordDef> {
    return this.#write({ set: { ...value } }, options);
  }

  patch(fields: object, options?: RecordWriteOptions): RecordReceipt<RecordDef> {
    return this.#write({ patch: { ...fields } }, options);
  }

  increment(
    field: string | readonly string[],
    by = 1,
    options?: RecordWriteOptions,
  ): RecordReceipt<RecordDef> {
    return this.#write({ increment: typeof field === 'string' ? [field] : field, by }, options);
  }

  remove(options?: RecordWriteOptions): RecordReceipt<RecordDef> {
    return this.#write({ remove: true }, options);
  }

  mutate(name: string, input: unknown, options?: RecordWriteOptions): RecordReceipt<RecordDef> {
    return this.#write({ mutate: name, input }, options);
  }

  #write(write: RecordWrite, options?: RecordWriteOptions): RecordReceipt<RecordDef> {
    return this.#desk.entry(this.ref).write(write, options);
  }

  #state(): RecordState<Out<RecordDef>> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is shown has passed the schema
    return (this.#desk.known(this.ref)?.state.get() ?? idleState) as RecordState<Out<RecordDef>>;
  }

  #listen(of: (entry: RecordEntry) => Signal<unknown>, run: () => void): Release {
    const entry = this.#desk.entry(this.ref);
    const release = this.#desk.hold(entry);
    const leave = of(entry).subscribe(run);
    return releaseOnce(() => {
      leave();
      release();
    });
  }
}

const stills: WeakMap<object, RecordState<never>> = /* @__PURE__ */ new WeakMap();

/** What a server and a browser that has yet to connect draw alike: without what only one of them knows. */
function still(state: RecordState<unknown>): RecordState<never> {
  const known = stills.get(state);
  if (known !== undefined) return known;
  const only = { connected: false, source: 'seed', updatedAt: 0, lastSyncedAt: 0 } as const;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is shown has passed the schema
  const made = Object.freeze({ ...state, ...only }) as RecordState<never>;
  stills.set(state, made);
  return made;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the reason is the caller's
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
