import { HoldfastError, type Reason } from '@holdfast/protocol';
import { conduct, type Deferred, deferred } from './deferred.ts';
import type { CloseEnd, Closing, Room } from './room.ts';
import { loadOptions } from './settings.ts';
import type { Hold, Tenure } from './tenure.ts';
import type { CloseReason, EntryState, Lease, RegistryEventDetail } from './types.ts';

/** Those on whose behalf an entry lives. */
export interface Patrons {
  readonly key: string;
  readonly tenure: Tenure;
  /** Runs a transition that the world caused. */
  step<R>(transition: () => R): R;
  /** The pending promise has its answer. */
  settled(): void;
}

/** One call of `load`. What it yields when it is no longer the present one is closed, for this reason. */
type Attempt = { readonly controller: AbortController; reason: CloseReason };

/**
 * The generations of one key (registry.md §2):
 *
 *   idle ──▶ loading ──▶ ready ──▶ closing ──▶ closed
 *     ▲       │    │       └── closes itself ─────▲│
 *     │       │    └──────── aborted ─────────────┘│
 *     │       └──▶ failed                          │
 *     └───────────────────── next use ─────────────┘
 *
 * 1. One load per generation, in one or more attempts, and one close per value that any of them yielded. 2. A value is
 * handed out only while `ready`. 3. One pending promise, from the first use that has to wait until a load settles.
 */
export class Lifecycle<T, O extends object> {
  readonly #room: Room<T, O>;
  readonly #patrons: Patrons;
  #state: EntryState<T> = { status: 'idle', generation: 0 };
  #pending: Deferred<T> | undefined;
  /** While loading, except between two attempts. */
  #attempt: Attempt | undefined;
  #deadline = Infinity;
  /** Ends when the value that is ready ceases to be. */
  #life: AbortController | undefined;
  #unwatch: (() => void) | undefined;
  #closing: Closing | undefined;
  /** What the present generation was loaded with. */
  #options: O | undefined;
  /** What to load with once the close is over. */
  #wanted: O | undefined;

  constructor(room: Room<T, O>, patrons: Patrons) {
    this.#room = room;
    this.#patrons = patrons;
  }

  get state(): EntryState<T> {
    return this.#state;
  }

  /** When an attempt, a back-off or a close must be looked at. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Whether there is a value that must not be closed now. */
  get isBusy(): boolean {
    const { state } = this;
    if (state.status !== 'ready') return false;
    return this.#guard('close', () => this.#room.settings.busy?.(state.value)) ?? false;
  }

  /** What calls must agree with, while there is something live to disagree with. */
  get liveOptions(): O | undefined {
    const { status } = this.#state;
    return status === 'loading' || status === 'ready' ? this.#options : undefined;
  }

