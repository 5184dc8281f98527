import { type Json, type JsonObject, isObject, type Path, type Query } from '@holdfast/protocol';
import { cursorOf, placeAt } from './cursor.ts';
import { comparePlaces, type Place, placeOf } from './order.ts';
import { Sorted } from './sorted.ts';
import { fieldsOf, type Test, testOf } from './where.ts';

/** An object of the record, as it is now; undefined: there is none, or none to be seen. */
export type Row = { readonly path: Path; readonly value: Json | undefined };

/** How a window changes, one after the other (records.md §14.4). */
export type RowOp =
  | readonly ['ins', path: Path, after: Path | null]
  | readonly ['del', path: Path]
  | readonly ['mov', path: Path, after: Path | null];

/** What a query shows. */
export type Window = {
  readonly rows: readonly Path[];
  readonly hasMore: boolean;
  readonly endCursor: string | null;
};

/**
 * A query over the objects of a record, kept up to date by what changes (records.md §14.2).
 *
 * 1. All that matches is held in order; the window is the first `limit` of it after the cursor.
 * 2. After each change the window is what evaluating from scratch would give.
 * 3. A change costs what it takes to find places in the order, and a window's length only where the window changes.
 */
export class Evaluation {
  readonly #record: string;
  readonly #query: Query;
  readonly #test: Test;
  readonly #compare: (a: Place, b: Place) => number;
  readonly #after: Place | null;
  readonly #places = new Map<Path, Place>();
  readonly #sorted: Sorted<Place>;
  /** The fields that decide which rows there are, and where. */
  readonly fields: ReadonlySet<string>;
  #window: readonly Place[] = [];
  #hasMore = false;
  #rows: readonly Path[] = [];

  /** Throws `invalid_cursor` for a cursor of another query. */
  constructor(record: string, query: Query, rows: Iterable<Row>) {
    this.#record = record;
    this.#query = query;
    this.#test = testOf(query.where);
    this.#compare = comparePlaces(query.orderBy);
    this.#after = placeAt(record, query);
    this.#sorted = new Sorted(this.#compare);
    this.fields = new Set([...fieldsOf(query.where), ...query.orderBy.map(([field]) => field)]);
    for (const { path, value } of rows) {
      const place = this.#placeOf(path, value);
      if (place !== null) this.#places.set(path, place);
    }
    this.#sorted.load([...this.#places.values()].toSorted(this.#compare));
    this.#cut();
  }

  get window(): Window {
    const last = this.#window.at(-1);
    const endCursor = last === undefined ? null : cursorOf(this.#record, this.#query, last);
    return { rows: this.#rows, hasMore: this.#hasMore, endCursor };
  }

  get rows(): readonly Path[] {
    return this.#rows;
  }

  /** Whether an object matches, be it in the window or not. */
  has(path: Path): boolean {
    return this.#places.has(path);
  }

  /** Takes in what objects have become; how the window changes by it, or null where it stays as it is. */
  change(rows: readonly Row[]): readonly RowOp[] | null {
    const before = this.#rows;
    const hadMore = this.#hasMore;
    const moved = this.take(rows);
    if (before === this.#rows) return null;
    const isSame = hadMore === this.#hasMore && sameRows(before, this.#rows);
    return isSame ? null : opsBetween(before, this.#rows, moved);
  }

  /** The same for who asks for the window as it is by then; tells which objects have moved. */
  take(rows: readonly Row[]): ReadonlySet<Path> {
    const moved = new Set<Path>();
    let isConcerned = false;
    for (const { path, value } of rows) {
      const was = this.#places.get(path) ?? null;
      const is = this.#placeOf(path, value);
      if (was === is || (was !== null && is !== null && this.#compare(was, is) === 0)) continue;
      moved.add(path);
      isConcerned ||= this.#concerns(was) || this.#concerns(is);
      this.#move(path, was, is);
    }
    if (isConcerned) this.#cut();
    return moved;
  }

  #move(path: Path, was: Place | null, is: Place | null): void {
    if (was !== null) this.#sorted.delete(was);
    if (is === null) {
      this.#places.delete(path);
      return;
    }
    this.#sorted.add(is);
    this.#places.set(path, is);
  }

  #placeOf(path: Path, value: Json | undefined): Place | null {
    const object: JsonObject | null = isObject(value) ? value : null;
    return object !== null && this.#test(object)
      ? placeOf(path, object, this.#query.orderBy)
      : null;
  }

  /** Whether a place lies in the window, or would decide whether there is more. */
  #concerns(place: Place | null): boolean {
    if (place === null) return false;
    if (this.#after !== null && this.#compare(place, this.#after) <= 0) return false;
    const last = this.#window.at(-1);
    const isFull = last !== undefined && this.#window.length === this.#query.limit;
    if (!isFull || this.#compare(place, last) <= 0) return true;
    // Beyond the end it matters only to the first that comes, and to the last that goes.
    return !this.#hasMore || this.#placesAfter(last, 2).length < 2;
  }

  #placesAfter(place: Place | null, count: number): readonly Place[] {
    return this.#sorted.from((each) => place !== null && this.#compare(each, place) <= 0, count);
  }

  #cut(): void {
    const { limit } = this.#query;
    const found = this.#placesAfter(this.#after, limit + 1);
    this.#window = found.slice(0, limit);
    this.#hasMore = found.length > limit;
    this.#rows = this.#window.map(({ path }) => path);
  }
}

export function sameRows(a: readonly Path[], b: readonly Path[]): boolean {
  return a.length === b.length && a.every((path, at) => path === b[at]);
}

/** The steps from one window to another; what has not moved keeps its order. */
export function opsBetween(
  before: readonly Path[],
  after: readonly Path[],
  moved: ReadonlySet<Path>,
): readonly RowOp[] {
  const [old, stays] = [new Set(before), new Set(after)];
  const ops: RowOp[] = before.flatMap((path) => (stays.has(path) ? [] : [['del', path] as const]));
  let last: Path | null = null;
  for (const path of after) {
    if (!old.has(path)) ops.push(['ins', path, last]);
    else if (moved.has(path)) ops.push(['mov', path, last]);
    last = path;
  }
  return ops;
}

/** A window after some steps. */
export function withOps(rows: readonly Path[], ops: readonly RowOp[]): readonly Path[] {
  const list = [...rows];
  for (const [op, path, after = null] of ops) {
    if (op !== 'ins') list.splice(list.indexOf(path), 1);
    const place = after === null ? 0 : list.indexOf(after) + 1;
    if (op !== 'del') list.splice(place, 0, path);
  }
  return list;
}
