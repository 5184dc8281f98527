import { holdfast, RejectedError, type ViewStore } from '@holdfast/server';
import { z } from 'zod';

/** The columns that there are. */
export const columns = [
  { id: 'todo', title: 'To do' },
  { id: 'doing', title: 'Doing' },
  { id: 'done', title: 'Done' },
] as const;

const ColumnId = z.enum(columns.map(({ id }) => id));
const CardId = z.uuid();
const Title = z.string().trim().min(1).max(500);

/** A card as the store has it. */
type StoredCard = { readonly title: string; readonly column: string; readonly rank: number };

/** What the store of the board holds, at its first level. */
type Store = { readonly cards: { readonly [id: string]: StoredCard } };

const { view, app } = holdfast<{ stores: { 'team/board': Store } }>();

/** A card; the board that it is on is a view, too, and so is its column. */
const card = view({
  name: 'Card',
  params: z.object({ id: CardId, title: z.string() }),
  // Only what a page shows before its server knows is pending.
  render: (_state, _h, { params: { id, title } }) => ({ id, title, isPending: false }),
});

const column = view({
  name: 'Column',
  params: z.object({ id: ColumnId, title: z.string() }),
  render: (_state, h, ctx) => ({
    ...ctx.params,
    cards: cardsIn(ctx.store('team/board'), ctx.params.id).map(({ id, title }) =>
      h.child(card, id, { id, title }),
    ),
  }),
  commands: {
    /** Whoever adds a card gives it its id, so that it does no harm if that comes twice. */
    add: {
      input: z.object({ id: CardId, title: Title, after: CardId.nullish() }),
      run: async (ctx, { id, title, after }) => {
        const store = ctx.store('team/board');
        if (store.get(['cards', id]) !== undefined) return;
        await place(store, id, { title, column: ctx.params.id, after });
      },
    },
    remove: {
      input: z.object({ card: CardId }),
      run: async (ctx, { card: id }) => {
        await ctx.store('team/board').delete(['cards', id]);
      },
    },
  },
});

/** The board: one instance for everybody, so that what people do to it is done one after the other. */
export const board = view({
  name: 'Board',
  scope: 'shared',
  render: (_state, h) => ({ columns: columns.map((each) => h.child(column, each.id, each)) }),
  commands: {
    move: {
      input: z.object({ card: CardId, column: ColumnId, after: CardId.nullable() }),
      run: async (ctx, { card: id, column: to, after }) => {
        await place(storeWith(ctx, id), id, { column: to, after });
      },
    },
    /** The board's, not the card's: wherever somebody else has moved the card by then, it is renamed there. */
    rename: {
      input: z.object({ card: CardId, title: Title }),
      run: async (ctx, { card: id, title }) => {
        await storeWith(ctx, id).put(['cards', id, 'title'], title);
      },
    },
  },
});

type Card = { readonly id: string; readonly title: string; readonly rank: number };

/** The cards of a column, in their order. */
function cardsIn(store: ViewStore<Store>, at: string): readonly Card[] {
  return Object.entries(store.get('cards') ?? {})
    .filter(([, stored]) => stored.column === at)
    .map(([id, { title, rank }]) => ({ id, title, rank }))
    .toSorted((a, b) => a.rank - b.rank);
}

/** The store, with this card in it. */
function storeWith(
  ctx: { store(name: 'team/board'): ViewStore<Store> },
  id: string,
): ViewStore<Store> {
  const store = ctx.store('team/board');
  if (store.get(['cards', id]) === undefined) throw new RejectedError('card_gone');
  return store;
}

/** Where a card is to be, and how it is called where it is new. */
type Place = {
  readonly title?: string;
  readonly column: string;
  readonly after: string | null | undefined;
};

/**
 * Puts a card below another one of a column (null: on top; undefined: at the end), and counts anew what that shifts. It
 * writes where cards are and leaves what they are called alone, so that whoever renames one is not in its way.
 */
async function place(
  store: ViewStore<Store>,
  id: string,
  { title, column: to, after }: Place,
): Promise<void> {
  const others = cardsIn(store, to).filter((each) => each.id !== id);
  const above = after === undefined ? others.length : others.findIndex(isIt(after)) + 1;
  await store.transact((tx) => {
    if (title !== undefined) tx.put(['cards', id, 'title'], title);
    tx.put(['cards', id, 'column'], to);
    tx.put(['cards', id, 'rank'], above);
    for (const [at, other] of others.entries()) {
      const rank = at < above ? at : at + 1;
      if (other.rank !== rank) tx.put(['cards', other.id, 'rank'], rank);
    }
  });
}

function isIt(wanted: string | null): (card: Card) => boolean {
  return ({ id }) => id === wanted;
}

/** The board, as a server runs it. */
export const kanban = app({ views: [board] });

/** The board, as its page knows it. */
export type Kanban = typeof kanban;
