const baseMs = 250;
const capMs = 30_000;

/** How long to wait before an attempt, with full jitter (records.md §6.5); `chance` is from 0 to 1. */
export function backoffMs(attempt: number, chance: number): number {
  return chance * Math.min(capMs, baseMs * 2 ** (attempt - 1));
}
