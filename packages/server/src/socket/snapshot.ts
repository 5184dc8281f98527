import { randomUUID } from 'node:crypto';
import { eachMap, entriesIn, MapRows, type Scope, type Tree } from '@holdfast/engine/data';
import type { Entry, Glob, Path, Seq } from '@holdfast/protocol';
import type { ChannelScope } from './scope.ts';
import { roughBytesOf } from './wire.ts';

const CHUNK_ENTRIES_MAX = 1000;
/** Less than stores.md §10.3 allows: what is escaped in JSON is longer than it was counted. */
const CHUNK_BYTES_MAX = 200 * 1024;
/** Of the room for chunks, once nobody begins with them any more: those who read on are mostly not far from each other. */
const RELEASED_SHARE = 1 / 16;

type MapRow = readonly [Path, Seq];

type Chunk = {
  readonly entries: readonly (readonly [Path, unknown, string, Seq])[];
  readonly maps: readonly MapRow[];
  readonly bytes: number;
};

/** What a snapshot is of: all that is in scope, or what of that some patterns cover, to be put into a replica. */
export type SnapshotPart = ChannelScope & { readonly isAddition?: true };

/** Changes the scope at a seq up to which everything has been told: the new scope, and what of it the client lacks. */
export type ScopeChange = (
  at: Seq,
  from: ChannelScope,
) => { readonly scope: ChannelScope; readonly addition: SnapshotPart | null };

/** A chunk's payload, and the same as JSON text. */
type Encoded = { readonly payload: object; readonly json: () => string };

type Held = { readonly part: Encoded; readonly bytes: number };

/** Where a chunk begins: at a leaf, or behind all of them at the row of a map. */
type Start = { readonly leaf: Path } | { readonly map: Path };

/**
 * The part of one state of a store that is in a scope, in chunks, cut when first asked for. The last of them are held for
 * every socket that needs them (stores.md §10.3.6); who is further behind has them cut once more, from the same state.
 */
export class Snapshot {
  readonly id: string = randomUUID();
  readonly seq: Seq;
  /** What it replaces of a replica; null: all (stores.md §10.3.1). */
  readonly within: readonly Glob[] | null;
  /** How many leaves there will be, where that is known before they are found. */
  readonly entries: number | null;
  readonly #tree: Tree;
  readonly #scope: Scope;
  readonly #source: Iterator<Chunk | null>;
  /** Where each chunk begins that has been cut. */
  readonly #starts: Start[] = [];
  readonly #held = new Map<number, Held>();
  /** The rows of maps, which follow the leaves; known when these have been passed. */
  #rows: readonly MapRow[] = [];
  #room: number;
  #bytes = 0;
  #count = 0;

  /** @param room - how many bytes of chunks are held at most; with 0 it is for one reader */
  constructor(
    view: { readonly tree: Tree; readonly seq: Seq },
    { patterns, leaves, isAddition }: SnapshotPart,
    room: number,
  ) {
    this.seq = view.seq;
    this.within = isAddition === true ? patterns : null;
    this.entries = leaves.isWhole ? view.tree.size : null;
    this.#tree = view.tree;
    this.#scope = leaves;
    this.#room = room;
    this.#source = this.#cutAll();
  }

  /** About the size of the chunks that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many chunks have been asked for, so that a peer may have them. */
  get cut(): number {
    return this.#starts.length;
  }

  /** How many leaves the chunks hold that have been cut. */
  get count(): number {
    return this.#count;
  }

  /** Begins to read it at a chunk: at one that has been cut, or right after those. */
  from(index: number): Reading {
    if (index > this.cut) throw new Error(`Snapshot ${this.id} has no chunk ${index}.`);
    return new Reading(this, index);
  }

  /** Nobody begins with it from now on. */
  release(): void {
    this.#room *= RELEASED_SHARE;
    this.#trim();
  }

  /** A chunk that has been cut, if it is held. */
  held(index: number): Encoded | undefined {
    return this.#held.get(index)?.part;
  }

