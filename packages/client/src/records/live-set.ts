import {
  asGlob,
  asPath,
  type CollectionDef,
  globOf,
  HoldfastError,
  isObject,
  type Json,
  matches,
  type Path,
  type Pattern,
  type Query,
  type Refusal,
  RejectedError,
  segmentsOf,
} from '@holdfast/protocol';
import {
  comparePlaces,
  cursorOf,
  Evaluation,
  type Place,
  placeOf,
  type Row,
} from '@holdfast/engine/collection';
import { Queries, type QueryAsk, type QuerySight, type Replica } from '@holdfast/engine/replica';
import type { Release } from '@holdfast/engine/registry';
import { isOver } from '../connection.ts';
import type { Hold } from '../hold.ts';
import { patternOf } from '../watch.ts';
import { noRows } from './idle.ts';
import { inOwnForm, type Sources, type Stored, versionIn, withOwn } from './own-form.ts';
import { PendingObjects } from './pending-objects.ts';
import { Rows } from './rows.ts';
import type { CollectionState } from './types.ts';

/** What a set is made of. */
export type LiveSetConfig = {
  readonly def: CollectionDef;
  readonly hold: Hold;
  readonly own: Pick<Sources, 'mutate' | 'now'>;
  /** Has the set looked at in this turn. */
  readonly changed: () => void;
  readonly report: (error: unknown) => void;
};

type Seen = Pick<Replica, 'entry' | 'committed' | 'entries' | 'queries' | 'status'>;

type Looking = {
  readonly replica: Seen;
  readonly sight: QuerySight;
  readonly trouble: Trouble | undefined;
};

type Trouble = Pick<CollectionState<unknown>, 'error'>;

/** Refusals of who has never heard of the record, or of queries. */
const unable: ReadonlySet<string> = new Set(['unknown_record', 'unknown_event']);

/** Refusals by which nothing of a query may be seen. */
const denials: ReadonlySet<string> = new Set([
  'unauthorized',
  'store_not_allowed',
  'missing_scope',
  'path_not_allowed',
]);

/**
 * The rows of a collection (records.md §14.3): found here by the server's own code where patterns hold all objects of the
 * record; else as the server says, with own writes on top.
 */
export class LiveSet {
  readonly #config: LiveSetConfig;
  readonly #rows: Rows;
  readonly #glob: string;
  readonly #object: Pattern;
  readonly #depth: number;
  readonly #pending: PendingObjects;
  #query: Query;
  #sub = '';
  #evaluation: Evaluation | null = null;
  /** What the evaluation lies over; null: it is of all objects. */
  #over: Over | null = null;
  /** Objects that may have changed, be it by own writes that come or go; null: all of them may have. */
  #touched: Set<Path> | null = null;
  #holding: Release | null = null;
  /** What the rows were read from, and by which version. */
  #seen: Seen | null = null;
  #version = '';
  /** The server has yet to say what the window is. */
  isBehind = true;

