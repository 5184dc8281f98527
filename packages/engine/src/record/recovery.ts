import type { MonotonicMs } from '@holdfast/protocol';
import { backoffMs } from './transport/backoff.ts';

/** Why an envelope was not taken, as far as recovery is concerned. */
export type Cause = 'version' | 'other';

/** What a request for a snapshot came to: an envelope that was taken or not, nothing, or a failure. */
export type RequestEnd = 'taken' | 'bad' | 'nothing' | 'failed';

type Need = { readonly sequence: number | 'any'; readonly incarnation: string | null };

type Series =
  | { readonly is: 'resting' }
  | { readonly is: 'asking'; readonly run: number; readonly deadline: MonotonicMs }
  | { readonly is: 'waiting'; readonly until: MonotonicMs }
  /** Given up, until somebody asks, the connection is there again, or a later envelope fails. */
  | { readonly is: 'over'; readonly at: MonotonicMs; readonly how: 'stale' | 'skew' };

/** How recovery asks and waits (records.md §6.5, §19). */
export type RecoveryConfig = {
  /** Whether anybody can be asked. */
  readonly canAsk: boolean;
  /** Whether each question is a request of its own. */
  readonly asksAlone: boolean;
  readonly random: () => number;
  readonly timeoutMs?: number;
  /** Asks for a snapshot; the answer names the run. */
  readonly ask: (run: number) => void;
  readonly abort: (run: number) => void;
  /** The last attempt of a series has come to nothing. */
  readonly gaveUp: (how: 'stale' | 'skew') => void;
};

const timeoutMs = 10_000;
const attemptsMax = 6;
const capMs = 30_000;
/** Two seconds at most. */
const spreadAttempt = 4;

/**
 * Gets what could not be taken once more (records.md §6.5).
 *
 *     resting ──need──▶ asking ──bad, failed──▶ waiting ──▶ asking …   six times, then over
 *                         │ taken, and the need is met ▶ resting          nothing ▶ over
 *
 * 1. One request is under way at a time, and one more follows it at most for all that was needed meanwhile.
 * 2. The need is the newest that was not taken; whatever is taken and is as new meets it, and ends the series.
 */
export class Recovery {
  readonly #config: RecoveryConfig;
  #series: Series = { is: 'resting' };
  #need: Need | null = null;
  #cause: Cause = 'other';
  #isTrailing = false;
  /** It was asked whether anything is missing, and nobody has said. */
  #isInDoubt = false;
  #attempts = 0;
  #runs = 0;

  constructor(config: RecoveryConfig) {
    this.#config = config;
  }

  /** Whether something is awaited. */
  get isBusy(): boolean {
    return this.#series.is === 'asking' || this.#series.is === 'waiting';
  }

