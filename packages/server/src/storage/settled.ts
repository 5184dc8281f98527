import type { EpochMs } from '@holdfast/protocol';

/** The wall clock, and the one by which what is kept for a time is old. */
export type Clocks = { readonly now: () => EpochMs; readonly settled: () => EpochMs };

/** A clock that has been put ahead is believed after it has stood there for so long… */
const TRUST_MS = 24 * 3_600_000;
/** …and not been moved by more than this. */
const MOVE_MS = 60_000;

/**
 * The wall clock, as far as it may be believed: what is judged old by it is forgotten for good. A clock that jumps ahead, an
 * hour or a year, and is put back, has aged nothing; of one that stays there a day passes first. One that is behind is
 * believed: by it things are kept for longer.
 */
export function settledClock(
  wall: () => EpochMs,
  monotonic: () => number = () => performance.now(),
): () => EpochMs {
  let believed = { wall: wall(), at: monotonic() };
  let ahead = { ms: 0, since: believed.at };
  return () => {
    const [now, at] = [wall(), monotonic()];
    const expected = believed.wall + at - believed.at;
    const ms = now - expected;
    if (Math.abs(ms - ahead.ms) > MOVE_MS) ahead = { ms, since: at };
    if (ms > 0 && at - ahead.since < TRUST_MS) return Math.floor(expected);
    believed = { wall: now, at };
    ahead = { ms: 0, since: at };
    return now;
  };
}
