import type { OpId } from '@holdfast/protocol';
import type { Device, DeviceOptions } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import type { AccountMutant } from './mutants.ts';

export const storeName = 'acme/app';
export const people = ['ann', 'bob', 'cleo'] as const;
export type Somebody = (typeof people)[number];

/** A write, by whom, and what its maker was told of it. */
export type Written = {
  readonly opId: OpId;
  readonly by: Somebody;
  /** Whether the cache has it. */
  isKept: boolean;
  outcome: 'committed' | 'refused' | null;
};

/** How a machine comes to its clients. */
export type Seat = (
  options: Pick<DeviceOptions, 'principal' | 'token'>,
  of: {
    /** Whose it is, when a client begins. */
    readonly account: () => string;
    readonly tenant: Required<Pick<DeviceOptions, 'onCrash' | 'onRestart'>>;
  },
) => Device;

/** What a machine tells, and asks. */
export type Desk = {
  /** What somebody has written anywhere: one tab may send it for another. */
  readonly writtenBy: (who: Somebody) => ReadonlySet<OpId>;
  readonly complain: (word: string, text: string) => void;
  readonly spoils: (mutant: AccountMutant) => boolean;
};

/** Within this time somebody else is there. */
export const closeMsMax = 400;
const pathsEach = 4;

/** A machine with one cache, at which one sits down after the other, each with an account of its own. */
export class Machine {
  readonly device: Device;
  readonly written: Written[] = [];
  readonly #world: World;
  readonly #desk: Desk;
  #who: Somebody = 'ann';
  #before: Somebody = 'ann';
  #isLeft = false;
  #count = 0;

  constructor(world: World, seat: Seat, desk: Desk) {
    this.#world = world;
    this.#desk = desk;
    this.device = seat(this.#account, {
      account: () => this.#named,
      tenant: {
        onCrash: ({ keepsCache }) => this.#crashed(keepsCache),
        onRestart: () => this.#watch(),
      },
    });
    this.#watch();
  }

  /** Who sits there. */
  get who(): Somebody {
    return this.#who;
  }

  act(does: 'write' | 'change' | 'swap', dice: Dice): void {
    if (this.device.isAsleep || this.#isLeft) return;
    if (does === 'write') this.#write(dice);
    else if (does === 'swap') this.sitDown(dice.pick(people));
    else this.#change(dice.pick(people), dice.below(closeMsMax));
  }

  /** Somebody takes the place of whoever is there, whose client ends amid whatever it does. */
  sitDown(who: Somebody): void {
    this.#before = this.#who;
    this.#who = who;
    this.#isLeft = false;
    this.device.crash({ options: this.#account });
  }

  /** Who sits there is shown nothing of anybody else, and nothing of anybody else waits to be sent. */
  look(): void {
    if (this.#isLeft) return;
    const store = this.device.store(storeName);
    const { items } = store.entries('own/**', { limit: 1000 });
    const strange = items.find(({ path }) => !path.startsWith(`own/${this.#who}/`));
    if (strange !== undefined) this.#complain('apart', `is shown ${strange.path}`);
    const own = this.#desk.writtenBy(this.#who);
    const waiting = [...store.outbox.list(), ...store.outbox.deadLetters()];
    const other = waiting.find(({ opId }) => !own.has(opId));
    if (other !== undefined) this.#complain('apart', `has ${other.opId} to send`);
  }

  get #account(): Pick<DeviceOptions, 'principal' | 'token'> {
    const who = this.#who;
    const before = this.#before;
    return {
      principal: this.#named,
      token: () => {
        const as = this.#desk.spoils('a token is that of somebody else') ? before : who;
        return `${as}@${this.device.token}`;
      },
    };
  }

  /** Whose its cache is. */
  get #named(): string {
    return this.#desk.spoils('a cache knows no principals') ? 'somebody' : this.#who;
  }

  #complain(word: string, text: string): void {
    this.#desk.complain(word, `${this.#who} at ${this.device.name} ${text}`);
  }

  /** Its page is left in good order; somebody else is there before that has ended, or after. */
  #change(who: Somebody, afterMs: number): void {
    const { client } = this.device;
    this.#isLeft = true;
    void client.close();
    this.#world.later(afterMs, () => {
      if (this.device.client === client) this.sitDown(who);
    });
  }

  #write(dice: Dice): void {
    const store = this.device.store(storeName);
    const by = this.#who;
    this.#count += 1;
    const place = dice.chance(0.6) ? `own/${by}` : 'shared';
    const path = `${place}/${dice.below(pathsEach)}`;
    const { opId, durable, committed } = store.put(
      path,
      `${by} ${this.device.name} ${this.#count}`,
    );
    const written: Written = { opId, by, isKept: false, outcome: null };
    this.written.push(written);
    const { lives } = this.device;
    durable.then(
      () => {
        if (this.device.lives === lives) written.isKept = true;
      },
      () => undefined,
    );
    committed.then(
      () => (written.outcome = 'committed'),
      () => (written.outcome = this.device.lives === lives ? 'refused' : null),
    );
  }

  #watch(): void {
    this.device.store(storeName).status.subscribe(() => this.look());
  }

  #crashed(keepsCache: boolean): void {
    this.#isLeft = false;
    if (keepsCache) return;
    for (const written of this.written) written.isKept = false;
  }
}
