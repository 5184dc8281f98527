import type {
  CollectionDef,
  CollectionSpec,
  ConflictError,
  Fencing,
  HoldfastError,
  MutationInput,
  MutationName,
  OpId,
  Out,
  Params,
  RecordDef,
  RecordRef,
  RecordsOf,
  SourceDef,
  Stored,
} from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import type { ReconcilerStats, ReconcilerStatus } from '@holdfast/engine/record';
import type { Release, Signal } from '@holdfast/engine/registry';
import type { PendingRequest } from '@holdfast/engine/replica';

/** How a record is doing (records.md §6.6). */
export type RecordStatus = ReconcilerStatus;

/** What a record shows, all of one moment; the same object until something changes (records.md §6.1). */
export type RecordState<T> = {
  /** Own writes that are not decided included. */
  readonly value: T | undefined;
  readonly status: RecordStatus;
  /** That of the last state of the server that was taken. */
  readonly sequence: number;
  readonly incarnation: string | null;
  /** The version of what is taken; null: nothing has been. */
  readonly schemaVersion: string | null;
  /** What the server has, where this client cannot read it. */
  readonly serverSchemaVersion?: string;
  readonly pendingIntents: number;
  /** Own writes that met another's, until they are resolved. */
  readonly conflicts: readonly ConflictError[];
  readonly connected: boolean;
  readonly error?: unknown;
  /** When the value last changed; epoch milliseconds, 0: never. */
  readonly updatedAt: number;
  /** When it was last in step with the server; epoch milliseconds, 0: never. */
  readonly lastSyncedAt: number;
  readonly source: 'seed' | 'persisted' | 'receipt' | 'snapshot' | 'local' | null;
};

/** Counters of what a record has met (records.md §6). */
export type RecordStats = ReconcilerStats & {
  /** Fields that own writes would have changed and may not: they stay as the server has them (records.md §12). */
  putBack: number;
};

/** How a write is made. */
export type RecordWriteOptions = {
  /** `unchanged`: only if nobody else has changed its fields since (records.md §11.4). Default: as the definition says. */
  readonly precondition?: 'none' | 'unchanged';
  /** Takes the write back when it aborts, if it is not sent yet. */
  readonly signal?: AbortSignal;
};

/** A write of a record: shown already, decided later. */
export interface RecordReceipt<R> {
  readonly opId: OpId;
  readonly state: 'queued' | 'durable' | 'sent' | 'committed' | 'rejected' | 'cancelled';
  /** Resolves when a restart loses nothing. */
  readonly durable: Promise<void>;
  /**
   * Resolves to what the server has, when it has committed it; rejects when it never will. Made when first read. Of a record
   * that comes by a transport it may be what this client makes of the write: its envelope comes later.
   */
  readonly committed: Promise<Envelope<Out<R>>>;
  /** Takes it back; true if it was not sent yet. */
  cancel(): boolean;
}

/** The writes of one record (records.md §11.2). */
export interface RecordWrites<R, Result> {
  /** Puts a value in the place of the object. */
  set(value: Stored<R>, options?: RecordWriteOptions): Result;
  /** Sets these fields, and removes those that are undefined. */
  patch(fields: PatchOf<R>, options?: RecordWriteOptions): Result;
  /** Adds to a number, by default 1; concurrent increments add up. */
  increment(field: string | readonly string[], by?: number, options?: RecordWriteOptions): Result;
  remove(options?: RecordWriteOptions): Result;
  /** Runs a mutation of the definition, here and then on what the server has. */
  mutate<M extends MutationName<R>>(name: M, ...given: MutationArgs<R, M>): Result;
}

/** What a mutation is called with: an input, unless it takes none. */
type MutationArgs<R, M extends string> =
  undefined extends MutationInput<R, M>
    ? [input?: MutationInput<R, M>, options?: RecordWriteOptions]
    : [input: MutationInput<R, M>, options?: RecordWriteOptions];

/** The fields of a patch; undefined removes one. */
export type PatchOf<R> = Patch<Stored<R>>;

/** Of a union, of each of its members: a patch may name what only one of them has. */
type Patch<V> = { readonly [K in keyof V]?: V[K] | undefined };

/**
 * One record of a client: its value as a signal, its state, its writes (records.md §6.1). It is cheap and holds nothing by
 * itself: while it is subscribed to, retained, waited for or written to, the record is here, and a minute longer.
 */
export interface RecordHandle<R extends RecordDef = RecordDef>
  extends Signal<Out<R> | undefined>, RecordWrites<R, RecordReceipt<R>> {
  readonly key: string;
  readonly ref: RecordRef<R>;
  readonly state: Signal<RecordState<Out<R>>>;
  stats(): Readonly<RecordStats>;
  /** Resolves when there is something to show, or known that there is nothing; rejects when it may not be read. */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Resolves when nothing more is awaited. */
  whenIdle(): Promise<void>;
  /** Tries once more to read what could not be read. */
  retry(): void;
  /** Keeps the record here until it is released. */
  retain(): Release;
}

/** A source of a client: what a server computes, to be read only (records.md §15). */
export type SourceHandle<D extends SourceDef = SourceDef> = Signal<Out<D> | undefined> &
  Pick<RecordHandle, 'key' | 'stats' | 'ready' | 'whenIdle' | 'retry' | 'retain'> & {
    readonly state: Signal<RecordState<Out<D>>>;
  };

