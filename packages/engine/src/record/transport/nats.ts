import { HoldfastError } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import { type Deferred, deferred, type Release, type Signal } from '../../registry/index.ts';
import { guarded } from '../beat.ts';
import { backoffMs } from './backoff.ts';
import { Hub } from './hub.ts';
import type {
  Subscribed,
  SyncTransport,
  TransportOptions,
  TransportStats,
  TransportStatus,
} from './port.ts';

/** A message bus that somebody else has connected: subjects, bytes, no memory (records.md §7). */
export interface BusConnection {
  publish(subject: string, data: Uint8Array): void | Promise<void>;
  /** `lost`: a subscription that was there is none any more; it is made again. */
  subscribe(
    subject: string,
    hear: (data: Uint8Array) => void,
    lost?: (error: unknown) => void,
  ): (() => void) | Promise<() => void>;
  flush?(): Promise<void>;
  /** Calls back after each time the connection was lost and is there again. */
  onReconnect?(fn: () => void): () => void;
  /** Calls back whenever the connection is lost, or there again. */
  onConnected?(fn: (isConnected: boolean) => void): () => void;
  /** Calls back where something that was published is refused after that; a flush waits for what there is to tell. */
  onRefused?(fn: (subject: string, error: unknown) => void): () => void;
}

/** Subjects that are remembered, to know of what is refused whose it was. */
const publishedMax = 1000;

/** What messages look like on a bus. */
export type BusCodec = {
  readonly encode: (message: unknown) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
};

/** The bus subscription of one key, for all who subscribe to it here. */
type Line = {
  isOver: boolean;
  stop: (() => void) | null;
  timer: unknown;
  attempts: number;
  /** It could not be had, or was lost. */
  isBack: boolean;
};

