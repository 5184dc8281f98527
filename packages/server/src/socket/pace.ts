import type { Outbox } from './outbox.ts';

const STALLED_MS = 30_000;

/** How a peer takes what it is sent. */
export class Pace {
  #bytes = 0;
  /** When it last took something, or had nothing to take. */
  #at: number;

  constructor(now: number) {
    this.#at = now;
  }

  /** Whether something has waited for it for too long, and it took nothing (stores.md §9.3). */
  isStalled({ unsentBytes, sentBytes }: Outbox, now: number): boolean {
    if (unsentBytes === 0 || sentBytes > this.#bytes) {
      this.#bytes = sentBytes;
      this.#at = now;
    }
    return now - this.#at > STALLED_MS;
  }
}
