import type { EpochMs } from '@holdfast/protocol';

/** The wall clock, and the one by which what is kept for a time is old. */
export type Clocks = { readonly now: () => EpochMs; readonly settled: () => EpochMs };

/** Of a storage: whether it remembers how far the wall clock could be believed. */
export interface Believed {
  /**
   * The wall clock by which what is kept for a time is old: one that is ahead, also since before this process, makes nothing
   * old until it has stood there for a day. A server asks every few minutes, so that the storage sees it stand. Default: what
   * the server believes by itself, its first reading included.
   */
  readonly settled?: (() => Promise<EpochMs>) | undefined;
}

/** A clock that has been put ahead is believed after it has stood there for so long… */
const TRUST_MS = 24 * 3_600_000;
/** …of moves by no more than this nothing is noted… */
const MOVE_MS = 60_000;
/** …and of no more than one in so long. */
const NOTE_MS = 3_600_000;

/** By how much the wall clock was ahead of the monotonic one, and since when by no less. */
type Lead = { readonly ms: number; readonly since: number };

/** A time that it may be now, and for how long the wall clock has been seen to tell no less. */
export type Standing = { readonly reads: EpochMs; readonly stoodMs: number };

/**
 * The wall clock, as far as it may be believed: what is judged old by it is forgotten for good. A clock that jumps ahead, an
 * hour or a year, and is put back, has aged nothing; of one that stays there a day passes first. Each jump counts for itself:
 * the clock of a machine that sleeps every night jumps every morning. One that is behind is believed: by it things are kept
 * for longer.
 *
 * Who remembers its standings goes on from there in the next process: the time between the two is one more jump, of which
 * nobody can say whether it was time that passed.
 */
export class SettledClock {
  readonly #wall: () => EpochMs;
  readonly #monotonic: () => number;
  /** Ever larger ones; the first is believed. */
  #leads: readonly Lead[];

  /** Where nothing is known of it, its first reading is believed. */
  constructor(wall: () => EpochMs, monotonic: () => number, known: readonly Standing[] = []) {
    this.#wall = wall;
    this.#monotonic = monotonic;
    const at = monotonic();
    const stood = known.length > 0 ? known : [{ reads: wall(), stoodMs: 0 }];
    this.#leads = stood.map(({ reads, stoodMs }) => ({ ms: reads - at, since: at - stoodMs }));
  }

  /** What the next process is to know, the earliest first: that one is believed. */
  get standings(): readonly Standing[] {
    const at = this.#monotonic();
    return this.#leads.map(({ ms, since }) => ({
      reads: Math.round(at + ms),
      stoodMs: Math.round(at - since),
    }));
  }

  /** By how much what is believed is ahead of the monotonic clock. */
  get leadMs(): number {
    return this.#leads[0]?.ms ?? 0;
  }

  read(): EpochMs {
    const [now, at] = [this.#wall(), this.#monotonic()];
    const ms = now - at;
    const less = this.#leads.filter((lead) => lead.ms < ms);
    const last = less.at(-1);
    const since = this.#leads[less.length]?.since ?? at;
    const isFurther = last !== undefined && ms - last.ms > MOVE_MS;
    const isNoted = last === undefined || less.length === 1 || since - last.since >= NOTE_MS;
    if (last === undefined || (isFurther && isNoted)) less.push({ ms, since });
    this.#leads = less.slice(
      Math.max(
        0,
        less.findLastIndex((lead) => at - lead.since >= TRUST_MS),
      ),
    );
    const [{ ms: believed } = { ms }] = this.#leads;
    return Math.min(now, Math.round(at + believed));
  }
}

/** A clock that begins with this process. */
export function settledClock(
  wall: () => EpochMs,
  monotonic: () => number = () => performance.now(),
): () => EpochMs {
  const clock = new SettledClock(wall, monotonic);
  return () => clock.read();
}

/** What a server judges by that forgets by itself: the clock that its storage remembers, or else one that begins with it. */
export function settledOf(
  storage: Believed,
  { now, monotonic }: { readonly now: () => EpochMs; readonly monotonic: () => number },
): () => Promise<EpochMs> {
  const kept = storage.settled?.bind(storage);
  if (kept !== undefined) return kept;
  const own = settledClock(now, monotonic);
  return async () => own();
}

/** What a storage is given to know the time by. */
type GivenClocks = { readonly now?: () => EpochMs; readonly monotonic?: () => number };

/** Of a storage: a wall clock of its own has none beside it that nobody sets, unless one is given. */
export function givenClocks({
  now = Date.now,
  monotonic = now === Date.now ? () => performance.now() : undefined,
}: GivenClocks): { readonly now: () => EpochMs; readonly monotonic: (() => number) | undefined } {
  return { now, monotonic };
}

/** Of a storage that ends with its process: without a monotonic clock each reading of the wall clock is believed. */
export function clocksOf(given: GivenClocks): Clocks {
  const { now, monotonic } = givenClocks(given);
  return { now, settled: monotonic === undefined ? now : settledClock(now, monotonic) };
}
