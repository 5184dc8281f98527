import type { Tracker } from './types.ts';

/** Breaks off a reading until something has settled. Not an error: nothing has failed. */
export class Hold {
  readonly until: Promise<unknown>;

  constructor(until: Promise<unknown>) {
    this.until = until;
  }

  /** Calls back when it can be read; never where it fails. */
  onceOver(run: () => void): void {
    this.until.then(run, () => undefined);
  }
}

type Follow = { end: () => void };

type Followed = ReadonlyMap<string, Follow>;

// Most nodes read nothing: they share this.
const nothing: Followed = new Map();

/** Who renders, or watches: whoever changes what it has read, it is told (views.md §11.2). */
export abstract class Reader {
  #followed = nothing;

  protected abstract readsChanged(): void;

  /** Begins another reading. What both read goes on being followed. */
  beginReading(): Reading {
    return new Reading(this.#followed, () => this.readsChanged());
  }

  /** From now on this is what is followed. */
  keepReading({ followed }: Reading): void {
    for (const [key, follow] of this.#followed) {
      if (followed.get(key) !== follow) follow.end();
    }
    this.#followed = followed.size === 0 ? nothing : followed;
  }

  /** A reading led to nothing: what it alone followed may change that, and is followed besides. */
  followAlso(reading: Reading): void {
    const fresh = reading.handOver(() => this.readsChanged());
    const followed = new Map(this.#followed);
    for (const [key, follow] of fresh) {
      if (followed.has(key)) follow.end();
      else followed.set(key, follow);
    }
    this.#followed = followed;
  }

  protected endReading(): void {
    for (const { end } of this.#followed.values()) end();
    this.#followed = nothing;
  }
}

/** One reading, as yet without effect. */
export class Reading implements Tracker {
  readonly followed: Map<string, Follow> = new Map();
  readonly #before: Followed;
  /** Of its own: what is followed outlives the reading, and must not hold what was followed before. */
  readonly #hearer: { changed: () => void };

  constructor(before: Followed, changed: () => void) {
    this.#before = before;
    this.#hearer = { changed };
  }

  follow(key: string, subscribe: (changed: () => void) => () => void): void {
    if (this.followed.has(key)) return;
    const known = this.#before.get(key);
    const hearer = this.#hearer;
    this.followed.set(key, known ?? { end: subscribe(() => hearer.changed()) });
  }

  hold(until: Promise<unknown>): never {
    // oxlint-disable-next-line typescript/only-throw-error -- it is caught where the reading began
    throw new Hold(until);
  }

  /** It leads to nothing: what only it followed is followed no more. */
  drop(): void {
    for (const [, { end }] of this.#taken()) end();
  }

  /** It leads to nothing: what only it followed is somebody else's from now on. */
  handOver(changed: () => void): Iterable<readonly [string, Follow]> {
    this.#hearer.changed = changed;
    return this.#taken();
  }

  #taken(): readonly (readonly [string, Follow])[] {
    const own = [...this.followed].filter(([key, follow]) => this.#before.get(key) !== follow);
    this.followed.clear();
    return own;
  }
}
