import type { Submission } from './types.ts';

type Owner = Pick<Submission, 'channel' | 'principal'>;

/** How many requests without an answer each has, so that one cannot fill the queue for all; who has no name is a channel. */
export class Shares {
  readonly #open = new Map<string | number, number>();

  enter(owner: Owner): void {
    this.#open.set(nameOf(owner), this.#openOf(owner) + 1);
  }

  leave(owner: Owner): void {
    const left = this.#openOf(owner) - 1;
    if (left > 0) this.#open.set(nameOf(owner), left);
    else this.#open.delete(nameOf(owner));
  }

  /** Whether one more of this owner is still within its part of so many places, were they given to all alike. */
  isDue(owner: Owner, places: number): boolean {
    const open = this.#openOf(owner);
    const owners = this.#open.size + (open === 0 ? 1 : 0);
    return (open + 1) * owners <= places;
  }

  #openOf(owner: Owner): number {
    return this.#open.get(nameOf(owner)) ?? 0;
  }
}

function nameOf({ channel, principal }: Owner): string | number {
  return principal ?? channel;
}
