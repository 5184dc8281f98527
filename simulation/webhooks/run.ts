import { isRejection, Writer } from '../kill/writer.ts';
import type { Site } from '../kill/site.ts';
import { waitWhile } from '../patience.ts';
import { Spoiling } from '../spoiling.ts';
import type { Device } from '../src/device.ts';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, stepsOf } from '../steps.ts';
import { Truth } from '../validators/truth.ts';
import { wrongWith } from './judge.ts';
import type { WebhookMutant } from './mutants.ts';
import { Receiver, reroute } from './receiver.ts';

const storeName = 'acme/app';
const lengthMs = 120_000;
/** The third attempt is five minutes after the second. */
const patienceMs = 900_000;
const spoilsMax = 20;
const people = ['ann', 'bob'];
const deeds = ['write'] as const;
const hooks = [
  { name: 'all', pattern: '**' },
  { name: 'some', pattern: 'own/*/1' },
] as const;

/** How much went on in worlds of webhooks. */
export type WebhookFigures = {
  readonly taken: number;
  readonly again: number;
  readonly gaps: number;
};

/** Those who are told of a store by webhooks, do not take all of it at once, and a server that dies meanwhile. */
export class WebhookWorlds {
  figures: WebhookFigures = { taken: 0, again: 0, gaps: 0 };
  readonly #spoiling: Spoiling<WebhookMutant>;
  #writers = new Map<Device, Writer>();
  #receivers: Receiver[] = [];
  #restore: () => void = () => undefined;

  constructor(mutant: WebhookMutant | null = null) {
    this.#spoiling = new Spoiling(mutant, { most: spoilsMax });
  }

  readonly simulation: Simulation<Step<'write'>> = {
    faults: { ...badWeather, revoke: 0, jump: 0, jumpServer: 0, closeServer: 3 },
    lengthMs,
    stores: [storeName],
    server: { webhooks: { allow: ['10.1.1.1'], http: true } },
    script: {
      steps: (dice) =>
        stepsOf(dice, { count: 100 + dice.below(100), lengthMs, deeds, people: people.length }),
      perform: (_world, { who, roll }) => this.#write(who, roll),
    },
    program: async (world) => {
      await this.#begin(world);
      await world.sleep(lengthMs);
    },
    check: (world) => this.#check(world),
  };

  /** Lets go of what it has changed. */
  end(): void {
    this.#restore();
  }

  async #begin(world: World): Promise<void> {
    this.#restore();
    this.#spoiling.begin(new Dice(world.seed));
    const spoils = (mutant: WebhookMutant): boolean => this.#spoiling.takes(mutant);
    this.#writers = new Map();
    this.#receivers = hooks.map((hook) => new Receiver(world, hook, spoils));
    this.#restore = reroute(world, this.#receivers);
    for (const receiver of this.#receivers) await receiver.subscribe(storeName);
    this.#writers = new Map(
      people.map((name) => {
        const device = world.device(name);
        return [device, writerOf(device)];
      }),
    );
  }

  #write(who: number, roll: number): void {
    const [device, writer] = [...this.#writers][who] ?? [];
    if (device?.isAsleep === false) writer?.write(new Dice(roll));
  }

  async #check(world: World): Promise<void> {
    for (const receiver of this.#receivers) receiver.isWell = true;
    const truth = new Truth((await world.log(storeName)).map(({ op }) => op));
    const wrong = (): readonly string[] =>
      this.#receivers.flatMap((receiver) => wrongWith(receiver, truth));
    const isLate = (): boolean => wrong().some((text) => text.startsWith('reliable'));
    await waitWhile(world, isLate, { patienceMs, stepMs: 5000 });
    for (const problem of wrong()) world.problem(problem);
    for (const { name, errors } of world.devices) {
      for (const error of errors.filter((each) => !isRejection(each))) {
        world.problem(`calm: ${name}: ${String(error)}`);
      }
    }
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

function writerOf(device: Device): Writer {
  const { client, name } = device;
  const site: Site = { client, store: device.store(storeName), resumes: [], resyncs: [] };
  return new Writer(name, { site, dice: new Dice(0) });
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runWebhooks(
  seeds: Seeds,
  mutant: WebhookMutant | null = null,
): Promise<{ readonly failure: Failure | null; readonly figures: WebhookFigures }> {
  const worlds = new WebhookWorlds(mutant);
  try {
    const failure = await simulate(worlds.simulation, seeds);
    return { failure, figures: worlds.figures };
  } finally {
    worlds.end();
  }
}
