import { type Bound, MapRows, Scope } from '@holdfast/engine/data';
import { Queries, type QuerySight, type ReplicaImage } from '@holdfast/engine/replica';
import {
  type EntryTuple,
  entryTuple,
  isRefusal,
  type MapTuple,
  type Path,
  type Pattern,
  type Refusal,
  type Seq,
  type StoreName,
} from '@holdfast/protocol';
import {
  canonicalJson,
  type QueryOpen,
  type QueryStep,
  readQueryClose,
  readQueryOpen,
} from '@holdfast/protocol/record';
import type { ClientEnv } from '../env.ts';
import { patternOf } from '../watch.ts';
import type { StoreHub } from './hub.ts';
import { frameIn, type HubPart } from './part.ts';
import type { SeatedStore } from './seat.ts';
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

/** Queries of others on one channel of the leader's, of which a server allows 100. */
const sourcesMax = 50;
/** How long a query stays open that nobody looks at. */
const unusedMs = 60_000;

type Shown = Pick<QuerySight, 'hasMore' | 'endCursor'> & { readonly rows: readonly Path[] };

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
    if (source === null) {
      channel.decline();
      return;
    }
    this.#ports.env.clearTimeout(source.timer);
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
    for (const source of this.#sources.values()) this.#look(source);
  }

  /** A channel is gone. */
  left(channel: WindowChannel): void {
    this.#channels.delete(channel);
    for (const { windows } of this.#sources.values()) {
      for (const window of windows) if (window.channel === channel) this.#forget(window);
    }
  }

  /** Nobody is served any more. */
  end(): void {
    for (const { timer } of this.#sources.values()) this.#ports.env.clearTimeout(timer);
    this.#sources.clear();
    this.#channels.clear();
  }

  #source(name: StoreName, { record, spec }: QueryOpen): Source | null {
    const { store } = this.#ports.hub;
    if (store !== this.#store) this.end();
    this.#store = store;
    const text = canonicalJson([record, spec]);
    const known = this.#sources.get(text);
    if (known !== undefined || this.#sources.size >= sourcesMax) return known ?? null;
    const source: Source = { text, sub: '', windows: new Set(), timer: undefined };
    this.#sources.set(text, source);
    // As the tab names it, so that it finds what is kept of it.
    const key = `query/${record} ${name} ${canonicalJson(spec)}`;
    store?.query((replica) => {
      source.sub = replica
        .follow(Queries)
        .open({ key, record, spec, within: null }, () => queueMicrotask(() => this.#look(source)));
    });
    return source;
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
    if (sight === null || shown === null || sight.isBehind || isSame(shown, sight)) return;
    const ops = stepsBetween(shown.rows, sight.rows ?? []);
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
    const { source } = window;
    source.windows.delete(window);
    if (source.windows.size > 0) return;
    const { env, hub } = this.#ports;
    env.clearTimeout(source.timer);
    source.timer = env.setTimeout(() => {
      if (this.#sources.get(source.text) !== source || source.windows.size > 0) return;
      // Offline nothing would bring its rows back.
      if (!hub.isLive) this.#forget(window);
      else this.#drop(source);
    }, unusedMs);
  }

  #drop(source: Source): void {
    this.#sources.delete(source.text);
    this.#store?.query((replica) => replica.queries?.close(source.sub));
  }
}

type Telling = {
  readonly window: Window;
  readonly open: Open;
  readonly image: ReplicaImage;
  readonly sight: QuerySight;
};

function isSame(shown: Shown, { rows, hasMore, endCursor }: QuerySight): boolean {
  return (
    shown.hasMore === hasMore &&
    shown.endCursor === endCursor &&
    shown.rows.length === rows?.length &&
    shown.rows.every((path, at) => path === rows[at])
  );
}

/** Steps from one window to another. */
function stepsBetween(before: readonly Path[], after: readonly Path[]): readonly QueryStep[] {
  const stays = new Set(after);
  const steps: QueryStep[] = before.filter((path) => !stays.has(path)).map((path) => ['del', path]);
  const list = before.filter((path) => stays.has(path));
  const had = new Set(list);
  for (const [at, path] of after.entries()) {
    if (list[at] === path) continue;
    const previous = after[at - 1] ?? null;
    if (had.has(path)) list.splice(list.indexOf(path, at), 1);
    list.splice(at, 0, path);
    steps.push([had.has(path) ? 'mov' : 'ins', path, previous]);
  }
  return steps;
}

/** The pattern of an object and all below it. */
function patternUnder(object: Path): Pattern {
  const pieces = object.split('/').map((each) => (/^\*{1,2}$/.test(each) ? `\\${each}` : each));
  return patternOf(`${pieces.join('/')}/**`);
}

/** The leaves of objects, and the maps of them, as a snapshot has them (stores.md §10.3). */
function contentOf(
  { loaded: tree }: ReplicaImage,
  objects: readonly Path[],
): { readonly entries: readonly EntryTuple[]; readonly maps: readonly MapTuple[] } {
  const entries: EntryTuple[] = [];
  const maps: MapTuple[] = [];
  if (tree === undefined) return { entries, maps };
  for (const object of objects) {
    const rows = new MapRows(tree, new Scope([patternUnder(object)]));
    for (const entry of tree.entries({ under: object })) {
      rows.pass(entry);
      entries.push(entryTuple(entry));
    }
    maps.push(...rows.finish());
  }
  return { entries, maps };
}
