import {
  containsScope,
  isRefusal,
  type MonotonicMs,
  type Path,
  type Pattern,
  patternsOf,
  readRefusal,
  type Refusal,
  type Seq,
} from '@holdfast/protocol';
import { type QueryDelta, readQueryDelta } from '@holdfast/protocol/record';
import { withOps } from '../collection/index.ts';
import type { Tree } from '../data/index.ts';
import { type Held, without } from './extent.ts';
import type { Guest, Parts, QueryAsk, QuerySight } from './parts.ts';
import { fits, Rows } from './rows.ts';
import { toldMs } from './told.ts';
import type { KeptQuery, ReplicaInput } from './types.ts';

type Live = {
  readonly sub: string;
  readonly changed: () => void;
  ask: QueryAsk;
  /** All that it is about is held; and is, or will be. */
  isLocal: boolean;
  isWished: boolean;
  shown: Omit<KeptQuery, 'key'> | null;
  /** The spec that the server has open on this channel. */
  opened: object | null;
  /** The push that is on its way, and the spec it names; without an id it waits until a place is free. */
  asked: { readonly id: string; readonly spec: object } | null;
  refusal: Refusal | null;
  retryAt: MonotonicMs;
};

type Reply = Extract<ReplicaInput, { readonly type: 'reply' }>;

const retryMs = 1000;
const keptMs = 60_000;
const nothing = { rows: null, hasMore: false, endCursor: null } as const;

/**
 * The queries of a replica (records.md §14.3, §14.4). A query whose objects patterns hold, or will, is not opened.
 *
 * 1. The rows of a query are what the server said last, as of the cursor: a delta and the events that reach it are one change.
 * 2. Rows are here while a query has them.
 * 3. No pattern is let go of while a query that it served waits for its rows.
 */
