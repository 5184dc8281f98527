import { memo, type ReactNode, useEffect, useRef, useState } from 'react';
import type { Card as Shown } from './holdfast.ts';
import type { Deeds } from './use-board.ts';
import { focusOn } from './use-card-keys.ts';

type Props = {
  readonly card: Shown;
  readonly isHeld: boolean;
  /** Whether Tab leads here: of all cards to one only. */
  readonly isCurrent: boolean;
  readonly isEditing: boolean;
  readonly deeds: Deeds;
  readonly onEdit: (id: string | null) => void;
};

/** One card. What pointers and keys do to it, the board hears. */
export const Card = memo(function Card(props: Props): ReactNode {
  const { card, isHeld, isCurrent, isEditing, deeds, onEdit } = props;
  const { id, title, isPending } = card;
  useFocusAfter(isEditing, id);
  if (isEditing) {
    const take = (next: string): void => {
      if (next !== '' && next !== title) deeds.rename(id, next);
      onEdit(null);
    };
    return (
      <li className="card editing">
        <Rename title={title} onDone={take} />
      </li>
    );
  }
  return (
    <li
      className="card"
      data-card={id}
      data-held={isHeld}
      data-pending={isPending}
      tabIndex={isCurrent ? 0 : -1}
      aria-roledescription="movable card"
      aria-describedby="keys"
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

/** Goes back to the card when its field is gone, unless the focus is elsewhere by then. */
function useFocusAfter(isEditing: boolean, id: string): void {
  const wasEditing = useRef(isEditing);
  useEffect(() => {
    if (wasEditing.current && !isEditing && document.activeElement === document.body) focusOn(id);
    wasEditing.current = isEditing;
  }, [isEditing, id]);
}

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
