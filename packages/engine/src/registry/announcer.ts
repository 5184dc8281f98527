import { releaseOnce } from './release.ts';
import type { EntryState, RegistryEvent, RegistryEventDetail, Release } from './types.ts';

/** An event, with the state of its entry where that has changed. */
export interface News<T> {
  readonly event: RegistryEvent;
  readonly state: EntryState<T> | undefined;
}
type Listener<T> = { readonly since: number; readonly hear: (news: News<T>) => void };

/** Whose transition it is. */
export interface Subject {
  readonly key: string;
  readonly generation: number;
}

/**
 * Tells listeners what happened, after it happened and in order (registry.md §2.5). What is told inside `run` waits
 * for the outermost run to end; what a listener causes waits for everybody to have heard what came before.
 */
export class Announcer<T> {
  readonly #now: () => number;
  readonly #failed: (error: unknown, key: string) => void;
  /** By key; those under undefined hear of all. */
  readonly #listeners = new Map<string | undefined, Set<Listener<T>>>();
  readonly #news: News<T>[] = [];
  /** How many were told. */
  #told = 0;
  #heard = 0;
  #depth = 0;

  constructor(now: () => number, failed: (error: unknown, key: string) => void) {
    this.#now = now;
    this.#failed = failed;
  }

  run<R>(deed: () => R): R {
    this.#depth += 1;
    try {
      return deed();
    } finally {
      if (this.#depth === 1) this.#deliver();
      this.#depth -= 1;
    }
  }

  tell(subject: Subject, detail: RegistryEventDetail, state?: EntryState<T>): void {
    const { key, generation } = subject;
    this.#told += 1;
    this.#news.push({ event: { at: this.#now(), key, generation, ...detail }, state });
  }

  /** Calls back for what happens from now on, to one key or to any. */
  listen(key: string | undefined, hear: (news: News<T>) => void): Release {
    const listener = { since: this.#told, hear };
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    return releaseOnce(() => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(key) === listeners) {
        this.#listeners.delete(key);
      }
    });
  }

  /** Forgets every listener. */
  close(): void {
    this.#listeners.clear();
  }

  #deliver(): void {
    for (let news = this.#news.shift(); news !== undefined; news = this.#news.shift()) {
      this.#heard += 1;
      for (const key of [news.event.key, undefined]) this.#tellAll(key, news);
    }
  }

  #tellAll(key: string | undefined, news: News<T>): void {
    // A set may shrink and grow while it is walked: who left is not reached, who came later is not concerned.
    for (const { since, hear } of this.#listeners.get(key) ?? []) {
      if (since >= this.#heard) continue;
      try {
        hear(news);
      } catch (error) {
        this.#failed(error, news.event.key);
      }
    }
  }
}