  /** What is missing and not awaited any more; null: nothing is missing. */
  get lack(): 'stale' | 'skew' | null {
    if (this.#need === null) return null;
    if (this.#series.is === 'over' && this.#series.how === 'skew') return 'skew';
    return this.#cause === 'version' ? 'skew' : 'stale';
  }

  /** When `tick` is to be called. */
  get wakeAt(): MonotonicMs | null {
    if (this.#series.is === 'asking') return this.#series.deadline;
    return this.#series.is === 'waiting' ? this.#series.until : null;
  }

  isCurrent(run: number): boolean {
    return this.#series.is === 'asking' && this.#series.run === run;
  }

  /** Asks at the start, when nothing is missing yet. */
  begin(now: MonotonicMs): void {
    if (!this.#config.canAsk || this.isBusy) return;
    this.#isInDoubt = true;
    this.#ask(now);
  }

  /** Something newer than what there is was not taken; `now` is null where it is what was asked for. */
  lacks(need: Need, cause: Cause, now: MonotonicMs | null): void {
    this.#need = newest(this.#need, need);
    this.#cause = cause;
    if (now === null || !this.#config.canAsk || this.#series.is === 'waiting') return;
    if (this.#series.is === 'asking') this.#isTrailing = true;
    else if (this.#series.is === 'resting' || now >= this.#series.at + capMs) this.again(now);
  }

  /** An envelope was taken, or confirmed. */
  took(sequence: number, incarnation: string | null): void {
    const need = this.#need;
    if (need === null && !this.#isInDoubt) return;
    if (need !== null && !isMet(need, { sequence, incarnation })) return;
    this.#need = null;
    this.#isInDoubt = false;
    this.#isTrailing = false;
    this.#attempts = 0;
    if (this.#series.is !== 'asking') this.#series = { is: 'resting' };
  }

  /**
   * Begins a new series; where each question is a request of its own not at once, for many records are back with one
   * connection (records.md §6.5).
   */
  reconnected(now: MonotonicMs): void {
    const { asksAlone, canAsk, random } = this.#config;
    if (!asksAlone || !canAsk || this.#series.is === 'asking') {
      this.again(now);
      return;
    }
    this.#attempts = 0;
    this.#isInDoubt = true;
    const until = now + backoffMs(spreadAttempt, random());
    const isSooner = this.#series.is === 'waiting' && this.#series.until < until;
    if (!isSooner) this.#series = { is: 'waiting', until };
  }

  /** Begins a new series. */
  again(now: MonotonicMs): void {
    this.#attempts = 0;
    if (!this.#config.canAsk || this.#series.is === 'asking') return;
    this.#isInDoubt = true;
    this.#ask(now);
  }

  /** A request has ended; results of older ones are not heard. */
  ended(run: number, end: RequestEnd, now: MonotonicMs): void {
    if (!this.isCurrent(run)) return;
    this.#series = { is: 'resting' };
    const isTrailing = this.#isTrailing;
    this.#isTrailing = false;
    if (this.#isEnough(end)) return;
    if (end === 'nothing') this.#giveUp('stale', now);
    else if (end === 'taken' && this.#attempts <= 1) this.#ask(now);
    else if (isTrailing && end !== 'failed' && this.#attempts <= 1) this.#ask(now);
    else this.#retry(end === 'failed' ? 'stale' : 'skew', now);
  }

  /** Nothing is missing, as far as is known, and nothing is left open. */
  #isEnough(end: RequestEnd): boolean {
    this.#isInDoubt &&= end === 'failed';
    return this.#need === null && end !== 'bad' && !this.#isInDoubt;
  }

  /** The one who is asked says that this version is none for us. */
  isHopeless(now: MonotonicMs): void {
    this.#need ??= { sequence: 'any', incarnation: null };
    this.#cause = 'version';
    this.#giveUp('skew', now);
  }

  tick(now: MonotonicMs): void {
    const series = this.#series;
    if (series.is === 'waiting' && now >= series.until) this.#ask(now);
    else if (series.is === 'asking' && now >= series.deadline) {
      this.#config.abort(series.run);
      this.ended(series.run, 'failed', now);
    }
  }

  close(): void {
    if (this.#series.is === 'asking') this.#config.abort(this.#series.run);
    this.#series = { is: 'resting' };
    this.#need = null;
  }

  #ask(now: MonotonicMs): void {
    this.#runs += 1;
    this.#attempts += 1;
    const deadline = now + (this.#config.timeoutMs ?? timeoutMs);
    this.#series = { is: 'asking', run: this.#runs, deadline };
    this.#config.ask(this.#runs);
  }

  #retry(how: 'stale' | 'skew', now: MonotonicMs): void {
    if (this.#attempts >= attemptsMax) {
      this.#need ??= { sequence: 'any', incarnation: null };
      this.#giveUp(how, now);
      return;
    }
    const until = now + backoffMs(this.#attempts, this.#config.random());
    this.#series = { is: 'waiting', until };
  }

  #giveUp(how: 'stale' | 'skew', now: MonotonicMs): void {
    this.#series = { is: 'over', at: now, how };
    this.#isTrailing = false;
    this.#config.gaveUp(how);
  }
}

function newest(known: Need | null, next: Need): Need {
  if (known === null || known.incarnation !== next.incarnation) return next;
  if (known.sequence === 'any') return next;
  return next.sequence === 'any' || next.sequence < known.sequence ? known : next;
}

/** Sequences of different incarnations cannot be compared: what is taken of another one is the newer. */
function isMet(
  need: Need,
  taken: { readonly sequence: number; readonly incarnation: string | null },
): boolean {
  if (need.sequence === 'any' || taken.sequence >= need.sequence) return true;
  return (
    need.incarnation !== null &&
    taken.incarnation !== null &&
    need.incarnation !== taken.incarnation
  );
}
