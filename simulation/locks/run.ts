import type { Principal } from '@holdfast/server';
import { Spoiling } from '../spoiling.ts';
import { Dice } from '../src/dice.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, weighed } from '../steps.ts';
import { exclusive, guardedBy } from '../validators/leases.ts';
import { Truth } from '../validators/truth.ts';
import { type Played, Worlds } from '../worlds.ts';
import { Holder, type LockDeed, storeName } from './holder.ts';
import { Licences } from './licences.ts';
import type { LockMutant } from './mutants.ts';

type Deed = LockDeed | 'grant';

const names = ['ada', 'bob', 'cy'];
const lengthMs = 60_000;
/** Within this time after all have all rights nobody waits any more. */
const patienceMs = 60_000;
const turnMs = 20_000;
const lagMs = 12_000;
/** Somebody is refused, and asked again at once, this often at most. */
const changesMax = 3;
const lasting: ReadonlySet<LockMutant> = new Set<LockMutant>([
  'rights come late',
  'the lock is kept for good',
]);
const setting = {
  faults: { cut: 4 },
  store: storeName,
  lengthMs,
  deeds: weighed<Deed>({ claim: 6, compute: 4, forget: 1, write: 2, grant: 3 }),
  people: names.length,
  deedsMin: 50,
};

/** How much went on in worlds of locks. */
export type LockFigures = {
  readonly held: number;
  readonly fenced: number;
  readonly computed: number;
  readonly refused: number;
};

/** Those who take a lock, and compute what is computed once for all, while their rights come and go. */
export class LockWorlds extends Worlds<Deed, LockMutant> {
  figures: LockFigures = { held: 0, fenced: 0, computed: 0, refused: 0 };
  readonly #attach: (world: World) => void;
  #licences = new Map<string, Licences>();
  #holders: readonly Holder[] = [];

  constructor(mutant: LockMutant | null = null) {
    let world: World | null = null;
    const authenticate = async ({ token }: { readonly token: string | null }) =>
      world === null ? null : this.#principal(world, token ?? '');
    super({ ...setting, server: { authenticate } }, new Spoiling(mutant, { lasting, most: 10 }));
    this.#attach = (now) => (world = now);
  }

  protected begin(world: World): void {
    this.#attach(world);
    this.#licences = new Map(names.map((name) => [name, new Licences()]));
    this.#holders = names.map((name) => new Holder(world, name, this.spoils));
    world.later(lengthMs - 0.5, () => {
      for (const licences of this.#licences.values()) licences.giveAll(world.now);
    });
  }

  protected perform(world: World, { does, who, roll }: Step<Deed>): void {
    const dice = new Dice(roll);
    if (does === 'grant') this.#grant(world, names[who] ?? '', dice);
    else this.#holders[who]?.act(does, dice);
    this.#lookWhoBelieves(world);
  }

  /** Rights change, and some more times within a second or two. */
  #grant(world: World, name: string, dice: Dice): void {
    const licences = this.#licences.get(name);
    let at = 0;
    for (let left = 1 + dice.below(changesMax); left > 0; left--) {
      const more = dice.fork();
      world.later(at, () => {
        if (world.now < lengthMs - 1) licences?.change(world.now, more);
      });
      at += dice.below(900);
    }
  }

  #lookWhoBelieves(world: World): void {
    const all = this.#holders.filter(({ believes }) => believes).map(({ device }) => device.name);
    if (all.length > 0 && this.spoils('two have the lock')) all.push('somebody else');
    if (all.length > 1) world.problem(`believed: ${all.join(' and ')} have the lock`);
  }

  protected async check(world: World): Promise<void> {
    await world.sleep(patienceMs);
    for (const { device, waiting } of this.#holders) {
      const late = [...waiting].find(({ since }) => world.now - since >= patienceMs);
      if (late !== undefined) world.problem(`landed: ${device.name} waits for ${late.what}`);
    }
    await this.#takeTurns(world);
    await this.#judge(world);
    this.checkErrors(world);
    this.#count();
  }

  /** What nobody holds any more can be had by each. */
  async #takeTurns(world: World): Promise<void> {
    const isKept = this.spoils('the lock is kept for good');
    for (const lease of this.#holders.flatMap(({ leases }) => leases)) lease.stop();
    await world.sleep(turnMs + 1000);
    if (isKept) void this.#holders[0]?.store.lease(guardedBy, { ttl: 1000 });
    for (const holder of this.#holders) {
      const late = world.sleep(turnMs).then(() => false);
      if (await Promise.race([holder.takesInTurn(), late])) continue;
      world.problem(`free: ${holder.device.name} cannot have the lock`);
    }
  }

  async #judge(world: World): Promise<void> {
    const log = await world.log(storeName);
    for (const { op, at } of log) {
      const licences = this.#licences.get(op.principal ?? '');
      if (licences === undefined || licences.mightWrite(op.path, at)) continue;
      world.problem(`barred: ${op.principal} wrote ${op.path} at ${at.toFixed(0)} ms`);
    }
    const truth = new Truth(log.map(({ op }) => op));
    for (const { word, text } of exclusive(truth, (seq) => log[seq - 1]?.at ?? 0)) {
      world.problem(`${word}: ${text}`);
    }
  }

  #principal(world: World, token: string): Principal | null {
    const name = token.replace(/\.\d+$/, '');
    const lag = this.spoils('rights come late') ? lagMs : 0;
    return this.#licences.get(name)?.principal(name, world.now - lag) ?? null;
  }

  #count(): void {
    const sum = (of: (holder: Holder) => number): number =>
      this.#holders.reduce((all, holder) => all + of(holder), 0);
    const { held, fenced, computed, refused } = this.figures;
    this.figures = {
      held: held + sum(({ leases }) => leases.length),
      fenced: fenced + sum((holder) => holder.fenced),
      computed: computed + sum((holder) => holder.computed),
      refused: refused + sum((holder) => holder.refused),
    };
  }
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runLocks(
  seeds: Seeds,
  mutant: LockMutant | null = null,
): Promise<Played<LockFigures>> {
  return new LockWorlds(mutant).play(seeds);
}
