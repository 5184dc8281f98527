import type { Receipt } from '@holdfast/client';
import { RejectedError } from '@holdfast/client';
import type { Dice } from '../src/dice.ts';
import type { ClientHistory, MadeWrite } from '../validators/history.ts';
import type { Site } from './site.ts';

const pendingMax = 20;

/** Writes whenever it is told to, to places of its own and to places it shares, and remembers every receipt. */
export class Writer {
  readonly name: string;
  readonly site: Site;
  readonly #dice: Dice;
  readonly #receipts: { readonly receipt: Receipt; readonly isGuarded: boolean }[] = [];
  #count = 0;

  constructor(name: string, of: { readonly site: Site; readonly dice: Dice }) {
    this.name = name;
    this.#dice = of.dice;
    this.site = of.site;
  }

  /** One write, unless too many wait already; which one, the dice decide. */
  write(dice: Dice = this.#dice): void {
    const { store } = this.site;
    if (store.status.get().pending >= pendingMax) return;
    this.#count += 1;
    const isGuarded = dice.chance(0.1);
    this.#receipts.push({ receipt: isGuarded ? this.#race() : this.#make(dice), isGuarded });
  }

  /** Every write is decided. */
  async settled(): Promise<void> {
    await this.site.store.settled();
  }

  history(): ClientHistory {
    return {
      client: this.name,
      made: this.#receipts.map(({ receipt, isGuarded }) => ({
        opId: receipt.opId,
        isGuarded,
        outcome: outcomeOf(receipt),
      })),
      watches: [],
      bookmarks: [],
      resumes: this.site.resumes,
      resyncs: [],
    };
  }

  #make(dice: Dice): Receipt {
    const { store } = this.site;
    const roll = dice.below(100);
    const value = `${this.name} ${this.#count}`;
    if (roll < 40) return store.put(`own/${this.name}/${dice.below(5)}`, value);
    if (roll < 55) return store.put(`n/${dice.below(4)}`, this.#count);
    if (roll < 70) return store.increment('total');
    if (roll < 75) return store.delete(`own/${this.name}/${dice.below(5)}`);
    if (roll < 80) return store.merge('doc', { [this.name]: { at: this.#count }, last: value });
    const pair = `pair/${dice.below(3)}`;
    if (roll < 90) {
      return store.transact((tx) => {
        tx.put(`${pair}/left`, value);
        tx.put(`${pair}/right`, value);
        tx.increment('pairs');
      });
    }
    return store.put('race', value);
  }

  /** A write that somebody else may have made impossible. */
  #race(): Receipt {
    const { store } = this.site;
    const revision = store.entry('race')?.revision ?? 0;
    return store.put('race', this.name, { ifMatch: Math.floor(revision) });
  }
}

/** What a client was told of a write. */
export function outcomeOf({ outcome }: Receipt): MadeWrite['outcome'] {
  if (outcome === null) return 'unknown';
  if (outcome.status === 'refused') return { refused: outcome.reason };
  return { committed: outcome.seq };
}

/** Whether an error is no more than a refusal. */
export function isRejection(error: unknown): boolean {
  return error instanceof RejectedError;
}
