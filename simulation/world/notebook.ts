import type { Replica, WatchEvent, WatchOptions } from '@holdfast/engine/replica';
import { isRefusal, type Json, parseGlob, type Path, type Seq } from '@holdfast/protocol';
import type { Bookmark, WatchHistory } from '../validators/history.ts';

type Watch = Omit<WatchHistory, 'through'>;

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
  readonly #watches = new Map<number, { readonly watch: Watch; readonly events: WatchEvent[] }>();

  constructor(name: string, replica: Replica) {
    this.#replica = replica;
    for (const [glob, options, isWhole] of watches) this.#watch(name, glob, options, isWhole);
  }

  hear(subscription: number, events: readonly WatchEvent[]): void {
    this.#watches.get(subscription)?.events.push(...events);
  }

  /** The first sync is no news: what was not asked for with `includeCurrent` begins after it (C11). */
  startAt(seq: Seq): void {
    for (const [id, { watch, events }] of this.#watches) {
      if (watch.includeCurrent) continue;
      this.#watches.set(id, { watch: { ...watch, from: seq }, events });
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
    this.#watches.set(id, { watch, events });
  }
}

/** Entries as a bookmark has them. */
export function leavesOf(
  entries: Iterable<{ readonly path: Path; readonly value: Json }>,
): Bookmark['entries'] {
  return [...entries].map(({ path, value }) => [path, value] as const);
}
