import { HoldfastError, type StoreName } from '@holdfast/protocol';
import { conduct } from '@holdfast/engine/registry';
import type { Cache, CacheChange } from './cache/port.ts';
import type { Report } from './cell.ts';

/**
 * Gives the cache what a replica wants stored. Without a cache, and once it has failed, nothing is kept and everything
 * goes on in memory; a failure is reported once (registry.md §11, Storage).
 */
export class Keeper {
  readonly #store: StoreName;
  readonly #report: Report;
  #cache: Cache | null;
  #isStoring = false;
  /** Why it keeps nothing any more. */
  fault: HoldfastError | undefined;
  #drained: () => void = () => undefined;

  constructor(store: StoreName, cache: Cache | null, report: Report) {
    this.#store = store;
    this.#cache = cache;
    this.#report = report;
  }

  /** Whether what was stored is there for the next client. */
  get isKeeping(): boolean {
    return this.#cache !== null;
  }

  /** Keeps nothing from now on, because of an error. */
  giveUp(error?: unknown): void {
    if (error !== undefined && this.isKeeping) this.#report(error);
    if (error instanceof HoldfastError) this.fault ??= error;
    this.#cache = null;
  }

  /** Calls `then` when the change is stored, or cannot be. It may ask for the next one to be stored. */
  keep(change: CacheChange, then: () => void): void {
    this.#isStoring = true;
    const stored = (): void => {
      this.#isStoring = false;
      then();
      if (!this.#isStoring) this.#drained();
    };
    conduct(
      () => this.#cache?.commit(this.#store, change),
      stored,
      (error) => {
        this.giveUp(error);
        stored();
      },
    );
  }

  /** Resolves when nothing is on its way to the cache, or when `signal` says to wait no longer; undefined: nothing is. */
  drained(signal: AbortSignal): Promise<void> | undefined {
    if (!this.#isStoring) return undefined;
    return new Promise((resolve) => {
      this.#drained = resolve;
      signal.addEventListener('abort', () => {
        this.giveUp();
        resolve();
      });
    });
  }
}
