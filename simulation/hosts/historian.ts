import type { Diff, Entry, HistoryPage, Rollback, Store } from '@holdfast/client';
import { HoldfastError } from '@holdfast/client';
import type { Tree } from '@holdfast/engine/data';
import { comparePaths, matches, type Path, type Seq, segmentsOf } from '@holdfast/protocol';
import { parsed } from '../parts/border.ts';
import type { Dice } from '../src/dice.ts';
import { textOf } from '../text.ts';
import type { Truth } from '../validators/truth.ts';
import type { HostMutant } from './mutants.ts';

/** What somebody was told of the past of a store, or did to have it back; `known`: the seq at which it was when it asked. */
type Told = { readonly known: Seq } & (
  | { readonly seq: Seq; readonly pattern: string; readonly entries: readonly Entry[] }
  | { readonly diff: Diff }
  | ToldPage
  | { readonly to: Seq; readonly path: string; readonly rollback: Rollback }
);

type ToldPage = {
  readonly before: Seq | undefined;
  readonly limit: number;
  readonly page: HistoryPage;
};

const patterns = ['**', 'own/**', 'n/*', 'pair/*/left', 'guarded/**'];
/** What may be taken back: nothing that a lease guards. */
const places = ['own/dev-1/1', 'n/0', 'n/2', 'doc', 'pair', 'pair/1', 'race', 'total', 'pairs'];
/** How a question may end in bad weather: without an answer, or with one that says why there is none. */
const expected = new Set([
  'unavailable',
  'outcome_unknown',
  'beyond_retention',
  'internal_error',
  'closed',
  'unauthorized',
]);

/** Asks for the past of a store (stores.md §13), and notes what it is told. */
export class Historian {
  readonly #told: Told[] = [];
  readonly #complain: (text: string) => void;
  readonly #mutant: HostMutant | null;

  constructor(complain: (text: string) => void, mutant: HostMutant | null) {
    this.#complain = complain;
    this.#mutant = mutant;
  }

  /** How much it was told. */
  get count(): number {
    return this.#told.length;
  }

  ask(store: Store, dice: Dice): void {
    const known = store.status.get().seq;
    if (known === 0) return;
    this.#ask(store, { dice, known }).then(
      (told) => this.#told.push(spoiled({ known, ...told }, this.#mutant)),
      (error: unknown) => {
        const code = error instanceof HoldfastError ? error.code : String(error);
        if (!expected.has(code)) this.#complain(`a question about the past failed: ${code}`);
      },
    );
  }

  async #ask(
    store: Store,
    { dice, known }: { readonly dice: Dice; readonly known: Seq },
  ): Promise<Told extends infer Each ? (Each extends Told ? Omit<Each, 'known'> : never) : never> {
    const [one, other] = [dice.below(known + 1), dice.below(known + 1)];
    const kind = dice.below(4);
    if (kind === 0) {
      const pattern = dice.pick(patterns);
      const { items } = await store.at(one).entries(pattern);
      return { seq: one, pattern, entries: items };
    }
    if (kind === 1) return { diff: await store.diff(Math.min(one, other), Math.max(one, other)) };
    if (kind === 2) {
      const before = dice.chance(0.5) ? one + 1 : undefined;
      const limit = 1 + dice.below(30);
      const page = await store.history({ limit, ...(before !== undefined && { before }) });
      return { before, limit, page };
    }
    const path = dice.pick(places);
    return { to: one, path, rollback: await store.rollback({ to: one, path }) };
  }

  /** What of that is not so. `isWhole`: nothing of the log was ever forgotten. */
  judge(truth: Truth, isWhole: boolean): readonly string[] {
    const seqs = this.#told.flatMap((told) => {
      if ('entries' in told) return [told.seq];
      if ('diff' in told) return [told.diff.from, told.diff.to];
      return 'rollback' in told ? [told.to, told.rollback.seq] : [];
    });
    const states = truth.statesAt(seqs);
    return this.#told.flatMap((told) => {
      const [found, wanted] = compared(told, { truth, states, isWhole }).map(textOf);
      return found === wanted ? [] : [`past: ${textOf(told)}: ${found} instead of ${wanted}`];
    });
  }
}

