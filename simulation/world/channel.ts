import type { LoggedOp } from '@holdfast/engine/authority';
import type { Tree } from '@holdfast/engine/data';
import { entryTuple, type EntryTuple, type MapTuple, opTuple, type Seq } from '@holdfast/protocol';
import type { Room } from './room.ts';

/** A state in pieces. */
export type Snapshot = {
  readonly id: string;
  readonly seq: Seq;
  readonly entries: number;
  readonly chunks: readonly {
    readonly entries: readonly EntryTuple[];
    readonly maps: readonly MapTuple[];
  }[];
};

/** What a channel needs of its host and socket. */
export type ChannelPort = {
  readonly head: Seq;
  read(after: Seq): readonly LoggedOp[];
  push(event: string, payload: object): void;
  /** Whether the socket has more to send than it gets rid of. */
  readonly isCongested: boolean;
};

/** How a channel begins. */
export type ChannelPlan = {
  readonly cut: Seq;
  readonly from: Seq;
  /** With the chunk to go on with. */
  readonly snapshot: { readonly source: Snapshot; readonly next: number } | null;
  /** Patterns `[]`: writes only. */
  readonly isSilent: boolean;
};

const chunkEntriesMax = 4;

/**
 * One joined channel, as far as it gives its client what happens: a snapshot or the log up to the cut, then the log, then
 * each commit; what is sent moves the cursor of the client without a gap (stores.md §9, §10.2).
 */
export class Channel {
  readonly #room: Room;
  readonly #port: ChannelPort;
  readonly #plan: ChannelPlan;
  #cursor: Seq;
  #chunk: number | null;
  #isLive = false;
  #isComplete = false;
  #isClosed = false;
  #waiting: { readonly seq: Seq; readonly send: () => void }[] = [];

  constructor(room: Room, port: ChannelPort, plan: ChannelPlan) {
    this.#room = room;
    this.#port = port;
    this.#plan = plan;
    this.#cursor = plan.from;
    this.#chunk = plan.snapshot?.next ?? null;
  }

  begin(): void {
    const { snapshot, isSilent } = this.#plan;
    if (snapshot !== null) {
      const { id, seq, entries } = snapshot.source;
      const incarnation = 'first';
      this.#port.push('snapshot_begin', { id, seq, incarnation, entries, within: null });
    }
    if (isSilent) this.#complete();
    else this.#pumpSoon();
  }

  /** Runs `send` when everything up to `seq` is sent. */
  reach(seq: Seq, send: () => void): void {
    const hasMore = !this.#plan.isSilent && !this.#isLive && seq > this.#cursor;
    if (hasMore) this.#waiting.push({ seq, send });
    else send();
  }

  committed(ops: readonly LoggedOp[]): void {
    if (!this.#isLive || this.#isClosed) return;
    if (this.#port.isCongested) {
      this.#isLive = false;
      this.#pumpSoon();
    } else {
      this.#sendOps(ops);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
  }

  #pumpSoon(): void {
    this.#room.agenda.later(this.#room.delay(this.#port.isCongested ? 200 : 10), () => {
      if (!this.#isClosed) this.#pump();
    });
  }

  #pump(): void {
    if (this.#port.isCongested) return this.#pumpSoon();
    if (this.#chunk !== null) {
      this.#sendChunk(this.#chunk);
      return this.#pumpSoon();
    }
    if (!this.#isComplete && this.#cursor >= this.#plan.cut) this.#complete();
    if (this.#cursor < this.#port.head) {
      this.#sendOps(this.#someCommits());
      return this.#pumpSoon();
    }
    this.#isLive = true;
    this.#release();
  }

  /** Whole commits, some of those that are missing; none beyond the cut until the client has that. */
  #someCommits(): readonly LoggedOp[] {
    const ops = this.#port.read(this.#cursor);
    const end = this.#isComplete ? Infinity : this.#plan.cut;
    let count = 0;
    for (let commits = 1 + this.#room.dice.below(5); commits > 0; commits--) {
      const op = ops[count];
      if (op === undefined || op.seq > end) break;
      count += (op.tx ?? op.seq) - op.seq + 1;
    }
    return ops.slice(0, count);
  }

  #sendOps(ops: readonly LoggedOp[]): void {
    const from = this.#cursor;
    const to = ops.at(-1)?.seq ?? from;
    this.#cursor = to;
    const told = this.#room.isSpoiled?.('a host sends another value') ? ops.map(misquoted) : ops;
    const payload = { from_seq: from, to_seq: to, ops: told.map(opTuple) };
    if (!this.#room.happens('lost')) this.#port.push('events', payload);
    if (this.#room.strikes?.('doubled') === true) this.#port.push('events', payload);
    this.#release();
  }

  #sendChunk(index: number): void {
    const { id, seq, entries, chunks } = this.#plan.snapshot?.source ?? emptySnapshot;
    const chunk = chunks[index];
    if (chunk === undefined) {
      this.#port.push('snapshot_end', { id, seq, chunks: chunks.length, entries });
      this.#chunk = null;
      this.#cursor = seq;
      this.#release();
    } else {
      this.#port.push('snapshot_chunk', { id, index, ...chunk });
      this.#chunk = index + 1;
    }
  }

  #complete(): void {
    this.#isComplete = true;
    this.#port.push('catch_up_complete', { through_seq: this.#plan.cut });
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ seq }) => !this.#isLive && seq > this.#cursor);
    for (const { seq, send } of waiting) if (this.#isLive || seq <= this.#cursor) send();
  }
}

function misquoted(op: LoggedOp): LoggedOp {
  return op.op === 'set' ? { ...op, value: 'something else' } : op;
}

const emptySnapshot: Snapshot = { id: '', seq: 0, entries: 0, chunks: [] };

/** A state cut in pieces, small ones, so that there are several. */
export function snapshotOf(id: string, { tree, seq }: { tree: Tree; seq: Seq }): Snapshot {
  const entries = [...tree.entries()].map(entryTuple);
  const chunks: Snapshot['chunks'][number][] = [];
  for (let at = 0; at < entries.length; at += chunkEntriesMax) {
    chunks.push({ entries: entries.slice(at, at + chunkEntriesMax), maps: [] });
  }
  const maps = tree.maps();
  if (maps.length > 0) chunks.push({ entries: [], maps });
  return { id, seq, entries: entries.length, chunks };
}
