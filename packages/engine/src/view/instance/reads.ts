import type { Tracker } from './types.ts';

/** Breaks off a reading until something has settled. Not an error: nothing has failed. */
export class Hold {
  readonly until: Promise<unknown>;

  constructor(until: Promise<unknown>) {
    this.until = until;
  }
}

type Follow = { end: () => void };

type Followed = ReadonlyMap<string, Follow>;

// Most nodes read nothing: they share this.
const nothing: Followed = new Map();

/** Who reads, and is told when it has changed. */
export type Reader = { readsChanged(): void };

/** What a render or a watch has read: whoever changes it, it is told (views.md §11.2). */
export class Reads {
  #followed = nothing;
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Begins another reading. What both read goes on being followed. */
  begin(): Reading {
    return new Reading(this.#followed, this.#reader);
  }

  /** From now on this is what is followed. */
  keep({ followed }: Reading): void {
    for (const [key, follow] of this.#followed) {
      if (followed.get(key) !== follow) follow.end();
    }
    this.#followed = followed.size === 0 ? nothing : followed;
  }

  end(): void {
    for (const { end } of this.#followed.values()) end();
    this.#followed = nothing;
  }
}

/** One reading, as yet without effect. */
export class Reading implements Tracker {
  readonly followed: Map<string, Follow> = new Map();
  readonly #before: Followed;
  readonly #reader: Reader;

  constructor(before: Followed, reader: Reader) {
    this.#before = before;
    this.#reader = reader;
  }

  follow(key: string, subscribe: (changed: () => void) => () => void): void {
    if (this.followed.has(key)) return;
    const known = this.#before.get(key);
    const reader = this.#reader;
    this.followed.set(key, known ?? { end: subscribe(() => reader.readsChanged()) });
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
