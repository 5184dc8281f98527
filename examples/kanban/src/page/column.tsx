import { memo, type ReactNode } from 'react';
import { AddCard } from './add-card.tsx';
import { Card } from './card.tsx';
import type { Column as Shown } from './holdfast.ts';
import type { Renaming } from './places.ts';
import type { Deeds } from './use-board.ts';

type Props = {
  readonly column: Shown;
  /** The card that somebody here holds, the one that the keyboard is at, the one in it that is renamed. */
  readonly held: string | null;
  readonly current: string | null;
  readonly renaming: Renaming | null;
  readonly deeds: Deeds;
  readonly onRename: (to: Renaming | null) => void;
};

/** One column of the board. */
export const Column = memo(function Column(props: Props): ReactNode {
  const { column, held, current, renaming, deeds, onRename } = props;
  const { id, title, cards } = column;
  return (
    <section
      className="column"
      data-column={id}
      aria-label={`${title}, ${cards.length} card${cards.length === 1 ? '' : 's'}`}
    >
      <h2>
        {title} <span className="count">{cards.length}</span>
      </h2>
      <ol>
        {cards.map((card) => (
          <Card
            key={card.id}
            card={card}
            isHeld={card.id === held}
            isCurrent={card.id === current}
            renaming={card.id === renaming?.id ? renaming : null}
            deeds={deeds}
            onRename={onRename}
          />
        ))}
      </ol>
      {cards.length === 0 && <p className="hint nothing">Nothing here.</p>}
      <AddCard column={title} onAdd={(text) => deeds.add(id, text)} />
    </section>
  );
});
