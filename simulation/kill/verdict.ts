import type { Json, Path } from '@holdfast/protocol';
import type { ClientHistory, Problem } from '../validators/history.ts';
import { judge } from '../validators/judge.ts';
import { type Traffic, trafficOf } from '../validators/traffic.ts';
import { leavesOf, Truth } from '../validators/truth.ts';
import { firstDifference } from '../validators/words.ts';
import { contentOf } from './content.ts';

type Leaves = readonly (readonly [Path, Json])[];

/** What clients did, saw and show in the end. */
export type Testimony = {
  readonly histories: readonly ClientHistory[];
  /** What is shown, and by whom. */
  readonly shown: readonly (readonly [who: string, leaves: Leaves])[];
};

/** What is wrong, and how much went on. */
export type Verdict = { readonly problems: readonly Problem[]; readonly traffic: Traffic };

/** Judges what clients did and saw by what a server has left behind in a directory. */
export type Judge = (directory: string, testimony: Testimony) => Promise<Verdict>;

/** Holds what everybody was told, and shows, against the log that a server has left behind. */
export async function verdictOf(
  directory: string,
  { histories, shown }: Testimony,
): Promise<Verdict> {
  const { ops, entries } = await contentOf(directory);
  const truth = new Truth(ops);
  const state = leavesOf(truth.stateAt(truth.head));
  const stored: readonly (readonly [string, Leaves])[] = [['the storage', entries]];
  const different = [...stored, ...shown].flatMap(([who, leaves]) => {
    const wrong = firstDifference(leaves, state);
    return wrong === null ? [] : [{ word: 'converged', text: `${who} has ${wrong}` }];
  });
  return {
    problems: [...different, ...judge(histories, truth)],
    traffic: trafficOf(histories, truth),
  };
}