function spoiled(told: Told, mutant: HostMutant | null): Told {
  if ('entries' in told && mutant === 'what was at a seq is left out in part') {
    return { ...told, entries: told.entries.slice(1) };
  }
  if ('diff' in told && mutant === 'a difference is told the other way round') {
    const { diff } = told;
    return { ...told, diff: { ...diff, from: diff.to, to: diff.from } };
  }
  if ('page' in told && mutant === 'a page of the log begins later') {
    return { ...told, page: { ...told.page, items: told.page.items.slice(1) } };
  }
  if ('rollback' in told && mutant === 'what is taken back is another') {
    return { ...told, to: Math.max(0, told.to - 5) };
  }
  return told;
}

type Known = {
  readonly truth: Truth;
  readonly states: ReadonlyMap<Seq, Tree>;
  readonly isWhole: boolean;
};

/** What was told, and what is so. */
function compared(told: Told, { truth, states, isWhole }: Known): readonly [unknown, unknown] {
  const at = (seq: Seq): readonly Entry[] => [...(states.get(seq)?.entries() ?? [])];
  if ('entries' in told) {
    const [pattern] = parsed([told.pattern]);
    const wanted = at(told.seq).filter(
      ({ path }) => pattern !== undefined && matches(pattern, segmentsOf(path)),
    );
    return [told.entries.map(brief), wanted.map(brief)];
  }
  if ('diff' in told) {
    const { from, to, changes } = told.diff;
    return [
      changes.map(({ path, before, after }) => [path, before ?? null, after ?? null]),
      changesBetween(at(from), at(to)),
    ];
  }
  if ('rollback' in told) {
    const { to, path, rollback } = told;
    const below = (seq: Seq): unknown => leavesBelow(path, at(seq));
    return [below(rollback.seq), below(to)];
  }
  return comparedPage(told, truth, isWhole);
}

/** A page has the log without a gap, from the newest on or from where it was asked for, to its own end or that of all. */
function comparedPage(
  told: ToldPage & { readonly known: Seq },
  truth: Truth,
  isWhole: boolean,
): readonly [unknown, unknown] {
  const { items, next } = told.page;
  const first = told.before === undefined ? (items[0]?.seq ?? 0) : told.before - 1;
  const last = items.at(-1)?.seq ?? first + 1;
  const wanted = truth.ops.slice(last - 1, first).toReversed();
  const isLast = last === 1 || items.length < told.limit;
  const reaches = last === 1 || items.length === told.limit || !isWhole;
  const isNew = told.before !== undefined || first >= told.known || (!isWhole && last > first);
  return [
    [reaches, isNew, next === null, items.map(briefly)],
    [true, true, isLast, wanted.map(briefly)],
  ];
}

function brief({ path, value, revision, type }: Entry): readonly unknown[] {
  return [path, value, revision, type];
}

function briefly(op: {
  readonly seq: Seq;
  readonly op: string;
  readonly path: Path;
  readonly tx?: Seq | null;
}): readonly unknown[] {
  return [op.seq, op.op, op.path, op.tx ?? null];
}

function changesBetween(before: readonly Entry[], after: readonly Entry[]): unknown {
  const [was, is] = [before, after].map((all) => new Map(all.map((each) => [each.path, each])));
  const paths = new Set([...before, ...after].map(({ path }) => path));
  return [...paths].toSorted(comparePaths).flatMap((path) => {
    const [old, now] = [was?.get(path), is?.get(path)];
    const isSame = textOf([old?.value, old?.type]) === textOf([now?.value, now?.type]);
    return isSame ? [] : [[path, old?.value ?? null, now?.value ?? null]];
  });
}

/** What is there, leases excepted (stores.md §13.3.3). */
function leavesBelow(path: string, entries: readonly Entry[]): unknown {
  return entries
    .filter((each) => each.path === path || each.path.startsWith(`${path}/`))
    .filter(({ type }) => type !== 'lease')
    .map((each) => [each.path, each.value, each.type]);
}