  /** The value; or the one promise of it, having started a load if there was none; or throws (registry.md §4.1). */
  demand(call: Partial<O>): T | Promise<T> {
    const { settings, tally, isDisposed } = this.#room;
    const found = this.#state;
    if (isDisposed) throw this.#error('registry_disposed');
    if (found.status === 'ready') {
      tally.hits += 1;
      return found.value;
    }
    if (found.status === 'failed' && this.#now() < found.until) throw found.error;
    this.#pending ??= deferred<T>();
    const { promise } = this.#pending;
    if (found.status === 'closing') this.#wanted ??= loadOptions(settings, call);
    else if (found.status !== 'loading') this.#start(loadOptions(settings, call));
    // A load that just started may have answered, or thrown, already.
    const { state } = this;
    if (state.status === 'failed') throw state.error;
    return state.status === 'ready' ? state.value : promise;
  }

  /** The lease of somebody who holds the entry; undefined while there is no value to hand out. */
  leaseOn(hold: Hold): Lease<T> | undefined {
    const { state } = this;
    if (state.status !== 'ready' || this.#life === undefined) return undefined;
    const { value, generation } = state;
    return {
      key: this.#patrons.key,
      value,
      generation,
      signal: this.#life.signal,
      update: (options) => hold.update(options),
      release: hold.end,
      [Symbol.asyncDispose]: async () => hold.end(),
    };
  }

  /** Ends the live generation or the error, and loads anew at once if somebody holds it (registry.md §6.3). */
  reset(): Closing | undefined {
    const { state } = this;
    const { isHeld } = this.#patrons.tenure;
    const options = this.#options;
    if (options === undefined) return undefined;
    if (state.status === 'ready') {
      if (isHeld) this.#wanted = options;
      return this.#close('reset', state.value);
    }
    const isLoading = state.status === 'loading';
    if (isLoading) this.#abort('reset', this.#error('load_aborted'));
    // Whoever waits for the load goes on waiting, for the new one.
    if (isLoading || (state.status === 'failed' && isHeld)) this.#start(options);
    else if (state.status === 'failed') this.#abandon('reset', 'load_aborted');
    return this.#closing;
  }

  /** Leaves whatever is live; false if nothing was. */
  part(reason: CloseReason): Closing | boolean {
    const { state } = this;
    if (state.status === 'idle' || state.status === 'closed') return false;
    if (this.#closing !== undefined) return this.#closing;
    if (reason === 'evict' || reason === 'capacity') this.#room.tally.evictions += 1;
    if (state.status === 'ready') return this.#close(reason, state.value);
    this.#abandon(reason, 'load_aborted');
    return true;
  }

  /** Ends everything for good (registry.md §7). */
  dispose(): void {
    this.#wanted = undefined;
    if (this.#state.status === 'ready') this.#close('dispose', this.#state.value);
    else if (this.#state.status !== 'closing') this.#abandon('dispose', 'registry_disposed');
    this.#settle(this.#error('registry_disposed'));
  }

  /** An error that nobody holds is forgotten without a word. */
  forget(): void {
    this.#state = { status: 'idle', generation: this.#state.generation };
  }

  /** The deadline has passed. */
  ring(): void {
    if (this.#closing !== undefined) this.#closing.giveUp();
    else if (this.#attempt === undefined) this.#try();
    else this.#tooLong(this.#attempt);
  }

  tell(detail: RegistryEventDetail, state?: EntryState<T>): void {
    const { generation } = this.#state;
    this.#room.announcer.tell({ key: this.#patrons.key, generation }, detail, state);
  }

  #now(): number {
    return this.#room.settings.env.now();
  }

  #error(code: Reason): HoldfastError {
    return new HoldfastError(code, { key: this.#patrons.key });
  }

  #become(state: EntryState<T>, detail: RegistryEventDetail): void {
    this.#state = state;
    this.#deadline = Infinity;
    this.tell(detail, state);
  }

  #start(options: O): void {
    const generation = this.#room.nextGeneration();
    this.#room.tally.loads += 1;
    this.#options = options;
    const since = this.#now();
    this.#become({ status: 'loading', generation, attempt: 1, since }, { type: 'loading' });
    this.#try();
  }

  #try(): void {
    const { settings } = this.#room;
    const { state } = this;
    const options = this.#options;
    if (state.status !== 'loading' || options === undefined) return;
    const { generation, attempt } = state;
    const mine: Attempt = { controller: new AbortController(), reason: 'unused' };
    const { signal } = mine.controller;
    this.#attempt = mine;
    this.#deadline = this.#now() + settings.loadTimeout;
    conduct(
      () => settings.load(this.#patrons.key, options, { signal, attempt, generation }),
      (value) => this.#patrons.step(() => this.#arrived(value, mine)),
      (error) => this.#patrons.step(() => this.#erred(error, mine)),
    );
  }

  #arrived(value: T, attempt: Attempt): void {
    const { reason } = attempt;
    if (attempt === this.#attempt) this.#loaded(value);
    else this.#room.close(value, { key: this.#patrons.key, reason });
  }

  /** The attempt counts as failed, and may be made again (registry.md §6.1). */
  #tooLong(attempt: Attempt): void {
    const error = new HoldfastError('timeout', { timeout_ms: this.#room.settings.loadTimeout });
    attempt.controller.abort(error);
    this.#erred(error, attempt, true);
  }

  #erred(error: unknown, of: Attempt, isTransient = false): void {
    const { state } = this;
    if (of !== this.#attempt || state.status !== 'loading') return;
    const { retry, env, timers, report } = this.#room.settings;
    const { attempt, generation, since } = state;
    this.#attempt = undefined;
    const mayPass = isTransient || this.#guard('load', () => retry.isTransient(error)) === true;
    if (attempt > retry.attempts || !mayPass) {
      this.#room.tally.failures += 1;
      report({ phase: 'load', key: this.#patrons.key, error });
      this.#becomeFailed(error);
      this.#settle(error);
      return;
    }
    const delayMs = env.random() * Math.min(retry.capMs, retry.baseMs * 2 ** (attempt - 1));
    const retryAt = this.#now() + (timers ? delayMs : 0);
    const next = { attempt: attempt + 1, retryAt };
    this.#room.tally.retries += 1;
    this.#become(
      { status: 'loading', generation, since, ...next, lastError: error },
      { type: 'retry', ...next, error },
    );
    this.#deadline = retryAt;
    // Without timers nothing would wake it: the next attempt follows at once.
    if (!timers) this.#try();
  }

  #loaded(value: T): void {
    const { settings } = this.#room;
    const { generation } = this.#state;
    const life = new AbortController();
    this.#attempt = undefined;
    this.#life = life;
    this.#become({ status: 'ready', generation, value, since: this.#now() }, { type: 'ready' });
    const unwatch = this.#guard('watch', () =>
      settings.watch?.(value, (error) => {
        if (this.#life === life) this.#patrons.step(() => this.#closedItself(error));
      }),
    );
    if (this.#life === life) this.#unwatch = unwatch;
    else if (unwatch !== undefined) this.#guard('watch', unwatch);
    const { state } = this;
    if (state.status === 'ready') this.#pending?.resolve(value);
    this.#settle(state.status === 'failed' ? state.error : this.#error('closed'));
  }

  /** Ends the wait for a load, with this error where it has not ended well. */
  #settle(error: unknown): void {
    this.#pending?.reject(error);
    this.#pending = undefined;
    this.#patrons.settled();
  }

  #becomeFailed(error: unknown): void {
    const { generation } = this.#state;
    const until = this.#now() + this.#room.settings.errorTtl;
    this.#become({ status: 'failed', generation, error, until }, { type: 'failed', error });
  }

  #becomeClosed(reason: CloseReason, end: { readonly error?: unknown } = {}): void {
    const { generation } = this.#state;
    const state = { status: 'closed', generation, reason, ...end } as const;
    this.#become(state, { type: 'closed', reason, ...end });
  }

  #closedItself(error: unknown): void {
    this.#room.tally.closes += 1;
    if (error === undefined) this.#becomeClosed('self');
    else this.#becomeFailed(error);
    this.#endLife();
  }

  #close(reason: CloseReason, value: T): Closing {
    const { key } = this.#patrons;
    const { generation } = this.#state;
    this.#become({ status: 'closing', generation, reason }, { type: 'closing', reason });
    this.#endLife();
    let isOver = false;
    const closing = this.#room.close(value, { key, reason }, (end) => {
      isOver = true;
      this.#patrons.step(() => this.#closed(reason, end));
    });
    if (isOver) return closing;
    this.#closing = closing;
    this.#deadline = closing.deadline;
    return closing;
  }

