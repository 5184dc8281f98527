import {
  type Json,
  jsonEquals,
  type Leaf,
  matches,
  type MonotonicMs,
  type Path,
  type Pattern,
  segmentsOf,
  type Seq,
} from '@holdfast/protocol';
import { Matcher, type Range, type Tree } from '../data/index.ts';
import { type Act, type Audience, looksEqual, modeBits, type Observe } from './act.ts';
import { rangeOf } from './listing.ts';
import type { ReplicaEffect, WatchEvent, WatchOptions } from './types.ts';

/** Leaves that one round of delivery compares at most: some milliseconds (stores.md §18 C21). */
const comparedMax = 5000;

/** Both states of a replica at one moment. */
export type Sight = { readonly committed: Tree; readonly view: Tree };

/** Two moments of which subscribers shall hear the differences; `seq` is that of the later one. */
export type Difference = {
  readonly before: Sight;
  readonly after: Sight;
  readonly op: 'present' | 'resync';
  readonly seq: Seq;
  /** They differ in what these cover only; null or absent: anywhere. */
  readonly within?: readonly Pattern[] | null;
};

/** Events that wait, by path where only the last of each path is wanted; where events are merged, the one that stays says how many. */
type Waiting = Map<Path | number, WatchEvent>;

/** One subscription, with all that goes out to it, in order: comparisons are made when it is their turn. */
type Feed = {
  readonly id: number;
  readonly pattern: Pattern;
  readonly options: WatchOptions;
  readonly audience: Audience;
  readonly parts: (Waiting | Iterator<WatchEvent | null, void>)[];
  /** No round of delivery before this time. */
  due: MonotonicMs;
  /** Whether the round that goes on has told something. */
  hasTold: boolean;
  /** Takes it out of the matcher. */
  remove: () => void;
};

/** Who watches what: finds the subscriptions that an act concerns, and hands out their events in rounds (stores.md §18 C11–C15). */
export class Subscriptions {
  readonly #feeds = new Map<number, Feed>();
  readonly #matcher = new Matcher<Feed>();
  /** Those for which something waits. */
  readonly #dirty = new Set<Feed>();
  readonly #emit: (effect: ReplicaEffect) => void;
  readonly #observe: Observe | undefined;
  #count = 0;

  /** `observe` is called with everything that is told. */
  constructor(emit: (effect: ReplicaEffect) => void, observe?: Observe) {
    this.#emit = emit;
    this.#observe = observe;
  }

  get size(): number {
    return this.#feeds.size;
  }

  /** Registers a subscription and names it; what is `present` is told first, if that is wanted. */
  subscribe(pattern: Pattern, options: WatchOptions, present: () => Difference): number {
    this.#count++;
    const audience = modeBits[options.mode];
    const start = { parts: [], due: -Infinity, hasTold: false, remove: () => {} };
    const feed: Feed = { id: this.#count, pattern, options, audience, ...start };
    feed.remove = this.#matcher.add(pattern, feed);
    this.#feeds.set(feed.id, feed);
    if (options.includeCurrent) this.#compare(feed, present());
    return feed.id;
  }

  unsubscribe(id: number): void {
    const feed = this.#feeds.get(id);
    if (feed === undefined) return;
    feed.remove();
    this.#feeds.delete(id);
    this.#dirty.delete(feed);
  }

  clear(): void {
    for (const id of this.#feeds.keys()) this.unsubscribe(id);
  }

  /** What is at a path, as far as somebody hears of it: a map is assembled only then. */
  valueAt(tree: Tree, path: Path): Json | undefined {
    let leaf = tree.leaf(path);
    if (leaf === undefined) {
      this.#matcher.match(path, () => {
        leaf = tree.read(path);
      });
    }
    return leaf?.value;
  }

