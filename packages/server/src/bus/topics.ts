import type { BusHandler } from './port.ts';

type Subscription = { readonly handler: BusHandler };

/** Local subscribers by topic: what a driver needs to hold one subscription for any number of them. */
export class Topics {
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  has(topic: string): boolean {
    return this.#subscriptions.has(topic);
  }

  /** Adds a subscriber; the returned function removes it, and tells whether it was the last of the topic. */
  add(topic: string, handler: BusHandler): () => boolean {
    const subscription = { handler };
    const all = this.#subscriptions.get(topic) ?? new Set();
    all.add(subscription);
    this.#subscriptions.set(topic, all);
    return () => {
      if (!all.delete(subscription) || all.size > 0) return false;
      return this.#subscriptions.delete(topic);
    };
  }

  /** Hands a message to all subscribers of the topic. */
  deliver(topic: string, bytes: Uint8Array): void {
    for (const { handler } of this.#subscriptions.get(topic) ?? []) {
      try {
        handler(bytes);
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  clear(): void {
    for (const all of this.#subscriptions.values()) all.clear();
    this.#subscriptions.clear();
  }
}

/** Where errors go that nobody asked for. */
export function warnOfError(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
