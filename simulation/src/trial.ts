import { shrink } from './shrink.ts';

/** What became of a world. */
export type Run = {
  readonly problems: readonly string[];
  readonly transcript: readonly string[];
  readonly trace: string;
};

/** What a world came to, and as few of its items as it takes for that, where something is wrong. */
export type Trial<Item> = {
  readonly items: readonly Item[];
  readonly run: Run;
  /** That of the whole world. */
  readonly trace: string;
  /** Whether fewer were looked for to the end. */
  readonly isLeast: boolean;
};

/** Whether fewer items are looked for where something is wrong, and for how long. */
export type TrialTerms = {
  readonly shrinks?: boolean;
  readonly shrinkMs?: number;
  readonly shrinking?: (left: number) => void;
};

/** What is said of a failure that is none when it is run again. */
const unrepeated =
  'it does not repeat: the program asks something else than its world, such as a clock; the first time it was';

/** Plays a world; where something is wrong, again and again with fewer of its items, as long as the same is. */
export async function tried<Item>(
  items: readonly Item[],
  play: (items: readonly Item[]) => Promise<Run>,
  { shrinks = true, shrinkMs, shrinking }: TrialTerms,
): Promise<Trial<Item>> {
  const first = await play(items);
  const { problems, trace } = first;
  if (problems.length === 0 || !shrinks) {
    return { items, run: first, trace, isLeast: false };
  }
  const kind = kindOf(problems);
  const fails = async (fewer: readonly Item[]): Promise<boolean> => {
    const again = await play(fewer);
    return again.problems.length > 0 && kindOf(again.problems) === kind;
  };
  const { kept, isLeast } = await shrink(items, fails, { limitMs: shrinkMs, tell: shrinking });
  const last = await play(kept);
  if (last.problems.length > 0) return { items: kept, run: last, trace, isLeast };
  return { items, run: { ...first, problems: [unrepeated, ...problems] }, trace, isLeast: false };
}

/** What is wrong, without when and with whom: a smaller world must fail in the same way. */
function kindOf([first = '']: readonly string[]): string {
  return first.replaceAll(/\d+/g, '').slice(0, 40);
}
