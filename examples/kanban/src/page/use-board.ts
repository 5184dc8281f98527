import { HoldfastError } from '@holdfast/client';
import { child } from '@holdfast/client/views';
import { useMemo, useState } from 'react';
import type { BoardView, Column } from './holdfast.ts';
import { aboveOf, cardOf, type Held, placeOf } from './places.ts';

/** What can be done to the board. Each is shown at once, and can be taken back. */
export type Deeds = {
  readonly add: (column: string, title: string) => void;
  readonly rename: (id: string, title: string) => void;
  readonly remove: (id: string) => void;
  readonly move: (to: Held) => void;
};

/** What was done, in a sentence, and how it is taken back. */
type Step = { readonly said: string; readonly undo: () => Promise<unknown> };

type Doing = {
  readonly deeds: Deeds;
  /** What was done last; announced. */
  readonly said: string;
  readonly say: (text: string) => void;
  /** Takes back what was done last; null: nothing was. */
  readonly undo: (() => void) | null;
};

/**
 * As long as the page is open, what was done waits for its server. It may come there twice: a card has its id from here,
 * and is where it is however often it is put there.
 */
const lasting = { idempotent: true, timeoutMs: 86_400_000 } as const;

/** Who closes the page while something is on its way is asked. */
let onTheirWay = 0;
addEventListener('beforeunload', (event) => {
  if (onTheirWay > 0) event.preventDefault();
});

/** Calls back if the server refuses what was done. */
function send(done: Promise<unknown>, refused: (error: unknown) => void): void {
  onTheirWay += 1;
  void done.catch(refused).finally(() => (onTheirWay -= 1));
}

/** Does things to the board, and remembers how they are taken back. */
export function useBoard(view: BoardView): Doing {
  const [steps, setSteps] = useState<readonly Step[]>([]);
  const [said, say] = useState('');
  const deeds = useMemo(() => {
    const begin = (step: Step, done: Promise<unknown>): void => {
      say(step.said);
      setSteps((all) => [...all, step]);
      send(done, (error) => {
        setSteps((all) => all.filter((each) => each !== step));
        say(reasonOf(error));
      });
    };
    return deedsOn(view, begin);
  }, [view]);
  const last = steps.at(-1);
  const undo =
    last === undefined
      ? null
      : () => {
          setSteps(steps.slice(0, -1));
          say(`Taken back: ${last.said}`);
          send(last.undo(), (error) => say(reasonOf(error)));
        };
  return { deeds, said, say, undo };
}

function deedsOn(view: BoardView, begin: (step: Step, done: Promise<unknown>) => void): Deeds {
  const columns = (): readonly Column[] => columnsOf(view);
  const titleOf = (id: string): string => cardOf(columns(), id)?.title ?? '';
  return {
    add: (column, title) => {
      const id = crypto.randomUUID();
      const index = columns().find((each) => each.id === column)?.cards.length ?? 0;
      begin(
        { said: `Added “${title}”.`, undo: () => remove(view, id) },
        add(view, { id, title, column, index }),
      );
    },
    rename: (id, title) => {
      const before = titleOf(id);
      begin(
        { said: `Renamed “${before}” to “${title}”.`, undo: () => rename(view, id, before) },
        rename(view, id, title),
      );
    },
    remove: (id) => {
      const place = placeOf(columns(), id);
      const title = titleOf(id);
      if (place === undefined) return;
      begin(
        { said: `Deleted “${title}”.`, undo: () => add(view, { id, title, ...place }) },
        remove(view, id),
      );
    },
    move: (to) => {
      const place = placeOf(columns(), to.id);
      if (place === undefined || (place.column === to.column && place.index === to.index)) return;
      const name = columns().find(({ id }) => id === to.column)?.title ?? '';
      begin(
        {
          said: `Moved “${titleOf(to.id)}” to ${name}, position ${to.index + 1}.`,
          undo: () => move(view, { id: to.id, ...place }),
        },
        move(view, to),
      );
    },
  };
}

async function move(view: BoardView, to: Held): Promise<unknown> {
  const after = aboveOf(columnsOf(view), to);
  const column = columnsOf(view).find(isIt(to.column));
  if (column === undefined) return undefined;
  return view.$dispatch(
    'move',
    { card: to.id, column: column.id, after },
    {
      ...lasting,
      optimistic: ({ columns }) => {
        const from = columns.find(({ cards }) => cards.some(isIt(to.id)))?.cards ?? [];
        const target = columns.find(isIt(to.column))?.cards ?? [];
        const moved = from.splice(from.findIndex(isIt(to.id)), 1);
        // Below the same card, whatever others have done to the column meanwhile.
        target.splice(target.findIndex(isIt(after)) + 1, 0, ...moved);
      },
    },
  );
}

async function add(view: BoardView, card: Held & { readonly title: string }): Promise<unknown> {
  const { id, title, column } = card;
  const after = aboveOf(columnsOf(view), card);
  return view.columns.find(isIt(column))?.$dispatch(
    'add',
    { id, title, after },
    {
      ...lasting,
      optimistic: ({ cards }) => {
        if (cards.some(isIt(id))) return;
        cards.splice(
          cards.findIndex(isIt(after)) + 1,
          0,
          child(id, { id, title, isPending: true }),
        );
      },
    },
  );
}

async function rename(view: BoardView, id: string, title: string): Promise<unknown> {
  return view.$dispatch(
    'rename',
    { card: id, title },
    {
      ...lasting,
      optimistic: ({ columns }) => {
        const card = columns.flatMap(({ cards }) => cards).find(isIt(id));
        if (card !== undefined) card.title = title;
      },
    },
  );
}

async function remove(view: BoardView, id: string): Promise<unknown> {
  const column = view.columns.find(({ cards }) => cards.some(isIt(id)));
  return column?.$dispatch(
    'remove',
    { card: id },
    {
      ...lasting,
      optimistic: (draft) => void (draft.cards = draft.cards.filter((card) => card.id !== id)),
    },
  );
}

function columnsOf(view: BoardView): readonly Column[] {
  return view.$snapshot()?.columns ?? [];
}

function isIt(wanted: string | null): (each: { readonly id: string }) => boolean {
  return ({ id }) => id === wanted;
}

function reasonOf(error: unknown): string {
  const isGone =
    error instanceof HoldfastError &&
    (error.code === 'card_gone' || error.code === 'unknown store');
  return isGone ? 'Somebody has deleted this card.' : `That did not work: ${String(error)}`;
}
