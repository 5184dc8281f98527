import { HoldfastError, utf8Length } from '@holdfast/protocol';
import { deferred, releaseOnce, type Release } from '../../registry/index.ts';
import { Beat, guarded } from '../beat.ts';
import type { Subscribed, TransportOptions, TransportStats, TransportStatus } from './port.ts';

type Subscription = { readonly handler: (message: unknown) => void; isLive: boolean };

type Waiting = { readonly message: unknown; readonly to: readonly Subscription[] };

type Topic = { readonly subscriptions: Set<Subscription>; queue: Waiting[]; isDelivering: boolean };

const queueMax = 1000;
const keyBytesMax = 512;
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const control = /[\u0000-\u001F\u007F-\u009F]/;

/** What all transports have in common: who subscribes to what here, and delivery to them (records.md §7.1). */
export class Hub {
  readonly status: Beat<TransportStatus>;
  readonly tally: { -readonly [Name in keyof TransportStats]: TransportStats[Name] } = {
    published: 0,
    delivered: 0,
    dropped: 0,
    handlerErrors: 0,
    encodeErrors: 0,
    decodeErrors: 0,
  };
  readonly #options: TransportOptions;
  readonly #topics = new Map<string, Topic>();
  readonly #reconnects = new Set<{ readonly run: (key?: string) => void }>();
  isClosed = false;

  constructor(options: TransportOptions, status: TransportStatus = 'open') {
    this.#options = options;
    this.status = new Beat<TransportStatus>(status, (error) => this.report('handler', error));
  }

  get keyCount(): number {
    return this.#topics.size;
  }

  has(key: string): boolean {
    return this.#topics.has(key);
  }

  keys(): readonly string[] {
    return [...this.#topics.keys()];
  }

  report(
    phase: 'handler' | 'encode' | 'decode' | 'publish' | 'subscribe' | 'stream',
    error: unknown,
    key?: string,
  ): void {
    const problem = { phase, error, ...(key !== undefined && { key }) };
    guarded(
      () => this.#options.onError?.(problem),
      () => undefined,
    );
  }

  /** Throws for a key that is none, and when the transport is closed. */
  check(key: string): void {
    if (this.isClosed) throw new HoldfastError('transport_closed');
    const bytes = typeof key === 'string' ? utf8Length(key) : -1;
    if (bytes < 1 || bytes > keyBytesMax || control.test(key)) {
      throw new TypeError(`A key has 1 to ${keyBytesMax} bytes and no control characters.`);
    }
  }

  /** `last` is called when the key has no subscriber any more. */
  subscribe(
    key: string,
    handler: (message: unknown) => void,
    { ready, last }: { readonly ready: Promise<void>; readonly last: () => void },
  ): Subscribed {
    const topic = this.#topics.get(key) ?? {
      subscriptions: new Set(),
      queue: [],
      isDelivering: false,
    };
    this.#topics.set(key, topic);
    const subscription: Subscription = { handler, isLive: true };
    topic.subscriptions.add(subscription);
    const release = releaseOnce(() => {
      subscription.isLive = false;
      topic.subscriptions.delete(subscription);
      if (topic.subscriptions.size > 0 || this.#topics.get(key) !== topic) return;
      this.#topics.delete(key);
      last();
    });
    return Object.assign(release, { ready });
  }

  /** Hands a message to those who subscribe now, after what is under way. */
  deliver(key: string, message: unknown): void {
    const topic = this.#topics.get(key);
    if (topic === undefined) return;
    topic.queue.push({ message, to: [...topic.subscriptions] });
    if (topic.queue.length > (this.#options.maxQueue ?? queueMax)) {
      topic.queue.shift();
      this.tally.dropped += 1;
    }
    if (topic.isDelivering) return;
    topic.isDelivering = true;
    for (let next = topic.queue.shift(); next !== undefined; next = topic.queue.shift()) {
      this.#handOut(key, next);
    }
    topic.isDelivering = false;
  }

  onReconnect(run: (key?: string) => void): Release {
    const listener = { run };
    this.#reconnects.add(listener);
    return releaseOnce(() => this.#reconnects.delete(listener));
  }

  /** What came meanwhile went by: of a key, or of all. */
  reconnected(key?: string): void {
    for (const { run } of Array.from(this.#reconnects)) {
      guarded(
        () => run(key),
        (error) => this.report('handler', error),
      );
    }
  }

  close(): void {
    this.isClosed = true;
    for (const { subscriptions, queue } of this.#topics.values()) {
      for (const each of subscriptions) each.isLive = false;
      queue.length = 0;
    }
    this.#topics.clear();
    this.#reconnects.clear();
    this.status.put('closed');
    this.status.tell();
  }

  #handOut(key: string, { message, to }: Waiting): void {
    for (const { handler } of to.filter(({ isLive }) => isLive)) {
      this.tally.delivered += 1;
      guarded(
        () => handler(message),
        (error) => {
          this.tally.handlerErrors += 1;
          this.report('handler', error, key);
        },
      );
    }
  }
}

/** A promise that is resolved already. */
export function atOnce(): Promise<void> {
  const { promise, resolve } = deferred<void>();
  resolve();
  return promise;
}
