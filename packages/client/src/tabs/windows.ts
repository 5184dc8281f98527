import { type Bound, Scope } from '@holdfast/engine/data';
import { Queries, type QuerySight, type ReplicaImage } from '@holdfast/engine/replica';
import { isRefusal, type Path, type Refusal, type Seq, type StoreName } from '@holdfast/protocol';
import {
  canonicalJson,
  type QueryOpen,
  readQueryClose,
  readQueryOpen,
} from '@holdfast/protocol/record';
import type { ClientEnv } from '../env.ts';
import type { StoreHub } from './hub.ts';
import { frameIn, type HubPart } from './part.ts';
import type { SeatedStore } from './seat.ts';
import { contentOf, isSame, type Shown, stepsBetween } from './shown.ts';
import type { Message } from './snapshot.ts';
import type { HeardFrame } from './tail.ts';

/** A channel of another tab, as far as its queries are concerned. */
export interface WindowChannel {
  push(message: Message): void;
  /** Ends the channel; it is joined again. */
  shut(): void;
  /** It cannot be served here, but may be by the server. */
  decline(): void;
}

/** What a channel has been told of, and how far. */
export type Told = { seq: Seq; readonly part: HubPart };

/** What another tab pushes, and to which store. */
export type Asked = Message & { readonly store: StoreName };

type Answer = (status: 'ok' | 'error', response: object) => void;

/** What the windows of a store need. */
export type WindowPorts = {
  readonly hub: StoreHub;
  readonly env: Pick<ClientEnv, 'setTimeout' | 'clearTimeout'>;
  /** What a channel has been told; undefined: it is not joined any more. */
  told(channel: WindowChannel): Told | undefined;
};

/** How long a query stays open that nobody looks at. */
const unusedMs = 60_000;

/** A query as one other tab has it open, or will have. */
type Window = {
  readonly sub: string;
  readonly channel: WindowChannel;
  readonly source: Source;
  readonly answer: Answer;
  /** As it was told last; null: nothing yet, and the answer waits. */
  shown: Shown | null;
};

/** A query that the leader follows for others. */
type Source = {
  readonly text: string;
  sub: string;
  readonly windows: Set<Window>;
  /** Null: it does not run. */
  timer: unknown;
};

/** The windows of one channel: their rows are in its scope. */
class Open implements Bound {
  readonly name = 'windows';
  readonly windows = new Map<string, Window>();
  readonly #counts = new Map<Path, number>();
  #part: Scope = new Scope([]);

  /** What the patterns of the channel cover is in scope besides. */
  over({ scope }: HubPart): this {
    this.#part = scope;
    return this;
  }

  count(rows: readonly Path[], by: 1 | -1): void {
    for (const row of rows) {
      const count = (this.#counts.get(row) ?? 0) + by;
      if (count > 0) this.#counts.set(row, count);
      else this.#counts.delete(row);
    }
  }

  covers(path: Path): boolean {
    return this.#part.covers(path) || this.#isIn(path);
  }

  coversSubtree(path: Path): boolean {
    return this.#part.coversSubtree(path) || this.#isIn(path);
  }

  reaches(): boolean {
    return true;
  }

  #isIn(path: Path): boolean {
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- part of a path
      if (this.#counts.has(path.slice(0, end) as Path)) return true;
    }
    return this.#counts.has(path);
  }
}

/**
 * The queries of other tabs on a store of the leader (records.md §14.4): the leader's replica follows each that any of
 * them has, once, and each channel is told of its own, as a server would.
 *
 * 1. A change of a window is told right before the events that reach it.
 * 2. The rows of all its windows are in a channel's scope.
 * 3. What nobody looks at any more stays until the leader has been live for a while: a tab that is loaded again finds it.
 */
export class StoreWindows {
  readonly #ports: WindowPorts;
  readonly #channels = new Map<WindowChannel, Open>();
  readonly #sources = new Map<string, Source>();
  /** Whose replica follows them. */
  #store: SeatedStore | null = null;

  constructor(ports: WindowPorts) {
    this.#ports = ports;
  }

