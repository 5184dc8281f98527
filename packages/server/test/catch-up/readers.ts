import { apply, Tree } from '@holdfast/engine/data';
import {
  type Events,
  isRefusal,
  readCatchUpComplete,
  readEvents,
  readSnapshotBegin,
  readSnapshotChunk,
  readSnapshotEnd,
  type Refusal,
  type SnapshotChunk,
} from '@holdfast/protocol';
import type { Knock, Payload, WireFrame } from '../conversation/peer.ts';
import { DustCache } from '../phoenix/dust-cache.ts';

/** A leaf as readers hold it: path, value, type, revision. */
export type Row = readonly [string, unknown, string, number];

/** What a reader holds; capver-3 readers know no revisions of maps. */
export type Held = {
  readonly rows: readonly Row[];
  readonly maps: readonly (readonly [string, number])[] | null;
};

/** A reader that follows a store over any number of sockets. It throws when an op is missing or comes twice. */
export type Reader = {
  readonly cursor: number;
  /** What it says when it joins again. */
  joining(): object;
  take(frame: WireFrame): void;
  held(): Held;
};

/** A reader of the dialect that a knock asks for. */
export function readerFor(knock: Knock): Reader {
  return knock.capver === '3' ? new OldReader() : new NewReader();
}

/** A capver-3 reader. */
export class OldReader implements Reader {
  readonly #cache: DustCache;

  constructor(cache: DustCache = new DustCache()) {
    this.#cache = cache;
  }

  get cursor(): number {
    return this.#cache.cursor;
  }

  joining(): object {
    return { last_store_seq: this.cursor };
  }

  take([, , , event, payload]: WireFrame): void {
    if (event === 'event' && payload['device_id'] !== 'system:snapshot') {
      expectNext(this.cursor, Number(payload['store_seq']));
    }
    this.#cache.take(event, payload);
  }

  held(): Held {
    const rows = [...this.#cache.rows].map(([path, { value, type, revision }]): Row => [
      path,
      value,
      type,
      revision,
    ]);
    return { rows: rows.toSorted(byPath), maps: null };
  }
}

/** A capver-4 reader: applies frames as stores.md §10.2 and §10.3 say. */
export class NewReader implements Reader {
  cursor = 0;
  /** How often the state was replaced. */
  swaps = 0;
  #tree = Tree.empty();
  #incarnation: string | null = null;
  #joined: string | null = null;
  #staged: { readonly id: string; readonly chunks: SnapshotChunk[] } | null = null;

  joining(): object {
    const { cursor, snapshot } = this;
    return { last_store_seq: cursor, incarnation: this.#incarnation, snapshot };
  }

  /** The snapshot that was broken off, and the chunk that is due. */
  get snapshot(): { readonly id: string; readonly next: number } | null {
    return this.#staged && { id: this.#staged.id, next: this.#staged.chunks.length };
  }

  take([, , , event, payload]: WireFrame): void {
    if (event === 'phx_reply') this.#reply(payload['response'] as Payload);
    else if (event === 'snapshot_begin') this.#begin(payload);
    else if (event === 'snapshot_chunk') this.#chunk(payload);
    else if (event === 'snapshot_end') this.#end(payload);
    else if (event === 'events') this.#events(read(readEvents(payload)));
    else if (event === 'catch_up_complete') {
      const { through_seq: through } = read(readCatchUpComplete(payload));
      if (through !== this.cursor) throw new Error(`at ${this.cursor}, complete at ${through}`);
    }
  }

  held(): Held {
    const rows = [...this.#tree.entries()].map(({ path, value, type, revision }): Row => [
      path,
      value,
      type,
      revision,
    ]);
    return { rows: rows.toSorted(byPath), maps: this.#tree.maps() };
  }

  #reply(response: Payload): void {
    if ('incarnation' in response) this.#joined = String(response['incarnation']);
  }

  #begin(payload: Payload): void {
    const { id } = read(readSnapshotBegin(payload));
    if (this.#staged?.id !== id) this.#staged = { id, chunks: [] };
  }

  #chunk(payload: Payload): void {
    const chunk = read(readSnapshotChunk(payload));
    const due = this.snapshot;
    if (chunk.id !== due?.id || chunk.index !== due.next) throw new Error('a chunk out of order');
    this.#staged?.chunks.push(chunk);
  }

  #end(payload: Payload): void {
    const { seq, chunks: count, entries } = read(readSnapshotEnd(payload));
    const chunks = this.#staged?.chunks ?? [];
    const tree = Tree.empty();
    for (const chunk of chunks) {
      const leaves = chunk.entries.map(([path, value, type, revision]) => {
        return { path, value, type, revision };
      });
      tree.load(leaves, chunk.maps);
    }
    if (count !== chunks.length || tree.size !== entries) throw new Error('a snapshot incomplete');
    this.#staged = null;
    this.#tree = tree;
    this.#incarnation = this.#joined;
    this.cursor = seq;
    this.swaps += 1;
  }

  #events({ fromSeq, toSeq, ops }: Events): void {
    if (fromSeq !== this.cursor) throw new Error(`frame from ${fromSeq}, reader at ${this.cursor}`);
    for (const op of ops) {
      expectNext(this.cursor, op.seq);
      apply(this.#tree, op);
      this.cursor = op.seq;
    }
    if (toSeq !== this.cursor) throw new Error(`frame to ${toSeq}, ops to ${this.cursor}`);
    this.#incarnation = this.#joined;
  }
}

function expectNext(cursor: number, seq: number): void {
  if (seq !== cursor + 1) throw new Error(`op ${seq} after ${cursor}`);
}

function read<T extends object>(result: T | Refusal): T {
  if (isRefusal(result)) throw new Error('a frame that cannot be read');
  return result;
}

function byPath([a]: Row, [b]: Row): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
