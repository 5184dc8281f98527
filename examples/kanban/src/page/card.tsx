import { type KeyboardEvent, memo, type PointerEvent, type ReactNode, useState } from 'react';
import type { Card as Shown } from './holdfast.ts';
import type { Deeds } from './use-board.ts';

type Props = {
  readonly card: Shown;
  readonly isHeld: boolean;
  /** Whether Tab leads here: of all cards to one only. */
  readonly isCurrent: boolean;
  readonly isEditing: boolean;
  readonly deeds: Deeds;
  readonly onEdit: (id: string | null) => void;
  readonly onPress: (event: KeyboardEvent, id: string) => void;
  readonly onFocus: (id: string) => void;
  readonly onGrab: (event: PointerEvent<HTMLElement>, id: string) => void;
};

/** One card. */
export const Card = memo(function Card(props: Props): ReactNode {
  const { card, isHeld, isCurrent, isEditing, deeds, onEdit, onPress, onFocus, onGrab } = props;
  const { id, title, isPending } = card;
  if (isEditing) {
    return (
      <li className="card editing">
        <Rename
          title={title}
          onDone={(next) => {
            if (next !== '' && next !== title) deeds.rename(id, next);
            onEdit(null);
          }}
        />
      </li>
    );
  }
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the keyboard moves cards
    <li
      className="card"
      data-card={id}
      data-held={isHeld}
      data-pending={isPending}
      tabIndex={isCurrent ? 0 : -1}
      aria-roledescription="movable card"
      aria-describedby="keys"
      onFocus={() => onFocus(id)}
      onKeyDown={(event) => {
        if (event.target === event.currentTarget) onPress(event, id);
      }}
      onPointerDown={(event) => {
        if (!isPending) onGrab(event, id);
      }}
      onDoubleClick={() => onEdit(id)}
    >
      <p>{title}</p>
      <span className="tools">
        <button
          className="quiet"
          tabIndex={-1}
          aria-label={`Rename ${title}`}
          onClick={() => onEdit(id)}
        >
          ✎
        </button>
        <button
          className="quiet"
          tabIndex={-1}
          aria-label={`Delete ${title}`}
          onClick={() => deeds.remove(id)}
        >
          ×
        </button>
        <span className="grip" aria-hidden="true">
          ⠿
        </span>
      </span>
    </li>
  );
});

type RenameProps = { readonly title: string; readonly onDone: (title: string) => void };

/** The field for another title: Enter or leaving it takes it, Escape does not. */
function Rename({ title, onDone }: RenameProps): ReactNode {
  const [text, setText] = useState(title);
  return (
    <input
      aria-label={`Title of ${title}`}
      value={text}
      maxLength={500}
      autoFocus
      onFocus={({ target }) => target.select()}
      onChange={({ target }) => setText(target.value)}
      onBlur={() => onDone(text.trim())}
      onKeyDown={(event) => {
        if (event.key === 'Enter') onDone(text.trim());
        if (event.key === 'Escape') onDone(title);
      }}
    />
  );
}
