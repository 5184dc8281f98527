import {
  asPath,
  type CollectionDef,
  globOf,
  HoldfastError,
  isObject,
  type Path,
  type Query,
  RejectedError,
} from '@holdfast/protocol';
import type { Evaluation, Row } from '@holdfast/engine/collection';
import { Beat } from '@holdfast/engine/record';
import { type Deferred, deferred, type Lasting } from '@holdfast/engine/registry';
import type { Hold } from '../hold.ts';
import { Part } from '../part.ts';
import type { Store } from '../store.ts';
import { patternOf } from '../watch.ts';
import { pendingAt } from './pending.ts';
import { reachOf } from './reach.ts';
import type { Rows } from './rows.ts';
import type { CollectionState } from './types.ts';
import type { SlotWatch, WideWatched } from './watch.ts';

/** What is shown of a collection before anything is known of it. */
export const noRows: CollectionState<never> = /* @__PURE__ */ Object.freeze({
  rows: [],
  status: 'idle',
  ready: false,
  hasMore: false,
  endCursor: null,
});

/** What the collections of a client share. */
export type CollectionDesk = {
  open(store: string, scope: readonly string[]): { readonly store: Store; readonly hold: Hold };
  watch(hold: Hold): SlotWatch;
  closed(entry: CollectionEntry): void;
  readonly report: (error: unknown) => void;
};

type Tools = { readonly Evaluation: typeof Evaluation; readonly Rows: typeof Rows };

/**
 * A live set of records for as long as it is here: held in the client's replica and evaluated there, by the same code as on
 * the server (records.md §14.3), so that own writes show at their place at once.
 */
export class CollectionEntry implements Lasting, WideWatched {
  readonly isBusy = false;
  readonly def: CollectionDef;
  readonly values: Beat<readonly unknown[]>;
  readonly state: Beat<CollectionState<unknown>>;
  readonly #desk: CollectionDesk;
  readonly #glob: string;
  readonly #part: Part;
  readonly #depth: number;
  #query: Query;
  #opened: { store: Store; hold: Hold; leave: () => void } | null = null;
  #evaluation: Evaluation | null = null;
  /** Objects that may have changed; null: any may have. */
  #touched: Set<Path> | null = null;
  /** What evaluates is loaded when the first collection is opened. */
  #tools: Tools | null = null;
  #rows: Rows | null = null;
  #ready: Deferred<void> | null = null;

  constructor(def: CollectionDef, desk: CollectionDesk) {
    this.def = def;
    this.#desk = desk;
    this.#query = def.query;
    this.#glob = globOf(def.record.path, def.query.params);
    this.#depth = def.record.path.split('/').length;
    this.#part = new Part({ scope: [`${this.#glob}/**`] });
    this.values = new Beat<readonly unknown[]>(noRows.rows, desk.report);
    this.state = new Beat<CollectionState<unknown>>(noRows, desk.report);
  }

  get key(): string {
    return this.def.key;
  }

