import type { Replica, WatchEvent, WatchOptions } from '@holdfast/engine/replica';
import { asPath, isRefusal, type Json, parseGlob, type Path, type Seq } from '@holdfast/protocol';
import type { Bookmark, WatchHistory } from '../validators/history.ts';
import { type Room, type Spoils, spoilsOf } from './room.ts';

type Watch = Omit<WatchHistory, 'through'>;

type Watched = {
  watch: Watch;
  readonly events: WatchEvent[];
  late: WatchEvent[];
  isAtSeam: boolean;
};

const watches: readonly (readonly [string, Partial<WatchOptions>, boolean])[] = [
  ['**', { mode: 'committed', includeCurrent: true }, true],
  ['**', { mode: 'committed' }, true],
  ['**', { mode: 'all', includeCurrent: true }, true],
  ['t/*', { mode: 'committed' }, false],
  ['n/*', { mode: 'optimistic' }, false],
  ['n/*', { mode: 'committed', includeCurrent: true, delivery: { policy: 'latest' } }, true],
  [
    'n/*',
    { mode: 'committed', includeCurrent: true, delivery: { policy: 'sample', intervalMs: 70 } },
    true,
  ],
];

/** What the subscriptions of one life of a replica are told. */
export class Notebook {
  readonly #replica: Replica;
  readonly #room: Room;
  readonly #watches = new Map<number, Watched>();

  constructor(name: string, replica: Replica, room: Room) {
    this.#replica = replica;
    this.#room = room;
    for (const [glob, options, isWhole] of watches) this.#watch(name, glob, options, isWhole);
  }

  hear(subscription: number, events: readonly WatchEvent[]): void {
    const watched = this.#watches.get(subscription);
    if (watched === undefined) return;
    const heard = misheard(events, this.#room, watched.isAtSeam);
    watched.isAtSeam = false;
    watched.events.push(...heard, ...watched.late);
    watched.late = [];
    const isLate = spoilsOf(this.#room)('a subscriber is told late');
    if (isLate) watched.late = watched.events.splice(-1);
  }

  /** The connection was lost, and is back. */
  resumed(): void {
    for (const watched of this.#watches.values()) watched.isAtSeam = true;
  }

  /** The first sync is no news: what was not asked for with `includeCurrent` begins after it (C11). */
  startAt(seq: Seq): void {
    for (const watched of this.#watches.values()) {
      const { watch } = watched;
      if (!watch.includeCurrent) watched.watch = { ...watch, from: seq };
    }
  }

  /** The events of the subscription that is told everything, own writes included. */
  get believed(): readonly WatchEvent[] {
    const all = [...this.#watches.values()].find(({ watch }) => watch.mode === 'all');
    return all?.events ?? [];
  }

  /** All of it, at a cursor. `isCut`: the life ended before a conflating subscription was told the last. */
  histories(through: Seq, { isCut }: { readonly isCut: boolean }): readonly WatchHistory[] {
    return [...this.#watches.values()]
      .filter(({ watch }) => !isCut || watch.policy === 'every')
      .map(({ watch, events }) => Object.assign({}, watch, { events, through }));
  }

  #watch(name: string, glob: string, options: Partial<WatchOptions>, isWhole: boolean): void {
    const pattern = parseGlob(glob);
    if (isRefusal(pattern)) throw new TypeError(pattern.code);
    const full: WatchOptions = {
      mode: 'all',
      includeCurrent: false,
      maxQueue: 1e6,
      delivery: { policy: 'every' },
      ...options,
    };
    const { mode, includeCurrent, delivery } = full;
    const id = this.#replica.subscribe(pattern, full);
    const events: WatchEvent[] = [];
    const watch = {
      name: `${name} watching ${glob} (${mode}, ${delivery.policy})`,
      pattern: glob,
      mode,
      policy: delivery.policy,
      includeCurrent,
      isWhole,
      from: this.#replica.status().seq,
      events,
    };
    this.#watches.set(id, { watch, events, late: [], isAtSeam: false });
  }
}

/** What is told in a spoiled world. */
function misheard(
  events: readonly WatchEvent[],
  room: Room,
  isAtSeam: boolean,
): readonly WatchEvent[] {
  const isSpoiled = spoilsOf(room);
  const [first] = events;
  if (first === undefined) return events;
  if (isAtSeam && isSpoiled('a subscriber is told nothing at a seam')) return events.slice(1);
  if (isSpoiled('a subscriber is told less')) return events.slice(0, -1);
  if (isSpoiled('a subscriber is told of a gap by nobody')) return events.slice(1);
  if (isSpoiled('a subscriber is told twice')) return [...events, first];
  if (isSpoiled('a subscriber is told half a transaction')) {
    return events.filter((_, index) => index % 2 === 0);
  }
  return [{ ...first, ...mistaken(isSpoiled) }, ...events.slice(1)];
}

function mistaken(isSpoiled: Spoils): Partial<WatchEvent> {
  if (isSpoiled('a subscriber is told of other paths')) return { path: asPath('elsewhere') };
  if (isSpoiled('a subscriber is told another previous value')) return { previous: 'another' };
  return isSpoiled('a subscriber is told another count') ? { conflated: 7 } : {};
}

/** Entries as a bookmark has them. */
export function leavesOf(
  entries: Iterable<{ readonly path: Path; readonly value: Json }>,
): Bookmark['entries'] {
  return [...entries].map(({ path, value }) => [path, value] as const);
}
