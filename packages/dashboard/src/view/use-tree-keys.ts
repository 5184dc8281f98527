import { type KeyboardEvent, type RefObject, useRef } from 'react';
import type { Row } from '../model/outline.ts';
import type { Workspace } from '../model/workspace.ts';
import { findByName, treeAction, type TreeAction } from './tree-keys.ts';

/** What can be done from the tree. */
export type TreeCommands = {
  readonly edit: (path: string) => void;
  /** Brings what is selected into sight, where one panel is shown at a time. */
  readonly show: () => void;
  readonly add: () => void;
  readonly remove: (path: string) => void;
};

type TreeState = {
  readonly box: RefObject<HTMLElement | null>;
  readonly rows: readonly Row[];
  /** The line that is selected; -1: none. */
  readonly active: number;
  /** Where the line stood that was selected last, though it may be gone; -1: none was. */
  readonly last: RefObject<number>;
  readonly rowHeight: number;
};

type Keys = {
  readonly press: (event: KeyboardEvent) => void;
  /** Selects the first line if none is. */
  readonly enter: () => void;
};

const TYPING_PAUSE_MS = 700;

/** What the keys do in the tree; letters typed in a row go to the next line whose name begins so. */
export function useTreeKeys(workspace: Workspace, commands: TreeCommands, state: TreeState): Keys {
  const typed = useRef({ text: '', at: 0 });
  const { box, rows, active, last, rowHeight } = state;

  const perform = (action: TreeAction): void => {
    if (action.type === 'go') workspace.select(rows[action.to]?.path ?? null);
    else if (action.type === 'toggle') workspace.outline.toggle(action.row.path, action.isOpen);
    else if (action.type === 'add') commands.add();
    else if (action.type === 'edit') commands.edit(action.row.path);
    else commands.remove(action.row.path);
  };
  const jump = (key: string): void => {
    const now = performance.now();
    const isFresh = now - typed.current.at > TYPING_PAUSE_MS;
    typed.current = { text: isFresh ? key : typed.current.text + key, at: now };
    const found = findByName(rows, typed.current.text, isFresh ? active + 1 : Math.max(active, 0));
    if (found !== null) perform({ type: 'go', to: found });
  };
  const press = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const pageLines = Math.floor((box.current?.clientHeight ?? 0) / rowHeight) - 1;
    const action = treeAction(event.key, { rows, at: active, gone: last.current, pageLines });
    const isLetter = event.key.length === 1 && /[^/?+ ]/.test(event.key);
    if (action !== null) perform(action);
    else if (isLetter) jump(event.key);
    if (action !== null || isLetter) event.preventDefault();
  };
  const enter = (): void => {
    // What was selected here and has gone leaves the keys where it was.
    if (active < 0 && last.current < 0 && rows.length > 0) perform({ type: 'go', to: 0 });
  };
  return { press, enter };
}
