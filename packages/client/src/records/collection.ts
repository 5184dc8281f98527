import {
  type CollectionDef,
  globOf,
  HoldfastError,
  type Path,
  type Reason,
  RejectedError,
} from '@holdfast/protocol';
import { Beat } from '@holdfast/engine/record';
import { type Deferred, deferred, type Lasting } from '@holdfast/engine/registry';
import type { Hold } from '../hold.ts';
import type { Store } from '../store.ts';
import { type Finder, finder } from './finder.ts';
import { noRows } from './idle.ts';
import type { LiveSet } from './live-set.ts';
import type { CollectionState, RecordStatus } from './types.ts';
import type { SlotWatch, WideWatched } from './watch.ts';

/** What the collections of a client share. */
export type CollectionDesk = {
  open(store: string, scope: readonly string[]): { readonly store: Store; readonly hold: Hold };
  watch(hold: Hold): SlotWatch;
  closed(entry: CollectionEntry): void;
  readonly report: (error: unknown) => void;
};

/** A live set of records for as long as it is here; what finds its rows is loaded with the first one (records.md §14). */
export class CollectionEntry implements Lasting, WideWatched {
  readonly isBusy = false;
  readonly def: CollectionDef;
  readonly values: Beat<readonly unknown[]>;
  readonly state: Beat<CollectionState<unknown>>;
  readonly #desk: CollectionDesk;
  #limit: number;
  #opened: { store: Store; hold: Hold; leave: () => void } | null = null;
  #set: LiveSet | null = null;
  #ready: Deferred<void> | null = null;
  #current: Deferred<void> | null = null;

  constructor(def: CollectionDef, desk: CollectionDesk) {
    this.def = def;
    this.#desk = desk;
    this.#limit = def.query.limit;
    this.values = new Beat<readonly unknown[]>(noRows.rows, desk.report);
    this.state = new Beat<CollectionState<unknown>>(noRows, desk.report);
  }

  get key(): string {
    return this.def.key;
  }

  open(): void {
    const name = globOf(this.def.record.store, this.def.query.params);
    const { store, hold } = this.#desk.open(name, ['_hf:schema/*']);
    const watch = this.#desk.watch(hold);
    const changed = (): void => watch.soil(this);
    this.#opened = { store, hold, leave: watch.addWide(this) };
    if (finder.loaded === undefined) void this.#load(hold, changed);
    else this.#take(finder.loaded, hold, changed);
    this.#refresh();
  }

  async #load(hold: Hold, changed: () => void): Promise<void> {
    try {
      const loaded = await import('./evaluate.ts');
      if (this.#opened?.hold === hold) this.#take(loaded, hold, changed);
    } catch (error) {
      this.#desk.report(error);
    }
    this.#refresh();
  }

  #take({ LiveSet: Loaded }: Finder, hold: Hold, changed: () => void): void {
    const { def } = this;
    this.#set = new Loaded({ def, hold, changed, report: this.#desk.report });
    if (this.#limit > def.query.limit) this.#set.widen(this.#limit);
  }

  close(): void {
    this.#set?.close();
    this.#opened?.leave();
    this.#opened?.store.close();
    this.#opened = null;
    this.#set = null;
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

  /** Resolves when the window is as wide as it was asked to be. */
  current(): Promise<void> {
    const current = (this.#current ??= deferred<void>());
    this.#settle();
    return current.promise;
  }

  widen(count: number = this.def.query.limit): void {
    if (!(Number.isSafeInteger(count) && count > 0)) {
      throw new RejectedError('invalid_query', { field: 'limit' });
    }
    this.#limit += count;
    this.#set?.widen(this.#limit);
    this.#refresh();
  }

  touch(path: Path | null): boolean {
    return this.#set?.touch(path) === true;
  }

  look(): void {
    if (this.#opened === null) return;
    const before = this.state.get();
    this.#show(this.#set?.derive(before) ?? { ...before, status: 'loading' });
  }

  tell(): void {
    this.#settle();
    this.values.tell();
    this.state.tell();
  }

  #refresh(): void {
    this.look();
    this.tell();
  }

  #settle(): void {
    const { status, ready, error } = this.state.get();
    const code = hopeless[status];
    const trouble = code && (error ?? new HoldfastError(code));
    this.#ready = settled(this.#ready, { isSo: ready, trouble });
    const isSo = ready && this.#set?.isBehind === false;
    this.#current = settled(this.#current, { isSo: isSo && !trouble, trouble });
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

/** Where nothing more is to be known. */
const hopeless: { readonly [Status in RecordStatus]?: Reason } = {
  stale: 'unavailable',
  denied: 'denied',
  closed: 'closed',
};

/** Settles a promise that is waited for, if there is one, and it can be; what is still waited for then. */
function settled(
  waiting: Deferred<void> | null,
  { isSo, trouble }: { readonly isSo: boolean; readonly trouble: unknown },
): Deferred<void> | null {
  if (!isSo && trouble === undefined) return waiting;
  if (isSo) waiting?.resolve();
  else waiting?.reject(trouble);
  return null;
}
