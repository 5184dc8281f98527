import type { Dice } from '../src/dice.ts';
import { type Step as StepOf, stepsOf, weighed } from '../steps.ts';

/** How often each deed is done, in a hundred. */
const weights = {
  board: 12,
  say: 8,
  flip: 6,
  ponder: 4,
  fail: 2,
  leave: 2,
  set: 14,
  patch: 14,
  increment: 6,
  remove: 5,
  transact: 5,
  page: 4,
  more: 4,
  reopen: 3,
  freeze: 4,
  crash: 3,
  reload: 2,
  grant: 2,
} as const;

/** Something that somebody does, in a tab or elsewhere. */
export type Deed = keyof typeof weights;
/** What only somebody in front of a tab that is awake can do. */
export type ActDeed = Exclude<Deed, 'board' | 'grant' | 'crash'>;

const pageDeeds = ['say', 'flip', 'ponder', 'fail', 'leave'] as const;

/** Whether it is done to a view. */
export function isPageDeed(does: Deed): does is (typeof pageDeeds)[number] {
  return pageDeeds.some((each) => each === does);
}

export type Step = StepOf<Deed>;

/** What everybody does. */
export function scriptOf(dice: Dice, lengthMs: number): readonly Step[] {
  const count = (lengthMs / 1000) * (6 + dice.below(6));
  return stepsOf(dice, { count, lengthMs, deeds: weighed(weights), people: 60 });
}
