import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { Column } from './column.tsx';
import { useSnapshot, useView } from './holdfast.ts';
import { cardOf, withCardAt } from './places.ts';
import { useBoard } from './use-board.ts';
import { useCardKeys } from './use-card-keys.ts';
import { Flying, useDrag } from './use-drag.tsx';

/** The board: columns, and cards that are moved by the mouse, by a finger, or by the keyboard. */
export function Board(): ReactNode {
  const view = useView('Board');
  const columns = useSnapshot(view, (shown) => shown.columns);
  const { deeds, said, say, undo } = useBoard(view);
  const drag = useDrag(deeds.move);
  const [editing, setEditing] = useState<string | null>(null);
  const keys = useCardKeys({ columns, deeds, say, edit: setEditing });
  const held = drag.held ?? keys.held;
  const shown = useMemo(() => (held ? withCardAt(columns, held) : columns), [columns, held]);
  useUndoKey(undo);

  return (
    <>
      <header className="bar">
        <h1>Team board</h1>
        <p className="hint" id="keys">
          <kbd>Space</kbd> picks a card up, <kbd>arrows</kbd> move it, <kbd>Enter</kbd> renames it
        </p>
        <button onClick={undo ?? undefined} disabled={undo === null}>
          Undo
        </button>
      </header>
      <main className="board" onKeyDown={keys.press} onFocus={keys.focus} onPointerDown={drag.grab}>
        {shown.map((column) => (
          <Column
            key={column.id}
            column={column}
            held={held?.id ?? null}
            current={keys.current}
            editing={editing}
            deeds={deeds}
            onEdit={setEditing}
          />
        ))}
      </main>
      {drag.held && <Flying drag={drag} title={cardOf(columns, drag.held.id)?.title ?? ''} />}
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
      if (event.key !== 'z' || !(event.ctrlKey || event.metaKey) || isField) return;
      event.preventDefault();
      undo?.();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [undo]);
}
