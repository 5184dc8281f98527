import type { InstanceHost } from './instance-host.ts';
import type { Subscriber } from './seat.ts';

/** The roots that one connection has left and may come back to: no more than it may have (views.md §4.4, §15). */
export class KeptRoots {
  readonly #max: number;
  /** Who left first comes first. */
  readonly #away = new Map<Subscriber, InstanceHost>();

  constructor(max: number) {
    this.#max = max;
  }

  /** One more has been left; above the limit the oldest is given up. */
  add(host: InstanceHost, subscriber: Subscriber): void {
    this.#away.delete(subscriber);
    this.#away.set(subscriber, host);
    for (const [other, at] of this.#away) {
      if (at.ended || other.seat !== null) this.#away.delete(other);
    }
    for (const [oldest, at] of this.#away) {
      if (this.#away.size <= this.#max) return;
      this.#away.delete(oldest);
      at.detach(oldest, false);
    }
  }
}
