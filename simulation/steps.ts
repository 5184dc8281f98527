import type { Dice } from './src/dice.ts';

/** Something that somebody does in a world; what comes of it, the roll decides. */
export type Step<Deed extends string> = {
  readonly at: number;
  readonly does: Deed;
  readonly who: number;
  readonly roll: number;
};

/** So many deeds, scattered over a time, in their order. */
export function stepsOf<Deed extends string>(
  dice: Dice,
  {
    count,
    lengthMs,
    deeds,
    people,
  }: {
    readonly count: number;
    readonly lengthMs: number;
    readonly deeds: readonly Deed[];
    readonly people: number;
  },
): readonly Step<Deed>[] {
  return Array.from({ length: count }, () => ({
    at: dice.below(lengthMs),
    does: dice.pick(deeds),
    who: dice.below(people),
    roll: dice.below(2 ** 30),
  })).toSorted((a, b) => a.at - b.at);
}

/** Each deed as often as it weighs. */
export function weighed<Deed extends string>(
  weights: Readonly<Record<Deed, number>>,
): readonly Deed[] {
  return Object.entries<number>(weights).flatMap(([does, weight]) =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key of that very table
    Array.from({ length: weight }, () => does as Deed),
  );
}
