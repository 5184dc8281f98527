import { Tree } from '@holdfast/engine/data';
import type { WatchEvent } from '@holdfast/engine/replica';
import {
  isBadFrame,
  isRefusal,
  matches,
  parseGlob,
  type Path,
  readCatchUpComplete,
  readEvents,
  readFrame,
  readSnapshotChunk,
  readSnapshotEnd,
  type Refusal,
  segmentsOf,
  type Seq,
} from '@holdfast/protocol';
import type { MadeWrite, Problem, Span } from '../../simulation/validators/history.ts';
import { applyTold } from '../../simulation/validators/told.ts';
import { leavesOf } from '../../simulation/validators/truth.ts';
import { type Testimony, testimonyOf, watchOf } from './testimony.ts';

/** What a bare peer asked for when it joined. */
export type Joined = { readonly patterns: readonly string[]; readonly from: Seq };

/** What the frames of a store tell a bare peer that keeps them as they come. There is no `previous` on the wire. */
export function readerTestimony(
  client: string,
  frames: readonly string[],
  { patterns, from }: Joined,
): Testimony {
  const heard = new Heard(client, from);
  for (const text of frames) heard.take(text);
  const { cursor, events, problems, resyncs } = heard;
  const strange = events.find(({ path }) => !patterns.some((pattern) => covers(pattern, path)));
  if (strange !== undefined) {
    problems.push({ word: 'filtered', text: `${client} is told of ${strange.path}` });
  }
  const watches = patterns.map((pattern) => ({
    ...watchOf(client, pattern, { from, through: cursor }),
    isWhole: false,
    events: events.filter(({ path }) => covers(pattern, path)),
  }));
  // Only who was told everything knows the state.
  const isAll = patterns.includes('**') && (from === 0 || resyncs.length > 0);
  const bookmarks = isAll ? [{ seq: cursor, entries: leavesOf(heard.tree) }] : [];
  const resumes = from > 0 ? [from] : [];
  return testimonyOf(client, { watches, bookmarks, resumes, resyncs }, problems);
}

/** The replies that a bare writer had, in their order: of which write, and its seq. */
export type Answered = { readonly writes: readonly number[]; readonly seqs: readonly Seq[] };

/** What a bare writer was told, who made so many writes, all of them `<device>:s:<n>`. */
export function writerTestimony(
  device: string,
  count: number,
  { writes, seqs }: Answered,
): Testimony {
  const told = new Map(writes.map((n, index) => [n, seqs[index] ?? 0]));
  const made = Array.from({ length: count }, (_, index): MadeWrite => {
    const committed = told.get(index + 1);
    const outcome = committed === undefined ? 'unknown' : { committed };
    return { opId: `${device}:s:${index + 1}`, isGuarded: false, outcome };
  });
  const isOnce = told.size === writes.length && writes.every((n) => n >= 1 && n <= count);
  const text = `${device} had ${writes.length} replies to ${told.size} of ${count} writes`;
  return testimonyOf(device, { made }, isOnce ? [] : [{ word: 'once', text }]);
}

/** What a bare peer has heard so far. */
class Heard {
  readonly events: WatchEvent[] = [];
  readonly problems: Problem[] = [];
  readonly resyncs: Span[] = [];
  tree = Tree.empty();
  cursor: Seq;
  readonly #client: string;

  constructor(client: string, from: Seq) {
    this.#client = client;
    this.cursor = from;
  }

  take(text: string): void {
    const frame = readFrame(JSON.parse(text));
    if (isBadFrame(frame)) return this.#wrong('answered', `cannot read ${text.slice(0, 200)}`);
    if (frame.event === 'events') this.#events(frame.payload);
    else if (frame.event === 'snapshot_begin') this.tree = Tree.empty();
    else if (frame.event === 'snapshot_chunk') this.#chunk(frame.payload);
    else if (frame.event === 'snapshot_end') this.#snapshot(frame.payload);
    else if (frame.event === 'catch_up_complete') this.#caughtUp(frame.payload);
    else if (frame.event !== 'phx_reply') this.#wrong('answered', `is told ${frame.event}`);
  }

  #events(payload: unknown): void {
    const read = this.#read('events', readEvents(payload));
    if (read === null) return;
    if (read.fromSeq !== this.cursor) {
      this.#wrong('gapless', `events from ${read.fromSeq} at the cursor ${this.cursor}`);
    }
    this.cursor = read.toSeq;
    for (const { op, path, value, seq } of read.ops) {
      const known = { previous: undefined, type: undefined, own: false };
      this.events.push({ op, path, value, seq, ...known });
      applyTold(this.tree, { op, path, value, seq });
    }
  }

  #chunk(payload: unknown): void {
    for (const [path, value, , seq] of this.#read('chunk', readSnapshotChunk(payload))?.entries ??
      []) {
      applyTold(this.tree, { op: 'set', path, value, seq });
    }
  }

  #snapshot(payload: unknown): void {
    const end = this.#read('snapshot', readSnapshotEnd(payload));
    if (end === null) return;
    this.resyncs.push([Math.min(this.cursor, end.seq), end.seq]);
    this.cursor = end.seq;
  }

  #caughtUp(payload: unknown): void {
    const read = this.#read('catch_up_complete', readCatchUpComplete(payload));
    if (read === null) return;
    if (read.through_seq < this.cursor) {
      this.#wrong('ordered', `is caught up to ${read.through_seq} at the cursor ${this.cursor}`);
    }
    // Of a part there may be nothing to tell of the seqs before it.
    this.cursor = Math.max(this.cursor, read.through_seq);
  }

  #read<T extends object>(what: string, read: T | Refusal): T | null {
    if (!isRefusal(read)) return read;
    this.#wrong('answered', `cannot read ${what}: ${JSON.stringify(read)}`);
    return null;
  }

  #wrong(word: string, text: string): void {
    this.problems.push({ word, text: `${this.#client}: ${text}` });
  }
}

function covers(glob: string, path: Path): boolean {
  const pattern = parseGlob(glob);
  return !isRefusal(pattern) && matches(pattern, segmentsOf(path));
}
