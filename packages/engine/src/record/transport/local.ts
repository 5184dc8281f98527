import { isObject } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import type { Release, Signal } from '../../registry/index.ts';
import { atOnce, Hub } from './hub.ts';
import type {
  Subscribed,
  SyncTransport,
  TransportOptions,
  TransportStats,
  TransportStatus,
} from './port.ts';

/** How receivers are kept from a publisher's later changes (records.md §7.1.6). */
export type Isolation = 'clone' | 'freeze' | 'none';

/** Carries envelopes within one process, at once, on the publisher's stack (records.md §7.2). */
export class InProcessTransport implements SyncTransport {
  readonly status: Signal<TransportStatus>;
  readonly #hub: Hub;
  readonly #isolate: Isolation;

  /** `isolate` is by default `freeze` for developers, whose `dev` is true, and `clone` for everybody else. */
  constructor(
    options: TransportOptions & { readonly isolate?: Isolation; readonly dev?: boolean } = {},
  ) {
    this.#hub = new Hub(options);
    this.status = this.#hub.status;
    this.#isolate = options.isolate ?? (options.dev === true ? 'freeze' : 'clone');
  }

  publish(key: string, message: Envelope): void {
    this.#hub.check(key);
    this.#hub.tally.published += 1;
    this.#hub.deliver(key, isolated(message, this.#isolate));
  }

  subscribe(key: string, handler: (message: unknown) => void): Subscribed {
    this.#hub.check(key);
    return this.#hub.subscribe(key, handler, { ready: atOnce(), last: () => undefined });
  }

  onReconnect(fn: () => void): Release {
    return this.#hub.onReconnect(fn);
  }

  keyCount(): number {
    return this.#hub.keyCount;
  }

  stats(): TransportStats {
    return { ...this.#hub.tally };
  }

  flush(): Promise<void> {
    return atOnce();
  }

  close(): Promise<void> {
    this.#hub.close();
    return atOnce();
  }
}

function isolated(message: unknown, how: Isolation): unknown {
  if (how === 'none') return message;
  if (how === 'freeze') freeze(message, new Set());
  // Bytes and dates cannot be frozen.
  return copied(message);
}

function copied(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice();
  // oxlint-disable-next-line no-restricted-globals -- a type, no clock
  if (value instanceof Date) return new Date(value.getTime());
  if (Array.isArray(value)) return value.map(copied);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copied(member)]));
}

/** What is frozen at its top need not be so below. */
function freeze(value: unknown, seen: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (seen.size === seen.add(value).size) return;
  Object.freeze(value);
  for (const member of Object.values(value)) freeze(member, seen);
}
