import {
  type Lease,
  type LeaseOptions,
  RejectedError,
  type Store,
  type Transaction,
} from '@holdfast/client';
import { deferred } from '@holdfast/engine/registry';
import { asPath, type Path } from '@holdfast/protocol';
import { isClosed, type Seat } from '../browser/row.ts';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { guardedBy, guardedPrefix } from '../validators/leases.ts';
import { bank, coinsEach, type Deal, type Guard } from './checks.ts';
import type { GuardMutant } from './mutants.ts';

export const storeName = 'acme/app';

const accounts = 4;
const ttlMsMax = 3000;

/** Who moves coins between accounts by what it sees in them, and waits for a lease under which it does more. */
export class Trader {
  readonly device: Device;
  readonly deals: Deal[] = [];
  /** How often it had the lease, and how often it had to wait for it. */
  held = 0;
  waited = 0;
  readonly #world: World;
  readonly #seat: Seat;
  readonly #spoils: (mutant: GuardMutant) => boolean;
  /** The life in which it waits for the lease, or has it. */
  #claiming: number | null = null;

  constructor(world: World, seat: Seat, spoils: (mutant: GuardMutant) => boolean) {
    this.#world = world;
    this.#seat = seat;
    this.#spoils = spoils;
    this.device = seat.take({});
  }

  get store(): Store {
    return this.device.store(storeName);
  }

  /** Whether it waits for the lease, or has it. */
  get isClaiming(): boolean {
    return this.#claiming === this.device.lives;
  }

  act(does: 'trade' | 'claim', dice: Dice): void {
    if (!this.#seat.isAwake() || !this.store.status.get().synced) return;
    if (does === 'trade') this.#trade(dice);
    else if (!this.isClaiming) void this.#claim(dice);
  }

  #trade(dice: Dice, lease?: Lease): void {
    const from = dice.below(accounts);
    const to = (from + 1 + dice.below(accounts - 1)) % accounts;
    const [giver, taker] = [placeOf(from), placeOf(to)];
    const [has, gets] = [this.#shareOf(giver), this.#shareOf(taker)];
    // Who is left with what everybody had at first has no leaf.
    const count = dice.chance(0.3) ? has - coinsEach : 1 + dice.below(9);
    const made = this.#spoils('a coin is made') ? 1 : 0;
    const guards = [
      ...[giver, taker].map((path) => this.#guardOf(path, dice)),
      ...(dice.chance(0.1) ? [this.#guardOf(bank, dice)] : []),
    ];
    const leaves = [
      ...this.#leafOf(giver, has - count),
      ...this.#leafOf(taker, gets + count + made),
    ];
    if (leaves.length === 0) return;
    const mark = asPath(`${guardedPrefix}${dice.below(3)}`);
    if (lease === undefined) this.#make({ guards, leaves });
    else if (this.#spoils('who holds nothing writes what is fenced')) {
      this.#make({ guards, leaves: [...leaves, [mark, 0]] });
    } else this.#make({ guards, leaves: [...leaves, [mark, lease.token]] }, lease);
  }

  #shareOf(path: Path): number {
    return Number(this.store.get(path) ?? coinsEach);
  }

  /** What is written where somebody is to have so much, and has a leaf or none. */
  #leafOf(path: Path, share: number): Deal['leaves'] {
    if (share !== coinsEach) return [[path, share]];
    return this.store.get(path) === undefined ? [] : [[path, null]];
  }

  /** One of the ways to say that a place is as it is seen. */
  #guardOf(path: Path, dice: Dice): Guard {
    const value = this.store.get(path);
    if (value === undefined) return { kind: 'ifAbsent', path };
    const entry = this.store.entry(path);
    const isKnown = entry !== undefined && !entry.pending;
    return isKnown && dice.chance(0.4)
      ? { kind: 'ifMatch', path, revision: entry.revision }
      : { kind: 'equals', path, value };
  }

  #make({ guards, leaves }: Pick<Deal, 'guards' | 'leaves'>, lease?: Lease): void {
    const { store } = this;
    const from = store.status.get().seq;
    const isForgotten = this.#spoils('a guard is forgotten');
    const isTorn = this.#spoils('a transaction is torn');
    const receipt = store.transact((tx) => {
      if (lease !== undefined) tx.fence(lease);
      for (const guard of isForgotten ? [] : guards) rely(tx, guard);
      for (const [path, value] of isTorn ? leaves.slice(1) : leaves) {
        if (value === null) tx.delete(path);
        else tx.put(path, value);
      }
    });
    const at = this.deals.push({ receipt, guards, leaves, from, toldAt: null }) - 1;
    const told = (): void => {
      const deal = this.deals[at];
      if (deal !== undefined) this.deals[at] = { ...deal, toldAt: this.#world.now };
    };
    receipt.committed.then(told, told);
  }

  /** Waits for the lease, trades under it, and lets go of it, or does not. */
  async #claim(dice: Dice): Promise<void> {
    const { lives } = this.device;
    const { store } = this;
    this.#claiming = lives;
    // Some of them end amid what is done under them.
    const terms = { ttl: 1 + dice.below(ttlMsMax), heartbeat: dice.chance(0.5) };
    const lease = await this.#wait(store, terms, lives);
    if (lease === null) return;
    this.held += 1;
    for (let left = 1 + dice.below(3); left > 0; left--) {
      if (this.device.lives !== lives || isClosed(this.device)) return;
      this.#trade(dice, lease);
      await this.#seat.pause(dice.below(800));
    }
    if (dice.chance(0.3)) lease.stop();
    else await lease.release().catch(() => false);
    if (this.device.lives === lives) this.#claiming = null;
  }

  /** Asks for the lease until it is free: again when it is let go of, or has ended, or the server can be asked. */
  async #wait(store: Store, terms: LeaseOptions, lives: number): Promise<Lease | null> {
    if (this.#spoils('a waiter is forgotten')) return null;
    while (this.device.lives === lives) {
      try {
        return await store.lease(guardedBy, terms);
      } catch (error) {
        const isHeld = error instanceof RejectedError && error.code === 'held';
        if (isHeld) this.waited += 1;
        if (isClosed(this.device)) return null;
        await this.#changed(store);
      }
    }
    return null;
  }

  /** The lease has changed hands, or might end by itself. */
  async #changed(store: Store): Promise<void> {
    const { promise: told, resolve: tell } = deferred<void>();
    const stop = store.on(guardedBy, () => tell());
    await Promise.race([told, this.#seat.pause(1000)]);
    stop();
  }
}

function placeOf(account: number): Path {
  return asPath(`${bank}/${account}`);
}

function rely(tx: Transaction, guard: Guard): void {
  if (guard.kind === 'ifAbsent') tx.ifAbsent(guard.path);
  else if (guard.kind === 'ifMatch') tx.ifMatch(guard.path, guard.revision);
  else tx.equals(guard.path, guard.value);
}
