import { apply, Scope, Tree } from '@holdfast/engine/data';
import {
  asPath,
  covers,
  type Entry,
  isRefusal,
  type Json,
  parseGlob,
  type Pattern,
  readEvents,
  segmentsOf,
} from '@holdfast/protocol';
import type { Payload, Peer, WireFrame } from '../conversation/peer.ts';

/** The pattern that a text stands for. */
export function glob(text: string): Pattern {
  const pattern = parseGlob(text);
  if (isRefusal(pattern)) throw new TypeError(`${text}: ${pattern.code}`);
  return pattern;
}

export function scopeOf(texts: readonly string[]): Scope {
  return new Scope(texts.map(glob));
}

/** Whether a scope pattern covers a path. */
export function inScope(texts: readonly string[], path: string): boolean {
  return texts.some((text) => covers(glob(text), segmentsOf(asPath(path))));
}

/** Values by path of the leaves in scope. */
export function visible(
  tree: Tree,
  ...scopes: readonly (readonly string[])[]
): { readonly [path: string]: unknown } {
  const parsed = scopes.map((texts) => texts.map(glob));
  const kept = [...tree.entries()].filter(({ path }) =>
    parsed.every((patterns) => patterns.some((each) => covers(each, segmentsOf(path)))),
  );
  return Object.fromEntries(kept.map(({ path, value }) => [path, value]));
}

type Collecting = { readonly begin: Payload; readonly entries: Entry[]; chunks: number };

/** A partial replica of a capver-4 peer, which trusts nothing: every frame must continue where the one before it ended. */
export class PartReplica {
  tree = Tree.empty();
  cursor = 0;
  patterns: readonly string[] = [];
  scope: string | null = null;
  incarnation: string | null = null;
  isCaughtUp = false;
  /** Snapshots that have come, by what they replaced. */
  readonly snapshots: (readonly string[] | null)[] = [];
  readonly seqs: number[] = [];
  #collecting: Collecting | null = null;
  #read = 0;

  /** The payload that resumes. */
  join(patterns: readonly string[] = this.patterns): object {
    const isNew = this.cursor === 0;
    return {
      last_store_seq: this.cursor,
      incarnation: isNew ? null : this.incarnation,
      scope: isNew ? null : this.scope,
      patterns,
      snapshot: null,
    };
  }

  /** Begins to follow another peer. */
  follow(): void {
    this.#read = 0;
    this.#collecting = null;
    this.isCaughtUp = false;
  }

  /** Takes in what the peer has heard since the last time, up to so many frames. */
  take(peer: Peer, until: number = Infinity): void {
    for (; this.#read < Math.min(peer.heard.length, until); this.#read += 1) {
      const frame = peer.heard[this.#read];
      if (frame !== undefined) this.hear(frame);
    }
  }

  hear([, , , event, payload]: WireFrame): void {
    if (event === 'phx_reply') this.#reply(payload['response'] as Payload);
    else if (event === 'events') this.#events(payload);
    else if (event === 'snapshot_begin') this.#begin(payload);
    else if (event === 'snapshot_chunk') this.#chunk(payload);
    else if (event === 'snapshot_end') this.#end(payload);
    else if (event === 'catch_up_complete') this.isCaughtUp = true;
  }

  get values(): { readonly [path: string]: unknown } {
    return visible(this.tree, ['**']);
  }

  #reply(response: Payload): void {
    if ('incarnation' in response && 'sync' in response) {
      this.incarnation = String(response['incarnation']);
      this.scope = String(response['scope']);
      this.patterns = response['patterns'] as string[];
    } else if ('denied' in response) this.#rescope(response);
    else if ('store_seq' in response && this.patterns.length > 0) {
      // A reply comes after the events up to its seq (stores.md §7.6.3, §10.2.5).
      if (this.cursor < Number(response['store_seq'])) {
        throw new Error('a reply overtook its event');
      }
    }
  }

  #rescope(response: Payload): void {
    if (this.#collecting !== null) throw new Error('the scope changed amid a snapshot');
    const seq = Number(response['seq']);
    if (this.patterns.length > 0 && seq !== this.cursor) {
      throw new Error(`the scope changed at ${seq}, the cursor was ${this.cursor}`);
    }
    this.patterns = response['patterns'] as string[];
    this.scope = String(response['scope']);
    this.cursor = seq;
    this.#keep((path) => scopeOf(this.patterns).covers(asPath(path)));
  }

  #events(payload: Payload): void {
    const events = readEvents(payload);
    if (isRefusal(events)) throw new Error('unreadable events');
    const { fromSeq, toSeq, ops } = events;
    if (this.#collecting !== null) throw new Error('events amid a snapshot');
    if (fromSeq !== this.cursor) throw new Error(`events from ${fromSeq} at ${this.cursor}`);
    for (const op of ops) {
      if (op.seq <= this.cursor || op.seq > toSeq) throw new Error(`op ${op.seq} out of order`);
      this.cursor = op.seq;
      this.seqs.push(op.seq);
      apply(this.tree, op);
    }
    this.cursor = toSeq;
  }

  #begin(begin: Payload): void {
    if (this.#collecting !== null) throw new Error('a snapshot amid a snapshot');
    this.#collecting = { begin, entries: [], chunks: 0 };
  }

  #chunk(payload: Payload): void {
    const collecting = this.#collecting;
    if (collecting === null) throw new Error('a chunk of nothing');
    for (const [path, value, type, revision] of payload['entries'] as [
      string,
      Json,
      Entry['type'],
      number,
    ][]) {
      collecting.entries.push({ path: asPath(path), value, type, revision });
    }
    collecting.chunks += 1;
  }

  #end(end: Payload): void {
    const collecting = this.#collecting;
    if (collecting === null) throw new Error('the end of nothing');
    const { begin, entries, chunks } = collecting;
    if (end['entries'] !== entries.length || end['chunks'] !== chunks) {
      throw new Error('miscounted');
    }
    this.#collecting = null;
    const within = begin['within'] as string[] | null;
    this.snapshots.push(within);
    const seq = Number(begin['seq']);
    if (within !== null && seq !== this.cursor) throw new Error('an addition of another seq');
    this.cursor = seq;
    const replaced = within === null ? null : scopeOf(within);
    this.#keep((path) => replaced !== null && !replaced.covers(asPath(path)));
    for (const entry of entries) this.tree.put(entry.path, entry);
  }

  #keep(stays: (path: string) => boolean): void {
    const kept = [...this.tree.entries()].filter(({ path }) => stays(path));
    this.tree = Tree.empty();
    this.tree.load(kept);
  }
}