  /** Takes a `query_open` or a `query_close`. */
  ask(channel: WindowChannel, { event, payload, store }: Asked, answer: Answer): void {
    if (event === 'query_close') {
      const sub = readQueryClose(payload);
      if (!isRefusal(sub)) this.#close(channel, sub);
      if (isRefusal(sub)) answer('error', sub.toResponse());
      else answer('ok', {});
      return;
    }
    const asked = readQueryOpen(payload);
    if (isRefusal(asked)) {
      answer('error', asked.toResponse());
      return;
    }
    const source = this.#source(store, asked);
    this.#stop(source);
    source.windows.add({ sub: asked.sub, channel, source, answer, shown: null });
    queueMicrotask(() => this.#look(source));
  }

  /** Pushes a frame of events, and before it what becomes of the windows; false: the channel has none. */
  follow(channel: WindowChannel, told: Told, { message, to }: HeardFrame): boolean {
    const open = this.#channels.get(channel);
    if (open === undefined) return false;
    const image = this.#image;
    if (image?.seq !== to) {
      // The replica waits for something: what the windows will be is not known.
      channel.shut();
      return true;
    }
    for (const window of open.windows.values()) this.#tell(window, open.over(told.part), image);
    const { part } = told;
    channel.push(part.scope.isWhole ? message : frameIn(message, open.over(part)));
    return true;
  }

  /** Whether events are pushed to a channel whatever its part is. */
  has(channel: WindowChannel): boolean {
    return this.#channels.has(channel);
  }

  /** Those that have waited for their channel may be told. */
  look(): void {
    for (const source of this.#sources.values()) {
      this.#look(source);
      this.#wait(source);
    }
  }

  /** A channel is gone. */
  left(channel: WindowChannel): void {
    this.#channels.delete(channel);
    for (const { windows } of this.#sources.values()) {
      for (const window of windows) if (window.channel === channel) this.#forget(window);
    }
  }

  /** Another tab leads: who looks at them asks there. */
  resign(): void {
    for (const source of this.#sources.values()) this.#drop(source);
    this.end();
  }

  /** Nobody is served any more. */
  end(): void {
    for (const source of this.#sources.values()) this.#stop(source);
    this.#sources.clear();
    this.#channels.clear();
  }

  #source(name: StoreName, { record, spec }: QueryOpen): Source {
    const { store } = this.#ports.hub;
    if (store !== this.#store) this.end();
    this.#store = store;
    const text = canonicalJson([record, spec]);
    const known = this.#sources.get(text);
    if (known !== undefined) return known;
    const source: Source = { text, sub: '', windows: new Set(), timer: null };
    this.#sources.set(text, source);
    // As the tab names it, so that it finds what is kept of it.
    const key = `query/${record} ${name} ${canonicalJson(spec)}`;
    store?.query((replica) => {
      const queries = replica.follow(Queries);
      queries.makeRoom = (sub) => store === this.#store && this.#makeRoom(sub);
      const ask = { key, record, spec, within: null };
      source.sub = queries.open(ask, () => queueMicrotask(() => this.#look(source)));
    });
    return source;
  }

  /**
   * The server has no place for another query. The leader's own come first: one of these goes, and who looks at it has a
   * connection of its own. For one of these goes what nobody looks at.
   */
  #makeRoom(sub: string): boolean {
    const all = [...this.#sources.values()];
    const isOther = all.some((source) => source.sub === sub);
    const [first] = all
      .filter((source) => hasPlace(this.#sight(source)) && !(isOther && source.windows.size > 0))
      .toSorted((a, b) => a.windows.size - b.windows.size);
    if (first === undefined) return false;
    this.#stop(first);
    this.#sources.delete(first.text);
    // A step of the replica goes on.
    this.#store?.replica?.queries?.close(first.sub);
    queueMicrotask(() => {
      for (const { channel } of first.windows) channel.decline();
    });
    return true;
  }

  /** A query stands otherwise, perhaps. */
  #look(source: Source): void {
    const { hub } = this.#ports;
    const image = hub.isSettled ? this.#image : undefined;
    const sight = this.#sight(source);
    if (image === undefined || sight === null) return;
    for (const window of Array.from(source.windows)) {
      const told = this.#ports.told(window.channel);
      if (told === undefined) continue;
      if (sight.refusal !== null) this.#refuse(window, sight.refusal);
      else if (told.seq === image.seq || told.part.isEmpty) {
        told.seq = image.seq;
        this.#begin(window, told, image);
      }
    }
  }

  #refuse(window: Window, refusal: Refusal): void {
    const { channel, answer, shown, sub } = window;
    const { code, details } = refusal;
    // What could be shown, and cannot any more, it is told when it asks again.
    if (shown !== null) channel.shut();
    else if (code === 'invalid_query' && 'limit' in details) channel.decline();
    else answer('error', refusal.toResponse());
    this.#forget(window);
    const open = this.#channels.get(channel);
    if (open?.windows.get(sub) === window) this.#close(channel, sub);
  }

  /** Tells of a whole window: to who has asked for it, or where no events lead to what it is. */
  #begin(window: Window, { part }: Told, image: ReplicaImage): void {
    const sight = this.#sight(window.source);
    const { sub, channel, answer, shown } = window;
    if (sight === null || sight.isBehind || sight.rows === null) return;
    if (shown !== null && isSame(shown, sight)) return;
    const open = this.#channels.get(channel) ?? new Open();
    this.#channels.set(channel, open);
    const former = open.windows.get(sub);
    open.windows.set(sub, window);
    if (shown === null) answer('ok', {});
    this.#push({ window, open: open.over(part), image, sight }, { reset: true, rows: sight.rows });
    if (former === undefined || former === window) return;
    open.count(former.shown?.rows ?? [], -1);
    this.#forget(former);
  }

  #tell(window: Window, open: Open, image: ReplicaImage): void {
    const sight = this.#sight(window.source);
    const { shown } = window;
    if (sight === null || sight.rows === null || shown === null) return;
    if (sight.isBehind || isSame(shown, sight)) return;
    const ops = stepsBetween(shown.rows, sight.rows);
    this.#push({ window, open, image, sight }, { ops });
  }

  #push({ window, open, image, sight }: Telling, change: object): void {
    const { hasMore, endCursor } = sight;
    const rows = sight.rows ?? [];
    const fresh = rows.filter((path) => !open.coversSubtree(path));
    open.count(rows, 1);
    open.count(window.shown?.rows ?? [], -1);
    window.shown = { rows, hasMore, endCursor };
    const payload = {
      sub: window.sub,
      at: image.seq,
      ...change,
      ...contentOf(image, fresh),
      has_more: hasMore,
      end_cursor: endCursor,
    };
    window.channel.push({ event: 'query_delta', payload });
  }

  get #image(): ReplicaImage | undefined {
    return this.#store?.replica?.image();
  }

  #sight({ sub }: Source): QuerySight | null {
    return this.#store?.replica?.queries?.sight(sub) ?? null;
  }

