import { isObject } from '@holdfast/protocol';
import type { Principal } from '../access/index.ts';
import type { People } from './openings.ts';
import type { Subscriber, ViewSeat } from './seat.ts';

type Guest = {
  /** By it the rights are asked for, also when it has ended. */
  lastSeat: ViewSeat;
  /** Who is attached, or may come back. */
  readonly known: Set<Subscriber>;
};

/** Those who have come to an instance, by what they have come as; also those who have gone: what they have asked for may take longer. */
export class Guests implements People {
  readonly #isShared: boolean;
  readonly #guests = new WeakMap<object, Guest>();

  constructor(isShared: boolean) {
    this.#isShared = isShared;
  }

  /** Somebody has come, or come back. */
  came(subscriber: Subscriber): void {
    const { principal, seat } = subscriber;
    if (!isObject(principal) || seat === null) return;
    const guest = this.#guests.get(principal) ?? { lastSeat: seat, known: new Set() };
    guest.lastSeat = seat;
    guest.known.add(subscriber);
    this.#guests.set(principal, guest);
  }

  /** Somebody has gone, and comes back to nothing. */
  forgot(subscriber: Subscriber): void {
    if (isObject(subscriber.principal)) {
      this.#guests.get(subscriber.principal)?.known.delete(subscriber);
    }
  }

  /** Also before they have come. */
  isThere(user: Principal): boolean {
    const guest = this.#guests.get(user);
    if (guest === undefined) return true;
    for (const { seat } of guest.known) if (seat !== null) return true;
    return false;
  }

  /** Else the instance goes with its subscriber. */
  isGone(user: Principal): boolean {
    return this.#isShared && this.#guests.get(user)?.known.size === 0;
  }

  async mayStill(user: Principal): Promise<boolean> {
    if (this.isThere(user)) return true;
    return (await this.#guests.get(user)?.lastSeat.grantsStill?.()) ?? true;
  }
}
