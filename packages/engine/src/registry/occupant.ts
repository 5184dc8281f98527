import { HoldfastError } from '@holdfast/protocol';
import type { Settings } from './settings.ts';

/** The value of one generation while it is ready: watched for closing itself, and asked whether it is busy. */
export class Occupant<T, O extends object> {
  readonly value: T;
  readonly generation: number;
  readonly #key: string;
  readonly #settings: Settings<T, O>;
  readonly #life = new AbortController();
  #unwatch: (() => void) | undefined;
  #present = true;

  constructor(settings: Settings<T, O>, who: { key: string; value: T; generation: number }) {
    this.#settings = settings;
    this.#key = who.key;
    this.value = who.value;
    this.generation = who.generation;
  }

  /** Aborts when it leaves, for whatever reason. */
  get life(): AbortSignal {
    return this.#life.signal;
  }

  get busy(): boolean {
    try {
      return this.#settings.config.busy?.(this.value) ?? false;
    } catch (error) {
      this.#settings.report({ phase: 'close', key: this.#key, error });
      return false;
    }
  }

  /** Hears once, at most, that the value closed itself. */
  watch(closedItself: (error: unknown) => void): void {
    this.#guard(() => {
      const unwatch = this.#settings.config.watch?.(this.value, (error) => {
        if (this.#present) closedItself(error);
      });
      if (this.#present) this.#unwatch = unwatch;
      else unwatch?.();
    });
  }

  /** It is no longer handed out: leases hear of it, and nobody watches it. */
  leave(): void {
    this.#present = false;
    this.#guard(() => this.#unwatch?.());
    this.#unwatch = undefined;
    this.#life.abort(new HoldfastError('closed', { key: this.#key }));
  }

  #guard(deed: () => void): void {
    try {
      deed();
    } catch (error) {
      this.#settings.report({ phase: 'watch', key: this.#key, error });
    }
  }
}
