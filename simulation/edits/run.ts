import {
  childPath,
  isObject,
  type Json,
  type OpId,
  type Path,
  type Request,
} from '@holdfast/protocol';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { isTabDeed, seatAt, type TabDeed, TabRow } from '../browser/row.ts';
import { Spoiling } from '../spoiling.ts';
import { type Step, weighed } from '../steps.ts';
import { textOf } from '../text.ts';
import { Truth } from '../validators/truth.ts';
import { type Played, Worlds } from '../worlds.ts';
import { Editor, storeName } from './editor.ts';
import type { EditMutant } from './mutants.ts';

const weights = { write: 30, own: 25, undo: 25, redo: 12, once: 8 };
const deedsInTabs = weighed<Deed>({ ...weights, freeze: 5, reload: 2 });
type Deed = keyof typeof weights | TabDeed;

const names = ['ann', 'bob', 'cleo'];
const spoilsMax = 10;
const setting = {
  faults: { ...badWeather, crash: 3, forget: 1 },
  store: storeName,
  lengthMs: 20_000,
  // Every flight has landed by then.
  clearMs: 125_000,
  deeds: weighed<Deed>({ ...weights, freeze: 0, reload: 0 }),
  people: names.length,
  deedsMin: 80,
};

/** How much went on in worlds of edits. */
export type EditFigures = { readonly turned: number; readonly flown: number };

/** How a world of edits is other than most. */
export type EditTerms = { readonly mutant?: EditMutant | null; readonly inTabs?: boolean };

/** Those who take back what they have written, and compute something once for all, in bad weather. */
export class EditWorlds extends Worlds<Deed, EditMutant> {
  figures: EditFigures = { turned: 0, flown: 0 };
  readonly #row: TabRow | null;
  #editors: Editor[] = [];

  /** `inTabs`: all but one of them sit in tabs of one browser, which freeze, too, and are left and opened again. */
  constructor({ mutant = null, inTabs = false }: EditTerms = {}) {
    const row = inTabs ? new TabRow() : null;
    const inRow = row === null ? null : { ...row.setting, deeds: deedsInTabs };
    super({ ...setting, ...inRow }, new Spoiling(mutant, { most: spoilsMax }));
    this.#row = row;
  }

  protected begin(world: World): void {
    const { spoils } = this;
    const complain = (word: string, text: string): void => world.problem(`${word}: ${text}`);
    this.#row?.begin(world, setting.lengthMs);
    this.#editors = (this.#row?.people ?? names).map((name) => {
      const seat = this.#row?.seat(world, name) ?? seatAt(world, name);
      return new Editor(world, seat, { complain, spoils });
    });
  }

  protected perform(_world: World, { does, who, roll }: Step<Deed>): void {
    const dice = new Dice(roll);
    if (isTabDeed(does)) this.#row?.act(who, does, dice);
    else this.#editors[who]?.act(does, dice);
  }

  protected async check(world: World): Promise<void> {
    const truth = new Truth((await world.log(storeName)).map(({ op }) => op));
    const turned = new Map(this.#editors.flatMap((editor) => [...editor.turned]));
    const flown = this.#editors.flatMap((editor) => editor.flown);
    for (const problem of [...touched(truth, turned), ...strayed(truth, flown)]) {
      world.problem(problem);
    }
    for (const editor of this.#editors) editor.look('in the end');
    this.checkErrors(world);
    this.figures = {
      turned:
        this.figures.turned + [...turned.keys()].filter((id) => truth.of(id).length > 0).length,
      flown: this.figures.flown + flown.length,
    };
  }
}

/**
 * What is taken back is what its own author has left there once, whoever wrote in between, if that is what is there again;
 * or had left before the server refused that, where another has brought about just the same. Where the refusal was lost it is
 * asked for again, behind what came after it, and may be committed then.
 */
function touched(truth: Truth, turned: ReadonlyMap<OpId, Request>): readonly string[] {
  const there = new Map<Path, Json>();
  const left = new Set(
    [...turned].flatMap(([opId, request]) =>
      writesOf(request).flatMap((write) => leftBy(opId, write)),
    ),
  );
  return truth.ops.flatMap(({ op, path, value, clientOpId }) => {
    const next = op === 'delete' ? null : value;
    return leavesOf(op, path, next).flatMap(([at, each]) => {
      const mine = `${makerOf(clientOpId)} ${at}`;
      const found = textOf(there.get(at) ?? null);
      const isWrong = turned.has(opIdOf(clientOpId)) && !left.has(`${mine} ${found}`);
      there.set(at, each);
      left.add(`${mine} ${textOf(each)}`);
      return isWrong ? [`untouched: ${clientOpId} took ${found} at ${at}`] : [];
    });
  });
}

/** What a merge writes, it writes at each member. */
function leavesOf(op: string, path: Path, value: Json): readonly (readonly [Path, Json])[] {
  if (op !== 'merge' || !isObject(value)) return [[path, value]];
  return Object.entries(value).map(([key, each]) => [childPath(path, key), each]);
}

function writesOf(request: Request): readonly Exclude<Request, { readonly op: 'transact' }>[] {
  return request.op === 'transact' ? request.ops : [request];
}

/** Whose write leaves what where. */
function leftBy(opId: OpId, write: ReturnType<typeof writesOf>[number]): readonly string[] {
  const value = 'value' in write ? write.value : null;
  const maker = makerOf(opId);
  return leavesOf(write.op, write.path, value).map(
    ([at, each]) => `${maker} ${at} ${textOf(each)}`,
  );
}

/** A client in one life of its: tabs are of one device. */
function makerOf(opId: OpId): string {
  return opId.slice(0, opId.lastIndexOf(':'));
}

/** The ops of a transaction share the id that it was made under. */
function opIdOf(clientOpId: OpId): OpId {
  return clientOpId.replace(/#.*$/, '');
}

/** What is computed once is written once, and all who were told of it were told that. */
function strayed(
  truth: Truth,
  flown: readonly { readonly key: string; readonly text: string }[],
): readonly string[] {
  const written = new Map<string, Json[]>();
  for (const { path, value } of truth.ops.filter((each) => each.path.startsWith('once/'))) {
    written.set(path, [...(written.get(path) ?? []), value]);
  }
  const twice = [...written].filter(([, values]) => values.length > 1);
  const others = flown.filter(({ key, text }) => written.get(key)?.includes(text) !== true);
  return [
    ...twice.map(([key, values]) => `flight: ${key} was written as ${textOf(values)}`),
    ...others.map(
      ({ key, text }) => `flight: ${text} was told of ${key}: ${textOf(written.get(key))}`,
    ),
  ];
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runEdits(seeds: Seeds, terms: EditTerms = {}): Promise<Played<EditFigures>> {
  return new EditWorlds(terms).play(seeds);
}
