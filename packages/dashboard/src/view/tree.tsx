import { useSignal } from '@holdfast/react';
import { type ReactNode, useLayoutEffect, useMemo, useRef } from 'react';
import { disclose } from '../model/disclose.ts';
import type { Row } from '../model/outline.ts';
import type { Workspace } from '../model/workspace.ts';
import { useRowHeight } from './media.ts';
import { TreeRow } from './tree-row.tsx';
import { type TreeCommands, useTreeKeys } from './use-tree-keys.ts';
import { Lines, showLine, useVisible } from './windowed.tsx';

type Props = {
  readonly workspace: Workspace;
  readonly rows: readonly Row[];
  /** Results of a search are shown with their whole paths. */
  readonly isFlat: boolean;
  readonly commands: TreeCommands;
};

/** A store's tree: one stop for the Tab key, its lines reached by arrow keys (ARIA, tree view pattern). */
export function Tree({ workspace, rows, isFlat, commands }: Props): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const rowHeight = useRowHeight();
  const selection = useSignal(workspace.selection);
  const drafts = useSignal(workspace.edits.drafts);
  const visible = useVisible(box, { count: rows.length, rowHeight });
  const active = useMemo(() => rows.findIndex(({ path }) => path === selection), [rows, selection]);
  const last = useRef(-1);
  useLayoutEffect(() => {
    if (active >= 0) last.current = active;
  }, [active]);
  useLayoutEffect(() => {
    if (box.current !== null && active >= 0) showLine(box.current, active, rowHeight);
    // Only a new selection brings its line into sight; that lines come and go does not.
  }, [selection, active >= 0, rowHeight]);

  const keys = useTreeKeys(workspace, commands, { box, rows, active, last, rowHeight });
  const pick = (row: Row): void => {
    workspace.select(row.path);
    if (row.isMap) workspace.outline.toggle(row.path);
    else commands.show();
  };

  return (
    <div
      ref={box}
      id="tree"
      className="scroll tree"
      role="tree"
      aria-label={isFlat ? 'Matching paths' : `Tree of ${workspace.store.name}`}
      tabIndex={0}
      aria-activedescendant={active >= 0 ? `line-${active}` : undefined}
      onKeyDown={keys.press}
      onFocus={({ currentTarget }) => {
        // A click selects the line that it is on.
        if (currentTarget.matches(':focus-visible')) keys.enter();
      }}
    >
      <Lines
        {...visible}
        count={rows.length}
        rowHeight={rowHeight}
        always={active}
        line={(index, style) => {
          const row = rows[index];
          if (row === undefined) return null;
          return (
            <TreeRow
              key={row.path}
              id={`line-${index}`}
              row={row}
              style={style}
              label={isFlat ? disclose(row.path) : row.name}
              entry={row.isMap ? undefined : workspace.store.entry(row.path)}
              isSelected={index === active}
              isEdited={drafts.has(row.path)}
              onPick={pick}
              onEdit={commands.edit}
            />
          );
        }}
      />
    </div>
  );
}