  #close(channel: WindowChannel, sub: string): void {
    this.#hide(channel, sub);
    for (const { windows } of this.#sources.values()) {
      for (const window of windows) {
        if (window.channel !== channel || window.sub !== sub) continue;
        // Answers have an order: one that nobody waits for any more would hold up all that come after it.
        if (window.shown === null) window.answer('ok', {});
        this.#forget(window);
      }
    }
  }

  #hide(channel: WindowChannel, sub: string): void {
    const open = this.#channels.get(channel);
    const shown = open?.windows.get(sub)?.shown;
    if (open === undefined) return;
    open.windows.delete(sub);
    open.count(shown?.rows ?? [], -1);
    if (open.windows.size === 0) this.#channels.delete(channel);
  }

  #forget(window: Window): void {
    window.source.windows.delete(window);
    this.#wait(window.source);
  }

  /** Lets go of what nobody looks at, but not of what nothing would bring back offline. */
  #wait(source: Source): void {
    const isUnused = source.windows.size === 0 && this.#sources.get(source.text) === source;
    if (!isUnused || source.timer !== null) return;
    const { env, hub } = this.#ports;
    source.timer = env.setTimeout(() => {
      source.timer = null;
      // Once it is live again it is looked at anew.
      if (hub.isLive) this.#drop(source);
    }, unusedMs);
  }

  #stop(source: Source): void {
    this.#ports.env.clearTimeout(source.timer);
    source.timer = null;
  }

  #drop(source: Source): void {
    this.#stop(source);
    this.#sources.delete(source.text);
    this.#store?.query((replica) => replica.queries?.close(source.sub));
  }
}

/** Whether the server has a query open, or will. */
function hasPlace(sight: QuerySight | null): boolean {
  return sight?.refusal === null && (sight.isAsked || !sight.isBehind);
}

type Telling = {
  readonly window: Window;
  readonly open: Open;
  readonly image: ReplicaImage;
  readonly sight: QuerySight;
};
