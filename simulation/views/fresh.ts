import { leavesOf, type Truth } from '../validators/truth.ts';
import type { ViewReader } from './reader.ts';

/** Which state of the store is the last. */
export function lastOf(truth: Truth): number {
  return freshOf(leavesOf(truth.stateAt(truth.head))).at;
}

/** The first envelope that left something else than a fresh render of a state of the store shows. */
export function unlike(truth: Truth, readers: readonly ViewReader[]): readonly string[] {
  const ends = truth.commits.map(({ last }) => last);
  const cards = new Map([[0, '[]']]);
  for (const tree of truth.statesAt(ends).values()) {
    const shown = freshOf(leavesOf(tree));
    cards.set(shown.at, shown.cards);
  }
  const wrong = readers
    .flatMap(({ sights }) => sights)
    .find(({ at, cards: seen }) => seen !== cards.get(at));
  if (wrong === undefined) return [];
  const { who, at, cards: seen } = wrong;
  return [`exact: ${who} at ${at}: ${seen} instead of ${String(cards.get(at))}`];
}

/** What a board shows of a state of the store. */
function freshOf(entries: ReturnType<typeof leavesOf>): { at: number; cards: string } {
  const leaves = new Map<string, unknown>(entries);
  const ids = new Set(
    entries.flatMap(([path]) => (path.startsWith('cards/') ? [path.split('/')[1] ?? ''] : [])),
  );
  const cards = [...ids]
    .toSorted()
    .map((id) => [id, leaves.get(`cards/${id}/title`) ?? '', leaves.get(`marks/${id}`) ?? null]);
  return { at: Number(leaves.get('at') ?? 0), cards: JSON.stringify(cards) };
}
