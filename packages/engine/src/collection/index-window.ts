import type { Path, Query } from '@holdfast/protocol';
import { cursorOf, placeAt } from './cursor.ts';
import { opsBetween, type RowOp, sameRows, type Window } from './evaluation.ts';
import type { Place } from './order.ts';
import type { Move, Ordering } from './ordering.ts';
import type { Plan } from './plan.ts';
import { testOf } from './where.ts';

/** An ordering, and how it answers a query. */
type IndexAnswer = { readonly plan: Plan; readonly ordering: Ordering };

/**
 * The window of a query that an index answers as a whole: it is cut from an ordering that others keep up to date, and holds no
 * more than its own rows.
 */
export class IndexWindow {
  readonly #record: string;
  readonly #query: Query;
  readonly #plan: Plan;
  readonly #ordering: Ordering;
  readonly #after: Place | null;
  /** The rows, and the place that tells that there are more. */
  #found: readonly Place[] = [];
  #rows: readonly Path[] = [];

  /** Throws `invalid_cursor` for a cursor of another query, and `invalid_query` for what compares with no value. */
  constructor(record: string, query: Query, { plan, ordering }: IndexAnswer) {
    testOf(query.where);
    this.#record = record;
    this.#query = query;
    this.#plan = plan;
    this.#ordering = ordering;
    const after = placeAt(record, query);
    this.#after = after && { ...after, keys: [...plan.range.fixed, ...after.keys] };
    this.cut();
  }

  get window(): Window {
    const last = this.#found[this.#rows.length - 1];
    return {
      rows: this.#rows,
      hasMore: this.#hasMore,
      endCursor: last === undefined ? null : cursorOf(this.#record, this.#query, this.#own(last)),
    };
  }

  /** Takes in how the ordering has changed; how the window changes by it, or null where it stays as it is. */
  follow(moves: readonly Move[]): readonly RowOp[] | null {
    if (!moves.some(({ was, is }) => this.#concerns(was) || this.#concerns(is))) return null;
    const before = this.#rows;
    const hadMore = this.#hasMore;
    this.cut();
    if (hadMore === this.#hasMore && sameRows(before, this.#rows)) return null;
    const moved = new Set(moves.flatMap(({ is }) => is?.path ?? []));
    return opsBetween(before, this.#rows, moved);
  }

  /** Looks at the ordering as it is now. */
  cut(): void {
    const { limit } = this.#query;
    this.#found = this.#ordering.within(this.#plan.range, this.#after, limit + 1);
    this.#rows = this.#found.slice(0, limit).map(({ path }) => path);
  }

  get #hasMore(): boolean {
    return this.#found.length > this.#rows.length;
  }

  /** Whether a place lies before what tells that there are more: what lies behind changes nothing here. */
  #concerns(place: Place | null): boolean {
    if (place === null || this.#plan.range.sideOf(place) !== 0) return false;
    const { compare } = this.#ordering;
    if (this.#after !== null && compare(place, this.#after) <= 0) return false;
    const last = this.#found.at(-1);
    return !this.#hasMore || last === undefined || compare(place, last) <= 0;
  }

  /** A place as the query alone would have it: by what it is ordered by. */
  #own({ path, keys }: Place): Place {
    return { path, keys: keys.slice(this.#plan.range.fixed.length) };
  }
}