/** One record within a transaction: what it is so far, and its writes. */
export interface TxRecord<R> extends RecordWrites<R, void> {
  get(): Out<R> | undefined;
}

/** Collects the writes of a transaction (records.md §13). */
export interface Tx {
  record<R extends RecordDef>(of: RecordHandle<R> | RecordRef<R>): TxRecord<R>;
  /** The lease, of the same store, must be held: else all of it is refused with `fenced`. */
  fence(lease: Fencing): void;
}

/** A transaction: shown already as a whole, decided as a whole. */
export interface TxReceipt<T> {
  /** Its op id. */
  readonly group: OpId;
  readonly status: Signal<'pending' | 'committed' | 'rejected'>;
  /** Resolves to what the callback returned when the server has committed it. */
  readonly committed: Promise<T>;
  cancel(): boolean;
}

/** How a collection is doing (records.md §14). */
export type CollectionState<R> = {
  readonly rows: readonly CollectionRow<R>[];
  readonly status: RecordStatus;
  /** Whether it is known which rows there are. */
  readonly ready: boolean;
  readonly hasMore: boolean;
  /** Where another window may begin: `after`. */
  readonly endCursor: string | null;
  readonly error?: HoldfastError;
};

/** One row; the same object until its key, its value or its own writes change. */
export type CollectionRow<R> = {
  readonly key: string;
  readonly value: Out<R>;
  /** Own writes of it that are not decided yet. */
  readonly pending: number;
};

/** A live set of records: its values as a signal, in order (records.md §14). It holds nothing while nobody uses it. */
export interface CollectionHandle<R extends RecordDef = RecordDef> extends Signal<
  readonly Out<R>[]
> {
  readonly key: string;
  readonly state: Signal<CollectionState<R>>;
  keys(): readonly string[];
  /** The record of a row, to write to; undefined where the key is of no record of this kind. */
  row(key: string): RecordHandle<R> | undefined;
  /** Widens the window, by default by as much as it was opened with. */
  loadMore(count?: number): Promise<void>;
  /** Resolves when it is known which rows there are; rejects when they may not be read. */
  ready(): Promise<void>;
  /** Keeps it until it is released, and ten seconds longer where it was ready by then. */
  retain(): Release;
}

/** The first row of a collection, as a signal. */
export interface OneHandle<R extends RecordDef = RecordDef> extends Signal<Out<R> | undefined> {
  readonly state: Signal<CollectionState<R>>;
  row(): RecordHandle<R> | undefined;
}

/** The names of the records of an app; any, where the type of the app is not told. */
export type RecordNames<App> = unknown extends App ? string : keyof RecordsOf<App> & string;

/** A record of an app by its name. */
export type RecordBy<App, N> = unknown extends App
  ? RecordDef
  : N extends keyof RecordsOf<App>
    ? Extract<RecordsOf<App>[N], RecordDef>
    : never;

/** An own write that is not decided yet. */
export type WaitingWrite = Pick<PendingRequest, 'opId' | 'request' | 'attempts'> & {
  readonly store: string;
  readonly state: PendingRequest['status']['state'];
};

/** The own writes of a client that are not decided yet, in every store that is open. */
export interface ClientOutbox {
  list(store?: string): readonly WaitingWrite[];
  /** Takes one back, if it is certain not to be committed; says whether it was. */
  discard(opId: OpId): boolean;
}

/** What `records` adds to a client; `App` is the type of the server's app. */
export interface RecordDesk<App = unknown> {
  readonly record: {
    <R extends RecordDef>(definition: R, params: Params<R>): RecordHandle<R>;
    <D extends SourceDef>(definition: D, params: Params<D>): SourceHandle<D>;
    <N extends RecordNames<App>>(
      name: N,
      params: Params<RecordBy<App, N>>,
    ): RecordHandle<RecordBy<App, N>>;
  };
  /** Writes several records of one store, all or nothing; the callback must not wait for anything. */
  readonly transact: <T>(
    collect: (tx: Tx) => T,
    options?: { readonly group?: string },
  ) => TxReceipt<T>;
  readonly collection: {
    <R extends RecordDef>(query: CollectionDef<R>): CollectionHandle<R>;
    <N extends RecordNames<App>>(
      name: N,
      spec?: CollectionSpec<RecordBy<App, N>>,
    ): CollectionHandle<RecordBy<App, N>>;
  };
  readonly one: <R extends RecordDef>(query: CollectionDef<R>) => OneHandle<R>;
  /**
   * Resolves when all own writes are durable and, where there is a connection, decided; rejects with `timeout` where that takes
   * longer than so many milliseconds. Without a `timeout` that is as long as the server takes.
   */
  readonly flush: (options?: { readonly timeout?: number }) => Promise<void>;
  readonly outbox: ClientOutbox;
  /** Resolves when these are here, or cannot be; they stay a minute. */
  readonly prefetch: (...refs: readonly (RecordRef | CollectionDef)[]) => Promise<void>;
  /** What is open of them, as plain data. */
  readonly describe: () => object;
}
