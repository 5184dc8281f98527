import { waitWhile } from '../patience.ts';
import { Spoiling } from '../spoiling.ts';
import { badWeather } from '../src/faults.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import type { Step } from '../steps.ts';
import { Truth } from '../validators/truth.ts';
import { type Played, Worlds } from '../worlds.ts';
import { writersOf } from '../writers.ts';
import { wrongWith } from './judge.ts';
import type { WebhookMutant } from './mutants.ts';
import { Receiver, reroute } from './receiver.ts';

const storeName = 'acme/app';
/** The third attempt is five minutes after the second. */
const patienceMs = 900_000;
const spoilsMax = 20;
const people = ['ann', 'bob'];
const hooks = [
  { name: 'all', pattern: '**' },
  { name: 'some', pattern: 'own/*/1' },
] as const;
const setting = {
  faults: { ...badWeather, revoke: 0, jump: 0, jumpServer: 0, closeServer: 3 },
  store: storeName,
  lengthMs: 120_000,
  server: { webhooks: { allow: ['10.1.1.1'], http: true } },
  deeds: ['write'] as const,
  people: people.length,
  deedsMin: 100,
};

/** How much went on in worlds of webhooks. */
export type WebhookFigures = {
  readonly taken: number;
  readonly again: number;
  readonly gaps: number;
};

/** Those who are told of a store by webhooks, do not take all of it at once, and a server that dies meanwhile. */
export class WebhookWorlds extends Worlds<'write', WebhookMutant> {
  figures: WebhookFigures = { taken: 0, again: 0, gaps: 0 };
  #write: ReturnType<typeof writersOf> | null = null;
  #receivers: Receiver[] = [];
  #restore: () => void = () => undefined;

  constructor(mutant: WebhookMutant | null = null) {
    super(setting, new Spoiling(mutant, { most: spoilsMax }));
  }

  /** Lets go of what it has changed. */
  end(): void {
    this.#restore();
  }

  protected async begin(world: World): Promise<void> {
    this.#restore();
    this.#write = null;
    this.#receivers = hooks.map((hook) => new Receiver(world, hook, this.spoils));
    this.#restore = reroute(world, this.#receivers);
    for (const receiver of this.#receivers) await receiver.subscribe(storeName);
    this.#write = writersOf(world, people, storeName);
  }

  protected perform(_world: World, { who, roll }: Step<'write'>): void {
    this.#write?.(who, roll);
  }

  protected async check(world: World): Promise<void> {
    for (const receiver of this.#receivers) receiver.isWell = true;
    const truth = new Truth((await world.log(storeName)).map(({ op }) => op));
    const wrong = (): readonly string[] =>
      this.#receivers.flatMap((receiver) => wrongWith(receiver, truth));
    const isLate = (): boolean => wrong().some((text) => text.startsWith('reliable'));
    await waitWhile(world, isLate, { patienceMs, stepMs: 5000 });
    for (const problem of wrong()) world.problem(problem);
    this.checkErrors(world);
    this.#count();
  }

  #count(): void {
    const all = this.#receivers.flatMap(({ deliveries }) => deliveries);
    const taken = all.filter(({ isTaken }) => isTaken);
    this.figures = {
      taken: this.figures.taken + taken.length,
      again: this.figures.again + all.length - taken.length,
      gaps: this.figures.gaps + taken.filter(({ isGap }) => isGap).length,
    };
  }
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export async function runWebhooks(
  seeds: Seeds,
  mutant: WebhookMutant | null = null,
): Promise<Played<WebhookFigures>> {
  const worlds = new WebhookWorlds(mutant);
  try {
    return await worlds.play(seeds);
  } finally {
    worlds.end();
  }
}
