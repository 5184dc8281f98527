import { RejectedError } from '@holdfast/protocol';
import type { Server, ServerRecord, ServerTx } from '@holdfast/server';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { Account, coinsAtFirst, ids, Receipt, storeName, type Transfer } from './account.ts';
import type { TransferMutant } from './mutants.ts';
import { transferOf } from './person.ts';

/** A payment that code of a server was to make, and what that was told of it. */
export type Payment = Transfer & {
  readonly server: Server;
  outcome: { readonly left: number } | { readonly code: string } | null;
};

/** What code of the server does to accounts. */
export type TillDeed = 'pay' | 'rush' | 'stain';

export function isTillDeed(does: string): does is TillDeed {
  return ['pay', 'rush', 'stain'].includes(does);
}

/** What code of the server does with accounts: in whichever process runs. */
export class Till {
  readonly payments: Payment[] = [];
  readonly #world: World;
  readonly #accounts: (server: Server) => ServerRecord<typeof Account> | undefined;
  readonly #spoils: (mutant: TransferMutant) => boolean;
  /** What was in an account when it was looked at last. */
  readonly #before = new Map<string, number>();

  constructor(
    world: World,
    of: {
      readonly accounts: (server: Server) => ServerRecord<typeof Account> | undefined;
      readonly spoils: (mutant: TransferMutant) => boolean;
    },
  ) {
    this.#world = world;
    this.#accounts = of.accounts;
    this.#spoils = of.spoils;
  }

  /** Makes the accounts that are not there. */
  async open(): Promise<void> {
    const opening = { isDone: false };
    while (!opening.isDone) {
      this.#server?.transact(storeName, openIn).then(
        () => (opening.isDone = true),
        () => undefined,
      );
      // The process may be gone before it answers.
      await this.#world.sleep(200);
    }
  }

  act(does: TillDeed, dice: Dice): void {
    if (does === 'stain') this.#paint(dice);
    else {
      // Of several at once each meets the others.
      for (let left = does === 'pay' ? 1 : 2 + dice.below(6); left > 0; left--) this.#begin(dice);
    }
  }

  #begin(dice: Dice): void {
    const server = this.#server;
    if (server === null) return;
    const transfer = transferOf(`till-${this.payments.length}`, dice);
    const payment: Payment = { ...transfer, server, outcome: null };
    this.payments.push(payment);
    this.#pay(server, transfer).then(
      (left) => (payment.outcome = { left }),
      (error: unknown) => (payment.outcome = { code: codeOf(error) }),
    );
  }

  /** Paints an account, as whole as it is. */
  #paint(dice: Dice): void {
    const colour = `till ${dice.below(1000)}`;
    const server = this.#server;
    if (server === null) return;
    this.#accounts(server)
      ?.write({ id: dice.pick(ids) }, (account) => account && { ...account, colour })
      .catch(() => undefined);
  }

  get #server(): Server | null {
    return this.#world.site.server;
  }

  #pay(server: Server, { id, from, to, coins }: Transfer): Promise<number> {
    const isHalf = this.#spoils('half of a payment is all that is made');
    return server.transact(storeName, (tx) => {
      const [payer, payee] = [from, to].map((each) => tx.record(Account.ref({ id: each })));
      const [has, had] = [payer?.get(), payee?.get()];
      if (has === undefined || had === undefined) throw new RejectedError('no_account');
      const left = this.#look(from, has.coins) - coins;
      if (left < 0) throw new RejectedError('too_low');
      payer?.patch({ coins: left });
      if (!isHalf) payee?.patch({ coins: this.#look(to, had.coins) + coins });
      tx.record(Receipt.ref({ id })).set({ from, to, coins });
      return left;
    });
  }

  #look(id: string, now: number): number {
    const before = this.#before.get(id) ?? now;
    this.#before.set(id, now);
    return this.#spoils('a payment rests on what was there before') ? before : now;
  }
}

function openIn(tx: ServerTx): void {
  for (const id of ids) {
    const account = tx.record(Account.ref({ id }));
    if (account.get() === undefined) account.set({ coins: coinsAtFirst, colour: 'none' });
  }
}

function codeOf(error: unknown): string {
  return error instanceof RejectedError ? error.code : String(error);
}
