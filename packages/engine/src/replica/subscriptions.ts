import {
  type Json,
  jsonEquals,
  type Leaf,
  literalPrefix,
  type MonotonicMs,
  type Path,
  type Pattern,
  renderPath,
  type Seq,
} from '@holdfast/protocol';
import { type Change, Matcher, type Tree } from '../data/index.ts';
import type { Act } from './act.ts';
import { differences, topmost } from './comparison.ts';
import { Feed } from './feed.ts';
import type { WatchEvent, WatchOptions } from './types.ts';

/** Leaves that one round of delivery compares at most: some milliseconds (stores.md §18 C21). */
const comparedMax = 5000;

type Job = {
  readonly difference: Difference;
  readonly walk: Iterator<Change | null, void>;
  readonly feeds: ReadonlySet<Feed>;
  readonly matcher: Matcher<Feed>;
};

/** What goes out to one subscription in a round of delivery. */
export type Batch = { readonly subscription: number; readonly events: readonly WatchEvent[] };

/** Two states of which subscribers shall hear the differences. */
export type Difference = {
  readonly before: Tree;
  readonly after: Tree;
  readonly op: 'present' | 'resync';
  /** The seq of the state after. */
  readonly seq: Seq;
};

/** Who watches what: finds the subscriptions that an act concerns, and hands out their events in rounds (stores.md §18 C11–C15). */
export class Subscriptions {
  readonly #feeds = new Map<number, { readonly feed: Feed; readonly remove: () => void }>();
  readonly #matcher = new Matcher<Feed>();
  readonly #dirty = new Set<Feed>();
  readonly #jobs: Job[] = [];
  #dropped: number[] = [];
  #count = 0;
  /** Subscriptions that keep an interval between rounds. */
  #sampled = 0;

  get size(): number {
    return this.#feeds.size;
  }

  subscribe(pattern: Pattern, options: WatchOptions): Feed {
    this.#count++;
    const feed = new Feed(this.#count, pattern, options);
    if (options.delivery.policy === 'sample') this.#sampled++;
    this.#feeds.set(feed.id, { feed, remove: this.#matcher.add(pattern, feed) });
    return feed;
  }

  unsubscribe(id: number): void {
    const entry = this.#feeds.get(id);
    if (entry === undefined) return;
    entry.remove();
    if (entry.feed.options.delivery.policy === 'sample') this.#sampled--;
    this.#feeds.delete(id);
    this.#dirty.delete(entry.feed);
  }

  clear(): void {
    for (const id of this.#feeds.keys()) this.unsubscribe(id);
    this.#jobs.length = 0;
  }

  /** Whether anybody watches the path itself. */
  hears(path: Path): boolean {
    let heard = false;
    this.#matcher.match(path, () => {
      heard = true;
    });
    return heard;
  }

