import { type Principal, scopes } from '@holdfast/server';
import { Spoiling } from '../spoiling.ts';
import { Dice } from '../src/dice.ts';
import { type Failure, playSeed, type Seeds, type Simulation } from '../src/simulate.ts';
import { type Run, tried } from '../src/trial.ts';
import type { World } from '../src/world.ts';
import { type Step, stepsOf, weighed } from '../steps.ts';
import type { Played } from '../worlds.ts';
import type { TwinMutant } from './mutants.ts';
import { Doc, storeName } from './doc.ts';
import { Reader, type ReaderDeed } from './reader.ts';

type Deed = ReaderDeed | 'write';

const names = ['ada', 'bob'] as const;
type Name = (typeof names)[number];
/** One after the other: what one brings about is over before the next, and no timer of a client rings just then. */
const stepMs = 1037;
const stepsMin = 40;
const deeds = weighed<Deed>({ write: 10, open: 5, list: 3, ask: 3, cut: 0 });
/** Those of every other seed. */
const deedsAndCuts = weighed<Deed>({ write: 10, open: 5, list: 3, ask: 3, cut: 2 });
const ids = ['1', '2', '3'] as const;
const ruleSets: readonly (readonly string[] | null)[] = [
  null,
  ['a/**', 'docs/**'],
  ['docs/1/**', 'docs/2/**', 'b/**'],
  ['docs/*/title', 'a/*/x'],
  ['**'],
];

/** What they hold all the time: of what they do not, the server looks for the objects of a list. */
const scopesHeld: readonly (readonly string[])[] = [['a/**', 'docs/**'], ['a/**']];

/** How much went on in worlds of twins. */
export type TwinFigures = { readonly told: number; readonly answers: number };

/** Two of different rights who read at one server, and each of them alone at another: nobody is told otherwise. */
export class TwinWorlds {
  figures: TwinFigures = { told: 0, answers: 0 };
  readonly #spoiling: Spoiling<TwinMutant>;

  constructor(mutant: TwinMutant | null = null) {
    this.#spoiling = new Spoiling(mutant, { most: 3 });
  }

  async play({ from, count: worlds, progress, ...shrinking }: Seeds): Promise<Played<TwinFigures>> {
    for (let seed = from; seed < from + worlds; seed++) {
      const dice = new Dice(seed ^ 0x57e95);
      const count = stepsMin + dice.below(stepsMin);
      const some = stepsOf(dice, {
        count,
        lengthMs: count * stepMs,
        people: names.length,
        deeds: seed % 2 === 0 ? deedsAndCuts : deeds,
      });
      const script = some.map(({ does, who, roll }, at) => ({
        does,
        who,
        roll,
        at: (at + 1) * stepMs,
      }));
      const play = (fewer: readonly Step<Deed>[]): Promise<Run> => this.#compare(seed, fewer);
      // oxlint-disable-next-line no-await-in-loop -- one world at a time
      const { items, run, trace, isLeast } = await tried(script, play, shrinking);
      const { problems, transcript } = run;
      const failure: Failure = { seed, problems, faults: [], steps: items, isLeast, transcript };
      if (problems.length > 0) return { failure, figures: this.figures };
      progress?.(seed - from + 1, trace);
    }
    return { failure: null, figures: this.figures };
  }

  async #compare(seed: number, script: readonly Step<Deed>[]): Promise<Run> {
    this.#spoiling.begin(new Dice(seed));
    const uncut = script.filter(({ does }) => does !== 'cut');
    const isCut = uncut.length < script.length;
    const both = await this.#played(seed, script, names);
    const problems = [...both.run.problems];
    for (const name of names) {
      // oxlint-disable-next-line no-await-in-loop -- one world at a time
      const alone = await this.#played(seed, uncut, [name]);
      problems.push(...alone.run.problems, ...this.#differences(both, alone, { name, isCut }));
    }
    return { ...both.run, problems };
  }