  /** The keys of records begin with it. */
  get store(): string {
    return globOf(this.def.record.store, this.#query.params);
  }

  open(): void {
    const scope = [...this.#part.globs, '_hf:schema/*'];
    const { store, hold } = this.#desk.open(this.store, scope);
    this.#opened = { store, hold, leave: this.#desk.watch(hold).addWide(this) };
    this.#touched = null;
    void this.#load();
    this.look();
    this.tell();
  }

  async #load(): Promise<void> {
    try {
      this.#tools ??= await import('./evaluate.ts');
      this.#rows ??= new this.#tools.Rows(this.def.record, this.store, this.#desk.report);
    } catch (error) {
      this.#desk.report(error);
    }
    this.look();
    this.tell();
  }

  close(): void {
    this.#opened?.leave();
    this.#opened?.store.close();
    this.#opened = null;
    this.#evaluation = null;
    this.#desk.closed(this);
    this.#show({ ...this.state.get(), status: 'closed' });
    this.tell();
  }

  /** Resolves when it is known which rows there are. */
  ready(): Promise<void> {
    const ready = (this.#ready ??= deferred<void>());
    this.#settle();
    return ready.promise;
  }

  widen(count: number = this.def.query.limit): void {
    if (!(Number.isSafeInteger(count) && count > 0)) {
      throw new RejectedError('invalid_query', { field: 'limit' });
    }
    this.#query = { ...this.#query, limit: this.#query.limit + count };
    this.#touched = null;
    this.look();
    this.tell();
  }

  touch(path: Path | null): boolean {
    if (path === null) {
      this.#touched = null;
      return true;
    }
    const segments = path.split('/');
    if (segments.length < this.#depth) {
      // What is above may have changed any below: the leaves that it changed are told one by one.
      return false;
    }
    const object = asPath(segments.slice(0, this.#depth).join('/'));
    if (this.def.record.match(object) === null) return false;
    this.#touched?.add(object);
    return true;
  }

  look(): void {
    const { hold } = this.#opened ?? {};
    if (hold === undefined) return;
    const { slot } = hold;
    const { error } = slot.status.get();
    const { replica } = slot.opened ?? {};
    const reach = replica && reachOf(this.#part, replica.status());
    const trouble = error && { error };
    if (reach?.isDenied === true) this.#show({ ...noRows, status: 'denied', ...trouble });
    else if (reach?.lacks === false && this.#tools !== null) {
      this.#evaluate(hold, this.#tools, error);
    } else this.#show({ ...this.state.get(), status: 'loading', ...trouble });
  }

  tell(): void {
    this.#settle();
    this.values.tell();
    this.state.tell();
  }

  #settle(): void {
    const { status, ready, error } = this.state.get();
    if (ready) this.#ready?.resolve();
    else if (status === 'denied' || status === 'closed') {
      this.#ready?.reject(error ?? new HoldfastError(status));
    } else return;
    this.#ready = null;
  }

  #evaluate({ slot }: Hold, tools: Tools, error: unknown): void {
    try {
      if (this.#touched === null || this.#evaluation === null) {
        this.#evaluation = new tools.Evaluation(this.def.record.name, this.#query, this.#all());
      } else this.#evaluation.change([...this.#touched].map((path) => this.#rowOf(path)));
      this.#touched = new Set();
    } catch (failure) {
      this.#show({ ...this.state.get(), status: 'stale', error: failure });
      return;
    }
    const { rows: paths, hasMore, endCursor } = this.#evaluation.window;
    const outbox = slot.outbox();
    const version = this.#version();
    const rows = paths.flatMap((path) => {
      const json = slot.opened?.replica?.read(path)?.value;
      const pending = outbox.length === 0 ? 0 : pendingAt(path, outbox);
      return json === undefined ? [] : (this.#rows?.rowOf({ path, json, pending }, version) ?? []);
    });
    const status = { status: 'ok', ready: true, hasMore, endCursor } as const;
    this.#show({ rows, ...status, ...(error !== undefined && { error }) });
  }

  /** Every object of the pattern, as it is shown. */
  *#all(): Generator<Row> {
    const replica = this.#opened?.hold.slot.opened?.replica;
    const pattern = patternOf(`${this.#glob}/**`);
    let last: Path | null = null;
    for (const { path } of replica?.entries({ pattern }).items ?? []) {
      const object = asPath(path.split('/').slice(0, this.#depth).join('/'));
      if (object === last) continue;
      last = object;
      yield this.#rowOf(object);
    }
    // An object without members is a leaf of its own.
    for (const { path } of replica?.entries({ pattern: patternOf(this.#glob) }).items ?? []) {
      yield this.#rowOf(path);
    }
  }

  #rowOf(path: Path): Row {
    const replica = this.#opened?.hold.slot.opened?.replica;
    const value = replica?.read(path)?.value;
    if (!isObject(value)) this.#rows?.forget(path);
    return { path, value: isObject(value) ? value : undefined };
  }

  #version(): string {
    const { record } = this.def;
    const { replica } = this.#opened?.hold.slot.opened ?? {};
    const leaf = replica?.committed(asPath(`_hf:schema/${record.name}`))?.value;
    return typeof leaf === 'string' ? leaf : record.version;
  }

  #show(next: CollectionState<unknown>): void {
    const before = this.state.get();
    const isSameRows =
      next.ready === before.ready &&
      next.rows.length === before.rows.length &&
      next.rows.every((row, index) => row === before.rows[index]);
    const rows = isSameRows ? before.rows : Object.freeze(next.rows);
    const isSame =
      isSameRows &&
      next.status === before.status &&
      next.hasMore === before.hasMore &&
      next.endCursor === before.endCursor &&
      next.error === before.error;
    if (isSame) return;
    this.state.put(Object.freeze({ ...next, rows }));
    const values = this.values.get();
    const isSameValues =
      next.ready === before.ready &&
      rows.length === values.length &&
      rows.every(({ value }, index) => value === values[index]);
    if (!isSameValues) this.values.put(Object.freeze(rows.map(({ value }) => value)));
  }
}
