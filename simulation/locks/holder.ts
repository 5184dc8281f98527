import { type Lease, RejectedError, type Store } from '@holdfast/client';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { guardedBy, guardedPrefix } from '../validators/leases.ts';
import { madePrefix } from './licences.ts';
import type { LockMutant } from './mutants.ts';

export const storeName = 'acme/app';
const keepMsMax = 8000;
const computeMsMax = 9000;
const ttls = [3000, 8000, 20_000] as const;
/** After so long whoever was told that its write is fenced knows that the lock is lost. */
const toldMs = 4000;

/** What a holder of locks does. */
export type LockDeed = 'claim' | 'compute' | 'forget' | 'write';

/** Who waits for something, and since when. */
type Waiting = { readonly what: string; readonly since: number };

/** Somebody who takes a lock for a while, writes what it fences, and computes what is computed once for all. */
export class Holder {
  readonly device: Device;
  /** The locks that it has had, and believes in until their signals say otherwise. */
  readonly leases: Lease[] = [];
  readonly waiting = new Set<Waiting>();
  fenced = 0;
  computed = 0;
  refused = 0;
  readonly #world: World;
  readonly #spoils: (mutant: LockMutant) => boolean;
  #writes = 0;

  constructor(world: World, name: string, spoils: (mutant: LockMutant) => boolean) {
    this.#world = world;
    this.#spoils = spoils;
    this.device = world.device(name, { durable: false });
    void this.store;
  }

  get store(): Store {
    return this.device.store(storeName);
  }

  get believes(): boolean {
    return this.leases.some(({ signal }) => !signal.aborted);
  }

  act(does: LockDeed, dice: Dice): void {
    if (does === 'claim') void this.#claim(dice);
    else if (does === 'compute') void this.#compute(dice);
    else if (does === 'forget') this.#write(`delete ${madePrefix}`, this.#forget(dice));
    else this.#write('write', this.store.put(`plain/${this.#next()}`, 1).committed);
  }

  /** Takes the lock, and lets go of it at once: whether that can be. */
  async takesInTurn(): Promise<boolean> {
    const taking = this.store.lease(guardedBy, { ttl: 3000, heartbeat: false });
    return taking.then(
      (lease) => lease.release(),
      () => false,
    );
  }

  /** Takes the lock for a while, and writes what only its holder may. */
  async #claim(dice: Dice): Promise<void> {
    const [ttl, keepMs, parting] = [dice.pick(ttls), dice.below(keepMsMax), dice.below(3)];
    const lease = await this.#wait('the lock', this.store.lease(guardedBy, { ttl }));
    if (lease === null) return;
    this.leases.push(lease);
    for (let left = 3; left > 0; left--) {
      await this.#world.sleep(keepMs / 3);
      const isForged = this.#spoils('who holds nothing writes what is fenced');
      const [token, fence] = isForged ? [-1, {}] : [lease.token, { fence: lease }];
      const { committed } = this.store.put(`${guardedPrefix}${this.#next()}`, token, fence);
      this.#write('a fenced write', committed, () => this.#wasFenced(lease));
    }
    if (parting === 0) await this.#wait('letting go', lease.release());
    else if (parting === 1) lease.stop();
  }

  #wasFenced({ signal, token }: Lease): void {
    const isDeaf = this.#spoils('who is fenced is not told');
    this.#world.later(toldMs, () => {
      if (signal.aborted && !isDeaf) return;
      this.#world.problem(`told: ${this.device.name} is fenced, and still believes in ${token}`);
    });
  }

  async #compute(dice: Dice): Promise<void> {
    const [key, ttl] = [`${madePrefix}${dice.below(3)}`, dice.pick(ttls)];
    const runMs = dice.below(computeMsMax);
    const compute = async (): Promise<string> => {
      await this.#world.sleep(runMs);
      return `${this.device.name} ${this.#next()}`;
    };
    const found = await this.#wait(key, this.store.once(key, compute, { ttl }));
    if (found !== null) this.computed += 1;
  }

  #forget(dice: Dice): Promise<unknown> {
    return this.store.delete(`${madePrefix}${dice.below(3)}`).committed;
  }

  #write(what: string, committed: Promise<unknown>, fenced?: () => void): void {
    const isDeaf = this.#spoils('who is fenced is not told');
    const told = committed.then(
      () => (this.fenced += 1),
      (error: unknown) => {
        const isFenced = error instanceof RejectedError && error.code === 'fenced';
        if (isFenced || isDeaf) fenced?.();
      },
    );
    void this.#wait(what, told);
  }

  /** What is waited for; null where it is refused. */
  async #wait<T>(what: string, coming: Promise<T>): Promise<T | null> {
    const waiting = { what, since: this.#world.now };
    this.waiting.add(waiting);
    try {
      return await coming;
    } catch (error) {
      this.refused += 1;
      this.#world.note(this.device.name, `${what}: ${String(error)}`);
      return null;
    } finally {
      if (!this.#spoils('a waiter is forgotten')) this.waiting.delete(waiting);
    }
  }

  #next(): string {
    this.#writes += 1;
    return `${this.device.name}${this.#writes}`;
  }
}