  constructor(config: LiveSetConfig) {
    const { def, hold, changed, report } = config;
    this.#config = config;
    this.#query = def.query;
    this.#glob = globOf(def.record.path, def.query.params);
    this.#object = patternOf(this.#glob);
    this.#depth = def.record.path.split('/').length;
    this.#rows = new Rows(def.record, hold.slot.name, report);
    this.#pending = new PendingObjects(hold.slot, {
      def: def.record,
      of: (path) => this.#objectOf(path),
      areBelow: (path) => this.#isAbove(path),
    });
    hold.slot.store.query((replica) => {
      this.#sub = replica.follow(Queries).open(this.#ask(), changed);
    });
  }

  widen(limit: number): void {
    this.#query = { ...this.#query, limit };
    this.#evaluation = null;
    this.#config.hold.slot.opened?.query((replica) => {
      replica.queries?.change(this.#sub, this.#ask());
    });
  }

  close(): void {
    this.#holding?.();
    this.#config.hold.slot.opened?.query((replica) => replica.queries?.close(this.#sub));
  }

  touch(path: Path | null, isOwn = false): boolean {
    const object = path && this.#objectOf(path);
    // What is above may have changed all below: the leaves that it changed are told one by one, but not what waits for whom.
    if (path === null || (object === null && isOwn && this.#isAbove(path))) {
      this.#touched = null;
      return true;
    }
    if (object === null) return false;
    this.#touched?.add(object);
    return true;
  }

  /** What is shown now, and its values; the lists are the same where nothing in them has changed. */
  look(
    before: CollectionState<unknown>,
    values: readonly unknown[],
  ): readonly [state: CollectionState<unknown>, values: readonly unknown[]] {
    const next = this.#unlessOver(this.#derive(before));
    const hasSame = next.ready === before.ready;
    const rows = hasSame && isSameList(next.rows, before.rows) ? before.rows : next.rows;
    const shown = rows.map(({ value }) => value);
    return [
      { ...next, rows: Object.freeze(rows) },
      hasSame && isSameList(shown, values) ? values : Object.freeze(shown),
    ];
  }

  /** What waits for a connection is denied where there will be none: the token is refused, say. */
  #unlessOver(next: CollectionState<unknown>): CollectionState<unknown> {
    const line = this.#config.hold.slot.room.connection.get();
    const isHopeful = next.ready || next.status !== 'loading' || !isOver(line);
    if (isHopeful || line.error === undefined) return next;
    return { ...next, status: 'denied', error: line.error };
  }

  #derive(before: CollectionState<unknown>): CollectionState<unknown> {
    const { slot } = this.#config.hold;
    const { error } = slot.status.get();
    const trouble = error && { error };
    const replica = slot.opened?.replica;
    const sight = replica?.queries?.sight(this.#sub);
    if (replica === undefined || sight === undefined) {
      return { ...before, status: 'loading', ...trouble };
    }
    const version = versionIn(this.#config.def.record, replica);
    if (replica !== this.#seen || version !== this.#version) this.#touched = null;
    this.#seen = replica;
    this.#version = version;
    this.#pending.look(this.#touched);
    try {
      return this.#found(before, { replica, sight, trouble });
    } catch (failure) {
      return { ...before, status: 'stale', error: troubleOf(failure) };
    }
  }

  #found(before: CollectionState<unknown>, looking: Looking): CollectionState<unknown> {
    const { replica, sight, trouble } = looking;
    const { isLocal, isBehind, refusal } = sight;
    const { phase, incarnation } = replica.status();
    this.isBehind = !isLocal && isBehind;
    if (isLocal && incarnation !== null) return this.#local(replica, trouble);
    if (phase === 'refused') return { ...noRows, status: 'denied', ...trouble };
    if (refusal !== null && refusal.retry !== 'later') return this.#refused(before, refusal);
    return this.#remote(before, looking);
  }

  #refused(before: CollectionState<unknown>, refusal: Refusal): CollectionState<unknown> {
    const { code, details } = refusal;
    if (unable.has(code)) {
      // Whoever does not know the record has its objects.
      this.#holding ??= this.#config.hold.slot.want([asGlob(`${this.#glob}/**`)]);
      return { ...before, status: before.ready ? 'refetching' : 'loading' };
    }
    const isSame = before.error instanceof RejectedError && before.error.details === details;
    const error = isSame ? before.error : RejectedError.from(refusal);
    return denials.has(code)
      ? { ...noRows, status: 'denied', error }
      : { ...before, status: 'stale', error };
  }

  #remote(
    before: CollectionState<unknown>,
    { replica, sight, trouble }: Looking,
  ): CollectionState<unknown> {
    const { rows, isAsked, refusal } = sight;
    if (rows === null) {
      return { ...before, status: before.ready ? 'refetching' : 'loading', ...trouble };
    }
    const paths = this.#overlaid(replica, { ...sight, rows });
    const status = isAsked || refusal !== null ? 'refetching' : 'ok';
    const endCursor = this.#cursorAt(replica, rows.at(-1)) ?? sight.endCursor;
    return { ...this.#state(replica, paths, { ...sight, endCursor }), status, ...trouble };
  }

  /** The end of a window is where its last row stands now: the server tells of no change by which every row stays. */
  #cursorAt(replica: Seen, last: Path | undefined): string | null {
    const place = last === undefined ? null : this.#placeOf(last, replica.committed(last)?.value);
    return place && cursorOf(this.#config.def.record.name, this.#query, place);
  }

  #ask(): QueryAsk {
    const { key: known, record } = this.#config.def;
    const spec = { ...this.#query };
    // By the store's own name, under which the tab that leads keeps it, too: that one need not know the record.
    const key = known.replace(record.store, () => this.#config.hold.slot.name);
    return { key, record: record.name, spec, within: patternOf(`${this.#glob}/**`) };
  }

  #local(replica: Seen, trouble: Trouble | undefined): CollectionState<unknown> {
    const { record } = this.#config.def;
    if (this.#touched === null || this.#evaluation === null || this.#over !== null) {
      this.#evaluation = new Evaluation(record.name, this.#query, this.#all(replica));
      this.#over = null;
    } else {
      this.#evaluation.take(Array.from(this.#touched, this.#rowOf(replica)));
    }
    const { window } = this.#evaluation;
    return { ...this.#state(replica, window.rows, window), status: 'ok', ...trouble };
  }

  /** Every object of the pattern, as it is shown. */
  *#all(replica: Seen): Generator<Row> {
    const rowOf = this.#rowOf(replica);
    let last: Path | null = null;
    for (const { path } of replica.entries({ pattern: patternOf(`${this.#glob}/**`) }).items) {
      const object = this.#objectOf(path);
      if (object === null || object === last) continue;
      last = object;
      yield rowOf(object);
    }
    // An object without members is a leaf of its own.
    for (const { path } of replica.entries({ pattern: this.#object }).items) {
      yield rowOf(path);
    }
  }

  /** What the server says, with own writes on top, as far as they lie in the window that is loaded. */
  #overlaid(
    replica: Seen,
    { rows, hasMore }: Pick<QuerySight, 'hasMore'> & { readonly rows: readonly Path[] },
  ): readonly Path[] {
    const last = rows.at(-1);
    const end =
      hasMore && last !== undefined ? this.#placeOf(last, replica.committed(last)?.value) : null;
    const pending = this.#pending;
    const before = this.#over;
    const window = before?.rows === rows ? before.window : new Set(rows);
    const over = { rows, window, end };
    const rowOf = this.#candidate(replica, over);
    if (this.#touched === null || this.#evaluation === null || !this.#endsAt(before, end)) {
      this.#evaluation = null;
      if (pending.isEmpty) return rows;
      const shown = Array.from(new Set([...rows, ...pending.paths]), rowOf);
      this.#evaluation = new Evaluation(this.#config.def.record.name, this.#query, shown);
    } else {
      const moved = before.rows === rows ? [] : apart(window, before.window);
      this.#evaluation.take(Array.from(new Set([...this.#touched, ...moved]), rowOf));
    }
    this.#over = over;
    return pending.isEmpty ? rows : this.#evaluation.rows;
  }

  /** Whether a window ended at the same place. */
  #endsAt(over: Over | null, end: Place | null): over is Over {
    if (over === null || over.end === null || end === null) return over?.end === end;
    return this.#compare(over.end, end) === 0;
  }

  /** Gives objects that a window may show: those that the server says, and those of own writes that do not lie beyond. */
  #candidate(replica: Seen, { window, end }: Over): (path: Path) => Row {
    const rowOf = this.#rowOf(replica);
    const pending = this.#pending;
    const isHere = (path: Path): boolean =>
      window.has(path) ||
      (pending.paths.has(path) && (replica.queries?.holds(path) === true || pending.isMade(path)));
    return (path) => {
      const row = isHere(path) ? rowOf(path) : { path, value: undefined };
      const place = end && pending.at(path) > 0 ? this.#placeOf(path, row.value) : null;
      const isBeyond = place !== null && end !== null && this.#compare(place, end) > 0;
      return isBeyond ? { path, value: undefined } : row;
    };
  }

  #compare(one: Place, other: Place): number {
    return comparePlaces(this.#query.orderBy)(one, other);
  }

  #placeOf(path: Path, value: Json | undefined): Place | null {
    return isObject(value) ? placeOf(path, value, this.#query.orderBy) : null;
  }

  #state(
    replica: Seen,
    paths: readonly Path[],
    { hasMore, endCursor }: Pick<QuerySight, 'hasMore' | 'endCursor'>,
  ): Omit<CollectionState<unknown>, 'status'> {
    const stored = this.#withOwn(replica);
    const rows = this.#rows.at(paths, this.#touched, (path) => {
      const { json, version } = stored(path);
      return json === undefined ? null : { path, json, version, pending: this.#pending.at(path) };
    });
    this.#touched = new Set();
    return { rows, ready: true, hasMore, endCursor };
  }

  #withOwn(replica: Seen): (path: Path) => Stored {
    const { def, hold, own } = this.#config;
    return withOwn(def.record, { ...own, replica, near: (path) => hold.slot.outboxNear(path) });
  }

  /** Gives objects as they are found, and shown. */
  #rowOf(replica: Seen): (path: Path) => Row {
    const stored = this.#withOwn(replica);
    return (path) => {
      const value = inOwnForm(this.#config.def.record, stored(path));
      return { path, value: isObject(value) ? value : undefined };
    };
  }

  /** The object of the collection's pattern that a path is in. */
  #objectOf(path: Path): Path | null {
    const segments = path.split('/');
    if (segments.length < this.#depth) return null;
    const object = asPath(segments.slice(0, this.#depth).join('/'));
    return matches(this.#object, segmentsOf(object)) ? object : null;
  }

  /** Whether there may be objects of the collection's pattern below a path. */
  #isAbove(path: Path): boolean {
    const segments = segmentsOf(path);
    const parts = this.#object.parts.slice(0, segments.length);
    return segments.length < this.#depth && matches({ ...this.#object, parts }, segments);
  }
}

/** The window of a server, and its end where there is more. */
type Over = {
  readonly rows: readonly Path[];
  readonly window: ReadonlySet<Path>;
  readonly end: Place | null;
};

/** What is in one of two sets only. */
function apart(one: ReadonlySet<Path>, other: ReadonlySet<Path>): readonly Path[] {
  return [...one, ...other].filter((path) => one.has(path) !== other.has(path));
}

/** What kept the rows from being found, as an error of ours; one of another kind is its cause. */
function troubleOf(failure: unknown): HoldfastError {
  if (failure instanceof HoldfastError) return failure;
  return new HoldfastError('internal_error', { cause: failure });
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}