  /** The value is no longer handed out: leases hear of it, and nobody watches it. */
  #endLife(): void {
    const life = this.#life;
    const unwatch = this.#unwatch;
    this.#life = undefined;
    this.#unwatch = undefined;
    if (unwatch !== undefined) this.#guard('watch', unwatch);
    life?.abort(this.#error('closed'));
  }

  #closed(reason: CloseReason, { timedOut, ...end }: CloseEnd): void {
    this.#closing = undefined;
    if (timedOut === true) this.tell({ type: 'closeTimedOut' });
    this.#becomeClosed(reason, end);
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (wanted === undefined) return;
    if (this.#patrons.tenure.due > this.#now()) this.#start(wanted);
    else this.#settle(this.#error('load_aborted'));
  }

  /** Closes where there is no value: a load is aborted, a failure forgotten. */
  #abandon(reason: CloseReason, code: Reason): void {
    const error = this.#error(code);
    this.#abort(reason, error);
    this.#becomeClosed(reason);
    this.#settle(error);
  }

  #abort(reason: CloseReason, error: HoldfastError): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (attempt === undefined) return;
    attempt.reason = reason;
    attempt.controller.abort(error);
  }

  #guard<R>(phase: 'load' | 'close' | 'watch', deed: () => R): R | undefined {
    try {
      return deed();
    } catch (error) {
      this.#room.settings.report({ phase, key: this.#patrons.key, error });
      return undefined;
    }
  }
}