  /**
   * When somebody whose connection was cut comes back is chance, and so is whether they are told by the log or by the state,
   * and how often: they are told no value that is not told to one who is there all the time, and are shown the same.
   */
  #differences(
    both: Site,
    alone: Site,
    { name, isCut }: { readonly name: Name; readonly isCut: boolean },
  ): readonly string[] {
    const own = alone.heard.get(name);
    if (own === undefined) return [];
    const { told, facts, shown, answers } = this.#spoilt(both, name);
    this.figures = {
      told: this.figures.told + told.length,
      answers: this.figures.answers + answers.length,
    };
    const more = isCut ? missing(facts, own.facts) : missing(told, own.told);
    const less = isCut ? [] : missing(own.told, told);
    return [
      ...more.map((each) => `more: ${name} is told ${each}, and not alone`),
      ...less.map((each) => `less: ${name} is told ${each} only alone`),
      ...missing(shown, own.shown).map((each) => `shown: ${name} sees ${each}, and not alone`),
      ...missing(own.shown, shown).map((each) => `shown: ${name} sees ${each} only alone`),
      ...missing(answers, own.answers).map((each) => `answered: ${name} is answered ${each}`),
    ];
  }

  #spoilt({ heard }: Site, name: Name): Heard {
    const { told, facts, shown, answers } = heard.get(name) ?? nothing;
    const others = [...heard].flatMap(([each, its]) => (each === name ? [] : [its]));
    const isMore = this.#takes('one is told of what is for the other');
    const also = (what: 'told' | 'facts', own: readonly string[]): readonly string[] =>
      isMore ? others.flatMap((its) => its[what].filter((each) => !own.includes(each))) : [];
    return {
      told: [
        ...(this.#takes('one is not told, as the other may not be') ? told.slice(1) : told),
        ...also('told', told),
      ],
      facts: [...facts, ...also('facts', facts)],
      shown: this.#takes('one is not shown what the other may not see') ? shown.slice(1) : shown,
      answers: this.#takes('one is answered as the other')
        ? answers.map((each) => each.replace(/\d/g, '0'))
        : answers,
    };
  }

  #takes(mutant: TwinMutant): boolean {
    return this.#spoiling.mutant === mutant;
  }

  async #played(seed: number, script: readonly Step<Deed>[], who: readonly Name[]): Promise<Site> {
    const readers = new Map<Name, Reader>();
    const heard = new Map<Name, Heard>();
    const run = await playSeed(
      {
        ...simulationOf(seed, script, { who, readers }),
        check: () => {
          for (const [name, reader] of readers) heard.set(name, heardBy(reader));
        },
      },
      seed,
    );
    return { run, heard };
  }
}

/** What somebody was told, and what they are shown when the weather has cleared. */
type Heard = {
  readonly told: readonly string[];
  readonly facts: readonly string[];
  readonly shown: readonly string[];
  readonly answers: readonly string[];
};

type Site = { readonly run: Run; readonly heard: ReadonlyMap<Name, Heard> };

const nothing: Heard = { told: [], facts: [], shown: [], answers: [] };

function heardBy({ told, facts, shown, answers }: Reader): Heard {
  return { told: [...told], facts: [...facts], shown, answers };
}

function simulationOf(
  seed: number,
  script: readonly Step<Deed>[],
  { who, readers }: { readonly who: readonly Name[]; readonly readers: Map<Name, Reader> },
): Simulation<Step<Deed>> {
  const dice = new Dice(seed);
  const rights = names.map((name) => [name, dice.pick(ruleSets)] as const);
  const scope = dice.pick(scopesHeld);
  return {
    stores: [storeName],
    prepare: (server) => void server.record(Doc),
    server: {
      authenticate: async ({ token }) => {
        const name = token?.replace(/\.\d+$/, '') ?? '';
        const [, rules = null] = rights.find(([each]) => each === name) ?? [];
        return principalOf(name, rules);
      },
    },
    script: {
      steps: () => script,
      perform: (world, { does, who: at, roll }) => {
        const name = names[at];
        if (does === 'write') write(world, new Dice(roll));
        else if (name !== undefined) readers.get(name)?.act(does, new Dice(roll));
      },
    },
    program: async (world) => {
      void world.device('owner', { durable: false }).store(storeName);
      for (const name of who) readers.set(name, new Reader(world, name, { scope }));
      await world.sleep((script.at(-1)?.at ?? 0) + 2 * stepMs);
    },
  };
}

function principalOf(subject: string, rules: readonly string[] | null): Principal {
  const isOwner = subject === 'owner';
  return {
    subject,
    orgs: ['acme'],
    scopes: new Set(scopes.filter((scope) => isOwner || scope !== 'admin')),
    storeAccess: { mode: 'all' },
    expiresAt: null,
    tokenId: null,
    ...(rules !== null && {
      pathRules: rules.map((pattern) => ({ pattern, allow: ['read'] as const })),
    }),
  };
}

function write(world: World, dice: Dice): void {
  const store = world.device('owner').store(storeName);
  const [kind, id, text] = [dice.below(8), dice.pick(ids), `v${dice.below(1000)}`];
  if (kind < 3) {
    const [open, owner] = [dice.chance(0.5), dice.pick([...names])];
    store.put(`docs/${id}`, { title: text, secret: `s${text}`, open, owner });
  } else if (kind === 3) store.merge(`docs/${id}`, { open: dice.chance(0.5) });
  else if (kind === 4) store.delete(dice.pick([`docs/${id}`, 'a', `a/${id}`, 'b']));
  else if (kind === 5) store.put('a', { [id]: { x: text, y: text } });
  else {
    store.transact((tx) => {
      tx.put(`a/${id}/x`, text);
      tx.put(`b/${id}`, text);
      tx.put(`a/${id}/y`, text);
    });
  }
}

/** What is in one list more often than in another. */
function missing(these: readonly string[], those: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const each of those) left.set(each, (left.get(each) ?? 0) + 1);
  return these.filter((each) => {
    const count = left.get(each) ?? 0;
    left.set(each, count - 1);
    return count <= 0;
  });
}

/** Plays the worlds of some seeds; stops at the first in which somebody is told otherwise. */
export function runTwins(
  seeds: Seeds,
  mutant: TwinMutant | null = null,
): Promise<Played<TwinFigures>> {
  return new TwinWorlds(mutant).play(seeds);
}