  /** Queues the events of one commit, or of what else happened at once; `tree` is the state after it. */
  announce(acts: readonly Act[], tree: Tree): void {
    if (acts.length > 0) this.#observe?.(acts);
    if (this.#feeds.size === 0) return;
    const notes = new Map<Feed, Map<Path, Note>>();
    for (const act of acts) this.#note(act, notes);
    for (const [feed, byPath] of notes) {
      for (const [path, note] of byPath) {
        const now = tree.read(path);
        const isNews = note.isSaid || !jsonEquals(now?.value, note.previous);
        if (isNews) this.#push(feed, eventOf(note, path, now));
      }
    }
  }

  /** Lets subscriptions hear how two states differ, before all that happens from now on. */
  compare(difference: Difference): void {
    this.#observe?.(null);
    for (const feed of this.#feeds.values()) {
      const { mode, includeCurrent } = feed.options;
      const isNews = difference.op === 'resync' || includeCurrent;
      const places = placesOf(feed.pattern, difference);
      if (isNews && mode !== 'optimistic' && places.length > 0) this.#compare(feed, difference);
    }
  }

  /** When there is something to hand out: now, at a later time, or never, which is Infinity. */
  nextRound(now: MonotonicMs): MonotonicMs {
    let next = Infinity;
    for (const { due } of this.#dirty) {
      if (due <= now) return now;
      next = Math.min(next, due);
    }
    return next;
  }

  /** Hands out what may go out now. */
  deliver(now: MonotonicMs): void {
    const effort = { left: comparedMax };
    for (const feed of this.#dirty) {
      if (feed.due > now) continue;
      const { id: subscription, parts } = feed;
      const { delivery } = feed.options;
      const events = takeFrom(parts, effort);
      feed.hasTold ||= events.length > 0;
      // A comparison that was cut short goes on as soon as others have had their turn: all of it is one round.
      if (parts.length === 0) {
        this.#dirty.delete(feed);
        if (delivery.policy === 'sample' && feed.hasTold) feed.due = now + delivery.intervalMs;
        feed.hasTold = false;
      }
      if (events.length > 0) this.#emit({ type: 'notify', subscription, events });
    }
  }

  #compare(feed: Feed, difference: Difference): void {
    feed.parts.push(differences(feed, difference));
    this.#dirty.add(feed);
  }

  /** Queues an event; a queue that grows beyond its maximum ends the subscription (stores.md §18 C14). */
  #push(feed: Feed, event: WatchEvent): void {
    if (!this.#feeds.has(feed.id)) return;
    const { delivery, maxQueue } = feed.options;
    const last = feed.parts.at(-1);
    const waiting: Waiting = last instanceof Map ? last : new Map();
    if (last !== waiting) feed.parts.push(waiting);
    const key = delivery.policy === 'every' ? waiting.size : event.path;
    const earlier = waiting.get(key);
    waiting.delete(key);
    waiting.set(key, earlier === undefined ? event : merge(earlier, event));
    this.#dirty.add(feed);
    if (waiting.size <= maxQueue) return;
    this.unsubscribe(feed.id);
    this.#emit({ type: 'dropped', subscription: feed.id });
  }

  /** A subscription hears of an op at its path; where it does not watch that path, of each leaf the op changed. */
  #note(act: Act, notes: Map<Feed, Map<Path, Note>>): void {
    const { path: at, previous } = act;
    const heard = new Set<Feed>();
    const note = (path: Path, fresh: Note): void => {
      this.#matcher.match(path, (feed) => {
        if ((feed.audience & act.audience) === 0 || (fresh.isLeaf && heard.has(feed))) return;
        if (!fresh.isLeaf) heard.add(feed);
        jot(notes, feed, [path, fresh]);
      });
    };
    note(at, { act, previous, isLeaf: false, isSaid: true });
    for (const { path, before } of act.changes) {
      if (path !== at) note(path, { act, previous: before?.value, isLeaf: true, isSaid: false });
    }
  }
}

/** Takes what may go out now; a comparison goes on for as long as there is effort left. */
function takeFrom(parts: Feed['parts'], effort: { left: number }): readonly WatchEvent[] {
  const events: WatchEvent[] = [];
  for (let part = parts[0]; part !== undefined; part = parts[0]) {
    const walk = part instanceof Map ? part.values() : part;
    for (let step = walk.next(); step.done !== true; step = walk.next()) {
      if (step.value !== null) events.push(step.value);
      // What happened goes out whole: only a comparison remembers how far it has come.
      if (!(part instanceof Map) && --effort.left <= 0) return events;
    }
    parts.shift();
  }
  return events;
}