/** Carries envelopes over a bus such as NATS (records.md §7.3): one subscription of the bus, and one decoding, for each key. */
export class NatsTransport implements SyncTransport {
  readonly status: Signal<TransportStatus>;
  readonly #hub: Hub;
  readonly #options: NatsOptions;
  readonly #lines = new Map<string, Line & { readonly ready: Deferred<void> }>();
  readonly #stops: readonly ((() => void) | undefined)[];
  /** The keys of subjects that were published to of late: a connection has other users too. */
  readonly #published = new Map<string, string>();
  #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  constructor(options: NatsOptions) {
    // What no type keeps out.
    const { connection, codec } = options as Partial<NatsOptions>;
    if (connection === undefined) throw new TypeError('NatsTransport requires a connection.');
    if (codec === undefined) throw new TypeError('NatsTransport requires a codec.');
    this.#options = options;
    this.#hub = new Hub(options);
    this.status = this.#hub.status;
    this.#stops = [
      connection.onReconnect?.(() => this.#hub.reconnected()),
      connection.onConnected?.((isConnected) => {
        this.#hub.status.put(isConnected ? 'open' : 'reconnecting');
        this.#hub.status.tell();
      }),
      connection.onRefused?.((subject, error) => {
        const key = this.#published.get(subject);
        if (key !== undefined) this.#unpublished(key, error);
      }),
    ];
  }

  publish(key: string, message: Envelope): void {
    const hub = this.#hub;
    hub.check(key);
    const subject = this.#subjectOf(key);
    hub.tally.published += 1;
    let bytes: Uint8Array;
    try {
      bytes = this.#options.codec.encode(message);
    } catch (error) {
      hub.tally.encodeErrors += 1;
      hub.report('encode', error, key);
      return;
    }
    this.#note(subject, key);
    const failed = (error: unknown): void => this.#unpublished(key, error);
    try {
      const sent = this.#options.connection.publish(subject, bytes);
      if (sent instanceof Promise) this.#await(sent.catch(failed));
    } catch (error) {
      failed(error);
    }
  }

  subscribe(key: string, handler: (message: unknown) => void): Subscribed {
    this.#hub.check(key);
    const subject = this.#subjectOf(key);
    const known = this.#lines.get(key);
    const line = known ?? {
      isOver: false,
      stop: null,
      timer: null,
      attempts: 0,
      isBack: false,
      ready: deferred<void>(),
    };
    const last = (): void => this.#end(key);
    const subscribed = this.#hub.subscribe(key, handler, { ready: line.ready.promise, last });
    if (known === undefined) {
      this.#lines.set(key, line);
      this.#begin({ key, subject }, line);
    }
    return subscribed;
  }

  onReconnect(fn: (key?: string) => void): Release {
    return this.#hub.onReconnect(fn);
  }

  keyCount(): number {
    return this.#hub.keyCount;
  }

  stats(): TransportStats {
    return { ...this.#hub.tally };
  }

  async flush(options: { readonly timeout?: number } = {}): Promise<void> {
    await this.#within(Promise.all(this.#underWay), options.timeout);
    this.#checkFailure();
    try {
      await this.#within(this.#options.connection.flush?.(), options.timeout);
    } catch (error) {
      throw new HoldfastError('transport_failed', {}, String(error));
    }
    this.#checkFailure();
  }

  async close(options: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#hub.isClosed) return;
    for (const stop of this.#stops) stop?.();
    this.#published.clear();
    for (const key of this.#hub.keys()) this.#end(key);
    this.#hub.close();
    await this.#within(Promise.all(this.#underWay), options.timeout);
  }

  #note(subject: string, key: string): void {
    this.#published.delete(subject);
    this.#published.set(subject, key);
    const [oldest] = this.#published.size > publishedMax ? this.#published.keys() : [];
    if (oldest !== undefined) this.#published.delete(oldest);
  }

  #unpublished(key: string, error: unknown): void {
    this.#failure = { error };
    this.#hub.report('publish', error, key);
  }

  /** Throws where something has failed since it last did. */
  #checkFailure(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw new HoldfastError('transport_failed', {}, String(failure.error));
  }

  #begin(
    at: { readonly key: string; readonly subject: string },
    line: Line & { readonly ready: Deferred<void> },
  ): void {
    const { connection } = this.#options;
    const begun = (stop: () => void): void => {
      if (line.isOver) {
        guarded(stop, (error) => this.#hub.report('subscribe', error, at.key));
        return;
      }
      line.stop = stop;
      line.attempts = 0;
      line.ready.resolve();
      // Nobody knows what went by meanwhile.
      if (line.isBack) this.#hub.reconnected(at.key);
      line.isBack = false;
    };
    const failed = (error: unknown): void => {
      line.isBack = true;
      line.ready.reject(error);
      this.#hub.report('subscribe', error, at.key);
      this.#again(at, line);
    };
    const lost = (error: unknown): void => {
      if (line.isOver || line.stop === null) return;
      line.stop = null;
      failed(error);
    };
    try {
      const hear = (data: Uint8Array): void => this.#hear(at.key, data);
      const stop = connection.subscribe(at.subject, hear, lost);
      if (stop instanceof Promise) stop.then(begun, failed);
      else begun(stop);
    } catch (error) {
      failed(error);
    }
  }

  #again(
    at: { readonly key: string; readonly subject: string },
    line: Line & { readonly ready: Deferred<void> },
  ): void {
    const { env } = this.#options;
    if (env === undefined || line.isOver) return;
    line.attempts += 1;
    line.timer = env.setTimeout(
      () => {
        line.timer = null;
        if (!line.isOver) this.#begin(at, line);
      },
      backoffMs(line.attempts, env.random()),
    );
  }

  #end(key: string): void {
    const line = this.#lines.get(key);
    if (line === undefined) return;
    this.#lines.delete(key);
    line.isOver = true;
    if (line.timer !== null) this.#options.env?.clearTimeout(line.timer);
    const { stop } = line;
    if (stop !== null) guarded(stop, (error) => this.#hub.report('subscribe', error, key));
  }

  #hear(key: string, data: Uint8Array): void {
    if (!this.#hub.has(key)) return;
    let message: unknown;
    try {
      message = this.#options.codec.decode(data);
    } catch (error) {
      this.#hub.tally.decodeErrors += 1;
      this.#hub.report('decode', error, key);
      return;
    }
    this.#hub.deliver(key, message);
  }

  #subjectOf(key: string): string {
    const { subjectOf = defaultSubject } = this.#options;
    const subject = subjectOf(key);
    if (typeof subject === 'string' && /^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject)) return subject;
    throw new TypeError(`"${subject}" is no subject for the key "${key}".`);
  }

  #await(sent: Promise<void>): void {
    const underWay = sent.finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
  }

  async #within(work: Promise<unknown> | undefined, timeoutMs: number | undefined): Promise<void> {
    const { env } = this.#options;
    if (env === undefined || timeoutMs === undefined) {
      await work;
      return;
    }
    const late = deferred<void>();
    const timer = env.setTimeout(
      () => late.reject(new HoldfastError('transport_failed')),
      timeoutMs,
    );
    try {
      await Promise.race([work, late.promise]);
    } finally {
      env.clearTimeout(timer);
    }
  }
}

/** Options of {@link NatsTransport}. */
export type NatsOptions = TransportOptions & {
  readonly connection: BusConnection;
  readonly codec: BusCodec;
  readonly subjectOf?: (key: string) => string;
};

/** A subject that no other key has, and that is one token: every byte but letters, digits, `_` and `-` is `%XX`. */
function defaultSubject(key: string): string {
  const safe = encodeURIComponent(key).replaceAll(
    /[.!~*'()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `holdfast.sync.${safe}`;
}
