import {
  isRefusal,
  HoldfastError,
  type Json,
  type OpId,
  type Path,
  readOpStatusReply,
  type Refusal,
  refuse,
  RejectedError,
  type Request,
  type Seq,
  type StoreName,
  toPath,
  type Write,
} from '@holdfast/protocol';
import { type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';
import type { ShownEntry, WatchEvent } from '@holdfast/engine/replica';
import { Lease, type LeaseDesk } from './lease.ts';
import { type Page, pageOf, type PageOptions, type Select, select } from './listing.ts';
import type { OpenStore } from './open-store.ts';
import { checkOptions, closedError } from './options.ts';
import { Outbox } from './outbox.ts';
import { type Commit, type Receipt, WriteReceipt } from './receipt.ts';
import type { Slot, StoreStatus } from './slot.ts';
import type { Subscription } from './subscription.ts';
import { Transaction } from './transaction.ts';
import {
  type OnOptions,
  onTypes,
  overflow,
  patternOf,
  Watcher,
  type WatcherOptions,
  watchOptionsOf,
  watchTypes,
} from './watch.ts';
import { type FenceOptions, type Fencing, type PathInput, Writes } from './writes.ts';

/** What a handle needs of its client. */
export type Hold = {
  readonly slot: Slot;
  /** Writes only; nothing of the store is replicated for it. */
  readonly isWriteOnly: boolean;
  nextOpId(): OpId;
  /** The open store; a promise where it has yet to be read from the cache. Throws when it cannot be opened. */
  open(): OpenStore | Promise<OpenStore>;
  /** Keeps the store open. */
  retain(): Release;
};

/** What became of an own write, as far as the server remembers (stores.md §10.7). */
export type OpStatus =
  | { readonly state: 'pending' | 'unknown' }
  | { readonly state: 'committed'; readonly seq: Seq };

const empty: Page<never> = { items: [], next: null };

/**
 * A handle on a store: the client's one live replica of it, to read, to write to, and to watch (design.md, Public API).
 * Reads and writes are of this moment, on what is committed with the own writes on top; nothing here waits for the
 * server, except where it returns a promise.
 */
export class Store extends Writes<Receipt, FenceOptions> implements Disposable {
  readonly name: StoreName;
  /** Own writes that are not decided yet. */
  readonly outbox: Outbox;
  protected override readonly guardNames = ['ifMatch', 'ifAbsent', 'fence'] as const;
  readonly #hold: Hold;
  readonly #release: Release;
  #isClosed = false;

  /** Made by `client.store`. */
  constructor(hold: Hold, release: Release) {
    super();
    this.#hold = hold;
    this.#release = release;
    this.name = hold.slot.name;
    this.outbox = new Outbox(hold.slot, () => this.#assertOpen());
  }

  /** How the store is doing; the same object until something changes. */
  get status(): Signal<StoreStatus> {
    return this.#hold.slot.status;
  }

  /** Resolves when the store is caught up, or offline with what a cache kept; rejects when the server refuses it. */
  get ready(): Promise<void> {
    return this.#later((open) => open.ready);
  }

  /** Resolves when every write made so far is decided, one way or the other. */
  settled(): Promise<void> {
    return this.#later((open) => open.settled());
  }

  /** The value at a path: plain, frozen, the same object until it changes; undefined where nothing is. */
  get(path: PathInput): Json | undefined {
    const at = this.#place(path);
    return this.#read((open) => open.get(at));
  }

  /** The value at a path with its type, its revision, and whether an own write bears on it that is not decided. */
  entry(path: PathInput): ShownEntry | undefined {
    const at = this.#place(path);
    return this.#read((open) => open.entry(at));
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
    const of = { pattern: patternOf(pattern), select: options.select ?? 'entries' };
    const page = pageOf('entries', options);
    return this.#read((open) => select((query, at) => open.list(query, at), of, page)) ?? empty;
  }

  /** The leaves with `from <= path < to`, in path order. */
  range(from: string, to: string, options: PageOptions = {}): Page<ShownEntry> {
    const page = pageOf('range', options);
    return this.#read((open) => open.list({ from, to }, page)) ?? empty;
  }

  /** Writes several things, all or nothing. The callback collects them; it must not wait for anything. */
  transact(collect: (tx: Transaction) => void): Receipt {
    const tx = new Transaction();
    const result: unknown = collect(tx);
    if (result instanceof Promise) {
      throw new TypeError(
        'transact needs a callback that does not wait: what comes later is lost.',
      );
    }
    return this.#request(tx.request());
  }

  /**
   * Takes a lease (stores.md §5.2): rejects with `held` while somebody else has it, with `unavailable` when there is no
   * connection. `ttl` is in milliseconds (default 30 000).
   */
  async lease(
    path: PathInput,
    options: { readonly ttl?: number; readonly holder?: string } = {},
  ): Promise<Lease> {
    checkOptions('lease', options, { ttl: ['number'], holder: ['string'] });
    const { ttl = 30_000, holder = null } = options;
    const key = this.#place(path);
    const request: Write = { op: 'lease', path: key, ttlMs: ttl, holder };
    const held = heldBy(await this.#command(request));
    return new Lease({ key, ttl, held }, this.#leases);
  }

  /**
   * A lease acquired elsewhere, by its key and token. Nothing is asked: `renew` tells whether it is still held, and until
   * then its `expiresAt` is 0 and its holder null.
   */
  leaseOf({ key, token }: Fencing): Lease {
    const held = { token, expiresAt: 0, holder: null };
    return new Lease({ key: this.#place(key), ttl: 30_000, held }, this.#leases);
  }

  /** Calls back for each change of a leaf, or of a path, that a pattern matches; returns how to stop. */
  on(pattern: string, callback: (event: WatchEvent) => unknown, options: OnOptions = {}): Release {
    if (typeof callback !== 'function') throw new TypeError('on needs a callback.');
    const watchOptions = watchOptionsOf('on', options, onTypes);
    // Without it the overflow is an error like any other that nobody handles.
    const dropped = (): never => {
      throw overflow(watchOptions.maxQueue);
    };
    return this.#subscribe({
      pattern: patternOf(pattern),
      options: watchOptions,
      event: callback,
      dropped: options.onResync ?? dropped,
      closed: () => undefined,
      isLive: true,
    });
  }

  /** The same as an async iterable; each iteration subscribes anew, and ends with an error when it falls behind. */
  watch(pattern: string, options: WatcherOptions = {}): AsyncIterable<WatchEvent> {
    const parsed = patternOf(pattern);
    const watchOptions = watchOptionsOf('watch', options, watchTypes);
    const { maxQueue } = watchOptions;
    const { signal } = options;
    this.#assertReadable();
    return {
      [Symbol.asyncIterator]: () =>
        new Watcher({ maxQueue, signal }, ({ event, ended }) =>
          this.#subscribe({
            pattern: parsed,
            options: watchOptions,
            event,
            dropped: () => ended(overflow(maxQueue)),
            closed: () => ended(closedError('store')),
            isLive: true,
          }),
        ),
    };
  }

  /** Asks what became of a write, also one of another session of this device. */
  async opStatus(opId: OpId): Promise<OpStatus> {
    if (this.#hold.slot.stateOf(opId) !== null) return { state: 'pending' };
    const open = await this.#reach();
    const reply = readOpStatusReply(await open.ask('op_status', { client_op_id: opId }));
    if (isRefusal(reply)) throw RejectedError.from(reply);
    if (reply === null || 'released' in reply) return { state: 'unknown' };
    return { state: 'committed', seq: reply.store_seq };
  }

  /** Lets go of the store. It stays open a while for the next handle; this one can do nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#release();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  protected override emit(write: Write | Refusal): Receipt {
    return this.#request(write);
  }

  readonly #leases: LeaseDesk = {
    renew: async ({ key, token }, ttl) =>
      heldBy(await this.#command({ op: 'renew', path: key, token, ttlMs: ttl })),
    release: async ({ key, token }) => {
      const commit = await this.#command({ op: 'release', path: key, token });
      return commit.released !== false;
    },
  };

  /** A request that needs the server's answer to mean anything (stores.md §18 C1). */
  async #command(request: Write): Promise<Commit> {
    await this.#reach();
    return this.#request(request).committed;
  }

  async #reach(): Promise<OpenStore> {
    this.#assertOpen();
    const open = await this.#hold.open();
    await open.reached();
    return open;
  }

  #request(request: Request | Refusal): Receipt {
    this.#assertOpen();
    const { slot } = this.#hold;
    const opId = this.#hold.nextOpId();
    const receipt = new WriteReceipt({ opId, request: isRefusal(request) ? null : request }, slot);
    const fail = (refusal: Refusal): void => slot.settle(receipt, { status: 'refused', refusal });
    const open = this.#hold.open();
    if (isRefusal(request)) fail(request);
    else if (!(open instanceof Promise)) open.request(receipt);
    else {
      const failed = (error: unknown): void => {
        const isClosed = error instanceof HoldfastError && error.code === 'registry_disposed';
        fail(refuse(isClosed ? 'closed' : 'unavailable'));
      };
      open.then((store) => store.request(receipt), failed);
    }
    return receipt;
  }

  #subscribe(subscription: Subscription): Release {
    this.#assertReadable();
    let leave: (() => void) | null = null;
    const attach = (open: OpenStore): void => {
      if (subscription.isLive) leave = open.subscribe(subscription);
    };
    const release = this.#hold.retain();
    const open = this.#hold.open();
    if (!(open instanceof Promise)) attach(open);
    else open.then(attach, () => subscription.closed());
    return releaseOnce(() => {
      subscription.isLive = false;
      leave?.();
      release();
    });
  }

  #read<T>(read: (open: OpenStore) => T): T | undefined {
    this.#assertReadable();
    const open = this.#hold.open();
    return open instanceof Promise ? undefined : read(open);
  }

  #later(wait: (open: OpenStore) => Promise<void>): Promise<void> {
    const promise = (async () => {
      this.#assertOpen();
      await wait(await this.#hold.open());
    })();
    // Who does not wait for it need not handle its rejection; the status tells, too.
    promise.catch(() => undefined);
    return promise;
  }

  #place(path: PathInput): Path {
    const at = toPath(path);
    if (isRefusal(at)) throw RejectedError.from(at.with({ path }));
    return at;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closedError('store');
  }

  #assertReadable(): void {
    this.#assertOpen();
    if (this.#hold.isWriteOnly) {
      throw new HoldfastError(
        'out_of_scope',
        {},
        'out_of_scope: this handle was opened with scope [], to write only; open one without a scope to read.',
      );
    }
  }
}

function heldBy({ lease }: Commit): NonNullable<Commit['lease']> {
  if (lease === undefined) throw new HoldfastError('outcome_unknown');
  return lease;
}
