import { randomUUID } from 'node:crypto';
import type { Tree } from '@holdfast/engine/data';
import type { Entry, Path, Seq } from '@holdfast/protocol';
import type { StoreHost } from '../host/store-host.ts';

const CHUNK_ENTRIES_MAX = 1000;
const CHUNK_CHARS_MAX = 200 * 1024;
const KEEP_MS = 120_000;
const KEPT_CHARS_MAX = 128 * 1024 * 1024;

type Chunk = {
  readonly entries: readonly (readonly [Path, unknown, string, Seq])[];
  readonly maps: readonly (readonly [Path, Seq])[];
  readonly chars: number;
};

/** One state of a store in chunks, cut when first asked for and shared by every socket that needs it (stores.md §10.3.6). */
export class Snapshot {
  readonly id: string = randomUUID();
  readonly seq: Seq;
  readonly entries: number;
  readonly #source: Iterator<Chunk>;
  readonly #chunks: Encoded[] = [];
  #chars = 0;
  #done = false;

  constructor(view: { readonly tree: Tree; readonly seq: Seq }) {
    this.seq = view.seq;
    this.entries = view.tree.size;
    this.#source = cut(view.tree);
  }

  /** About the size of the chunks that have been cut. */
  get chars(): number {
    return this.#chars;
  }

  /** How many chunks have been asked for, so that a peer may have them. */
  get cut(): number {
    return this.#chunks.length;
  }

  /** A chunk's payload and the same as JSON text, or null after the last one. Chunks are asked for in order. */
  chunk(index: number): Encoded | null {
    while (this.#chunks.length <= index && !this.#done) {
      const { value, done } = this.#source.next();
      if (done === true) {
        this.#done = true;
      } else {
        const { chars, ...chunk } = value;
        this.#chars += chars;
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

/**
 * The snapshots of one process that somebody may still want: the newest of each store, and those of broken-off joins.
 * Where that is too much, those wanted longest ago go first: a join that names one of them starts over.
 */
export class Snapshots {
  /** In the order of their last use. */
  readonly #kept = new Map<string, { snapshot: Snapshot; storeId: string; until: number }>();
  readonly #charsMax: number;

  constructor(charsMax: number = KEPT_CHARS_MAX) {
    this.#charsMax = charsMax;
  }

  /** The state at the head, shared with whoever asked at the same head. */
  current(host: StoreHost, now: number): Snapshot {
    for (const { snapshot, storeId } of this.#kept.values()) {
      if (storeId === host.row.id && snapshot.seq === host.head) {
        return this.#keep(snapshot, storeId, now);
      }
    }
    return this.#keep(new Snapshot(host.view()), host.row.id, now);
  }

  /** A snapshot that a broken-off join names, if it is still held. */
  resume(
    host: StoreHost,
    { id, next }: { id: string; next: number },
    now: number,
  ): Snapshot | null {
    const kept = this.#kept.get(id);
    if (kept?.storeId !== host.row.id || next > kept.snapshot.cut) return null;
    return this.#keep(kept.snapshot, kept.storeId, now);
  }

  /** Forgets what nobody asked for in a while. */
  sweep(now: number): void {
    for (const [id, { until }] of this.#kept) if (until < now) this.#kept.delete(id);
    this.#shed();
  }

  #keep(snapshot: Snapshot, storeId: string, now: number): Snapshot {
    this.#kept.delete(snapshot.id);
    this.#kept.set(snapshot.id, { snapshot, storeId, until: now + KEEP_MS });
    this.#shed();
    return snapshot;
  }

  /** Under writes every join cuts a state of its own, so time alone does not bound what is kept. */
  #shed(): void {
    let chars = 0;
    for (const { snapshot } of this.#kept.values()) chars += snapshot.chars;
    for (const [id, { snapshot }] of this.#kept) {
      if (chars <= this.#charsMax || this.#kept.size === 1) return;
      chars -= snapshot.chars;
      this.#kept.delete(id);
    }
  }
}

function* cut(tree: Tree): Generator<Chunk> {
  let entries: (readonly [Path, unknown, string, Seq])[] = [];
  let chars = 0;
  for (const entry of tree.entries()) {
    const size = roughChars(entry);
    if (
      entries.length === CHUNK_ENTRIES_MAX ||
      (entries.length > 0 && chars + size > CHUNK_CHARS_MAX)
    ) {
      yield { entries, maps: [], chars };
      entries = [];
      chars = 0;
    }
    entries.push([entry.path, entry.value, entry.type, entry.revision]);
    chars += size;
  }
  if (entries.length > 0) yield { entries, maps: [], chars };
  let maps: (readonly [Path, Seq])[] = [];
  chars = 0;
  for (const map of tree.maps()) {
    maps.push(map);
    chars += map[0].length + 40;
    if (maps.length < CHUNK_ENTRIES_MAX) continue;
    yield { entries: [], maps, chars };
    maps = [];
    chars = 0;
  }
  if (maps.length > 0) yield { entries: [], maps, chars };
}

function roughChars({ path, value }: Entry): number {
  const text = typeof value === 'string' ? value.length : 0;
  const nested = typeof value === 'object' && value !== null ? JSON.stringify(value).length : 0;
  return path.length + text + nested + 40;
}
