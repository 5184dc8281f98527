import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UploadedEntry } from '@holdfast/server';
import { Dice } from '../src/dice.ts';
import { waitWhile } from '../patience.ts';
import { Spoiling } from '../spoiling.ts';
import { badWeather } from '../src/faults.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, stepsOf } from '../steps.ts';
import { textOf } from '../text.ts';
import { contentOf } from './content.ts';
import { waitForFiles } from './disk.ts';
import type { UploadMutant } from './mutants.ts';
import { type Outcome, type Post, Sender } from './sender.ts';
import { traysFor } from './tray.ts';

const lengthMs = 30_000;
const patienceMs = 180_000;
const pauseMs = 900;
const lingerMs = 20_000;
/** Within this time what follows from an upload is done. */
const hookMs = 10_000;
const people = ['ann', 'bob', 'cleo'];
const deeds =
  'select select select select start take take take take take touch cancel drop reset leave'.split(
    ' ',
  );
const script = { lengthMs, deeds, people: people.length };
const spoilsMax = 20;
const lasting: ReadonlySet<UploadMutant> = new Set(['what nobody wants is left there']);

/** How much went on in worlds of uploads. */
export type UploadFigures = {
  readonly completed: number;
  readonly taken: number;
  readonly succeeded: number;
  readonly lost: number;
};

/** Views that take files, piece by piece, on a network and a server that break amid all of it. */
export class UploadWorlds {
  figures: UploadFigures = { completed: 0, taken: 0, succeeded: 0, lost: 0 };
  readonly #spoiling: Spoiling<UploadMutant>;
  /** Where the servers of these worlds, and nobody else, keep files on their way. */
  readonly #place: string;
  #world: World | null = null;
  #senders: Sender[] = [];
  readonly #completed = new Set<string>();
  readonly #taken = new Set<string>();
  #outcomes: Outcome[] = [];
  #restore: () => void = () => undefined;

  constructor(place: string, mutant: UploadMutant | null = null) {
    this.#place = place;
    this.#spoiling = new Spoiling(mutant, { lasting, most: spoilsMax, chance: 0.5 });
  }

  get simulation(): Simulation<Step<string>> {
    return {
      faults: { ...badWeather, revoke: 0, failDisk: 0, jump: 0, jumpServer: 0, crash: 2, slow: 12 },
      lengthMs,
      server: {
        app: traysFor({
          completed: (ref) => this.#complete(ref),
          looked: (entry, path) => this.#look(entry, path),
          took: (refs) => this.#take(refs),
          isKept: () => this.#spoiling.takes('what is taken stays there'),
          pause: async () => this.#world?.sleep(this.#world.dice.below(pauseMs)),
        }),
        viewLimits: { linger_ms: lingerMs },
      },
      // What the process before has left would be swept by one of another number.
      prepare: () => {
        for (const name of readdirSync(this.#place)) {
          rmSync(join(this.#place, name), { recursive: true });
        }
      },
      script: {
        steps: (dice) => stepsOf(dice, { ...script, count: 40 + dice.below(60) }),
        perform: (_world, step) => this.#perform(step),
      },
      program: async (world) => {
        this.#begin(world);
        await world.sleep(lengthMs);
      },
      check: (world) => this.#check(world),
    };
  }

  #begin(world: World): void {
    this.#restore();
    this.#spoiling.begin(new Dice(world.seed));
    const isLeft = (): boolean => this.#spoiling.takes('what nobody wants is left there');
    this.#restore = waitForFiles(world.work, isLeft);
    this.#world = world;
    this.#completed.clear();
    this.#taken.clear();
    this.#outcomes = [];
    const post: Post = {
      world,
      complain: (word, text) => world.problem(`${word}: ${text}`),
      spoils: (mutant) => this.#spoiling.takes(mutant),
      ended: (outcome) => this.#end(world, outcome),
    };
    this.#senders = people.map((name) => new Sender(post, name));
    for (const sender of this.#senders) for (const id of sender.rootIds) sender.page(id);
  }

  /** Lets go of what it has changed. */
  end(): void {
    this.#restore();
  }

  #perform({ does, who, roll }: Step<string>): void {
    const sender = this.#senders[who];
    if (sender !== undefined && !sender.device.isAsleep) sender.act(does, new Dice(roll));
  }

  #complete(ref: string): void {
    const isAgain = this.#completed.has(ref);
    if (isAgain) this.#world?.problem(`once: an upload was completed twice: ${ref}`);
    this.#completed.add(ref);
  }

  /** What is to be taken is what was sent, byte by byte. */
  #look({ ref, name, size }: UploadedEntry, path: string | null): void {
    const found = path === null ? null : readFileSync(path);
    if (found !== null && found.length === size && found.equals(contentOf(name))) return;
    this.#world?.problem(`intact: what has come is not what was sent: ${name}, ${ref}`);
  }

