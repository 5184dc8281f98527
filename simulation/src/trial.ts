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
};

/** What is said of a failure that is none when it is run again. */
const unrepeated =
  'it does not repeat: the program asks something else than its world, such as a clock; the first time it was';

/** Plays a world; where something is wrong, again and again with fewer of its items, as long as the same is. */
export async function tried<Item>(
  items: readonly Item[],
  play: (items: readonly Item[]) => Promise<Run>,
  { shrinks = true }: { readonly shrinks?: boolean },
): Promise<Trial<Item>> {
  const first = await play(items);
  const { problems, trace } = first;
  if (problems.length === 0 || !shrinks) return { items, run: first, trace };
  const kind = kindOf(problems);
  const fewest = await shrink(items, async (fewer) => {
    const again = await play(fewer);
    return again.problems.length > 0 && kindOf(again.problems) === kind;
  });
  const last = await play(fewest);
  if (last.problems.length > 0) return { items: fewest, run: last, trace };
  return { items, run: { ...first, problems: [unrepeated, ...problems] }, trace };
}

/** What is wrong, without when and with whom: a smaller world must fail in the same way. */
function kindOf([first = '']: readonly string[]): string {
  return first.replaceAll(/\d+/g, '').slice(0, 40);
}
