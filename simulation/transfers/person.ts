import type { Client } from '@holdfast/client';
import type { RecordHandle } from '@holdfast/client/records';
import { RejectedError } from '@holdfast/protocol';
import { type Told, toldOf, type Written } from '../records/checks.ts';
import type { Device, DeviceOptions } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import { Account, ids, Receipt, storeName, type Transfer } from './account.ts';

/** What a client does to accounts. */
export type PersonDeed = 'give' | 'paint' | 'repaint' | 'tally';

/** Somebody with accounts on screen, in a tab or elsewhere. */
export class Person {
  readonly device: Device;
  readonly #told: (Told & { readonly life: Client })[] = [];
  #handles: readonly RecordHandle<typeof Account>[] = [];
  /** How often it moved coins and noted that in leaves beside the accounts. */
  tallied = 0;
  readonly #isTorn: () => boolean;
  #count = 0;

  /** `isTorn`: whether leaves are written without what they note. */
  constructor(seat: (options: Pick<DeviceOptions, 'onRestart'>) => Device, isTorn: () => boolean) {
    this.#isTorn = isTorn;
    this.device = seat({ onRestart: (client) => this.#started(client) });
    this.#started(this.device.client);
  }

  get name(): string {
    return this.device.name;
  }

  get handles(): readonly RecordHandle<typeof Account>[] {
    return this.#handles;
  }

  /** What became of the writes of the client that lives now. */
  get told(): readonly Told[] {
    return this.#told.filter(({ life }) => life === this.device.client);
  }

  act(does: PersonDeed, dice: Dice): void {
    if (does === 'tally') {
      // Whether it is answered or not, all of it is done or nothing.
      this.#tally(dice).catch(() => undefined);
      return;
    }
    try {
      const written = does === 'give' ? this.#give(dice) : this.#paint(does, dice);
      this.#told.push({ ...toldOf(written), life: this.device.client });
    } catch (error) {
      // What its maker is told at once is nobody else's affair.
      if (!(error instanceof RejectedError)) throw error;
    }
  }

  #give(dice: Dice): Written {
    const transfer = transferOf(`${this.name}-${this.device.lives}-${this.#next()}`, dice);
    const { id, from, to, coins } = transfer;
    const { group, committed } = this.device.client.transact((tx) => {
      tx.record(Account.ref({ id: from })).mutate('move', { by: -coins });
      tx.record(Account.ref({ id: to })).mutate('move', { by: coins });
      tx.record(Receipt.ref({ id })).set({ from, to, coins });
    });
    return { opId: group, committed };
  }

  /** Moves coins and counts them in leaves of the store, all in one, over HTTP. */
  async #tally(dice: Dice): Promise<void> {
    const { from, to, coins } = transferOf('', dice);
    const move = (id: string, by: number): readonly object[] => {
      const moved = { op: 'mutate', path: `accounts/${id}`, record: 'account', name: 'move' };
      const counted = { op: 'increment', path: `tally/${id}`, value: by };
      return this.#isTorn() ? [counted] : [{ ...moved, value: { by } }, counted];
    };
    const url = `http://simulated.example/api/stores/${storeName}/transact`;
    const { status } = await this.device.fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.device.token}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ ops: [...move(from, -coins), ...move(to, coins)] }),
    });
    if (status === 200) this.tallied += 1;
  }

  #paint(does: 'paint' | 'repaint', dice: Dice): Written {
    const account = this.device.client.record(Account, { id: dice.pick(ids) });
    const colour = `${this.name} ${this.#next()}`;
    if (does === 'paint') return account.patch({ colour });
    // What is in it is the server's, whatever it seems to be here.
    return account.set({ coins: 1000, ...account.get(), colour });
  }

  #next(): number {
    return (this.#count += 1);
  }

  #started(client: Client): void {
    this.#handles = ids.map((id) => client.record(Account, { id }));
    for (const handle of this.#handles) handle.retain();
  }
}

/** From one account to another, and at times more than there is. */
export function transferOf(id: string, dice: Dice): Transfer {
  const from = dice.below(ids.length);
  const to = from + 1 + dice.below(ids.length - 1);
  const [one = 'a', other = 'b'] = [from, to].map((at) => ids[at % ids.length]);
  return { id, from: one, to: other, coins: 1 + dice.below(6) };
}
