import type { Card, Question } from './card.ts';

/** Cards by their ids. */
export type Cards = ReadonlyMap<string, Card>;

/** Where a window begins or ends: what its row is ordered by, and its id. */
export type Edge = { readonly keys: readonly unknown[]; readonly id: string };

/** A question with its window. */
export type Asked = {
  readonly question: Question;
  readonly limit: number;
  readonly after: Edge | null;
};

/** What a question finds. */
export type Found = {
  readonly ids: readonly string[];
  readonly hasMore: boolean;
  readonly end: Edge | null;
};

/** Looks through everything afresh. */
export function freshOf(cards: Cards, { question, limit, after }: Asked): Found {
  const compare = byEdge(question);
  const found = [...cards]
    .filter(([, card]) => question.matches(card))
    .map(([id, card]) => edgeOf(question, id, card))
    .toSorted(compare)
    .filter((edge) => after === null || compare(edge, after) > 0);
  const window = found.slice(0, limit);
  return {
    ids: window.map(({ id }) => id),
    hasMore: found.length > limit,
    end: window.at(-1) ?? null,
  };
}

/** Own writes that nobody has answered: what a card has become by them, or nothing. */
export type Pending = ReadonlyMap<string, { readonly card: Card | null; readonly count: number }>;

/**
 * What a client shows that the server has told which rows there are, when it has written since: what it wrote hides or
 * shows a row, this where it lies in the window (records.md §14.3).
 */
export function overlaid(cards: Cards, asked: Asked, pending: Pending): readonly string[] {
  const { ids, hasMore, end } = freshOf(cards, asked);
  const compare = byEdge(asked.question);
  const rows = new Map<string, Card>();
  for (const id of ids) rows.set(id, cards.get(id) ?? {});
  for (const [id, { card }] of pending) {
    const isBeyond =
      card !== null &&
      hasMore &&
      end !== null &&
      compare(edgeOf(asked.question, id, card), end) > 0;
    if (card === null || isBeyond) rows.delete(id);
    else rows.set(id, card);
  }
  return freshOf(rows, asked).ids;
}

export function edgeOf({ orderBy }: Question, id: string, card: Card): Edge {
  return { keys: orderBy.map(([field]) => card[field]), id };
}

function byEdge({ orderBy }: Question): (a: Edge, b: Edge) => number {
  return (a, b) => {
    for (const [index, [, sign]] of orderBy.entries()) {
      const order = compareKeys(a.keys[index], b.keys[index]);
      if (order !== 0) return order * sign;
    }
    return compareKeys(a.id, b.id);
  };
}

/** What is absent comes first; all else is of one type. */
function compareKeys(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return typeof a === 'string' && typeof b === 'string' && a < b ? -1 : 1;
}
