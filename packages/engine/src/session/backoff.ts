import { backoffMaxMs, backoffMinMs, lifeMs } from './times.ts';

/** How long to wait before the next try: doubling, full jitter (stores.md C16). */
export class Backoff {
  /** How often it failed since it last lived long enough. */
  failures = 0;

  /** It failed: how long to wait now. `drawn` is a random number, `directedMs` what the server asked for, if it did. */
  failed(drawn: number, directedMs: number | null): number {
    const ceiling = Math.min(backoffMinMs * 2 ** this.failures, backoffMaxMs);
    this.failures += 1;
    // What the server asked for is a least, and jitter keeps its clients apart.
    return directedMs === null ? drawn * ceiling : directedMs * (1 + drawn / 2);
  }

  /** It had worked for so long: a long life makes up for the failures before it. Says whether it was one. */
  lived(ms: number): boolean {
    const isLong = ms >= lifeMs;
    if (isLong) this.failures = 0;
    return isLong;
  }
}
