import { HoldfastError, type Reason } from '@holdfast/protocol';
import { loadOptions } from './call.ts';
import type { CloseEnd, Closing } from './closings.ts';
import { Deferred } from './deferred.ts';
import type { Keeper } from './keeper.ts';
import { Loading } from './loading.ts';
import { Occupant } from './occupant.ts';
import type { CloseReason, EntryState, RegistryEventDetail } from './types.ts';

/** Those on whose behalf an entry lives. */
export interface Patrons {
  readonly held: boolean;
  /** Whether a load would be for anybody. */
  readonly waiting: boolean;
  /** Runs a transition that the world caused. */
  readonly step: <R>(transition: () => R) => R;
  /** The pending promise has its answer. */
  settled(): void;
}

/**
 * The generations of one key (registry.md §2):
 *
 *   idle ──▶ loading ──▶ ready ──▶ closing ──▶ closed
 *     ▲       │    │       └── closes itself ─────▲│
 *     │       │    └──────── aborted ─────────────┘│
 *     │       └──▶ failed                          │
 *     └───────────────────── next use ─────────────┘
 *
 * 1. One load per generation and one close per loaded value. 2. A value is handed out only while `ready`. 3. One
 * pending promise, from the first use that has to wait until a load settles. 4. While `closing`, the close under way
 * is that of the present generation.
 */
export class Lifecycle<T, O extends object> {
  readonly #key: string;
  readonly #keeper: Keeper<T, O>;
  readonly #patrons: Patrons;
  #state: EntryState<T> = { status: 'idle', generation: 0 };
  #pending: Deferred<T> | undefined;
  #loading: Loading<T> | undefined;
  #occupant: Occupant<T, O> | undefined;
  #closing: Closing | undefined;
  /** The options of the live generation. */
  #options: O | undefined;
  /** Load with these once the close is over. */
  #wanted: { readonly options: O } | undefined;

  constructor(key: string, keeper: Keeper<T, O>, patrons: Patrons) {
    this.#key = key;
    this.#keeper = keeper;
    this.#patrons = patrons;
  }

  get state(): EntryState<T> {
    return this.#state;
  }

  /** The value with its generation, while it may be handed out. */
  get occupant(): Occupant<T, O> | undefined {
    return this.#occupant;
  }

  /** What calls must agree with, while there is something live to disagree with. */
  get liveOptions(): O | undefined {
    const { status } = this.#state;
    return status === 'loading' || status === 'ready' ? this.#options : undefined;
  }

  /** When an attempt, a back-off or a close must be looked at. */
  get deadline(): number {
    return this.#loading?.deadline ?? this.#closing?.deadline ?? Infinity;
  }

  /** Its deadline has passed. */
  ring(): void {
    this.#loading?.ring();
    this.#closing?.giveUp();
  }

  tell(detail: RegistryEventDetail): void {
    this.#keeper.announcer.tell({ key: this.#key, generation: this.#state.generation }, detail);
  }

  /** The value; or the one promise of it, having started a load if there was none; or throws (registry.md §4.1). */
  demand(given: Partial<O>): T | Promise<T> {
    const { settings, tally, disposed } = this.#keeper;
    if (disposed) throw this.#error('registry_disposed');
    const state = this.#state;
    if (state.status === 'ready') {
      tally.hits += 1;
      return state.value;
    }
    if (state.status === 'failed' && settings.env.now() < state.until) throw state.error;
    this.#pending ??= new Deferred<T>();
    const { promise } = this.#pending;
    if (state.status === 'loading') return promise;
    if (state.status === 'closing') {
      this.#wanted ??= { options: loadOptions(settings, given) };
      return promise;
    }
    this.#start(loadOptions(settings, given));
    return this.#answer(promise);
  }

