import type { Card, Column } from './holdfast.ts';

/** Where a card is: in which column, and above how many others. */
export type Place = { readonly column: string; readonly index: number };

/** A card that somebody holds, and where it would be if they let it go. */
export type Held = Place & { readonly id: string };

/** Another title that is being written, where others may rename or move the card meanwhile. */
export type Renaming = {
  readonly id: string;
  /** What it was called when that began. */
  readonly before: string;
  readonly text: string;
};

/** The columns with a card somewhere else; columns that stay the same are the same objects. */
export function withCardAt(
  columns: readonly Column[],
  { id, column, index }: Held,
): readonly Column[] {
  const card = cardOf(columns, id);
  if (card === undefined) return columns;
  return columns.map((each) => {
    const others = each.cards.filter((other) => other.id !== id);
    if (each.id === column) return { ...each, cards: others.toSpliced(index, 0, card) };
    return others.length === each.cards.length ? each : { ...each, cards: others };
  });
}

export function cardOf(columns: readonly Column[], id: string): Card | undefined {
  return columns.flatMap(({ cards }) => cards).find((card) => card.id === id);
}

/** Where a card is. */
export function placeOf(columns: readonly Column[], id: string): Place | undefined {
  for (const { id: column, cards } of columns) {
    const index = cards.findIndex((card) => card.id === id);
    if (index >= 0) return { column, index };
  }
  return undefined;
}

/** Where somebody who is at a card goes on when others have done something: at it, else where it was, else at the first of all; undefined: there is none. */
export function restOf(
  columns: readonly Column[],
  before: readonly Column[],
  card: string,
): string | undefined {
  if (cardOf(columns, card) !== undefined) return card;
  const place = placeOf(before, card);
  const cards = columns.find(({ id }) => id === place?.column)?.cards ?? [];
  const [first] = columns.flatMap((column) => column.cards);
  return (cards[place?.index ?? 0] ?? cards.at(-1) ?? first)?.id;
}

/** The card that another one is below, or would be; null: none, it is on top. Where others have left fewer, it is below the last. */
export function aboveOf(columns: readonly Column[], { id, column, index }: Held): string | null {
  const others = columns.find((each) => each.id === column)?.cards.filter((card) => card.id !== id);
  return others?.slice(0, index).at(-1)?.id ?? null;
}

const steps: { readonly [key: string]: readonly [columns: number, cards: number] } = {
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
};

/** One step from a place in the direction of an arrow key; undefined: there is none. A card that is `held` may go below the last one. */
export function stepFrom(
  columns: readonly Column[],
  { column, index }: Place,
  { key, held }: { readonly key: string; readonly held: string | null },
): Place | undefined {
  const [aside, down] = steps[key] ?? [0, 0];
  const at = columns.findIndex(({ id }) => id === column);
  const target = columns[at + aside];
  if (target === undefined || (aside === 0 && down === 0)) return undefined;
  const others = target.cards.filter(({ id }) => id !== held).length;
  const next = Math.min(index + down, held === null ? others - 1 : others);
  return next < 0 || (aside === 0 && next === index)
    ? undefined
    : { column: target.id, index: next };
}
