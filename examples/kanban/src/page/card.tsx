import { memo, type ReactNode, useEffect, useRef } from 'react';
import type { Card as Shown } from './holdfast.ts';
import type { Renaming } from './places.ts';
import type { Deeds } from './use-board.ts';
import { focusBeside, focusOn } from './use-card-keys.ts';

type Props = {
  readonly card: Shown;
  readonly isHeld: boolean;
  /** Whether Tab leads here: of all cards to one only. */
  readonly isCurrent: boolean;
  readonly renaming: Renaming | null;
  readonly deeds: Deeds;
  readonly onRename: (to: Renaming | null) => void;
};

/** One card. What pointers and keys do to it, the board hears. */
export const Card = memo(function Card(props: Props): ReactNode {
  const { card, isHeld, isCurrent, renaming, deeds, onRename } = props;
  const { id, title, isPending } = card;
  const edit = (): void => onRename({ id, before: title, text: title });
  useFocusAfter(renaming !== null, id);
  if (renaming !== null) {
    const take = (): void => {
      const next = renaming.text.trim();
      // Who has changed nothing leaves it as others may have called it by now.
      if (next !== '' && next !== renaming.before) deeds.rename(id, next);
      onRename(null);
    };
    return (
      <li className="card editing">
        <Rename
          renaming={renaming}
          onText={(text) => onRename({ ...renaming, text })}
          onTake={take}
          onCancel={() => onRename(null)}
        />
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
      aria-labelledby={`title-${id}`}
      aria-describedby="keys"
      onDoubleClick={edit}
    >
      <p id={`title-${id}`} dir="auto">
        {title}
      </p>
      <span className="tools">
        <button className="quiet" tabIndex={-1} aria-label={`Rename ${title}`} onClick={edit}>
          ✎
        </button>
        <button
          className="quiet"
          tabIndex={-1}
          aria-label={`Delete ${title}`}
          onClick={() => {
            focusBeside(id);
            deeds.remove(id);
          }}
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

type RenameProps = {
  readonly renaming: Renaming;
  readonly onText: (text: string) => void;
  readonly onTake: () => void;
  readonly onCancel: () => void;
};

/** The field for another title: Enter or leaving it takes it, Escape does not. */
function Rename({ renaming, onText, onTake, onCancel }: RenameProps): ReactNode {
  const { before, text } = renaming;
  return (
    <input
      dir="auto"
      aria-label={`Title of ${before}`}
      value={text}
      maxLength={500}
      autoFocus
      // It is another field when somebody has moved the card: what is written in it goes on.
      onFocus={({ target }) => text === before && target.select()}
      onChange={({ target }) => onText(target.value)}
      onBlur={onTake}
      onKeyDown={({ key, keyCode, nativeEvent }) => {
        // Both keys also end the choice of a character in languages that have many; Safari says so by the code only.
        if (nativeEvent.isComposing || keyCode === 229) return;
        if (key === 'Enter') onTake();
        if (key === 'Escape') onCancel();
      }}
    />
  );
}
