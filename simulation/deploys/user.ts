import type { Client } from '@holdfast/client';
import { type RecordHandle, records } from '@holdfast/client/records';
import { RejectedError } from '@holdfast/protocol';
import { type Told, toldOf, type Written } from '../records/checks.ts';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { First, ids, Later } from './task.ts';

/** What somebody does to a record. */
export type UserDeed = 'set' | 'patch' | 'remove' | 'transact';

type Handle = RecordHandle<typeof First> | RecordHandle<typeof Later>;

/** Who uses the application, in the version that it was started with last. */
export class User {
  readonly device: Device;
  readonly #told: (Told & { readonly life: Client })[] = [];
  #handles: readonly Handle[] = [];
  #isLater = false;
  #count = 0;

  constructor(world: World, name: string) {
    this.device = world.device(name, {
      records: records([First]),
      onRestart: () => this.#started(),
    });
    this.#started();
  }

  get isLater(): boolean {
    return this.#isLater;
  }

  get handles(): readonly Handle[] {
    return this.#handles;
  }

  /** What became of the writes of the client that lives now. */
  get told(): readonly Told[] {
    return this.#told.filter(({ life }) => life === this.device.client);
  }

  /** The next version starts where this one was. */
  upgrade(world: World): void {
    this.#isLater = true;
    world.crash(this.device.name, { options: { records: records([Later]) } });
  }

  act(does: UserDeed, dice: Dice): void {
    try {
      this.#told.push({ ...toldOf(this.#write(does, dice)), life: this.device.client });
    } catch (error) {
      // What its maker is told at once is nobody else's affair.
      if (!(error instanceof RejectedError)) throw error;
    }
  }

  #write(does: UserDeed, dice: Dice): Written {
    const id = dice.pick(ids);
    this.#count += 1;
    const title = `${this.device.name} ${this.#count}`;
    const { client } = this.device;
    const n = dice.below(100);
    if (!this.#isLater) {
      const task = client.record(First, { id });
      if (does === 'set') return task.set({ n, title });
      if (does === 'patch') return task.patch(dice.chance(0.5) ? { n } : { title });
      if (does === 'remove') return task.remove();
      const other = client.record(First, { id: dice.pick(ids) });
      const { group, committed } = client.transact((tx) => {
        for (const each of [task, other]) tx.record(each).set({ n, title });
      });
      return { opId: group, committed };
    }
    const task = client.record(Later, { id });
    if (does === 'set') return task.set({ count: n, title, done: true });
    if (does === 'patch') return task.patch(dice.chance(0.5) ? { count: n } : { title });
    if (does === 'remove') return task.remove();
    const other = client.record(Later, { id: dice.pick(ids) });
    const { group, committed } = client.transact((tx) => {
      for (const each of [task, other]) tx.record(each).set({ count: n, title, done: true });
    });
    return { opId: group, committed };
  }

  #started(): void {
    const { client } = this.device;
    const def = this.#isLater ? Later : First;
    this.#handles = ids.map((id) => client.record(def as typeof First, { id }));
    for (const handle of this.#handles) handle.retain();
  }
}
