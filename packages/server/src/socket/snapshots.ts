import { randomUUID } from 'node:crypto';
import { entriesIn, MapRows, type Scope, type Tree } from '@holdfast/engine/data';
import type { Entry, Glob, Path, Seq } from '@holdfast/protocol';
import type { StoreHost } from '../host/store-host.ts';
import type { ChannelScope } from './scope.ts';
import { roughBytesOf } from './wire.ts';

const CHUNK_ENTRIES_MAX = 1000;
/** Less than stores.md §10.3 allows: what is escaped in JSON is longer than it was counted. */
const CHUNK_BYTES_MAX = 200 * 1024;
const KEEP_MS = 120_000;
const KEPT_BYTES_MAX = 128 * 1024 * 1024;
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
  readonly #chunks: Encoded[] = [];
  #bytes = 0;
  #count = 0;
  #done = false;

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
    return this.#chunks.length;
  }

  /** How many leaves the chunks hold that have been cut. */
  get count(): number {
    return this.#count;
  }

  /**
   * A chunk's payload and the same as JSON text, or null after the last one. Chunks are asked for in order. `later`: there
   * was much to look at and nothing found yet; ask again.
   */
  chunk(index: number): Encoded | 'later' | null {
    while (this.#chunks.length <= index && !this.#done) {
      const { value, done } = this.#source.next();
      if (done === true) {
        this.#done = true;
      } else if (value === null) {
        return 'later';
      } else {
        const { bytes, ...chunk } = value;
        this.#bytes += bytes;
        this.#count += chunk.entries.length;
        this.#chunks.push(encoded({ id: this.id, index: this.#chunks.length, ...chunk }));
      }
    }
    return this.#chunks[index] ?? null;
  }
}

type Encoded = { readonly payload: object; readonly json: () => string };

function encoded(payload: object): Encoded {
  let text: string | null = null;
  return { payload, json: () => (text ??= JSON.stringify(payload)) };
}

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
  readonly #newest = new Map<string, Snapshot>();
  readonly #bytesMax: number;
  #keptSince = 0;

  constructor(bytesMax: number = KEPT_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /**
   * A part of the state at the head, shared with whoever asked for the same at the same head; with nobody where records
   * hide something of it, as rules may have changed their minds since.
   */
  current(host: StoreHost, part: SnapshotPart, now: number): Snapshot {
    // Nobody could ask for it again.
    if (part.veil !== null) return new Snapshot(host.view(), part);
    const key = keyOf(host, part);
    const newest = this.#newest.get(key);
    const snapshot = newest?.seq === host.head ? newest : new Snapshot(host.view(), part);
    this.#newest.set(key, snapshot);
    return this.#keep({ snapshot, key }, now);
  }

  /** A snapshot that a broken-off join names, if it is still held, and of the same scope. */
  resume(
    { host, scope }: { readonly host: StoreHost; readonly scope: ChannelScope },
    { id, next }: { id: string; next: number },
    now: number,
  ): Snapshot | null {
    const kept = this.#kept.get(id);
    if (scope.veil !== null) return null;
    if (kept?.key !== keyOf(host, scope) || next > kept.snapshot.cut) return null;
    return this.#keep(kept, now);
  }

  /** Forgets what nobody asked for in a while. */
  sweep(now: number): void {
    for (const kept of this.#kept.values()) {
      if (kept.until >= now) break;
      this.#forget(kept);
    }
    this.#shed();
  }

  #keep({ snapshot, key }: Pick<Kept, 'snapshot' | 'key'>, now: number): Snapshot {
    this.#kept.delete(snapshot.id);
    this.#kept.set(snapshot.id, { snapshot, key, until: now + KEEP_MS });
    this.#keptSince += 1;
    // All are weighed, so of many not for each that comes.
    if (this.#keptSince * WEIGHED_SHARE > this.#kept.size) this.#shed();
    return snapshot;
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
    this.#kept.delete(snapshot.id);
    if (this.#newest.get(key) === snapshot) this.#newest.delete(key);
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
