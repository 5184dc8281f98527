import type { Dice } from '../src/dice.ts';
import { type Step, weighed } from '../steps.ts';
import type { Weather } from '../world/room.ts';

/** What befalls tabs: a person opens them, writes and closes them, a browser freezes and ends them, and wires break. */
export type TabDeed =
  | 'open'
  | 'write'
  | 'freeze'
  | 'thaw'
  | 'end'
  | 'close'
  | 'cut'
  | 'crash'
  | 'nothing';

const deeds = weighed<TabDeed>({
  open: 16,
  write: 140,
  freeze: 8,
  thaw: 16,
  end: 6,
  close: 4,
  cut: 6,
  crash: 1,
  nothing: 3,
});

/** A minute of misfortune: much of it at once, and pauses between. */
export function scriptOf(dice: Dice): readonly Step<TabDeed>[] {
  let at = 0;
  return Array.from({ length: 60 + dice.below(60) }, () => {
    const step = {
      at,
      does: dice.pick(deeds),
      who: dice.below(1000),
      roll: dice.below(2 ** 30),
    };
    at += dice.chance(0.7) ? dice.below(40) : dice.below(1500);
    return step;
  });
}

/** How likely what goes wrong is by itself. */
export function weatherOf(dice: Dice): Partial<Weather> {
  const some = (most: number): number => (dice.chance(0.5) ? 0 : dice.next() * most);
  return { failed: some(0.02), limited: some(0.05), lost: some(0.02), snapshot: some(0.2) };
}
