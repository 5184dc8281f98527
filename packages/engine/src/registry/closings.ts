import { Deferred } from './deferred.ts';
import type { Settings } from './settings.ts';
import type { CloseReason } from './types.ts';

/** How a close ended: done, failed, or left to itself after too long. */
export interface CloseEnd {
  readonly timedOut: boolean;
  readonly error?: unknown;
}

/** A close under way. */
export interface Closing {
  readonly deadline: number;
  /** Resolves when it ended, in whichever way. */
  readonly done: Promise<void>;
  /** Stops waiting for it: its signal aborts, and it counts as closed (registry.md §2.3). */
  giveUp(): void;
}

/** What is closed, and why. */
export interface Closable<T> {
  readonly key: string;
  readonly value: T;
  readonly reason: CloseReason;
}

/** Every close of a registry that is under way; `dispose` waits for them (registry.md §7). */
export class Closings<T, O extends object> {
  readonly #settings: Settings<T, O>;
  readonly #running = new Set<Closing>();
  #closes = 0;

  constructor(settings: Settings<T, O>) {
    this.#settings = settings;
  }

  /** How many values were closed. */
  get closes(): number {
    return this.#closes;
  }

  /** Whether none is under way. */
  get idle(): boolean {
    return this.#running.size === 0;
  }

  /** A value that closed itself. */
  countSelf(): void {
    this.#closes += 1;
  }

  /** Closes a value; `ended` is called once, perhaps before this returns. */
  close(what: Closable<T>, ended?: (end: CloseEnd) => void): Closing {
    this.#closes += 1;
    const controller = new AbortController();
    const done = new Deferred<void>();
    let over = false;
    const end = (how: CloseEnd): void => {
      if ('error' in how) {
        this.#settings.report({ phase: 'close', key: what.key, error: how.error });
      }
      if (over) return;
      over = true;
      this.#running.delete(closing);
      ended?.(how);
      done.resolve();
    };
    const closing: Closing = {
      deadline: this.#settings.env.now() + this.#settings.closeTimeout,
      done: done.promise,
      giveUp: () => {
        controller.abort();
        end({ timedOut: true });
      },
    };
    this.#running.add(closing);
    this.#begin(what, controller.signal, end);
    return closing;
  }

  giveUpAll(): void {
    for (const closing of this.#running) closing.giveUp();
  }

  /** Resolves when no close is under way. */
  async drained(): Promise<void> {
    const running = [...this.#running];
    if (running.length === 0) return;
    await Promise.all(running.map((closing) => closing.done));
    return this.drained();
  }

  #begin(what: Closable<T>, signal: AbortSignal, end: (how: CloseEnd) => void): void {
    const { value, key, reason } = what;
    try {
      const result = this.#settings.config.close?.(value, { key, reason, signal });
      if (result === undefined) return end({ timedOut: false });
      result.then(
        () => end({ timedOut: false }),
        (error: unknown) => end({ timedOut: false, error }),
      );
    } catch (error) {
      end({ timedOut: false, error });
    }
  }
}