export class Queries implements Guest {
  makeRoom: (sub: string) => boolean = () => false;
  readonly #parts: Parts;
  readonly #rows: Rows;
  readonly #open = new Map<string, Live>();
  /** Deltas that wait for the events that reach them. */
  #due: QueryDelta[] = [];
  /** Closed ones that the server has yet to be told of. */
  #closing: Live[] = [];
  /** Closed ones by the push that tells of it: the server takes their rows to be here until it has heard. */
  readonly #leaving = new Map<string, Live>();
  /** What a cache kept, until somebody opens it or a while has passed. */
  readonly #kept = new Map<string, KeptQuery>();
  #keptUntil: MonotonicMs | null = null;
  #count = 0;
  /** What was known of the patterns when it was last looked which queries they serve. */
  #surveyed: readonly unknown[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rows = new Rows(parts);
    this.adopt();
  }

  adopt(): void {
    const { fold, image } = this.#parts;
    for (const kept of image?.queries ?? []) {
      // What a snapshot has swept away is not here.
      if (!kept.rows.every((row) => fold.committed.read(row))) continue;
      this.#rows.count(kept.rows);
      const live = [...this.#open.values()].find(
        ({ ask, shown }) => ask.key === kept.key && !shown,
      );
      if (live === undefined) this.#kept.set(kept.key, kept);
      else live.shown = kept;
      live?.changed();
    }
  }

  open(ask: QueryAsk, changed: () => void): string {
    this.#count += 1;
    const sub = `q${this.#count}`;
    const kept = this.#kept.get(ask.key) ?? null;
    this.#kept.delete(ask.key);
    const start = { opened: null, asked: null, refusal: null, retryAt: Infinity };
    const served = { isLocal: false, isWished: false };
    this.#open.set(sub, { sub, ask, changed, shown: kept, ...start, ...served });
    this.#surveyed = [];
    return sub;
  }

  change(sub: string, ask: QueryAsk): void {
    const live = this.#open.get(sub);
    if (live === undefined) return;
    live.ask = ask;
    live.refusal = null;
  }

  close(sub: string): void {
    const live = this.#open.get(sub);
    if (live === undefined) return;
    this.#leave(live);
    this.#open.delete(sub);
  }

  sight(sub: string): QuerySight {
    const live = this.#open.get(sub);
    const { isLocal = false, asked = null, refusal = null, shown = null } = live ?? {};
    const isBehind = refusal === null && live?.opened !== live?.ask.spec;
    return { ...(shown ?? nothing), isLocal, isAsked: asked !== null, isBehind, refusal };
  }

  holds(object: Path): boolean {
    return this.#rows.holds(object);
  }

  covers(path: Path): boolean {
    return this.#rows.has(path);
  }

  image(): readonly KeptQuery[] {
    const shown = [...this.#closed(), ...this.#open.values()].flatMap(
      ({ ask: { key }, shown: each }) => (each === null ? [] : [{ key, ...each }]),
    );
    return [
      ...new Map([...shown, ...this.#kept.values()].map((each) => [each.key, each])).values(),
    ];
  }

  get wakeAt(): MonotonicMs {
    const retries = Array.from(this.#open.values(), ({ retryAt }) => retryAt);
    return Math.min(this.#kept.size > 0 ? (this.#keptUntil ?? Infinity) : Infinity, ...retries);
  }

  ask(now: MonotonicMs, isLive: boolean): void {
    this.#forgetKept(now);
    this.#survey();
    const { extent } = this.#parts;
    extent.isKept = false;
    if (!isLive) return;
    for (const live of this.#open.values()) {
      if (live.isWished && live.isLocal) this.#leave(live);
      if (!live.isWished && isDue(live, now)) this.#ask(live);
      extent.isKept ||= live.asked !== null && live.shown === null;
    }
    for (const live of this.#closing) {
      this.#leaving.set(this.#push('query_close', { sub: live.sub }), live);
    }
    this.#closing = [];
  }

  #closed(): readonly Live[] {
    return [...this.#leaving.values(), ...this.#closing];
  }

  /** Looks which queries patterns serve. */
  #survey(): void {
    const { held, wanted, denied } = this.#parts.extent;
    const known = this.#surveyed;
    if (known[0] === held && known[1] === wanted && known[2] === denied) return;
    this.#surveyed = [held, wanted, denied];
    const [has, will] = [held, without(wanted, denied)].map(patternsOf);
    for (const live of this.#open.values()) {
      const { within } = live.ask;
      const isIn = (patterns: readonly Pattern[] = []): boolean =>
        within !== null && patterns.some((pattern) => containsScope(pattern, within));
      const isLocal = isIn(has);
      live.isWished = isIn(will);
      if (live.isWished) this.#calm(live);
      if (isLocal !== live.isLocal) live.changed();
      live.isLocal = isLocal;
    }
  }

  replied({ id, status, response, now }: Reply): void {
    const left = this.#leaving.get(id);
    this.#leaving.delete(id);
    if (left !== undefined) this.#gone(left);
    if (status === 'ok') return;
    for (const live of this.#open.values()) {
      if (live.asked?.id !== id) continue;
      const refusal = readRefusal(response);
      if (isForPlace(refusal) && this.makeRoom(live.sub)) {
        live.asked = { ...live.asked, id: '' };
        continue;
      }
      live.asked = null;
      live.refusal = refusal;
      const isPassing = live.refusal.retry === 'later';
      live.retryAt = isPassing ? now + (toldMs(live.refusal) ?? retryMs) : Infinity;
      // What the server would not show is not kept either; a wider window was refused to what stays as it was.
      if (!isPassing && live.opened === null) this.#drop(live);
      live.changed();
    }
  }

  hear(payload: unknown): 'gap' | Refusal | null {
    const delta = readQueryDelta(payload);
    if (isRefusal(delta)) return delta;
    const { extent, fold } = this.#parts;
    if (delta.rows === null) {
      this.#due.push(delta);
      return null;
    }
    if (delta.at > fold.cursor) {
      // A channel without patterns was told of nothing so far.
      if (extent.held.length > 0) return 'gap';
      fold.advance(delta.at);
    }
    this.#take(delta);
    return null;
  }

  reached(seq: Seq): void {
    for (const delta of this.#dueBy(seq)) this.#take(delta);
  }

  #dueBy(seq: Seq): readonly QueryDelta[] {
    if (this.#due.length === 0) return this.#due;
    const due = this.#due.filter(({ at }) => at <= seq);
    this.#due = this.#due.filter(({ at }) => at > seq);
    return due;
  }

  lost(): void {
    // A channel without patterns does not tell whether the rights are those of the one before.
    const isUnsure = this.#parts.extent.held.length === 0;
    this.#due = [];
    for (const live of this.#closed()) this.#drop(live);
    this.#closing = [];
    this.#leaving.clear();
    for (const live of this.#open.values()) {
      live.opened = null;
      live.asked = null;
      this.#calm(live);
      if (isUnsure) this.#drop(live);
      live.changed();
    }
  }

  carry(to: Tree, coming: Held | null): void {
    const { extent, fold } = this.#parts;
    // Those that the server has open are part of the state that comes.
    const open = [...this.#closed(), ...this.#open.values()].filter(
      ({ opened }) => opened !== null,
    );
    const told = new Set(open.flatMap(({ shown }) => shown?.rows ?? []));
    this.#rows.carry({ from: fold.committed, to }, coming?.patterns ?? extent.held, told);
  }

  replaced(seq: Seq): void {
    // A snapshot in place has the rows as they are by now, those too that have left and come back.
    const due = this.#dueBy(seq);
    const touched = due.flatMap(({ ops }) => ops.map(([, path]) => path));
    this.#rows.count(touched);
    for (const delta of due) this.#take({ ...delta, entries: [], maps: [] });
    this.#rows.discount(touched, seq);
    const { committed } = this.#parts.fold;
    const isWhole = ({ rows }: Pick<KeptQuery, 'rows'>): boolean =>
      rows.every((row) => committed.read(row) !== undefined);
    for (const live of this.#open.values()) {
      // Of a query that is open there, the server tells what has left it, and no row again that it has been told of, be it
      // by what opens it.
      const isOpen = live.opened !== null || live.asked !== null;
      if (isOpen || live.shown === null || isWhole(live.shown)) continue;
      this.#drop(live);
      live.changed();
    }
    for (const kept of this.#kept.values()) if (!isWhole(kept)) this.#release(kept);
  }

  /** There is nothing more to ask for. */
  #calm(live: Live): void {
    live.refusal = null;
    live.retryAt = Infinity;
  }

  #release({ key, rows }: KeptQuery): void {
    this.#kept.delete(key);
    this.#rows.discount(rows, this.#cursor);
    this.#parts.ledger?.touch();
  }

  get #cursor(): Seq {
    return this.#parts.fold.cursor;
  }

  #take(delta: QueryDelta): void {
    const { sub } = delta;
    const live = this.#closed().find((each) => each.sub === sub) ?? this.#open.get(sub);
    // One that is evaluated here by now.
    if (live === undefined || (live.asked === null && live.opened === null)) return;
    const rows = live.shown?.rows ?? [];
    if (delta.rows !== null) {
      live.opened = live.asked?.spec ?? live.opened;
      live.asked = null;
      this.#calm(live);
      this.#show(live, delta, delta.rows);
    } else if (fits(rows, delta.ops)) {
      this.#show(live, delta, withOps(rows, delta.ops));
    } else {
      // Something was missed: it is asked for again, with what is here.
      live.opened = null;
    }
  }

  #show(
    live: Live,
    { at, entries, maps, hasMore, endCursor }: QueryDelta,
    rows: readonly Path[],
  ): void {
    const before = live.shown?.rows ?? [];
    this.#rows.count(rows);
    this.#rows.put({ entries, maps }, at);
    this.#rows.discount(before, at);
    live.shown = { rows, hasMore, endCursor };
    this.#parts.ledger?.touch();
    live.changed();
  }

  #ask(live: Live): void {
    const { sub, ask, shown } = live;
    const { record, spec } = ask;
    const have: { [path: string]: Seq } = {};
    for (const row of live.opened === null ? (shown?.rows ?? []) : []) {
      const revision = this.#rows.revisionOf(row);
      if (revision !== null) have[row] = revision;
    }
    live.asked = { id: this.#push('query_open', { sub, record, spec, have }), spec };
    this.#calm(live);
    live.changed();
  }

  /** It needs the server no more. */
  #leave(live: Live): void {
    if (live.opened !== null || live.asked !== null) {
      this.#closing.push({ ...live, changed: () => undefined });
      this.#parts.ledger?.touch();
      live.shown = null;
    }
    live.opened = null;
    live.asked = null;
    this.#drop(live);
  }

  /** The server has heard that it is closed: its place is free. */
  #gone(left: Live): void {
    this.#drop(left);
    const next = [...this.#open.values()].find(({ asked }) => asked?.id === '');
    if (next !== undefined) next.asked = null;
  }

  #drop(live: Live): void {
    const { rows = [] } = live.shown ?? {};
    if (live.shown !== null) this.#parts.ledger?.touch();
    live.shown = null;
    this.#rows.discount(rows, this.#cursor);
  }

  #forgetKept(now: MonotonicMs): void {
    this.#keptUntil ??= now + keptMs;
    if (this.#kept.size === 0 || now < this.#keptUntil) return;
    for (const kept of this.#kept.values()) this.#release(kept);
  }

  #push(event: string, payload: object): string {
    this.#count += 1;
    const id = `${prefix}${this.#count}`;
    this.#parts.emit({ type: 'push', id, event, payload });
    return id;
  }
}

/** What the pushes of queries are named by; no op id is like it. */
const prefix = 'query ';

function isDue({ ask, opened, asked, refusal, retryAt }: Live, now: MonotonicMs): boolean {
  if (refusal !== null) return retryAt <= now;
  return asked === null && opened !== ask.spec;
}

/** Whether the server has as many queries open as it may. */
function isForPlace({ code, details }: Refusal): boolean {
  return code === 'invalid_query' && 'limit' in details;
}
