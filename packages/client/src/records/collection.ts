import {
  type CollectionDef,
  globOf,
  HoldfastError,
  type Path,
  RejectedError,
  rowsMax,
} from '@holdfast/protocol';
import type { Mutator } from '@holdfast/engine/data';
import type { ClientEnv } from '../env.ts';
import type { Opened } from './delivery.ts';
import { type Finder, finder } from './finder.ts';
import { isSameState, noRows } from './idle.ts';
import type { LiveSet } from './live-set.ts';
import { Showing } from './showing.ts';
import type { CollectionState } from './types.ts';
import type { Live } from './use.ts';
import type { WideWatched } from './watch.ts';

/** What the collections of a client share. */
export type CollectionDesk = {
  open(store: string, watched: WideWatched): Opened;
  closed(entry: CollectionEntry): void;
  readonly report: (error: unknown) => void;
  readonly env: Pick<ClientEnv, 'wall'>;
  /** Runs the mutations of records. */
  readonly mutate: Mutator;
};

type State = CollectionState<unknown>;

/** A live set of records for as long as it is here; what finds its rows is loaded with the first one (records.md §14). */
export class CollectionEntry
  extends Showing<readonly unknown[], State>
  implements Live<State>, WideWatched
{
  readonly def: CollectionDef;
  readonly #desk: CollectionDesk;
  #limit: number;
  #opened: Opened | null = null;
  #set: LiveSet | null = null;

  constructor(def: CollectionDef, desk: CollectionDesk) {
    super({ value: noRows.rows, state: noRows }, desk.report);
    this.def = def;
    this.#desk = desk;
    this.#limit = def.query.limit;
  }

  get key(): string {
    return this.def.key;
  }

  open(): void {
    this.#opened = this.#desk.open(globOf(this.def.record.store, this.def.query.params), this);
    if (finder.loaded === undefined) void this.#load();
    else this.#take(finder.loaded);
    this.refresh();
  }

  async #load(): Promise<void> {
    try {
      this.#take(await import('./evaluate.ts'));
    } catch (error) {
      this.#desk.report(error);
      if (this.#opened === null) return;
      this.#show({
        ...this.state.get(),
        status: 'stale',
        error: new HoldfastError('unavailable', { cause: error }),
      });
    }
    this.refresh();
  }

  #take({ LiveSet: Loaded }: Finder): void {
    if (this.#opened === null || this.#set !== null) return;
    const { hold, watch } = this.#opened;
    const { def } = this;
    const { report, mutate, env } = this.#desk;
    const changed = (): void => watch.soil(this);
    this.#set = new Loaded({ def, hold, changed, report, own: { mutate, now: () => env.wall() } });
    if (this.#limit > def.query.limit) this.#set.widen(this.#limit);
  }

  close(): void {
    this.#set?.close();
    this.#opened?.close();
    this.#opened = null;
    this.#set = null;
    this.#desk.closed(this);
    this.#show({ ...this.state.get(), status: 'closed' });
    this.tell();
  }

  /** Resolves when it is known which rows there are. */
  ready(): Promise<void> {
    return this.waiters.until(() => this.state.get().ready || this.#trouble());
  }

  /** Resolves when the window is wider by so many. */
  async widen(count: number = this.def.query.limit): Promise<void> {
    if (!(Number.isSafeInteger(count) && count > 0 && this.#limit + count <= rowsMax)) {
      throw new RejectedError('invalid_query', { field: 'limit', limit: rowsMax });
    }
    this.#limit += count;
    this.#set?.widen(this.#limit);
    this.refresh();
    await this.waiters.until(
      () => this.#trouble() || (this.state.get().ready && this.#set?.isBehind === false),
    );
  }

  touch(path: Path | null, isOwn?: boolean): boolean {
    // Over another connection what finds its rows may be had.
    if (path === null && this.#set === null) void this.#load();
    return this.#set?.touch(path, isOwn) === true;
  }

  look(): void {
    if (this.#opened === null) return;
    const before = this.state.get();
    if (this.#set !== null) this.#show(...this.#set.look(before, this.value.get()));
    else if (before.status !== 'stale') this.#show({ ...before, status: 'loading' });
  }

  /** Why nothing more is to be known; false: more is. */
  #trouble(): unknown {
    const { status, error } = this.state.get();
    const isOver = status === 'denied' || status === 'closed';
    return status === 'stale' ? error : isOver && (error ?? new HoldfastError(status));
  }

  #show(next: State, values: readonly unknown[] = this.value.get()): void {
    if (isSameState(this.state.get(), next)) return;
    this.state.put(Object.freeze(next));
    this.value.put(values);
  }
}
