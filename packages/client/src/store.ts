import {
  type Fencing,
  isPromised,
  isRefusal,
  type Json,
  type OpId,
  type Path,
  type Refusal,
  type Request,
  type Seq,
  type StoreName,
  type Write,
} from '@holdfast/protocol';
import { type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';
import type { ShownEntry, WatchEvent } from '@holdfast/engine/replica';
import { arounds, holds } from './doors.ts';
import type {
  FileContent,
  FilePlace,
  GetFileOptions,
  OpenFile,
  PutFileOptions,
  StoredFile,
} from './files.ts';
import type { Diff, HistoryOptions, HistoryPage, Rollback, RollbackOptions } from './history.ts';
import { handled } from './handled.ts';
import type { Hold } from './hold.ts';
import { later, seldom } from './later.ts';
import type { Lease, LeaseDesk, LeaseOptions } from './lease.ts';
import {
  type Page,
  pageOf,
  type PageOptions,
  type Select,
  select,
  type SyncedEntry,
} from './listing.ts';
import type { OpenStore } from './open-store.ts';
import { checkOptions, closedError } from './mistakes.ts';
import type { Compute, Flight, OnceOptions } from './once.ts';
import { Outbox } from './outbox.ts';
import { type OpStatus, readOpStatus } from './op-status.ts';
import { Past, pastOf } from './past.ts';
import { type Receipt, WriteReceipt } from './receipt.ts';
import type { StoreStatus } from './status.ts';
import type { StoreDesk } from './store-call.ts';
import type { Subscription } from './subscription.ts';
import { Transaction } from './transaction.ts';
import { isSettled } from './waiters.ts';
import {
  iterate,
  type Iteration,
  type OnOptions,
  overflow,
  type WatcherOptions,
  watchOptionsOf,
} from './watch.ts';
import { type BlindOptions, type FenceOptions, type PathInput, placeOf, Writes } from './writes.ts';

const empty: Page<never> = { items: [], next: null };

/**
 * A handle on a store: the client's one live replica of it, to read, to write to, and to watch (design.md, Public API).
 * Reads and writes are of this moment, on what is committed with the own writes on top; nothing here waits for the
 * server, except where it returns a promise.
 */
export class Store extends Writes<Receipt, FenceOptions & BlindOptions> implements Disposable {
  readonly name: StoreName;
  /** Own writes that are not decided yet. */
  readonly outbox: Outbox;
  readonly #hold: Hold;
  readonly #release: Release;
  #isClosed = false;

  /** Made by `client.store`. */
  constructor(hold: Hold, release: Release) {
    super(true);
    this.#hold = hold;
    this.#release = release;
    this.name = hold.slot.name;
    holds.set(this, hold);
    this.outbox = new Outbox(hold.slot, () => this.#open());
  }

  /** How the store is doing; the same object until something changes. */
  get status(): Signal<StoreStatus> {
    return this.#hold.slot.status;
  }

  /** Resolves when the store is caught up, or offline with what a cache kept; rejects when the server refuses it. */
  get ready(): Promise<void> {
    return this.#later((open) => open.ready(this.#hold.part));
  }

  /** Resolves when every write made so far is decided, one way or the other. */
  settled(): Promise<void> {
    return this.#later((open) => open.until(isSettled));
  }

  /** The value at a path: plain, frozen, the same object until it changes; undefined where nothing is. */
  get(path: PathInput): Json | undefined {
    return this.#entry(path)?.value;
  }

  /**
   * The value at a path with its type, its revision, whether an own write bears on it that is not decided, and how old what is
   * known of the store may be.
   */
  entry(path: PathInput): SyncedEntry | undefined {
    const entry = this.#entry(path);
    return entry && { ...entry, syncedAt: this.#hold.slot.syncedAt };
  }

  #entry(path: PathInput): ShownEntry | undefined {
    const at = placeOf(path);
    const entry = this.#open().replica?.entry(at);
    return this.#hold.part.readsLeaf(at) && entry?.type === 'map' ? undefined : entry;
  }

  /** The values at some paths, in their order. */
  getMany(paths: readonly PathInput[]): readonly (Json | undefined)[] {
    return paths.map((path) => this.get(path));
  }

  /** The leaves that match a pattern, in path order; or only their paths, or the paths of the level below the base. */
  entries(
    pattern?: string,
    options?: PageOptions & { readonly select?: 'entries' },
  ): Page<ShownEntry>;
  entries(
    pattern: string,
    options: PageOptions & { readonly select: 'keys' | 'prefixes' },
  ): Page<Path>;
  entries(
    pattern = '**',
    options: PageOptions & { readonly select?: Select } = {},
  ): Page<ShownEntry | Path> {
    const parsed = this.#hold.part.pattern(pattern);
    const page = pageOf('entries', options);
    const { replica } = this.#open();
    return replica === undefined ? empty : select(replica, parsed, page);
  }

  /** The leaves with `from <= path < to`, in path order. */
  range(from: string, to: string, options: PageOptions = {}): Page<ShownEntry> {
    const page = pageOf('range', options);
    this.#hold.part.checkRange(from, to);
    return this.#open().replica?.entries({ from, to }, page) ?? empty;
  }

  /** Writes several things, all or nothing. The callback collects them; it must not wait for anything. */
  transact(collect: (tx: Transaction) => void, options: BlindOptions = {}): Receipt {
    checkOptions('transact', options, { blind: 'boolean' });
    const tx = new Transaction();
    const result: unknown = collect(tx);
    if (isPromised(result)) {
      throw new TypeError('transact needs a callback that does not wait.');
    }
    return this.#request(tx.request(), options.blind);
  }

  /**
   * Takes a lease (stores.md §5.2): rejects with `held` while somebody else has it, with `unavailable` when there is no
   * connection. `ttl` is in milliseconds (default 30 000). It is renewed each third of that, unless `heartbeat` is false;
   * its signal aborts when it is lost.
   */
  lease(path: PathInput, options: LeaseOptions = {}): Promise<Lease> {
    return handled(async () => {
      const { acquire } = await seldom();
      return acquire(this.#leases, placeOf(path), options);
    });
  }

  /**
   * The value at a key, computed by one of all clients (stores.md §18 C22): whoever comes while it is computed waits for
   * it, and takes over from one who is not heard of any more. At least once, not exactly once. Where nobody can be asked,
   * for want of a connection, it is computed here.
   */
  once<T extends Json>(
    key: PathInput,
    compute: Compute<T>,
    options?: OnceOptions,
  ): Promise<Flight<T>> {
    return handled(async () => {
      const { once } = await seldom();
      const at = { store: this, slot: this.#hold.slot, key: placeOf(key) };
      return once(at, compute, options);
    });
  }

  /**
   * A lease acquired elsewhere, by its key and token. Nothing is asked: `renew` tells whether it is still held, and until
   * then its `expiresAt` is 0 and its holder null. How long it was taken for is not known either: without a `ttl`, `renew`
   * holds it for 30 000 ms from then on, which may be shorter.
   */
  leaseOf({ key, token }: Fencing): Promise<Lease> {
    return handled(async () => {
      const { leaseOf } = await seldom();
      return leaseOf(this.#leases, { key: placeOf(key), token });
    });
  }

  /** Calls back for each change of a leaf, or of a path, that a pattern matches; returns how to stop. */
  on(pattern: string, callback: (event: WatchEvent) => unknown, options: OnOptions = {}): Release {
    if (typeof callback !== 'function') throw new TypeError('on needs a callback.');
    const { onResync } = options;
    const watchOptions = watchOptionsOf('on', options, { onResync: 'function' });
    return this.#subscribe({
      pattern: this.#hold.part.pattern(pattern),
      options: watchOptions,
      event: callback,
      ended: (error) => {
        if (error !== null) return undefined;
        if (onResync !== undefined) return onResync();
        // An error like any other that nobody handles.
        throw overflow({ store: this.name, pattern, limit: watchOptions.maxQueue });
      },
      isLive: true,
    });
  }

  /** The same as an async iterable; each iteration subscribes anew, and ends with an error when it falls behind. */
  watch(pattern: string, options: WatcherOptions = {}): AsyncIterable<WatchEvent> {
    const parsed = this.#hold.part.pattern(pattern);
    const watchOptions = watchOptionsOf('watch', options, { signal: 'object' });
    const { maxQueue, delivery } = watchOptions;
    const watched = { store: this.name, pattern, limit: maxQueue };
    const subscribe: Iteration['subscribe'] = (told) =>
      this.#subscribe({
        pattern: parsed,
        // What a consumer that waits is about to get does not wait.
        options: { ...watchOptions, maxQueue: maxQueue + 1 },
        ...told,
        isLive: true,
      });
    this.#open();
    const { policy } = delivery;
    const { signal } = options;
    return { [Symbol.asyncIterator]: () => iterate(watched, { policy, signal, subscribe }) };
  }

  /** Asks what became of a write, also one of another session of this device. */
  opStatus(opId: OpId): Promise<OpStatus> {
    return handled(async () => {
      if (this.#hold.slot.opened?.stateOf(opId)) return { state: 'pending' };
      const open = await this.#reach();
      return readOpStatus(await open.ask('op_status', { client_op_id: opId }));
    });
  }

  /**
   * Writes a file, over HTTP (stores.md §15.5): nothing is shown before it is committed. What can be read twice goes on from
   * where it broke off, and is not sent at all where the server has it.
   */
  putFile(path: PathInput, content: FileContent, options?: PutFileOptions): Promise<StoredFile> {
    return handled(async () => {
      const at = this.#fileAt(path);
      const { putFile } = await later(import('./files.ts'));
      return putFile(at, content, options);
    });
  }

  /** Opens a file, or a part of it; undefined where no file is. */
  getFile(path: PathInput, options?: GetFileOptions): Promise<OpenFile | undefined> {
    return handled(async () => {
      const at = this.#fileAt(path);
      const { getFile } = await later(import('./files.ts'));
      return getFile(at, options);
    });
  }

  /** What happened, newest first (stores.md §13.2.1): ops as they were committed. It is asked of the server, and takes `audit:read`. */
  history(options?: HistoryOptions): Promise<HistoryPage> {
    return handled(async () => (await pastOf()).history(this.#desk(), options));
  }

  /** The store as it was at a seq that is retained (stores.md §13.1.4); what is read of it is asked of the server. */
  at(seq: Seq): Past {
    return new Past(this.#desk(), seq);
  }

  /** What differs between two seqs, leaf by leaf: after `from`, up to `to`, or until now (stores.md §13.2.2). */
  diff(from: Seq, to?: Seq): Promise<Diff> {
    return handled(async () => (await pastOf()).diff(this.#desk(), from, to));
  }

  /**
   * Goes back to what was at a seq, at a path and below it, or in the whole store: by new writes, in one commit that
   * everybody follows (stores.md §13.3). Rejects with `unavailable` when there is no connection.
   */
  rollback(options: RollbackOptions): Promise<Rollback> {
    return handled(async () => {
      await this.#reach();
      return (await pastOf()).rollback(this.#desk(), options);
    });
  }

  /** Lets go of the store. It stays open a while for the next handle; this one can do nothing any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#release();
    this.#hold.closed?.();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  protected override emit(write: Write | Refusal, isBlind: boolean): Receipt {
    return this.#request(write, isBlind);
  }

  /** What leases are asked for by: their requests need the server's answer to mean anything (stores.md §18 C1). */
  get #leases(): LeaseDesk {
    return {
      slot: this.#hold.slot,
      command: async (request) => {
        await this.#reach();
        return this.#request(request).committed;
      },
    };
  }

  async #reach(): Promise<OpenStore> {
    const open = this.#open();
    await open.until();
    return open;
  }

  #request(wanted: Request | Refusal, isBlind = false): Receipt {
    const refusal = isBlind || isRefusal(wanted) ? null : this.#hold.part.refuse(wanted);
    const request = refusal ?? wanted;
    const around = isRefusal(request) ? undefined : arounds.get(this);
    if (around === undefined || isRefusal(request)) return this.#make(request, isBlind);
    return around(request, () => this.#make(request, isBlind));
  }

  #make(request: Request | Refusal, isBlind: boolean): Receipt {
    const open = this.#open();
    const isRefused = isRefusal(request);
    const opId = this.#hold.slot.nextOpId();
    const receipt = new WriteReceipt({ opId, request: isRefused ? null : request }, open);
    if (isRefused) open.settle(receipt, { status: 'refused', refusal: request });
    else open.request(receipt, { blind: isBlind });
    return receipt;
  }

  #subscribe(subscription: Subscription): Release {
    const open = this.#open();
    const release = this.#hold.retain();
    const leave = open.subscribe(subscription);
    return releaseOnce(() => {
      leave();
      release();
    });
  }

  /** A promise that nobody has to handle: the status tells, too. */
  #later(wait: (open: OpenStore) => Promise<void>): Promise<void> {
    return handled(async () => wait(this.#open()));
  }

  #fileAt(path: PathInput): FilePlace {
    return { ...this.#desk(), path: placeOf(path) };
  }

  #desk(): StoreDesk {
    this.#open();
    const { part, slot } = this.#hold;
    const status = part.globs.length === 0 ? null : slot.status;
    const { settings, connection } = slot.room;
    return { settings, connection, store: this.name, status };
  }

  #open(): OpenStore {
    if (this.#isClosed) throw closedError('store');
    return this.#hold.slot.store;
  }
}