  /** Queues the events of one commit, or of what else happened at once; `tree` is the state after it. */
  announce(acts: readonly Act[], tree: Tree): void {
    if (this.#feeds.size === 0) return;
    const [act] = acts;
    if (act !== undefined && acts.length === 1 && isPlain(act)) this.#announceOne(act, tree);
    else this.#announceMany(acts, tree);
  }

  /** Lets the subscriptions of an audience hear how two states differ, in slices, before all that happens from now on. */
  compare(difference: Difference, wants: (feed: Feed) => boolean): void {
    const feeds = new Set<Feed>();
    const matcher = new Matcher<Feed>();
    for (const { feed } of this.#feeds.values()) {
      if (!wants(feed)) continue;
      feeds.add(feed);
      matcher.add(feed.pattern, feed);
      feed.beginComparison();
      this.#dirty.add(feed);
    }
    if (feeds.size === 0) return;
    const under = topmost([...feeds].map(({ pattern }) => prefixOf(pattern)));
    this.#jobs.push({ difference, walk: differences({ ...difference, under }), feeds, matcher });
  }

  /** Adds events that go out before anything that happens from now on. */
  prime(feed: Feed, events: readonly WatchEvent[]): void {
    for (const event of events) feed.add(event);
    this.#dirty.add(feed);
  }

  /** Whether a round of delivery would hand out anything, or get a comparison further. */
  isDeliverable(now: MonotonicMs): boolean {
    if (this.#jobs.length > 0) return true;
    for (const feed of this.#dirty) if (feed.isReady(now)) return true;
    return false;
  }

  /** When a subscription that has had its round lately may have the next one. */
  nextDue(now: MonotonicMs): MonotonicMs | null {
    if (this.#sampled === 0) return null;
    let next: MonotonicMs | null = null;
    for (const feed of this.#dirty) {
      if (feed.due <= now || !feed.hasSomething) continue;
      next = Math.min(feed.due, next ?? feed.due);
    }
    return next;
  }

  deliver(now: MonotonicMs): readonly Batch[] {
    this.#compareSome();
    const batches: Batch[] = [];
    for (const feed of this.#dirty) {
      if (now < feed.due) continue;
      if (feed.hasSomething) batches.push({ subscription: feed.id, events: feed.take(now) });
      if (!feed.isHeld) this.#dirty.delete(feed);
    }
    return batches;
  }

  /** The subscriptions whose queue overflowed since the last time; they are gone. */
  takeDropped(): readonly number[] {
    if (this.#dropped.length === 0) return this.#dropped;
    const dropped = this.#dropped;
    this.#dropped = [];
    return dropped;
  }

  #push(feed: Feed, event: WatchEvent): void {
    if (!this.#feeds.has(feed.id)) return;
    this.#dirty.add(feed);
    if (feed.push(event)) return;
    this.unsubscribe(feed.id);
    this.#dropped.push(feed.id);
  }

  #announceOne(act: Act, tree: Tree): void {
    let event: WatchEvent | null = null;
    this.#matcher.match(act.path, (feed) => {
      if ((feed.audience & act.audience) === 0) return;
      event ??= eventOf(act, { path: act.path, previous: act.previous, now: tree.read(act.path) });
      this.#push(feed, event);
    });
  }

  #announceMany(acts: readonly Act[], tree: Tree): void {
    const notes = new Map<Feed, Map<Path, Note>>();
    for (const act of acts) this.#note(act, notes);
    for (const [feed, byPath] of notes) {
      for (const [path, note] of byPath) {
        const { act, previous, isLeaf } = note;
        const now = tree.read(path);
        if (!note.isSaid && isSame(now?.value, previous)) continue;
        this.#push(feed, eventOf(act, { path, previous, now, isLeaf }));
      }
    }
  }

  /** A subscription hears of an op at its path; where it does not watch that path, of each leaf the op changed. */
  #note(act: Act, notes: Map<Feed, Map<Path, Note>>): void {
    const heard = new Set<Feed>();
    this.#matcher.match(act.path, (feed) => {
      if ((feed.audience & act.audience) === 0) return;
      heard.add(feed);
      jot(notes, feed, {
        path: act.path,
        act,
        previous: act.previous,
        isLeaf: false,
        isSaid: true,
      });
    });
    for (const { path, before } of act.changes) {
      if (path === act.path) continue;
      this.#matcher.match(path, (feed) => {
        if ((feed.audience & act.audience) === 0 || heard.has(feed)) return;
        jot(notes, feed, { path, act, previous: before?.value, isLeaf: true, isSaid: false });
      });
    }
  }

  #compareSome(): void {
    let left = comparedMax;
    for (let job = this.#jobs[0]; job !== undefined && left > 0; job = this.#jobs[0]) {
      const step = job.walk.next();
      left--;
      if (step.done === true) {
        this.#jobs.shift();
        for (const feed of job.feeds) feed.endComparison();
      } else if (step.value !== null) {
        const event = differenceEvent(step.value, job.difference);
        job.matcher.match(step.value.path, (feed) => {
          if (this.#feeds.has(feed.id)) feed.add(event);
        });
      }
    }
  }
}

type Note = {
  readonly path: Path;
  readonly act: Act;
  readonly previous: Json | undefined;
  /** A leaf that an op at another path changed. */
  readonly isLeaf: boolean;
  /** Told even if all is as before: an op was at the path itself. */
  readonly isSaid: boolean;
};

function jot(notes: Map<Feed, Map<Path, Note>>, feed: Feed, fresh: Note): void {
  let byPath = notes.get(feed);
  if (byPath === undefined) {
    byPath = new Map();
    notes.set(feed, byPath);
  }
  const earlier = byPath.get(fresh.path);
  byPath.delete(fresh.path);
  // Each path once, with its last value (stores.md §18 C11).
  const merged = earlier && {
    ...fresh,
    previous: earlier.previous,
    isSaid: earlier.isSaid || fresh.isSaid,
  };
  byPath.set(fresh.path, merged ?? fresh);
}

/** Whether an act changed nothing but the leaf at its own path. */
function isPlain({ path, changes }: Act): boolean {
  return changes.length === 0 || (changes.length === 1 && changes[0]?.path === path);
}

type Place = {
  readonly path: Path;
  readonly previous: Json | undefined;
  readonly now: Leaf | undefined;
  readonly isLeaf?: boolean;
};

function eventOf(act: Act, { path, previous, now, isLeaf = false }: Place): WatchEvent {
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

function nameOf({ op }: Act, now: Leaf | undefined, isLeaf: boolean): WatchEvent['op'] {
  if (op === 'refused') return op;
  if (isLeaf) return now === undefined ? 'delete' : 'set';
  // A delete that a later op of the same commit made good.
  return op === 'delete' && now !== undefined ? 'set' : op;
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : jsonEquals(a, b);
}

function differenceEvent({ path, before, after }: Change, { op, seq: at }: Difference): WatchEvent {
  const revision = after?.revision ?? at;
  // Revisions between seqs are of own, uncommitted requests.
  const own = !Number.isInteger(revision);
  const { value, type } = after ?? { value: undefined, type: undefined };
  return { path, value, previous: before?.value, type, op, seq: own ? null : revision, own };
}

function prefixOf(pattern: Pattern): Path | null {
  const prefix = literalPrefix(pattern);
  return prefix.length === 0 ? null : renderPath(prefix);
}
