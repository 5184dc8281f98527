import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { Column } from './column.tsx';
import { useSnapshot, useView } from './holdfast.ts';
import { cardOf, type Renaming, withCardAt } from './places.ts';
import { useBoard } from './use-board.ts';
import { useCardKeys } from './use-card-keys.ts';
import { Flying, useDrag } from './use-drag.tsx';

/** The board: columns, and cards that are moved by the mouse, by a finger, or by the keyboard. */
export function Board(): ReactNode {
  const view = useView('Board');
  const columns = useSnapshot(view, (shown) => shown.columns);
  const { deeds, said, say, undo } = useBoard(view);
  const drag = useDrag(deeds.move);
  const [renaming, setRenaming] = useState<Renaming | null>(null);
  const keys = useCardKeys({ columns, deeds, say, rename: setRenaming });
  const held = drag.held ?? keys.held;
  const flying = drag.held && cardOf(columns, drag.held.id);
  const shown = useMemo(() => (held ? withCardAt(columns, held) : columns), [columns, held]);
  useUndoKey(undo);

  const isDragLost = drag.held !== null && flying === undefined;
  const isLost = renaming !== null && cardOf(columns, renaming.id) === undefined;
  useEffect(() => {
    if (isLost) setRenaming(null);
    if (isLost || isDragLost) say('Somebody has deleted this card.');
  }, [isLost, isDragLost, say]);

  return (
    <>
      <header className="bar">
        <h1>Team board</h1>
        <p className="hint" id="keys">
          <kbd>Space</kbd> picks a card up, <kbd>arrows</kbd> move it, <kbd>Enter</kbd> renames it,{' '}
          <kbd>Delete</kbd> deletes it
        </p>
        <button onClick={undo ?? undefined} aria-disabled={undo === null}>
          Undo
        </button>
      </header>
      <main
        className="board"
        onKeyDown={keys.press}
        onFocus={keys.focus}
        onBlur={keys.blur}
        onPointerDown={drag.grab}
      >
        {shown.map((column) => (
          <Column
            key={column.id}
            column={column}
            held={held?.id ?? null}
            current={keys.current}
            renaming={column.cards.some(({ id }) => id === renaming?.id) ? renaming : null}
            deeds={deeds}
            onRename={setRenaming}
          />
        ))}
      </main>
      {flying && <Flying drag={drag} title={flying.title} />}
      <p className="said" role="status" aria-live="assertive">
        <span key={said}>{said}</span>
      </p>
    </>
  );
}

/** Takes back what was done last, wherever the focus is but in a field, which has an undo of its own. */
function useUndoKey(undo: (() => void) | null): void {
  useEffect(() => {
    const press = (event: globalThis.KeyboardEvent): void => {
      const isField =
        event.target instanceof HTMLElement && event.target.matches('input, textarea');
      // With the Shift key it is a redo, which the board does not have.
      const isUndo = event.key.toLowerCase() === 'z' && !event.shiftKey;
      if (!isUndo || !(event.ctrlKey || event.metaKey) || isField) return;
      event.preventDefault();
      undo?.();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [undo]);
}
