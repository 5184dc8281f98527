import {
  HoldfastError,
  isRefusal,
  parseGlob,
  type Pattern,
  RejectedError,
} from '@holdfast/protocol';
import type { Delivery, WatchEvent, WatchMode, WatchOptions } from '@holdfast/engine/replica';
import type { Release } from '@holdfast/engine/registry';
import { checkOptions } from './options.ts';

/** Which events a subscription hears of, and when. */
export type SubscribeOptions = {
  /** `all` (default): own writes when made, others' when committed; `committed`; `optimistic`: own, uncommitted (C13). */
  readonly mode?: WatchMode;
  /** Begins with what is there already, as events with the op `present`. */
  readonly includeCurrent?: boolean;
  /** Events that may wait; beyond them the subscription ends (default 1000). */
  readonly maxQueue?: number;
  /** `every` (default); `latest`: the newest of each path; `everyMs`: that, once per interval. */
  readonly delivery?: 'every' | 'latest' | { readonly everyMs: number };
};

/** Options of `on`. */
export type OnOptions = SubscribeOptions & {
  /** Called once when the subscription ended because its queue overflowed; read anew and subscribe again. Absent: reported as an error. */
  readonly onResync?: () => unknown;
};

/** Options of `watch`. */
export type WatcherOptions = SubscribeOptions & {
  /** Ends the iteration with the signal's reason. */
  readonly signal?: AbortSignal;
};

type OptionTypes = { readonly [name: string]: readonly string[] };

const types: OptionTypes = {
  mode: ['string'],
  includeCurrent: ['boolean'],
  maxQueue: ['number'],
  delivery: ['string', 'object'],
};

/** What `on` may be told. */
export const onTypes: OptionTypes = { ...types, onResync: ['function'] };

/** What `watch` may be told. */
export const watchTypes: OptionTypes = { ...types, signal: ['object'] };

const maxQueueDefault = 1000;

/** Reads a pattern, or throws what is wrong with it (stores.md §18 C15). */
export function patternOf(text: string): Pattern {
  if (typeof text !== 'string') throw new TypeError(`A pattern is a text, not ${typeof text}.`);
  const pattern = parseGlob(text);
  if (!isRefusal(pattern)) return pattern;
  const error = pattern.code;
  throw new RejectedError('invalid_pattern', { pattern: text, error, ...pattern.details });
}

/** Fills in the defaults of a subscription, or throws what is wrong with its options. */
export function watchOptionsOf(
  of: string,
  options: SubscribeOptions,
  allowed: OptionTypes,
): WatchOptions {
  checkOptions(of, options, allowed);
  const { mode = 'all', includeCurrent = false, maxQueue = maxQueueDefault } = options;
  if (mode !== 'all' && mode !== 'committed' && mode !== 'optimistic') {
    throw new TypeError(`${of}: "mode" is all, committed or optimistic, not ${String(mode)}.`);
  }
  if (!(maxQueue >= 1)) throw new RangeError(`${of}: "maxQueue" must be at least 1.`);
  return { mode, includeCurrent, maxQueue, delivery: deliveryOf(of, options.delivery ?? 'every') };
}

function deliveryOf(of: string, delivery: NonNullable<SubscribeOptions['delivery']>): Delivery {
  if (delivery === 'every' || delivery === 'latest') return { policy: delivery };
  if (typeof delivery === 'object' && delivery.everyMs > 0) {
    return { policy: 'sample', intervalMs: delivery.everyMs };
  }
  throw new TypeError(`${of}: "delivery" is every, latest or {everyMs}.`);
}

/** How an iterator subscribes. */
export type Subscribe = (told: {
  readonly event: (event: WatchEvent) => void;
  readonly ended: (error: Error) => void;
}) => Release;

type Result = IteratorResult<WatchEvent, undefined>;

type Consumer = {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};

const done: Result = { done: true, value: undefined };

/** A subscription as an iterator: it holds what is not taken yet, up to the maximum, and ends with an error beyond it. */
export class Watcher implements AsyncIterator<WatchEvent, undefined> {
  readonly #maxQueue: number;
  readonly #release: Release;
  readonly #signal: AbortSignal | undefined;
  #queue: WatchEvent[] = [];
  #taken = 0;
  /** Queued events that count: what was there at the start does not (C12). */
  #live = 0;
  #waiting: Consumer[] = [];
  #end: { readonly error: unknown } | 'returned' | null = null;

  constructor(
    options: { readonly maxQueue: number; readonly signal?: AbortSignal | undefined },
    subscribe: Subscribe,
  ) {
    this.#maxQueue = options.maxQueue;
    this.#signal = options.signal;
    this.#release = subscribe({
      event: (event) => this.#push(event),
      ended: (error) => this.#finish({ error }),
    });
    this.#signal?.addEventListener('abort', this.#abort);
    if (this.#signal?.aborted === true) this.#abort();
  }

  next(): Promise<Result> {
    const event = this.#queue[this.#taken];
    if (event !== undefined) {
      this.#take(event);
      return Promise.resolve({ done: false, value: event });
    }
    const end = this.#end;
    if (end === null) {
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    // An error is told once; after it the iteration is over.
    this.#end = 'returned';
    return end === 'returned' ? Promise.resolve(done) : Promise.reject(end.error);
  }

  return(): Promise<Result> {
    this.#queue = [];
    this.#finish('returned');
    return Promise.resolve(done);
  }

  readonly #abort = (): void => {
    this.#queue = [];
    this.#finish({ error: this.#signal?.reason });
  };

  #take(event: WatchEvent): void {
    this.#taken += 1;
    if (event.op !== 'present') this.#live -= 1;
    if (this.#taken < Math.min(this.#queue.length, 1000)) return;
    this.#queue.splice(0, this.#taken);
    this.#taken = 0;
  }

  #push(event: WatchEvent): void {
    if (this.#end !== null) return;
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: event });
      return;
    }
    this.#queue.push(event);
    if (event.op !== 'present') this.#live += 1;
    if (this.#live > this.#maxQueue) this.#finish({ error: overflow(this.#maxQueue) });
  }

  #finish(end: { readonly error: unknown } | 'returned'): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#release();
    this.#signal?.removeEventListener('abort', this.#abort);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { resolve, reject } of waiting) {
      if (end === 'returned' || this.#end === 'returned') resolve(done);
      else reject(end.error);
      this.#end = 'returned';
    }
  }
}

/** What ends an iteration that its consumer was too slow for. */
export function overflow(limit: number): HoldfastError {
  return new HoldfastError(
    'limit_exceeded',
    { dimension: 'watch_queue', limit },
    `limit_exceeded: more than ${limit} events waited, so the subscription ended; read anew and subscribe again.`,
  );
}