  #take(refs: readonly string[]): void {
    for (const ref of refs) {
      if (this.#taken.has(ref)) this.#world?.problem(`once: an upload was taken twice: ${ref}`);
      this.#taken.add(ref);
    }
  }

  async #check(world: World): Promise<void> {
    // The connections that were cut when the weather cleared.
    await world.sleep(5000);
    const areBusy = (): boolean => this.#senders.some(({ isAtRest }) => !isAtRest);
    await waitWhile(world, areBusy, { patienceMs });
    const dice = world.dice.fork();
    if (!areBusy()) await Promise.all(this.#senders.map((sender) => sender.finish(dice)));
    // What is told once in a while of how far an upload is.
    await world.sleep(1000);
    for (const sender of this.#senders) {
      const { name, errors, client } = sender.device;
      if (!sender.isAtRest) {
        const state = JSON.stringify(client.inspect());
        world.problem(`settled: ${name} still waits for ${sender.left}: ${state}`);
        continue;
      }
      for (const error of errors) world.problem(`calm: ${name}: ${String(error)}`);
      for (const rootId of sender.rootIds) {
        const [shown, there] = (await sender.compare(rootId)).map(textOf);
        if (shown !== there) world.problem(`listed: ${name} shows ${shown} instead of ${there}`);
      }
    }
    for (const sender of this.#senders) sender.leave();
    // Views of which somebody has crashed end by themselves.
    await world.sleep(lingerMs + 2000);
    const left = filesIn(this.#place);
    if (left.length > 0) world.problem(`swept: ${left.join(' ')} is left of what nobody wants`);
    this.figures = {
      completed: this.figures.completed + this.#completed.size,
      taken: this.figures.taken + this.#taken.size,
      succeeded: this.figures.succeeded + this.#count('success'),
      lost: this.figures.lost + this.#outcomes.length - this.#count('success'),
    };
  }

  #count(status: string): number {
    return this.#outcomes.filter((outcome) => outcome.status === status).length;
  }

  /** Who is told that the server has a file is right: it may do what follows from that a moment later. */
  #end(world: World, outcome: Outcome): void {
    this.#outcomes.push(outcome);
    const { who, ref, status, sender, crashes, leaves } = outcome;
    const isTold =
      status === 'success' || this.#spoiling.takes('who is told that it is there is wrong');
    if (!isTold) return;
    world.later(hookMs, () => {
      const isSame = world.site.crashes === crashes && sender.leaves === leaves;
      if (!isSame || this.#completed.has(ref)) return;
      world.problem(`told: what is said to be there is not: ${who}, ${ref}`);
    });
  }
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runUploads(
  seeds: Seeds,
  mutant: UploadMutant | null = null,
): Promise<{ readonly failure: Failure | null; readonly figures: UploadFigures }> {
  return inPlaceOfItsOwn(async (place) => {
    const worlds = new UploadWorlds(place, mutant);
    const failure = await simulate(worlds.simulation, seeds);
    worlds.end();
    return { failure, figures: worlds.figures };
  });
}

/** Servers keep files on their way where temporary files are kept. */
async function inPlaceOfItsOwn<T>(run: (place: string) => Promise<T>): Promise<T> {
  const { TMPDIR: before } = process.env;
  const place = mkdtempSync(join(tmpdir(), 'holdfast-uploading-'));
  process.env['TMPDIR'] = place;
  try {
    return await run(place);
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    rmSync(place, { recursive: true });
  }
}

function filesIn(place: string): readonly string[] {
  const all = readdirSync(place, { recursive: true, withFileTypes: true });
  return all.flatMap((each) => (each.isFile() ? [each.name] : []));
}
