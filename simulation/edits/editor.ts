import { ConflictError, type Receipt, RejectedError, type Store } from '@holdfast/client';
import { undoManager, type UndoManager } from '@holdfast/client/undo';
import type { OpId, Request } from '@holdfast/protocol';
import { isClosed, type Seat } from '../browser/row.ts';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { textOf } from '../text.ts';
import type { EditMutant } from './mutants.ts';

export const storeName = 'acme/app';

/** What somebody hears of whoever computes something for all. */
export type Flown = { readonly key: string; readonly text: string };

/** What an editor tells. */
export type Desk = {
  readonly complain: (word: string, text: string) => void;
  readonly spoils: (mutant: EditMutant) => boolean;
};

type State = ReadonlyMap<string, string>;

const ttlMs = 3000;
const waitMs = 10_000;
/** Who computes, loses the lease and computes again, each time behind a server that is away, is done by then. */
const landedMs = 120_000;

/** Who edits what others edit, and what nobody else does, takes it back and does it again; and computes what all need once. */
export class Editor {
  readonly device: Device;
  /** What took back, or brought back. */
  readonly turned = new Map<OpId, Request>();
  readonly flown: Flown[] = [];
  readonly #world: World;
  readonly #seat: Seat;
  readonly #desk: Desk;
  #shared: UndoManager | null = null;
  #own: { readonly store: Store; readonly undo: UndoManager } | null = null;
  /** What is to be shown of its own, and was, and would be again. */
  #now: State = new Map();
  #past: State[] = [];
  #next: State[] = [];
  #count = 0;
  /** So many were turned when one was refused: those before may be refused as well, for they may rest on it. */
  #forgiven = 0;

  constructor(world: World, seat: Seat, desk: Desk) {
    this.#world = world;
    this.#seat = seat;
    this.#desk = desk;
    this.device = seat.take({
      onCrash: () => {
        this.#own = null;
        this.#shared = null;
      },
      onRestart: () => this.#start(),
    });
    this.#start();
  }

  get store(): Store {
    return this.device.store(storeName);
  }

