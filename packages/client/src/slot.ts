import { type Lasting, Pool, type Release, releaseOnce } from '@holdfast/engine/registry';
import type { Glob, OpId, Path, Request, StoreName } from '@holdfast/protocol';
import type { Observe, Outcome, PendingRequest } from '@holdfast/engine/replica';
import { Cell } from './cell.ts';
import { OpenStore } from './open-store.ts';
import { closedError } from './mistakes.ts';
import type { Room } from './room.ts';
import type { News } from './uplink.ts';
import { closedStatus, type OutboxEntry, type StoreStatus } from './status.ts';

type Ended = (write: PendingRequest, outcome: Outcome) => void;

/** How long a store stays open, and a part of it here, that nobody holds. */
export const unusedMs = 60_000;

/** With more patterns than these none is kept that nobody holds: a server takes 2,000 of a channel (stores.md §12.1). */
const patternsMax = 1000;

/**
 * What a client knows of a store for as long as it lives, whether the store is open or not: the numbers of its own
 * writes, and the signals that handles show.
 */
export class Slot implements Lasting {
  readonly name: StoreName;
  readonly status: Cell<StoreStatus>;
  readonly outboxChanges: Cell<null>;
  readonly listeners: Set<(news: News) => void> = new Set();
  /** Those who hear of own writes as they are made, before anybody is told what has changed. */
  readonly witnesses: Set<(request: Request) => (() => void) | undefined> = new Set();
  /** Those who hear how own writes end, of whichever life they are. */
  readonly endings: Set<Ended> = new Set();
  /** Those who see what changes in the replica. */
  readonly observers: Set<Observe> = new Set();
  readonly room: Room;
  readonly #wishes = new Map<Glob, Lasting>();
  /** Wishes of handles, and of those that are gone for a while yet (registry.md §8.1). */
  readonly #held: Pool;
  #open: OpenStore | null = null;
  /** The end of the life before, whose cache may still be writing. */
  #ended: void | Promise<void> = undefined;
  #counter = 0;
  #wasSynced = false;
  #syncedBefore = 0;
  #outbox: readonly OutboxEntry[] | null = [];

  constructor(name: StoreName, room: Room) {
    const { env, timers, report } = room.settings;
    this.#held = new Pool({ env, timers, ttlMs: unusedMs, max: patternsMax, report });
    this.name = name;
    this.room = room;
    this.status = new Cell(closedStatus, report);
    this.outboxChanges = new Cell(null, report);
    for (const each of [this.status, this.outboxChanges]) {
      each.subscribe(() => room.activity.notify());
    }
    this.status.subscribe(() => {
      if (this.#wasSynced) this.#syncedBefore = env.wall();
      this.#wasSynced = this.status.get().synced;
    });
  }

  /** When the store was last in step with the server, in epoch milliseconds; 0: not yet. */
  get syncedAt(): number {
    return this.status.get().synced ? this.room.settings.env.wall() : this.#syncedBefore;
  }

  get key(): string {
    return `store/${this.name}`;
  }

  /** The open store; throws when it is closed, which for a handle means with the client. */
  get store(): OpenStore {
    if (this.#open === null) throw closedError('client');
    return this.#open;
  }

  /** The same for those who can do without. */
  get opened(): OpenStore | null {
    return this.#open;
  }

  get wanted(): readonly Glob[] {
    return [...this.#wishes.keys()];
  }

  get isBusy(): boolean {
    return this.#open?.isBusy === true;
  }

  open(): void {
    this.#open = new OpenStore(this.room, this, this.#ended);
  }

  close(signal: AbortSignal): void | Promise<void> {
    this.#ended = this.#open?.close(signal);
    this.#open = null;
    void this.#held.dispose();
    this.status.set({ ...this.status.get(), connection: 'closed', synced: false });
    this.outboxChanged();
    return this.#ended;
  }

  want(globs: readonly Glob[]): Release {
    const releases = globs.map((glob) => this.#held.hold(this.#wish(glob)));
    return releaseOnce(() => {
      for (const release of releases) release();
    });
  }

  #wish(key: Glob): Lasting {
    const open = (): void => {
      this.#wishes.set(key, wish);
      this.#open?.wish();
    };
    const close = (): void => {
      this.#wishes.delete(key);
      this.#open?.wish();
    };
    const wish: Lasting = this.#wishes.get(key) ?? { key, isBusy: false, open, close };
    return wish;
  }

  /** The id of the next own write; its number is dense, so that the server need not remember each (records.md §11.2). */
  nextOpId(): OpId {
    const { session, settings } = this.room;
    this.#counter += 1;
    return `${settings.deviceId}:${session}:${this.#counter}`;
  }

  /** The open store has changed something about its unanswered writes. */
  outboxChanged(): void {
    this.#outbox = null;
    this.outboxChanges.notify();
  }

  observe(acts: Parameters<Observe>[0]): void {
    for (const see of this.observers) see(acts);
  }

  ended(write: PendingRequest, outcome: Outcome): void {
    for (const hear of this.endings) hear(write, outcome);
  }

  written(request: Request): void {
    // All of them know before any of them tells.
    const tells = Array.from(this.witnesses, (hear) => hear(request));
    for (const tell of tells) tell?.();
  }

  /** Own unanswered writes at, above or below a path, in order. */
  outboxNear(path: Path): readonly PendingRequest[] {
    return this.#open?.replica?.outboxNear(path) ?? [];
  }

  /** The same list until something changes. */
  outbox(): readonly OutboxEntry[] {
    this.#outbox ??= Object.freeze(this.#open?.outbox() ?? []);
    return this.#outbox;
  }
}
