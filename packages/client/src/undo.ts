import {
  changesBetween,
  type Direction,
  type Fate,
  Group,
  leavesAround,
  rootsOf,
  type Step,
  UndoHistory,
  type UndoView,
} from '@holdfast/engine/undo';
import {
  isRefusal,
  type Path,
  RejectedError,
  type Request,
  type Transaction as TransactionRequest,
} from '@holdfast/protocol';
import type { Signal } from '@holdfast/engine/registry';
import type { ListPage, ShownEntry } from '@holdfast/engine/replica';
import { Cell } from './cell.ts';
import { arounds, holds } from './doors.ts';
import type { Hold } from './hold.ts';
import type { Page } from './listing.ts';
import { checkOptions } from './mistakes.ts';
import { type Receipt, WriteReceipt } from './receipt.ts';
import type { Store } from './store.ts';
import type { Transaction } from './transaction.ts';

/** Undo and redo of what is written through one handle of a store. */
export interface UndoManager extends Disposable {
  /** Whether there is something to take back, or to bring back; not while a write waits that was made before the store was here. */
  readonly canUndo: Signal<boolean>;
  readonly canRedo: Signal<boolean>;
  /**
   * Takes the newest step back by a write of its own, shown at once; null: there is none, or it cannot be taken back yet (see
   * `canUndo`). Throws a `ConflictError` with the `path` where somebody else has changed it since; the server decides so, too,
   * and then its receipt rejects.
   */
  undo(): Receipt | null;
  /** Brings back what was undone last. */
  redo(): Receipt | null;
  /**
   * Makes one step of all that the callback writes; where it gives a promise, of all that is written through the handle until
   * that is settled, such as while something is dragged.
   */
  group<T>(write: () => T): T;
  /** Gives up the newest step, such as one in conflict. */
  drop(way?: 'undo' | 'redo'): void;
  /** Forgets everything. */
  clear(): void;
  /** Looks at the handle's writes no more. */
  close(): void;
}

const pageSize = 500;

/** Begins to note what is written through a handle, so that it can be undone: at most `limit` steps (default 100). */
export function undoManager(store: Store, options: { readonly limit?: number } = {}): UndoManager {
  checkOptions('undoManager', options, { limit: 'number' });
  const { limit = 100 } = options;
  if (!(Number.isInteger(limit) && limit >= 1)) {
    throw new RangeError('undoManager: "limit" must be a whole number from 1.');
  }
  if (arounds.has(store)) throw new TypeError('This handle has an undo manager already.');
  return new HandleUndo(store, limit);
}

class HandleUndo implements UndoManager {
  readonly canUndo: Cell<boolean>;
  readonly canRedo: Cell<boolean>;
  readonly #store: Store;
  readonly #view: UndoView;
  readonly #history: UndoHistory;
  readonly #unsubscribe: () => void;
  /** Which way the write goes that is being made; null: it is the user's own. */
  #way: Direction | null = null;
  /** What is written into one step, until that is over. */
  #group: Group | null = null;
  /** Not decided yet, and made before anybody here knew what was there: it might be taken back to nothing. */
  readonly #blind = new Set<Receipt>();