  act(does: string, dice: Dice): void {
    if (!this.#seat.isAwake() || this.#own === null) return;
    if (does === 'write') this.#write(this.store, `doc/${dice.below(5)}`, dice);
    else if (does === 'own') this.#edit(dice);
    else if (does === 'once') void this.#compute(dice);
    else this.#turn(does === 'redo' ? 'redo' : 'undo', dice);
  }

  /** What nobody else writes is shown as it was left. */
  look(when: string): void {
    if (this.#own === null) return;
    const [found, wanted] = [this.#shown(), this.#now].map((state) => textOf([...state]));
    if (found === wanted) return;
    this.#desk.complain('undone', `${when}, ${this.device.name} shows ${found} for ${wanted}`);
  }

  #start(): void {
    const { store } = this;
    const begin = (): void => {
      if (isClosed(this.device)) return;
      // What a former life left is settled first: a redo among it may yet be refused.
      if (this.store !== store || this.#own !== null || store.status.get().pending > 0) return;
      const own = this.device.client.store(storeName);
      this.#own = { store: own, undo: undoManager(own) };
      this.#shared = undoManager(store);
      this.#now = this.#shown();
      this.#past = [];
      this.#next = [];
    };
    const ready = (): void => {
      begin();
      if (this.#own === null) store.status.subscribe(begin);
    };
    // Its page may be left before.
    store.ready.then(ready, () => undefined);
  }

  /** Where nobody else writes. */
  get #place(): string {
    const { name, lives } = this.device;
    return this.#seat.isShared ? `own/${name}-${lives}` : `own/${name}`;
  }

  #shown(): State {
    const { items } = this.store.entries(`${this.#place}/**`);
    return new Map(
      items.map(({ path, value }) => [path, typeof value === 'string' ? value : textOf(value)]),
    );
  }

  #write(store: Store, path: string, dice: Dice): string | null {
    this.#count += 1;
    const value = `${this.device.name} ${this.device.lives} ${this.#count}`;
    const roll = dice.below(10);
    if (roll < 2) {
      store.delete(path);
      return null;
    }
    // Others may have been there first.
    if (roll < 4) {
      const known = store.get(path);
      const receipt = store.transact((tx) => {
        if (known === undefined) tx.ifAbsent(path);
        else tx.equals(path, known);
        tx.put(path, value);
      });
      if (path.startsWith('own/')) this.#heed(receipt);
    } else store.put(path, value);
    return value;
  }

  #edit(dice: Dice): void {
    const own = this.#own;
    if (own === null) return;
    const next = new Map(this.#now);
    const count = 1 + dice.below(2);
    own.undo.group(() => {
      for (let left = count; left > 0; left--) {
        const path = `${this.#place}/${dice.below(4)}`;
        const value = this.#write(own.store, path, dice);
        if (value === null) next.delete(path);
        else next.set(path, value);
      }
    });
    const sorted = new Map([...next].toSorted(([a], [b]) => (a < b ? -1 : 1)));
    if (textOf([...sorted]) !== textOf([...this.#now])) {
      this.#past.push(this.#now);
      this.#next = [];
      this.#now = sorted;
    }
    this.look('after an edit');
  }

  #turn(way: 'undo' | 'redo', dice: Dice): void {
    if (dice.chance(0.5)) this.#turnOwn(way);
    else this.#turnShared(way);
  }

  #turnOwn(way: 'undo' | 'redo'): void {
    const [from, to] = way === 'undo' ? [this.#past, this.#next] : [this.#next, this.#past];
    const isSpoiled = from.length > 0 && this.#desk.spoils('an undo is left out');
    const own = this.#own;
    const receipt = isSpoiled ? null : (own?.undo[way]() ?? null);
    if (receipt !== null) this.#heed(receipt);
    const state = from.pop();
    if (state !== undefined) {
      to.push(this.#now);
      this.#now = state;
    }
    this.#note(receipt);
    this.look(`after ${way}`);
  }

  /**
   * Nobody else writes what is its own, so an undo of that is refused only because something has come beside it meanwhile, or
   * because it rests on one that was refused so. Its author then goes on from what is there.
   */
  #heed(receipt: Receipt): void {
    const own = this.#own;
    const { size } = this.turned;
    receipt.committed.catch((error: unknown) => {
      if (own === null || own !== this.#own || !(error instanceof RejectedError)) return;
      if (isClosed(this.device)) return;
      const segments = String(error.details['path']).split('/');
      // What came beside is told by the path above it; a leaf of its own only where that rests on what was refused.
      if (segments.length > 2 && size >= this.#forgiven) return;
      this.#forgiven = this.turned.size;
      own.undo.clear();
      this.#now = this.#shown();
      this.#past = [];
      this.#next = [];
    });
  }

  #turnShared(way: 'undo' | 'redo'): void {
    try {
      const receipt = this.#shared?.[way]() ?? null;
      this.#note(receipt);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      this.#shared?.drop(way);
    }
    if (this.#desk.spoils('an undo takes back what is of others')) {
      this.#note(this.store.put('doc/0', 'nobody'));
    }
  }

  #note(receipt: Receipt | null): void {
    if (receipt === null) return;
    const { opId } = receipt;
    const made = this.store.outbox.list().find((each) => each.opId === opId);
    if (made !== undefined) this.turned.set(opId, made.request);
  }

  async #compute(dice: Dice): Promise<void> {
    const { lives, name } = this.device;
    const key = `once/${dice.below(6)}`;
    const isLost = this.#desk.spoils('a flight never lands');
    let isOver = false;
    this.#world.later(landedMs, () => {
      if ((isOver && !isLost) || this.device.lives !== lives) return;
      this.#desk.complain('landed', `${name} has waited for ${key} for ${landedMs} ms`);
    });
    const takesMs = dice.below(2 * ttlMs);
    this.#count += 1;
    const value = `${name} ${this.#count}`;
    const compute = async (): Promise<string> => {
      await this.#seat.pause(takesMs);
      return value;
    };
    try {
      const flight = await this.store.once(key, compute, { ttl: ttlMs, waitTimeout: waitMs });
      const isSpoiled = this.#desk.spoils('a flight tells of another value');
      const text = JSON.stringify(isSpoiled ? 'another' : flight.value);
      // What one's own client is about to write may not come to be.
      const isPending = this.store.entry(key)?.pending === true;
      // What is computed in a process that is gone by then is told to nobody.
      const isThere = this.device.lives === lives && !isPending;
      if (flight.how !== 'uncoordinated' && isThere) this.flown.push({ key, text });
    } catch (error) {
      this.#world.note(name, `once: ${String(error)}`);
      const isTakenBack = error instanceof RejectedError && error.code === 'cancelled';
      if (isTakenBack) this.#desk.complain('flight', `${name} was told that ${key} is cancelled`);
    }
    isOver = true;
  }
}
