import type { Clock } from '../host/clock.ts';
import type { StoreHost } from '../host/store-host.ts';
import type { ChannelScope } from './scope.ts';
import { type Reading, Snapshot, type SnapshotPart } from './snapshot.ts';

const KEEP_MS = 120_000;
const KEPT_BYTES_MAX = 128 * 1024 * 1024;
/** Of the chunks that may be kept, no more than so many are of one snapshot. */
const HELD_SHARE = 1 / 2;
/** A state of fewer leaves is cut for each who wants it; of larger ones, cutting takes no more than a share of the time. */
const LEAVES_SHARED = 10_000;
const REST_MS_PER_LEAF = 0.005;
const REST_MS_MAX = 1000;
/** No more than one of so many that are kept has come since they were weighed. */
const WEIGHED_SHARE = 16;

type Newest = { readonly snapshot: Snapshot; readonly cutAt: number };
type Kept = { readonly snapshot: Snapshot; readonly key: string; readonly until: number };

/** Names what a snapshot is of. */
function keyOf({ row }: StoreHost, { hash, isAddition }: SnapshotPart): string {
  return `${row.id} ${hash} ${isAddition === true ? 'addition' : ''}`;
}

/**
 * The snapshots of one process that somebody may still want: the newest of each store, and those of broken-off joins.
 * Where that is too much, those wanted longest ago go first: a join that names one of them starts over.
 */
export class Snapshots {
  /** In the order of their last use. */
  readonly #kept = new Map<string, Kept>();
  /** The newest of each store and scope. */
  readonly #newest = new Map<string, Newest>();
  /** When the next of each is cut, where somebody waits for it. */
  readonly #next = new Map<string, Promise<void>>();
  readonly #bytesMax: number;
  #keptSince = 0;

  constructor(bytesMax: number = KEPT_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /**
   * A part of the state at the head, shared with whoever asked for the same at the same head; with nobody where records
   * hide something of it, as rules may have changed their minds since.
   */
  current(host: StoreHost, part: SnapshotPart, now: number): Reading {
    if (part.veil !== null) {
      // Nobody could ask for it again.
      return new Snapshot(host.view(), part, 0).from(0);
    }
    const key = keyOf(host, part);
    let snapshot = this.#newest.get(key)?.snapshot;
    if (snapshot?.seq !== host.head) {
      snapshot = new Snapshot(host.view(), part, this.#bytesMax * HELD_SHARE);
      this.#newest.set(key, { snapshot, cutAt: now });
    }
    this.#keep({ snapshot, key }, now);
    return snapshot.from(0);
  }

  /**
   * The same for who is sent all of it, be it the state of a little later: of a large store that is written to, each who comes
   * would have another one cut. So the next is cut a while after the last, for all who have come meanwhile.
   */
  async shared(host: StoreHost, part: SnapshotPart, clock: Clock): Promise<Reading> {
    const key = keyOf(host, part);
    const newest = part.veil === null ? this.#newest.get(key) : undefined;
    const isOld = newest !== undefined && newest.snapshot.seq !== host.head;
    const restMs = isOld ? this.#restMs(newest, clock) : 0;
    if (restMs > 0) await (this.#next.get(key) ?? this.#later(key, restMs, clock));
    return this.current(host, part, clock.now());
  }

  /** A snapshot that a broken-off join names, if it is still held, and of the same scope. */
  resume(
    { host, scope }: { readonly host: StoreHost; readonly scope: ChannelScope },
    { id, next }: { id: string; next: number },
    now: number,
  ): Reading | null {
    const kept = this.#kept.get(id);
    if (scope.veil !== null) return null;
    if (kept?.key !== keyOf(host, scope) || next > kept.snapshot.cut) return null;
    this.#keep(kept, now);
    return kept.snapshot.from(next);
  }

  /** Forgets what nobody asked for in a while. */
  sweep(now: number): void {
    for (const kept of this.#kept.values()) {
      if (kept.until >= now) break;
      this.#forget(kept);
    }
    this.#shed();
  }

  #restMs({ snapshot, cutAt }: Newest, clock: Clock): number {
    const leaves = snapshot.entries ?? snapshot.count;
    if (leaves < LEAVES_SHARED) return 0;
    return cutAt + Math.min(leaves * REST_MS_PER_LEAF, REST_MS_MAX) - clock.now();
  }

  #later(key: string, ms: number, clock: Clock): Promise<void> {
    const next = new Promise<void>((resolve) => void clock.setTimeout(resolve, ms));
    this.#next.set(key, next);
    void next.then(() => this.#next.delete(key));
    return next;
  }

  #keep({ snapshot, key }: Pick<Kept, 'snapshot' | 'key'>, now: number): void {
    this.#kept.delete(snapshot.id);
    this.#kept.set(snapshot.id, { snapshot, key, until: now + KEEP_MS });
    this.#keptSince += 1;
    // All are weighed, so of many not for each that comes.
    if (this.#keptSince * WEIGHED_SHARE > this.#kept.size) this.#shed();
  }

  /** Under writes every join cuts a state of its own, so time alone does not bound what is kept. */
  #shed(): void {
    this.#keptSince = 0;
    let bytes = 0;
    for (const { snapshot } of this.#kept.values()) bytes += snapshot.bytes;
    for (const kept of this.#kept.values()) {
      if (bytes <= this.#bytesMax || this.#kept.size === 1) return;
      bytes -= kept.snapshot.bytes;
      this.#forget(kept);
    }
  }

  #forget({ snapshot, key }: Kept): void {
    snapshot.release();
    this.#kept.delete(snapshot.id);
    if (this.#newest.get(key)?.snapshot === snapshot) this.#newest.delete(key);
  }
}
