import { HoldfastError } from '@holdfast/protocol';
import type { Settings } from './settings.ts';
import type { CloseReason } from './types.ts';

/** Whom a load tells how it went. */
export interface LoadOutcome<T> {
  loaded(value: T): void;
  failed(error: unknown): void;
  retrying(retry: { attempt: number; lastError: unknown; retryAt: number }): void;
  /** A value came that nobody waits for any more; it must be closed. */
  late(value: T, reason: CloseReason): void;
}

type Patience = Pick<Settings<unknown, object>, 'env' | 'retry' | 'loadTimeout' | 'timers'>;

/** Makes one attempt. */
type Attempt<T> = (signal: AbortSignal, attempt: number) => T | Promise<T>;

/**
 * The load of one generation, with its attempts (registry.md §6.1):
 *
 *   trying ──ok──▶ over          1. exactly one of `loaded` and `failed` is told, unless it is aborted: then none;
 *   │    ▲                       2. every value that an attempt yields is told once, as `loaded` or `late`.
 *   error └─ retryAt
 *   ▼        │
 *   waiting ─┘   any ──abort──▶ over
 */
export class Loading<T> {
  readonly #settings: Patience;
  readonly #try: Attempt<T>;
  readonly #outcome: LoadOutcome<T>;
  #attempt = 0;
  #status: 'trying' | 'waiting' | 'over' = 'waiting';
  #controller = new AbortController();
  #deadline = Infinity;
  #reason: CloseReason = 'unused';

  constructor(settings: Patience, attempt: Attempt<T>, outcome: LoadOutcome<T>) {
    this.#settings = settings;
    this.#try = attempt;
    this.#outcome = outcome;
  }

  /** When `ring` has something to do. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Starts the next attempt. */
  begin(): void {
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#status = 'trying';
    this.#controller = new AbortController();
    this.#deadline = this.#settings.env.now() + this.#settings.loadTimeout;
    let result: T | PromiseLike<T>;
    try {
      result = this.#try(this.#controller.signal, attempt);
    } catch (error) {
      return this.#erred(attempt, error);
    }
    if (!isThenable(result)) return this.#arrived(attempt, result);
    result.then(
      (value) => this.#arrived(attempt, value),
      (error: unknown) => this.#erred(attempt, error),
    );
  }

  /** The deadline has passed: an attempt took too long, or the next one is due. */
  ring(): void {
    if (this.#status === 'waiting') return this.begin();
    const error = new HoldfastError('timeout', { timeout_ms: this.#settings.loadTimeout });
    const attempt = this.#attempt;
    this.#controller.abort(error);
    this.#erred(attempt, error, true);
  }

  abort(reason: CloseReason, error: unknown): void {
    this.#status = 'over';
    this.#deadline = Infinity;
    this.#reason = reason;
    this.#controller.abort(error);
  }

  #arrived(attempt: number, value: T): void {
    if (!this.#isCurrent(attempt)) return this.#outcome.late(value, this.#reason);
    this.#end();
    this.#outcome.loaded(value);
  }

  #erred(attempt: number, error: unknown, transient = false): void {
    if (!this.#isCurrent(attempt)) return;
    const { retry, env, timers } = this.#settings;
    if (attempt > retry.attempts || !(transient || retry.isTransient(error))) {
      this.#end();
      return this.#outcome.failed(error);
    }
    const delayMs = env.random() * Math.min(retry.capMs, retry.baseMs * 2 ** (attempt - 1));
    this.#status = 'waiting';
    this.#deadline = timers ? env.now() + delayMs : env.now();
    this.#outcome.retrying({ attempt: attempt + 1, lastError: error, retryAt: this.#deadline });
    // Without timers nothing would wake it: the next attempt follows at once.
    if (!timers && this.#status === 'waiting') this.begin();
  }

  #isCurrent(attempt: number): boolean {
    return this.#status === 'trying' && attempt === this.#attempt;
  }

  #end(): void {
    this.#status = 'over';
    this.#deadline = Infinity;
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}
