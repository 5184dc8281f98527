import { isObject, type Json, type Order, type Path } from '@holdfast/protocol';
import type { Row } from './evaluation.ts';
import { comparePlaces, type Place, placeOf } from './order.ts';
import type { Range } from './plan.ts';
import { Sorted } from './sorted.ts';

/** So many objects of a range are looked up at a time. */
const PIECE = 500;

/** Sorts part by part. */
type Sorting = (
  places: readonly Place[],
  compare: (a: Place, b: Place) => number,
) => Generator<void, readonly Place[], undefined>;

/** An object that has come to another place; null: it has none. */
export type Move = { readonly was: Place | null; readonly is: Place | null };

/**
 * All objects of a record in the order of a declared index, kept up to date by what changes; queries look up ranges of it.
 *
 * It is made at once, which costs less than to put in one object after the other: first all are gathered, then sorted.
 */
export class Ordering {
  readonly #orders: readonly Order[];
  readonly #places = new Map<Path, Place>();
  readonly #sorted: Sorted<Place>;
  readonly compare: (a: Place, b: Place) => number;

  constructor(orders: readonly Order[]) {
    this.#orders = orders;
    this.compare = comparePlaces(orders);
    this.#sorted = new Sorted(this.compare);
  }

  has(path: Path): boolean {
    return this.#places.has(path);
  }

  /** Takes in objects that are not looked for before they are sorted. */
  gather(rows: readonly Row[]): void {
    for (const { path, value } of rows) {
      const place = this.#placeOf(path, value);
      if (place !== null) this.#places.set(path, place);
    }
  }

  /** Sorts what was gathered, part by part: others may have their turns in between. */
  *arrange(sorting: Sorting): Generator<void, void, undefined> {
    this.#sorted.load(yield* sorting([...this.#places.values()], this.compare));
  }

  /** Takes in what objects have become; which of them have another place by it. */
  change(rows: readonly Row[]): readonly Move[] {
    const moves: Move[] = [];
    for (const { path, value } of rows) {
      const was = this.#places.get(path) ?? null;
      const is = this.#placeOf(path, value);
      if (was === is || (was !== null && is !== null && this.compare(was, is) === 0)) continue;
      if (was !== null) this.#sorted.delete(was);
      if (is === null) this.#places.delete(path);
      else {
        this.#sorted.add(is);
        this.#places.set(path, is);
      }
      moves.push({ was, is });
    }
    return moves;
  }

  /** Up to so many places of a range, from the first that comes after one; null: from its first. */
  within(range: Range, after: Place | null, count: number): readonly Place[] {
    const found = this.#sorted.from(
      (each) => range.sideOf(each) < 0 || (after !== null && this.compare(each, after) <= 0),
      count,
    );
    const end = found.findIndex((each) => range.sideOf(each) > 0);
    return end === -1 ? found : found.slice(0, end);
  }

  /** The objects of a range, in pieces: what is looked at is they, and what it takes to find where each piece begins. */
  *objectsWithin(range: Range): Generator<Path, void, undefined> {
    let found: readonly Place[] = [];
    do {
      found = this.within(range, found.at(-1) ?? null, PIECE);
      for (const { path } of found) yield path;
    } while (found.length === PIECE);
  }

  #placeOf(path: Path, value: Json | undefined): Place | null {
    return isObject(value) ? placeOf(path, value, this.#orders) : null;
  }
}
