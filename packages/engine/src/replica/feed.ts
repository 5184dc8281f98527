import type { MonotonicMs, Path, Pattern } from '@holdfast/protocol';
import { type Audience, modeBits } from './act.ts';
import type { WatchEvent, WatchOptions } from './types.ts';

/**
 * What waits for one subscription. Per path it hands out a subsequence of what happened, in order, ending in the last
 * (`every`: all of it); where events are merged, the one that stays says how many went into it, and its `previous` is
 * what the subscriber saw last.
 */
export class Feed {
  readonly id: number;
  readonly pattern: Pattern;
  readonly options: WatchOptions;
  readonly audience: Audience;
  /** No round of delivery before this time. */
  due: MonotonicMs = -Infinity;
  /** Goes out first: what comparisons found, and what was there before them. */
  #first: WatchEvent[] = [];
  #list: WatchEvent[] = [];
  /** Comparisons that are not finished: what comes after them is held back. */
  #comparisons = 0;
  /** What happened between two comparisons. */
  readonly #between: (readonly WatchEvent[])[] = [];
  readonly #latest = new Map<Path, WatchEvent>();

  constructor(id: number, pattern: Pattern, options: WatchOptions) {
    this.id = id;
    this.pattern = pattern;
    this.options = options;
    this.audience = modeBits[options.mode];
  }

  /** Whether something may go out at this time. */
  isReady(now: MonotonicMs): boolean {
    return now >= this.due && this.hasSomething;
  }

  get hasSomething(): boolean {
    return this.#first.length > 0 || (this.#comparisons === 0 && this.#waiting > 0);
  }

  get isHeld(): boolean {
    return this.#comparisons > 0;
  }

  get #waiting(): number {
    return this.#list.length + this.#latest.size;
  }

  /** Queues what happened; false where the queue would grow beyond its maximum (stores.md §18 C14). */
  push(event: WatchEvent): boolean {
    const { delivery, maxQueue } = this.options;
    if (delivery.policy === 'every') {
      this.#list.push(event);
      return this.#list.length <= maxQueue;
    }
    const waiting = this.#latest.get(event.path);
    this.#latest.delete(event.path);
    this.#latest.set(event.path, waiting === undefined ? event : merge(waiting, event));
    return this.#latest.size <= maxQueue;
  }

  /** Adds what a comparison found; it goes out before all that is pushed. */
  add(event: WatchEvent): void {
    this.#first.push(event);
  }

  /** What happened before a comparison goes out before what it is about to find. */
  beginComparison(): void {
    const waiting = this.#takeWaiting();
    if (this.#comparisons === 0) this.#send(waiting);
    else this.#between.push(waiting);
    this.#comparisons++;
  }

  endComparison(): void {
    this.#comparisons--;
    this.#send(this.#between.shift() ?? []);
  }

  take(now: MonotonicMs): readonly WatchEvent[] {
    const { delivery } = this.options;
    if (delivery.policy === 'sample') this.due = now + delivery.intervalMs;
    const first = this.#first;
    this.#first = [];
    return this.#comparisons > 0 ? first : [...first, ...this.#takeWaiting()];
  }

  #send(events: readonly WatchEvent[]): void {
    for (const event of events) this.#first.push(event);
  }

  #takeWaiting(): readonly WatchEvent[] {
    const waiting = [...this.#list, ...this.#latest.values()];
    this.#list = [];
    this.#latest.clear();
    return waiting;
  }
}

function merge(earlier: WatchEvent, later: WatchEvent): WatchEvent {
  const conflated = (earlier.conflated ?? 0) + (later.conflated ?? 0) + 1;
  return { ...later, previous: earlier.previous, conflated };
}
