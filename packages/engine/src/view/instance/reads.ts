import type { Tracker } from './types.ts';

/** Breaks off a reading until something has settled. Not an error: nothing has failed. */
export class Hold {
  readonly until: Promise<unknown>;

  constructor(until: Promise<unknown>) {
    this.until = until;
  }
}

type Follow = { end: () => void };

/** What a render or a watch has read: whoever changes it, it is told (views.md §11.2). */
export class Reads {
  #followed = new Map<string, Follow>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Begins another reading. What both read goes on being followed. */
  begin(): Reading {
    return new Reading(this.#followed, this.#changed);
  }

  /** From now on this is what is followed. */
  keep(reading: Reading): void {
    for (const [key, follow] of this.#followed) {
      if (reading.followed.get(key) !== follow) follow.end();
    }
    this.#followed = reading.followed;
  }

  end(): void {
    for (const { end } of this.#followed.values()) end();
    this.#followed = new Map();
  }
}

/** One reading, as yet without effect. */
export class Reading implements Tracker {
  readonly followed = new Map<string, Follow>();
  readonly #before: ReadonlyMap<string, Follow>;
  readonly #changed: () => void;

  constructor(before: ReadonlyMap<string, Follow>, changed: () => void) {
    this.#before = before;
    this.#changed = changed;
  }

  follow(key: string, subscribe: (changed: () => void) => () => void): void {
    if (this.followed.has(key)) return;
    const known = this.#before.get(key);
    this.followed.set(key, known ?? { end: subscribe(this.#changed) });
  }

  hold(until: Promise<unknown>): never {
    // oxlint-disable-next-line typescript/only-throw-error -- it is caught where the reading began
    throw new Hold(until);
  }

  /** It leads to nothing: what only it followed is followed no more. */
  drop(): void {
    for (const [key, follow] of this.followed) {
      if (this.#before.get(key) !== follow) follow.end();
    }
    this.followed.clear();
  }
}
