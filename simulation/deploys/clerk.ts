import { asPath, isObject, type Json, RejectedError } from '@holdfast/protocol';
import type { Server } from '@holdfast/server';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { textOf } from '../text.ts';
import { Truth } from '../validators/truth.ts';
import type { DeployMutant } from './mutants.ts';
import { First, ids, Later } from './task.ts';

/** Something that code of a server was to do, known by a title of its own, and what that was told of it. */
type Errand = { readonly title: string; outcome: 'done' | 'refused' | null };

/** Which task an errand counts on, and in the title of which other it says so. */
type Order = { readonly title: string; readonly id: string; readonly other: string };

const storeName = 'acme/app';

/** Code of whichever server runs: it counts a task on from what it has read, and says the same in the title of another. */
export class Clerk {
  readonly errands: Errand[] = [];
  readonly #world: World;
  readonly #isLater: (server: Server) => boolean;
  readonly #spoils: (mutant: DeployMutant) => boolean;

  constructor(
    world: World,
    of: {
      /** Whether a server is of the next major. */
      readonly isLater: (server: Server) => boolean;
      readonly spoils: (mutant: DeployMutant) => boolean;
    },
  ) {
    this.#world = world;
    this.#isLater = of.isLater;
    this.#spoils = of.spoils;
  }

  act(dice: Dice): void {
    const { server } = this.#world.site;
    if (server === null) return;
    const errand: Errand = { title: `clerk ${this.errands.length}`, outcome: null };
    this.errands.push(errand);
    const id = dice.pick(ids);
    const other = dice.pick(ids.filter((each) => each !== id));
    const order = { title: errand.title, id, other };
    const work = this.#isLater(server) ? this.#later(server, order) : this.#first(server, order);
    work.then(
      () => (errand.outcome = 'done'),
      (error: unknown) => (errand.outcome = error instanceof RejectedError ? 'refused' : null),
    );
  }

  /** Each errand is done once, as a whole, from what was there; and one that was refused is not done. */
  async judge(): Promise<void> {
    const truth = new Truth((await this.#world.log(storeName)).map(({ op }) => op));
    for (const errand of this.errands) {
      const text = wrongWith(errand, truth);
      if (text !== null) this.#world.problem(`errand: ${errand.title} ${text}`);
    }
  }

  #first(server: Server, { title, id, other }: Order): Promise<void> {
    return server.transact(storeName, (tx) => {
      const task = tx.record(First.ref({ id }));
      const n = (task.get()?.n ?? 0) + 1;
      task.set({ n, title });
      if (!this.#spoils('half of an errand is all that is done')) {
        tx.record(First.ref({ id: other })).set({ n: 0, title });
      }
    });
  }

  #later(server: Server, { title, id, other }: Order): Promise<void> {
    return server.transact(storeName, (tx) => {
      const task = tx.record(Later.ref({ id }));
      const count = (task.get()?.count ?? 0) + 1;
      task.set({ count, title, done: false });
      if (!this.#spoils('half of an errand is all that is done')) {
        tx.record(Later.ref({ id: other })).set({ count: 0, title, done: true });
      }
    });
  }
}

function wrongWith({ title, outcome }: Errand, truth: Truth): string | null {
  const made = truth.commits.filter(({ ops }) => ops.some(({ value }) => titleIn(value) === title));
  const [commit] = made;
  if (made.length > 1) return `was done ${made.length} times`;
  if (commit === undefined) return outcome === 'done' ? 'is nowhere' : null;
  if (outcome === 'refused') return 'was refused, and is there';
  const [before, after] = [commit.first - 1, commit.last].map((seq) => truth.stateAt(seq));
  const counts = ids.flatMap((id) => {
    const path = asPath(`tasks/${id}`);
    const is = after?.read(path)?.value ?? null;
    const was = before?.read(path)?.value ?? null;
    return titleIn(is) === title ? [{ was: countIn(was), is: countIn(is) }] : [];
  });
  const isWhole = counts.length === 2 && counts.some(({ was, is }) => is === was + 1);
  return isWhole ? null : `made ${textOf(counts)}`;
}

/** The title in an object, or one that was written alone. */
function titleIn(value: Json): unknown {
  return isObject(value) ? value['title'] : value;
}

function countIn(value: Json): number {
  if (!isObject(value)) return 0;
  return Number(value['n'] ?? value['count'] ?? 0);
}
