import { releaseOnce } from './release.ts';
import type { EntryState, Env, RegistryEvent, RegistryEventDetail, Release } from './types.ts';

type Listener<E> = { readonly since: number; readonly hear: (event: E) => void };
type News<T> = {
  readonly number: number;
  readonly event: RegistryEvent;
  readonly state: EntryState<T> | undefined;
};

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
  readonly #env: Env;
  readonly #failed: (error: unknown, key: string) => void;
  readonly #listeners = new Set<Listener<RegistryEvent>>();
  readonly #keyed = new Map<string, Set<Listener<EntryState<T>>>>();
  #news: News<T>[] = [];
  #told = 0;
  #depth = 0;

  constructor(env: Env, failed: (error: unknown, key: string) => void) {
    this.#env = env;
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
    const event: RegistryEvent = { at: this.#env.now(), key, generation, ...detail };
    this.#news.push({ number: this.#told, event, state });
  }

  listen(hear: (event: RegistryEvent) => void): Release {
    const listener = { since: this.#told, hear };
    this.#listeners.add(listener);
    return releaseOnce(() => this.#listeners.delete(listener));
  }

  listenTo(key: string, hear: (state: EntryState<T>) => void): Release {
    const listener = { since: this.#told, hear };
    const listeners = this.#keyed.get(key) ?? new Set();
    this.#keyed.set(key, listeners.add(listener));
    return releaseOnce(() => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#keyed.get(key) === listeners) this.#keyed.delete(key);
    });
  }

  /** Forgets every listener. */
  close(): void {
    this.#listeners.clear();
    this.#keyed.clear();
  }

  #deliver(): void {
    for (let batch = this.#news; batch.length > 0; batch = this.#news) {
      this.#news = [];
      for (const news of batch) this.#deliverOne(news);
    }
  }

  #deliverOne({ number, event, state }: News<T>): void {
    const say = <E>(listeners: Iterable<Listener<E>>, what: E): void => {
      // A set may shrink and grow while it is walked: who left is not reached, who came later has a later number.
      for (const listener of listeners) {
        if (listener.since < number) this.#sayTo(() => listener.hear(what), event.key);
      }
    };
    const keyed = this.#keyed.get(event.key);
    if (state !== undefined && keyed !== undefined) say(keyed, state);
    say(this.#listeners, event);
  }

  #sayTo(hear: () => void, key: string): void {
    try {
      hear();
    } catch (error) {
      this.#failed(error, key);
    }
  }
}
