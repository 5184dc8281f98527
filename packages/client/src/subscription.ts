import type { HoldfastError, Pattern } from '@holdfast/protocol';
import type { WatchEvent, WatchOptions } from '@holdfast/engine/replica';
import { call, type Report } from './cell.ts';
import { closedError } from './mistakes.ts';

/** One subscription of an application, and what it is to be told. */
export type Subscription = {
  readonly pattern: Pattern;
  readonly options: WatchOptions;
  event(event: WatchEvent): unknown;
  /** It is over: the store was `closed` under it, or its queue overflowed, which is null (stores.md §18 C14). */
  ended(error: HoldfastError | null): unknown;
  isLive: boolean;
};

/** The subscriptions of a store, by the replica's names: told one after the other, never from within one another. */
export class Audience {
  readonly #report: Report;
  readonly #subscriptions = new Map<number, Subscription>();
  #calls: (() => unknown)[] = [];
  #isCalling = false;

  constructor(report: Report) {
    this.#report = report;
  }

  add(id: number, subscription: Subscription): void {
    this.#subscriptions.set(id, subscription);
  }

  /** Says whether it was there. */
  remove(id: number): boolean {
    return this.#subscriptions.delete(id);
  }

  hear(news: { readonly subscription: number; readonly events: readonly WatchEvent[] }): void {
    for (const event of news.events) this.tell(news.subscription, event);
  }

  /** An event for one of them is called back in the next {@link run}; null: it is dropped. */
  tell(id: number, event: WatchEvent | null): void {
    const subscription = this.#subscriptions.get(id);
    if (event === null) this.remove(id);
    this.#calls.push(() => {
      if (subscription?.isLive !== true) return undefined;
      if (event !== null) return subscription.event(event);
      subscription.isLive = false;
      return subscription.ended(null);
    });
  }

  run(): void {
    if (this.#isCalling) return;
    this.#isCalling = true;
    // The list grows while it is walked.
    for (const callback of this.#calls) call(callback, this.#report);
    this.#calls = [];
    this.#isCalling = false;
  }

  close(): void {
    for (const each of this.#subscriptions.values()) {
      call(() => each.ended(closedError('store')), this.#report);
    }
    this.#subscriptions.clear();
  }
}