  /** Cuts the chunk after the last; null where there is none. `later`: there was much to look at and nothing found yet. */
  more(): Encoded | 'later' | null {
    const { value, done } = this.#source.next();
    if (done === true) return null;
    if (value === null) return 'later';
    const part = this.#encoded(this.cut, value);
    this.#count += value.entries.length;
    this.#held.set(this.cut, { part, bytes: value.bytes });
    this.#bytes += value.bytes;
    this.#starts.push(startOf(value));
    this.#trim();
    return part;
  }

  /** Cuts chunks once more that have been cut, from one of them on. */
  *again(index: number): Generator<Encoded | null, void, undefined> {
    const start = this.#starts[index];
    if (start === undefined) return;
    let at = index;
    for (const chunk of 'leaf' in start
      ? cutLeaves(entriesIn(this.#tree, this.#scope, start.leaf))
      : cutRows(this.#rows.slice(this.#rows.findIndex(([path]) => path === start.map)))) {
      yield chunk === null ? null : this.#encoded(at, chunk);
      if (chunk !== null) at += 1;
    }
  }

  *#cutAll(): Generator<Chunk | null> {
    const rows = this.#scope.isWhole ? null : new MapRows(this.#tree, this.#scope);
    yield* cutLeaves(entriesIn(this.#tree, this.#scope), (entry) => rows?.pass(entry));
    const found: MapRow[] = [];
    for (const row of rows === null ? eachMap(this.#tree) : []) {
      if (row === null) yield null;
      else found.push(row);
    }
    this.#rows = rows?.finish() ?? found;
    yield* cutRows(this.#rows);
  }

  #encoded(index: number, { entries, maps }: Chunk): Encoded {
    const payload = { id: this.id, index, entries, maps };
    let text: string | null = null;
    return { payload, json: () => (text ??= JSON.stringify(payload)) };
  }

  #trim(): void {
    for (const [index, { bytes }] of this.#held) {
      if (this.#bytes <= this.#room) return;
      this.#held.delete(index);
      this.#bytes -= bytes;
    }
  }
}

/** A way through a snapshot. */
export class Reading {
  readonly snapshot: Snapshot;
  #index: number;
  /** Cuts for this reader alone what is not held any more. */
  #own: Iterator<Encoded | null, void> | null = null;

  constructor(snapshot: Snapshot, index: number) {
    this.snapshot = snapshot;
    this.#index = index;
  }

  /** The number of the next chunk. */
  get index(): number {
    return this.#index;
  }

  /** The next chunk, or null after the last one. `later`: there was much to look at and nothing found yet; ask again. */
  next(): Encoded | 'later' | null {
    const part = this.#index === this.snapshot.cut ? this.#first() : this.#behind();
    if (part !== null && part !== 'later') this.#index += 1;
    return part;
  }

  /** The next that nobody has had: behind it none of its own follows. */
  #first(): Encoded | 'later' | null {
    this.#own = null;
    return this.snapshot.more();
  }

  #behind(): Encoded | 'later' {
    const held = this.snapshot.held(this.#index);
    if (held !== undefined) {
      this.#own = null;
      return held;
    }
    this.#own ??= this.snapshot.again(this.#index);
    const { value, done } = this.#own.next();
    // Leaves are behind it, rows of maps before.
    if (done === true) this.#own = null;
    return value ?? 'later';
  }
}

function startOf({ entries: [entry], maps: [row] }: Chunk): Start {
  if (entry !== undefined) return { leaf: entry[0] };
  if (row === undefined) throw new Error('A chunk holds nothing.');
  return { map: row[0] };
}

/** Chunks; null where much was looked at and little of it is in scope. */
function* cutLeaves(
  leaves: Iterable<Entry | null>,
  pass: (entry: Entry) => void = () => undefined,
): Generator<Chunk | null> {
  let entries: (readonly [Path, unknown, string, Seq])[] = [];
  let bytes = 0;
  for (const entry of leaves) {
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
    pass(entry);
    entries.push([entry.path, entry.value, entry.type, entry.revision]);
    bytes += size;
  }
  if (entries.length > 0) yield { entries, maps: [], bytes };
}

function* cutRows(all: readonly MapRow[]): Generator<Chunk> {
  let maps: MapRow[] = [];
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
