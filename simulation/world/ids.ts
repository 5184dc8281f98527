import type { OpId } from '@holdfast/protocol';
import type { Caller } from './socket.ts';

/** The names under which a device writes. */
export class Ids {
  readonly #device: string;
  #life = 1;
  #count = 0;
  #names = 1;
  #barredUntil = 0;

  constructor(device: string) {
    this.#device = device;
  }

  /** Its process, counted from 1. */
  get life(): number {
    return this.#life;
  }

  get caller(): Caller {
    const principal = `${this.#device}, ${this.#names}`;
    return { deviceId: this.#device, principal, isBarred: (now) => now < this.#barredUntil };
  }

  next(): OpId {
    this.#count += 1;
    return this.near(0);
  }

  /** One near the last. */
  near(ahead: number): OpId {
    return `${this.#device}:s${this.#life}:${Math.max(1, this.#count + ahead)}`;
  }

  /** Another process begins. */
  begin(): void {
    this.#life += 1;
    this.#count = 0;
  }

  /** Whoever sits there may not write before this time. */
  bar(until: number): void {
    this.#barredUntil = until;
  }

  /** From the next connection on, the token names another. */
  become(): void {
    this.#names += 1;
  }
}
