import {
  HoldfastError,
  isRefusal,
  parseGlob,
  type Pattern,
  RejectedError,
} from '@holdfast/protocol';
import {
  type Delivery,
  merge,
  type WatchEvent,
  type WatchMode,
  type WatchOptions,
} from '@holdfast/engine/replica';
import { deferred, type Release } from '@holdfast/engine/registry';
import { checkOptions, type OptionKinds } from './mistakes.ts';

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

const kinds = {
  mode: ['all', 'committed', 'optimistic'],
  includeCurrent: 'boolean',
  maxQueue: 'number',
  delivery: 'string or object',
};

/** Reads a pattern, or throws what is wrong with it (stores.md §18 C15). */
export function patternOf(text: string): Pattern {
  if (typeof text !== 'string') throw new TypeError(`A pattern is a text, not ${typeof text}.`);
  const pattern = parseGlob(text);
  if (!isRefusal(pattern)) return pattern;
  const error = pattern.code;
  throw new RejectedError('invalid_pattern', { pattern: text, error, ...pattern.details });
}

/** Fills in the defaults of a subscription, or throws what is wrong with its options; `also` are those of its kind. */
export function watchOptionsOf(
  of: string,
  options: SubscribeOptions,
  also: OptionKinds,
): WatchOptions {
  checkOptions(of, options, { ...kinds, ...also });
  const { mode = 'all', includeCurrent = false, maxQueue = 1000, delivery = 'every' } = options;
  if (!(maxQueue >= 1)) throw new RangeError(`${of}: "maxQueue" must be at least 1.`);
  return { mode, includeCurrent, maxQueue, delivery: deliveryOf(of, delivery) };
}

function deliveryOf(of: string, delivery: NonNullable<SubscribeOptions['delivery']>): Delivery {
  if (delivery === 'every' || delivery === 'latest') return { policy: delivery };
  if (typeof delivery === 'object' && delivery.everyMs > 0) {
    return { policy: 'sample', intervalMs: delivery.everyMs };
  }
  throw new TypeError(`${of}: "delivery" must be every, latest or {everyMs}.`);
}

/** How an iterator subscribes, and when it ends. */
export type Iteration = {
  readonly policy: Delivery['policy'];
  readonly signal: AbortSignal | undefined;
  readonly subscribe: (told: {
    readonly event: (event: WatchEvent) => void;
    readonly ended: (error: HoldfastError | null) => void;
  }) => Release;
};

/** What a queue is of, and how much it holds. */
export type Watched = {
  readonly store: string;
  readonly pattern: string;
  readonly limit: number;
};

/**
 * A subscription, of one event more, as an iterator: it holds what is not taken yet, up to the maximum, and ends with an error
 * beyond it. Where the newest of each path is wanted, what waits for the consumer is merged too.
 */
export function iterate(
  watched: Watched,
  { policy, signal, subscribe }: Iteration,
): AsyncIterator<WatchEvent, undefined> {
  const queue = new Map<string | number, WatchEvent>();
  /** Numbers what is told as it is; nothing is merged across it. */
  let count = 0;
  /** Queued events that count: what was there at the start does not (C12). */
  let live = 0;
  let end: { readonly error?: unknown } | null = null;
  let news = deferred<void>();

  const finish = (how: NonNullable<typeof end>): void => {
    if (end) return;
    end = how;
    release();
    signal?.removeEventListener('abort', abort);
    news.resolve();
  };
  const drop = (how: NonNullable<typeof end>): void => {
    queue.clear();
    finish(how);
  };
  const abort = (): void => drop({ error: signal?.reason });
  const event = (value: WatchEvent): void => {
    const isNews = value.op !== 'present';
    const isAlone = policy === 'every' || !isNews || value.op === 'resync';
    const key = isAlone ? (count += 1) : `${count}:${value.path}`;
    const earlier = queue.get(key);
    queue.delete(key);
    queue.set(key, earlier ? merge(earlier, value) : value);
    if (isNews && !earlier) live += 1;
    if (live > watched.limit) finish({ error: overflow(watched) });
    news.resolve();
  };
  const ended = (error: HoldfastError | null): void => {
    finish({ error: error ?? overflow(watched) });
  };
  const release = subscribe({ event, ended });
  signal?.addEventListener('abort', abort);
  if (signal?.aborted === true) abort();

  async function* taken(): AsyncGenerator<WatchEvent, undefined> {
    for (;;) {
      // What comes while it is walked is walked, too.
      for (const [key, value] of queue) {
        queue.delete(key);
        if (value.op !== 'present') live -= 1;
        yield value;
      }
      if (end) {
        if ('error' in end) throw end.error;
        return undefined;
      }
      news = deferred();
      // What a consumer that waits is about to get does not count.
      live -= 1;
      await news.promise;
      live += 1;
    }
  }
  const events = taken();
  return {
    next: () => events.next(),
    return() {
      drop({});
      return events.return(undefined);
    },
  };
}

/** What ends a subscription that its consumer was too slow for. */
export function overflow(watched: Watched): HoldfastError {
  return new HoldfastError('limit_exceeded', { dimension: 'watch_queue', ...watched });
}