  constructor(store: Store, limit: number) {
    this.#store = store;
    const hold = holds.get(store);
    // One that only writes cannot see what it changes.
    if (hold === undefined || hold.part.globs.length === 0) {
      throw new RejectedError('out_of_scope', { scope: [] });
    }
    this.#view = viewOf(hold);
    this.#history = new UndoHistory(limit);
    this.canUndo = new Cell(false, raise);
    this.canRedo = new Cell(false, raise);
    arounds.set(store, (request, write) => {
      if (isOfFlight(request)) return write();
      const roots = rootsOf(request);
      const isHere = hold.part.beyond(hold.slot.store.replica?.status().held ?? []).length === 0;
      const before = leavesAround(this.#view, roots);
      const receipt = write();
      if (!isHere) this.#blind.add(receipt);
      const changes = changesBetween(before, leavesAround(this.#view, roots));
      const rebasedAt = (): readonly Path[] =>
        receipt instanceof WriteReceipt ? receipt.rebasedAt : roots;
      this.#note({ roots, changes, fate: () => fateOf(receipt), rebasedAt });
      return receipt;
    });
    // A write that is refused is no step any more.
    this.#unsubscribe = store.status.subscribe(() => this.#show());
  }

  undo(): Receipt | null {
    return this.#take('undo');
  }

  redo(): Receipt | null {
    return this.#take('redo');
  }

  group<T>(write: () => T): T {
    if (this.#group !== null) return write();
    const group = new Group();
    this.#group = group;
    const end = (): void => {
      this.#cut();
      this.#group = null;
    };
    let isOver = true;
    try {
      const written = write();
      if (written instanceof Promise) {
        isOver = false;
        written.then(end, end);
      }
      return written;
    } finally {
      if (isOver) end();
    }
  }

  drop(way: Direction = 'undo'): void {
    this.#cut();
    this.#history.drop(way);
    this.#show();
  }

  clear(): void {
    this.#group?.take();
    this.#history.clear();
    this.#show();
  }

  close(): void {
    arounds.delete(this.#store);
    this.#unsubscribe();
    this.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(way: Direction): Receipt | null {
    this.#cut();
    if (this.#isBlind) return null;
    const plan = this.#history.plan(way, this.#view);
    if (isRefusal(plan)) throw RejectedError.from(plan);
    this.#show();
    if (plan === null) return null;
    this.#way = way;
    try {
      return this.#store.transact((tx) => fill(tx, plan));
    } finally {
      this.#way = null;
    }
  }

  #note(step: Step): void {
    if (this.#way !== null) this.#history.took(this.#way, step);
    else if (this.#group !== null) this.#group.add(step);
    else this.#history.wrote(step);
    this.#show();
  }

  /** What a group has by now is a step; what comes, another. */
  #cut(): void {
    if (this.#group?.isEmpty === false) this.#history.wrote(this.#group.take());
    this.#show();
  }

  get #isBlind(): boolean {
    for (const receipt of this.#blind) if (receipt.outcome !== null) this.#blind.delete(receipt);
    return this.#blind.size > 0;
  }

  #show(): void {
    const isBlind = this.#isBlind;
    // What a group has is written already, though it is no step yet.
    const hasMore = this.#group?.isEmpty === false;
    this.canUndo.set(!isBlind && (hasMore || this.#history.count('undo') > 0));
    this.canRedo.set(!isBlind && !hasMore && this.#history.count('redo') > 0);
  }
}

/** What a single flight writes is no edit of the user's. */
function isOfFlight(request: Request): boolean {
  return 'fence' in request && request.fence.key.startsWith('_dust:sf/');
}

/**
 * In the order of paths everything below `a` lies from `a/` up to `a0`, the character after the slash. What is not in the
 * part that the handle is of is not there.
 */
function viewOf({ slot, part }: Hold): UndoView {
  const list = (from: string, to: string, page: ListPage): Page<ShownEntry> =>
    slot.store.replica?.entries({ from, to }, page) ?? { items: [], next: null };
  const known = (path: Path): 'all' | 'leaf' | 'nothing' => {
    try {
      return part.readsLeaf(path) ? 'leaf' : 'all';
    } catch {
      return 'nothing';
    }
  };
  return {
    leaf: (path) =>
      known(path) === 'nothing' ? undefined : list(path, `${path}\0`, { limit: 1 }).items[0],
    *below(path) {
      if (known(path) !== 'all') return;
      for (let after: Path | null | undefined; after !== null;) {
        const page = list(`${path}/`, `${path}0`, {
          limit: pageSize,
          ...(after !== undefined && { after }),
        });
        yield* page.items;
        after = page.next;
      }
    },
    knows: (path) => known(path) === 'all',
  };
}

function fill(tx: Transaction, { ops, preconditions }: TransactionRequest): void {
  for (const condition of preconditions) {
    if (condition.kind === 'equals') tx.equals(condition.path, condition.value);
    else if (condition.kind === 'exists') tx.exists(condition.path);
    else if (condition.kind === 'if_absent') tx.ifAbsent(condition.path);
  }
  for (const op of ops) {
    if (op.op === 'set') tx.put(op.path, op.value);
    else if (op.op === 'merge') tx.merge(op.path, op.value);
    else if (op.op === 'delete') tx.delete(op.path);
    else if (op.op === 'increment') tx.increment(op.path, op.value);
    else if (op.op === 'add') tx.add(op.path, op.value);
    else if (op.op === 'remove') tx.remove(op.path, op.value);
  }
}

/** A listener that throws does so in a task of its own: the platform tells. */
function raise(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

function fateOf({ outcome }: Receipt): Fate {
  if (outcome === null) return 'pending';
  if (outcome.status === 'refused') return outcome.reason === 'cancelled' ? 'cancelled' : 'refused';
  return outcome.rebasedOver.length > 0 ? 'rebased' : 'committed';
}