/** The differences of two moments that a subscription is to hear of; null for each leaf looked at without one. */
function* differences(
  { pattern, options }: Feed,
  difference: Difference,
): Generator<WatchEvent | null, void> {
  const { before, after, op, seq } = difference;
  const side = options.mode === 'committed' ? 'committed' : 'view';
  const old = before[side];
  const young = after[side];
  const told = (path: Path, gone: Leaf | undefined, leaf: Leaf | undefined): WatchEvent | null => {
    if (looksEqual(gone, leaf) || !matches(pattern, segmentsOf(path))) return null;
    const revision = leaf?.revision ?? seq;
    // Revisions between seqs are of own, uncommitted requests.
    const own = !Number.isInteger(revision);
    if (options.mode === 'optimistic' && !own) return null;
    const act = { op, seq: own ? null : revision, own };
    return eventOf({ act, previous: gone?.value, isLeaf: false }, path, leaf);
  };
  const places = placesOf(pattern, difference);
  // What is gone comes first: it may have been in the way of what has come.
  for (const range of places) {
    for (const entry of old.entries(range)) {
      yield young.leaf(entry.path) === undefined ? told(entry.path, entry, undefined) : null;
    }
  }
  for (const range of places) {
    for (const entry of young.entries(range)) {
      yield told(entry.path, old.leaf(entry.path), entry);
    }
  }
}

/** Where a subscription has to look for differences: in ranges that do not overlap. */
function placesOf(pattern: Pattern, { within }: Difference): readonly Range[] {
  const own = rangeOf(pattern);
  const ranges = new Map((within ?? [pattern]).map(rangeOf).map((each) => [stemOf(each), each]));
  const stems = [...ranges.keys()];
  const isInside = (stem: string): boolean =>
    stem.startsWith(stemOf(own)) && !stems.some((each) => each !== stem && stem.startsWith(each));
  if (stems.some((each) => stemOf(own).startsWith(each))) return [own];
  return [...ranges].flatMap(([stem, range]) => (isInside(stem) ? range : []));
}

/** What all paths of a range begin with, but the one it is named by. */
function stemOf({ under }: Range): string {
  return under === undefined ? '' : `${under}/`;
}

/** Keeps the last event of a path, with what the subscriber saw last as its `previous`. */
export function merge(earlier: WatchEvent, later: WatchEvent): WatchEvent {
  const conflated = (earlier.conflated ?? 0) + (later.conflated ?? 0) + 1;
  return { ...later, previous: earlier.previous, conflated };
}

/** What subscribers are told of. */
type Deed = Pick<WatchEvent, 'op' | 'seq' | 'own'>;

type Note = {
  readonly act: Deed;
  readonly previous: Json | undefined;
  /** A leaf that an op at another path changed. */
  readonly isLeaf: boolean;
  /** Told even if all is as before: an op was at the path itself. */
  readonly isSaid: boolean;
};

/** Notes each path once, with its last value (stores.md §18 C11). */
function jot(
  notes: Map<Feed, Map<Path, Note>>,
  feed: Feed,
  [path, fresh]: readonly [Path, Note],
): void {
  const byPath = notes.get(feed) ?? new Map<Path, Note>();
  notes.set(feed, byPath);
  const { previous, isSaid } = byPath.get(path) ?? fresh;
  byPath.delete(path);
  byPath.set(path, { ...fresh, previous, isSaid: isSaid || fresh.isSaid });
}

function eventOf(
  { act, previous, isLeaf }: Pick<Note, 'previous' | 'isLeaf'> & { readonly act: Deed },
  path: Path,
  now: Leaf | undefined,
): WatchEvent {
  const { seq, own } = act;
  return {
    path,
    value: now?.value,
    previous,
    type: now?.type,
    op: nameOf(act, now, isLeaf),
    seq,
    own,
  };
}

function nameOf({ op }: Deed, now: Leaf | undefined, isLeaf: boolean): WatchEvent['op'] {
  if (op === 'refused') return op;
  if (isLeaf) return now === undefined ? 'delete' : 'set';
  // A delete that a later op of the same commit made good.
  return op === 'delete' && now !== undefined ? 'set' : op;
}
