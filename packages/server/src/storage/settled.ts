import type { EpochMs } from '@holdfast/protocol';

/** The wall clock, and the one by which what is kept for a time is old. */
export type Clocks = { readonly now: () => EpochMs; readonly settled: () => EpochMs };

/** A clock that has been put ahead is believed after it has stood there for so long… */
const TRUST_MS = 24 * 3_600_000;
/** …of moves by no more than this nothing is noted… */
const MOVE_MS = 60_000;
/** …and of no more than one in so long. */
const NOTE_MS = 3_600_000;

/** By how much the wall clock was ahead of the monotonic one, and since when by no less. */
type Lead = { readonly ms: number; readonly since: number };

/**
 * The wall clock, as far as it may be believed: what is judged old by it is forgotten for good. A clock that jumps ahead, an
 * hour or a year, and is put back, has aged nothing; of one that stays there a day passes first. Each jump counts for itself:
 * the clock of a machine that sleeps every night jumps every morning. One that is behind is believed: by it things are kept
 * for longer.
 */
export function settledClock(
  wall: () => EpochMs,
  monotonic: () => number = () => performance.now(),
): () => EpochMs {
  // Ever larger ones; the first is believed.
  let leads: readonly Lead[] = [{ ms: wall() - monotonic(), since: monotonic() }];
  return () => {
    const [now, at] = [wall(), monotonic()];
    const ms = now - at;
    const less = leads.filter((lead) => lead.ms < ms);
    const last = less.at(-1);
    const since = leads[less.length]?.since ?? at;
    const isFurther = last !== undefined && ms - last.ms > MOVE_MS;
    const isNoted = last === undefined || less.length === 1 || since - last.since >= NOTE_MS;
    if (last === undefined || (isFurther && isNoted)) less.push({ ms, since });
    leads = less.slice(
      Math.max(
        0,
        less.findLastIndex((lead) => at - lead.since >= TRUST_MS),
      ),
    );
    const [{ ms: believed } = { ms }] = leads;
    return Math.min(now, Math.round(at + believed));
  };
}

/** Of a storage: of a wall clock of its own each reading is believed, unless a monotonic one is given beside it. */
export function clocksOf({
  now = Date.now,
  monotonic = now === Date.now ? () => performance.now() : undefined,
}: {
  readonly now?: () => EpochMs;
  readonly monotonic?: () => number;
}): Clocks {
  return { now, settled: monotonic === undefined ? now : settledClock(now, monotonic) };
}
