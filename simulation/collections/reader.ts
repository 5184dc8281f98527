import {
  asPath,
  type Frame,
  isBadFrame,
  isObject,
  isRefusal,
  type Json,
  jsonCodec,
  readEvents,
  readFrame,
  readJoinReply,
  readSnapshotEnd,
  type Seq,
} from '@holdfast/protocol';
import { canonicalJson, readQueryDelta, readQueryOpen } from '@holdfast/protocol/record';
import { questions, storeName } from './card.ts';
import type { Asked, Edge } from './fresh.ts';

/** What a maintained set was at a time: by what it was told last, and up to which commit. */
export type Sight = {
  readonly at: number;
  readonly by: 'reset' | 'delta' | 'events' | 'snapshot';
  readonly incarnation: string;
  readonly seq: Seq;
  /** What it may be of: what was asked, and what is asked instead of it. */
  readonly asked: readonly Asked[];
  readonly ids: readonly string[];
  readonly hasMore: boolean;
  /** Unknown where it is told of no set: where every row stays in its place, nothing is told of the end (R185). */
  readonly end: Edge | null | undefined;
};

/** Whether a set is told of, and not only its rows. */
export function tells({ by }: Pick<Sight, 'by'>): boolean {
  return by === 'reset' || by === 'delta';
}

/** The sets that a query was told of, in order, and when its client closed it; null: it never did. */
export type Told = { readonly sights: readonly Sight[]; readonly closedAt: number | null };

/** A query that a connection has open. */
type Sub = {
  asked: Asked | null;
  /** What a push on its way asks for, and the ref of it. */
  next: { readonly asked: Asked; readonly ref: string } | null;
  ids: readonly string[] | null;
  hasMore: boolean;
  end: Edge | null;
  readonly told: { readonly sights: Sight[]; closedAt: number | null };
};

/** What was delivered, and when. */
export type Delivered = { readonly at: number; readonly token: string; readonly frame: string };

const ownTopic = `store:${storeName}`;

/** Marks and notes of cards. */
export const tokens: RegExp = /"([ms]\d+)"/g;

/**
 * Reads along what a client hears of a store, with the plainest of means, and keeps the sets that it is told of after every
 * envelope.
 */
export class Reader {
  /** Of every query that was open on any connection, in order. */
  readonly subs: Told[] = [];
  readonly delivered: Delivered[] = [];
  readonly #now: () => number;
  readonly #isTab: boolean;
  #open = new Map<string, Sub>();
  #joinRef: string | null = null;
  #incarnation = '';

  /** `isTab`: it may hear from another tab, which knows where the last row stood when a server told it. */
  constructor(now: () => number, { isTab = false }: { readonly isTab?: boolean } = {}) {
    this.#now = now;
    this.#isTab = isTab;
  }

  /** A connection begins, and all that was open on the one before is over. */
  begin(): void {
    this.#open = new Map();
    this.#joinRef = null;
  }

  /** What is known of the set of a question; null: it is not open, or nothing was told yet. */
  lastOf(asks: readonly Asked[]): Sight | null {
    const texts = new Set(asks.map(textOf));
    for (const { asked, told } of this.#open.values()) {
      if (asked !== null && texts.has(textOf(asked))) return told.sights.at(-1) ?? null;
    }
    return null;
  }

  sent(data: string | Uint8Array): void {
    const frame = frameOf(data);
    if (frame === null || frame.topic !== ownTopic) return;
    const { joinRef, ref, event, payload } = frame;
    if (event === 'phx_join') {
      this.begin();
      this.#joinRef = joinRef;
    }
    if (event === 'query_open' && ref !== null) this.#ask(ref, payload);
    if (event === 'query_close' && isObject(payload)) this.#close(String(payload['sub']));
  }

  heard(data: string | Uint8Array): void {
    const frame = frameOf(data);
    if (frame === null || frame.topic !== ownTopic) return;
    for (const [, token = ''] of String(data).matchAll(tokens)) {
      this.delivered.push({ at: this.#now(), token, frame: String(data) });
    }
    const { joinRef, ref, event, payload } = frame;
    if (event === 'phx_reply') this.#answered(joinRef, ref, payload);
    if (event === 'phx_close' || event === 'phx_error') this.begin();
    if (event === 'query_delta') this.#take(payload);
    if (event === 'events') this.#reach(payload);
    if (event === 'snapshot_end') this.#replace(payload);
  }

  #ask(ref: string, payload: unknown): void {
    const open = readQueryOpen(payload);
    if (isRefusal(open)) return;
    const asked = askedOf(open.spec);
    const known = this.#open.get(open.sub);
    if (known !== undefined) {
      known.next = { asked, ref };
      return;
    }
    const told = { sights: [], closedAt: null };
    this.subs.push(told);
    const nothing = { asked: null, ids: null, hasMore: false, end: null };
    this.#open.set(open.sub, { ...nothing, next: { asked, ref }, told });
  }

  #close(name: string): void {
    const sub = this.#open.get(name);
    if (sub !== undefined) sub.told.closedAt = this.#now();
    this.#open.delete(name);
  }