  /** Leaves whatever is live; false if nothing was. */
  part(reason: CloseReason): Closing | boolean {
    const { status } = this.#state;
    if (status === 'idle' || status === 'closed') return false;
    if (this.#closing !== undefined) return this.#closing;
    if (reason === 'evict' || reason === 'capacity') this.#keeper.tally.evictions += 1;
    if (this.#occupant !== undefined) return this.#close(reason, this.#occupant);
    this.#abandon(reason, this.#error('load_aborted'));
    return true;
  }

  /** Ends the live generation or the error, and loads anew at once if somebody holds it (registry.md §6.3). */
  reset(): Closing | undefined {
    const options = this.#options;
    if (options === undefined) return undefined;
    const { held } = this.#patrons;
    const { status } = this.#state;
    if (this.#occupant !== undefined) {
      if (held) this.#wanted = { options };
      return this.#close('reset', this.#occupant);
    }
    if (status === 'loading') this.#loading?.abort('reset', this.#error('load_aborted'));
    // Whoever waits for the load goes on waiting, for the new one.
    if (status === 'loading' || (status === 'failed' && held)) this.#start(options);
    else if (status === 'failed') this.#abandon('reset', this.#error('load_aborted'));
    return this.#closing;
  }

  /** Ends everything for good (registry.md §7). */
  dispose(): void {
    this.#wanted = undefined;
    const error = this.#error('registry_disposed');
    if (this.#occupant !== undefined) this.#close('dispose', this.#occupant);
    else if (this.#state.status !== 'closing') this.#abandon('dispose', error);
    this.#pending?.reject(error);
    this.#pending = undefined;
  }

  /** An error that nobody holds is forgotten without a word. */
  forget(): void {
    this.#state = { status: 'idle', generation: this.#state.generation };
  }

  #error(code: Reason): HoldfastError {
    return new HoldfastError(code, { key: this.#key });
  }

  #become(state: EntryState<T>, detail: RegistryEventDetail): void {
    this.#state = state;
    this.#keeper.announcer.tell({ key: this.#key, generation: state.generation }, detail, state);
  }

  /** The load that just started may have answered, or thrown, already. */
  #answer(promise: Promise<T>): T | Promise<T> {
    const state = this.#state;
    if (state.status === 'failed') throw state.error;
    return state.status === 'ready' ? state.value : promise;
  }

  #start(options: O): void {
    const { settings, tally, closings } = this.#keeper;
    const { step } = this.#patrons;
    const key = this.#key;
    const generation = this.#keeper.nextGeneration();
    const since = settings.env.now();
    tally.loads += 1;
    this.#options = options;
    this.#loading = new Loading<T>(
      settings,
      (signal, attempt) => settings.config.load(key, options, { signal, attempt, generation }),
      {
        loaded: (value) => step(() => this.#loaded(value, generation)),
        failed: (error) => step(() => this.#failed(error, generation)),
        retrying: (retry) =>
          step(() => {
            const { attempt, lastError: error, retryAt } = retry;
            tally.retries += 1;
            this.#become(
              { status: 'loading', generation, since, ...retry },
              { type: 'retry', attempt, error, retryAt },
            );
          }),
        late: (value, reason) => closings.close({ key, value, reason }),
      },
    );
    this.#become({ status: 'loading', generation, attempt: 1, since }, { type: 'loading' });
    this.#loading.begin();
  }

  #loaded(value: T, generation: number): void {
    const { settings } = this.#keeper;
    const occupant = new Occupant(settings, { key: this.#key, value, generation });
    this.#loading = undefined;
    this.#occupant = occupant;
    this.#become(
      { status: 'ready', generation, value, since: settings.env.now() },
      { type: 'ready' },
    );
    occupant.watch((error) => this.#patrons.step(() => this.#closedItself(occupant, error)));
    const state = this.#state;
    if (state.status === 'ready') this.#pending?.resolve(state.value);
    else this.#pending?.reject(state.status === 'failed' ? state.error : this.#error('closed'));
    this.#settle();
  }

  #failed(error: unknown, generation: number): void {
    this.#loading = undefined;
    this.#keeper.tally.failures += 1;
    this.#keeper.settings.report({ phase: 'load', key: this.#key, error });
    this.#becomeFailed(error, generation);
    this.#pending?.reject(error);
    this.#settle();
  }

  #becomeFailed(error: unknown, generation: number): void {
    const { env, errorTtl } = this.#keeper.settings;
    const until = env.now() + errorTtl;
    this.#become({ status: 'failed', generation, error, until }, { type: 'failed', error });
  }

  #becomeClosed(generation: number, reason: CloseReason, end: { error?: unknown } = {}): void {
    this.#become(
      { status: 'closed', generation, reason, ...end },
      { type: 'closed', reason, ...end },
    );
  }

  #settle(): void {
    this.#pending = undefined;
    this.#patrons.settled();
  }

  #closedItself(occupant: Occupant<T, O>, error: unknown): void {
    const { generation } = occupant;
    this.#keeper.closings.countSelf();
    this.#occupant = undefined;
    if (error !== undefined) this.#becomeFailed(error, generation);
    else this.#becomeClosed(generation, 'self');
    occupant.leave();
  }

  #close(reason: CloseReason, occupant: Occupant<T, O>): Closing {
    const { value, generation } = occupant;
    this.#occupant = undefined;
    this.#become({ status: 'closing', generation, reason }, { type: 'closing', reason });
    occupant.leave();
    let over = false;
    const closing = this.#keeper.closings.close({ key: this.#key, value, reason }, (end) => {
      over = true;
      this.#patrons.step(() => this.#closed(reason, end));
    });
    if (!over) this.#closing = closing;
    return closing;
  }

  #closed(reason: CloseReason, end: CloseEnd): void {
    const { generation } = this.#state;
    const error = 'error' in end ? { error: end.error } : {};
    this.#closing = undefined;
    if (end.timedOut) this.tell({ type: 'closeTimedOut' });
    this.#becomeClosed(generation, reason, error);
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (wanted === undefined) return;
    if (this.#patrons.waiting) return this.#start(wanted.options);
    this.#pending?.reject(this.#error('load_aborted'));
    this.#settle();
  }

  /** Closes where there is no value: a load is aborted, a failure forgotten. */
  #abandon(reason: CloseReason, error: HoldfastError): void {
    const { generation } = this.#state;
    this.#loading?.abort(reason, error);
    this.#loading = undefined;
    this.#becomeClosed(generation, reason);
    this.#pending?.reject(error);
    this.#settle();
  }
}
