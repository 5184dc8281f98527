import { randomUUID } from 'node:crypto';
import { entriesIn, MapRows, type Scope, type Tree } from '@holdfast/engine/data';
import type { Entry, Glob, Path, Seq } from '@holdfast/protocol';
import type { Clock } from '../host/clock.ts';
import type { StoreHost } from '../host/store-host.ts';
import type { ChannelScope } from './scope.ts';
import { roughBytesOf } from './wire.ts';

const CHUNK_ENTRIES_MAX = 1000;
/** Less than stores.md §10.3 allows: what is escaped in JSON is longer than it was counted. */
const CHUNK_BYTES_MAX = 200 * 1024;
const KEEP_MS = 120_000;
const KEPT_BYTES_MAX = 128 * 1024 * 1024;
/** A state of fewer leaves is cut for each who wants it; of larger ones, cutting takes no more than a share of the time. */
const LEAVES_SHARED = 10_000;
const REST_MS_PER_LEAF = 0.005;
const REST_MS_MAX = 1000;
/** No more than one of so many that are kept has come since they were weighed. */
const WEIGHED_SHARE = 16;

type Chunk = {
  readonly entries: readonly (readonly [Path, unknown, string, Seq])[];
  readonly maps: readonly (readonly [Path, Seq])[];
  readonly bytes: number;
};

/** What a snapshot is of: all that is in scope, or what of that some patterns cover, to be put into a replica. */
export type SnapshotPart = ChannelScope & { readonly isAddition?: true };

/** Changes the scope at a seq up to which everything has been told: the new scope, and what of it the client lacks. */
export type ScopeChange = (
  at: Seq,
  from: ChannelScope,
) => { readonly scope: ChannelScope; readonly addition: SnapshotPart | null };

/** A chunk that has been cut, and what comes after it, where that has been cut too. */
type Link = { readonly chunk: Encoded | null; next: Link | null };

/**
 * The part of one state of a store that is in a scope, in chunks, cut when first asked for and shared by every socket that
 * needs it (stores.md §10.3.6).
 */
export class Snapshot {
  readonly id: string = randomUUID();
  readonly seq: Seq;
  /** What it replaces of a replica; null: all (stores.md §10.3.1). */
  readonly within: readonly Glob[] | null;
  /** How many leaves there will be, where that is known before they are found. */
  readonly entries: number | null;
  readonly #source: Iterator<Chunk | null>;
  /** Before the first chunk; null: nobody begins with it from now on, and what all have passed is freed. */
  #start: Link | null = { chunk: null, next: null };
  #last: Link | null = this.#start;
  #cut = 0;
  #bytes = 0;
  #count = 0;

  constructor(
    view: { readonly tree: Tree; readonly seq: Seq },
    { patterns, leaves, isAddition }: SnapshotPart,
  ) {
    this.seq = view.seq;
    this.within = isAddition === true ? patterns : null;
    this.entries = leaves.isWhole ? view.tree.size : null;
    this.#source = cut(view.tree, leaves);
  }

  /** About the size of the chunks that have been cut. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many chunks have been asked for, so that a peer may have them. */
  get cut(): number {
    return this.#cut;
  }

  /** How many leaves the chunks hold that have been cut. */
  get count(): number {
    return this.#count;
  }

  /** Begins to read it at a chunk, as long as it is kept: at one that has been cut, or right after those. */
  from(index: number): Reading {
    let at = this.#start;
    for (let passed = 0; passed < index && at !== null; passed += 1) at = at.next;
    if (at === null) throw new Error(`snapshot ${this.id} has no chunk ${index} to begin with`);
    return new Reading(this, at, index);
  }

  /** Nobody begins with it from now on. */
  release(): void {
    this.#start = null;
  }

  /** Cuts the chunk after the last; null where there is none. `later`: there was much to look at and nothing found yet. */
  more(): Link | 'later' | null {
    if (this.#last === null) return null;
    const { value, done } = this.#source.next();
    if (done === true) {
      this.#last = null;
      return null;
    }
    if (value === null) return 'later';
    const { bytes, ...chunk } = value;
    const link = { chunk: encoded({ id: this.id, index: this.#cut, ...chunk }), next: null };
    this.#cut += 1;
    this.#bytes += bytes;
    this.#count += chunk.entries.length;
    this.#last.next = link;
    this.#last = link;
    return link;
  }
}

/** A way through a snapshot; it keeps from being freed what is still to come of it, and nothing that it has passed. */
export class Reading {
  readonly snapshot: Snapshot;
  #at: Link;
  #index: number;

  constructor(snapshot: Snapshot, at: Link, index: number) {
    this.snapshot = snapshot;
    this.#at = at;
    this.#index = index;
  }

  /** The number of the next chunk. */
  get index(): number {
    return this.#index;
  }

  /** The next chunk, or null after the last one. `later`: there was much to look at and nothing found yet; ask again. */
  next(): Encoded | 'later' | null {
    const link = this.#at.next ?? this.snapshot.more();
    if (link === null || link === 'later') return link;
    this.#at = link;
    this.#index += 1;
    return link.chunk;
  }
}

/** A chunk's payload, and the same as JSON text. */
type Encoded = { readonly payload: object; readonly json: () => string };

function encoded(payload: object): Encoded {
  let text: string | null = null;
  return { payload, json: () => (text ??= JSON.stringify(payload)) };
}

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
      const own = new Snapshot(host.view(), part);
      const reading = own.from(0);
      // Nobody could ask for it again.
      own.release();
      return reading;
    }
    const key = keyOf(host, part);
    let snapshot = this.#newest.get(key)?.snapshot;
    if (snapshot?.seq !== host.head) {
      snapshot = new Snapshot(host.view(), part);
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

/** Chunks; null where much was looked at and little of it is in scope. */
function* cut(tree: Tree, scope: Scope): Generator<Chunk | null> {
  const rows = scope.isWhole ? null : new MapRows(tree, scope);
  let entries: (readonly [Path, unknown, string, Seq])[] = [];
  let bytes = 0;
  for (const entry of entriesIn(tree, scope)) {
    if (entry === null) {
      yield null;
      continue;
    }
    const size = roughBytes(entry);
    if (
      entries.length === CHUNK_ENTRIES_MAX ||
      (entries.length > 0 && bytes + size > CHUNK_BYTES_MAX)
    ) {
      yield { entries, maps: [], bytes };
      entries = [];
      bytes = 0;
    }
    rows?.pass(entry);
    entries.push([entry.path, entry.value, entry.type, entry.revision]);
    bytes += size;
  }
  if (entries.length > 0) yield { entries, maps: [], bytes };
  yield* cutRows(rows?.finish() ?? tree.maps());
}

function* cutRows(all: readonly (readonly [Path, Seq])[]): Generator<Chunk> {
  let maps: (readonly [Path, Seq])[] = [];
  let bytes = 0;
  for (const row of all) {
    const size = Buffer.byteLength(row[0]) + 40;
    if (maps.length === CHUNK_ENTRIES_MAX || bytes + size > CHUNK_BYTES_MAX) {
      yield { entries: [], maps, bytes };
      maps = [];
      bytes = 0;
    }
    maps.push(row);
    bytes += size;
  }
  if (maps.length > 0) yield { entries: [], maps, bytes };
}

function roughBytes({ path, value }: Entry): number {
  return Buffer.byteLength(path) + roughBytesOf(value) + 40;
}