  #answered(joinRef: string | null, ref: string | null, payload: unknown): void {
    if (!isObject(payload) || payload['status'] !== 'ok') return;
    if (ref !== null && ref === joinRef && joinRef === this.#joinRef) {
      const reply = readJoinReply(payload['response']);
      if (!isRefusal(reply)) this.#incarnation = reply.incarnation;
    }
    for (const sub of this.#open.values()) {
      if (sub.next === null || sub.next.ref !== ref) continue;
      sub.asked = sub.next.asked;
      sub.next = null;
    }
  }

  #take(payload: unknown): void {
    const delta = readQueryDelta(payload);
    if (isRefusal(delta)) return;
    const sub = this.#open.get(delta.sub);
    if (sub === undefined) return;
    const { rows, ops, hasMore, endCursor, at } = delta;
    if (rows !== null) sub.ids = rows.map(idOf);
    else if (sub.ids === null) return;
    else sub.ids = withSteps(sub.ids, ops);
    sub.hasMore = hasMore;
    sub.end = endCursor === null ? null : edgeIn(endCursor);
    this.#look(sub, rows === null ? 'delta' : 'reset', at);
  }

  /** After every envelope the sets are those of the commit that it reaches. */
  #reach(payload: unknown): void {
    const events = readEvents(payload);
    if (isRefusal(events)) return;
    for (const sub of this.#open.values()) this.#look(sub, 'events', events.toSeq);
  }

  /** Whoever lags behind a log that is compacted is sent the state in place of its events: the sets are of its commit then. */
  #replace(payload: unknown): void {
    const end = readSnapshotEnd(payload);
    if (isRefusal(end)) return;
    for (const sub of this.#open.values()) this.#look(sub, 'snapshot', end.seq);
  }

  #look(sub: Sub, by: Sight['by'], seq: Seq): void {
    const { ids, hasMore, end, asked, next } = sub;
    if (ids === null) return;
    const all = [asked, next?.asked].filter((each) => each !== null && each !== undefined);
    const incarnation = this.#incarnation;
    const sight = { at: this.#now(), by, incarnation, seq, asked: all, ids, hasMore };
    sub.told.sights.push({ ...sight, end: tells({ by }) && !this.#isTab ? end : undefined });
  }
}

function frameOf(data: string | Uint8Array): Frame | null {
  const frame = readFrame(jsonCodec.decode(data));
  return isBadFrame(frame) ? null : frame;
}

/** What a spec on the wire asks for. */
export function askedOf(spec: { readonly [name: string]: Json }): Asked {
  const { where = {}, orderBy = [], limit, after = null } = spec;
  const text = canonicalJson([where, orderBy]);
  const question = questions.find(
    ({ def: { query } }) => canonicalJson([query.where, query.orderBy] as Json) === text,
  );
  if (question === undefined) throw new Error(`nobody asks for ${JSON.stringify(spec)}`);
  return {
    question,
    limit: Number(limit ?? 100),
    after: typeof after === 'string' ? edgeIn(after) : null,
  };
}

function textOf({ question, limit, after }: Asked): string {
  return JSON.stringify([question.name, limit, after]);
}

/** What a cursor names. */
export function edgeIn(cursor: string): Edge {
  const [, keys, path] = JSON.parse(decodeURIComponent(cursor)) as [unknown, unknown[][], string];
  return { keys: keys.map(([key]) => key), id: idOf(path) };
}

export function idOf(path: string): string {
  return asPath(path).slice('cards/'.length);
}

type Step = readonly [op: string, path: string, after?: string | null];

function withSteps(ids: readonly string[], steps: readonly Step[]): readonly string[] {
  const list = [...ids];
  for (const [op, path, after = null] of steps) {
    const id = idOf(path);
    if (op !== 'ins') list.splice(list.indexOf(id), 1);
    if (op === 'del') continue;
    list.splice(after === null ? 0 : list.indexOf(idOf(after)) + 1, 0, id);
  }
  return list;
}
