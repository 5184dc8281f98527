import type { Row } from '../model/outline.ts';

/** What a key means in the tree. */
export type TreeAction =
  | { readonly type: 'go'; readonly to: number }
  | { readonly type: 'toggle'; readonly row: Row; readonly isOpen: boolean }
  | { readonly type: 'edit' | 'delete'; readonly row: Row }
  | { readonly type: 'add' };

type Place = {
  readonly rows: readonly Row[];
  /** The line that is selected; -1: none. */
  readonly at: number;
  /** Where the selected line stood before it went; -1: none was selected. */
  readonly gone: number;
  readonly pageLines: number;
};

/** The keys of an ARIA tree, and those of this one; null: the key means nothing here. */
export function treeAction(key: string, place: Place): TreeAction | null {
  const { rows, at } = place;
  const row = rows[at];
  const to = destination(key, place);
  if (to !== null) return go(rows, to);
  if (key === '+') return { type: 'add' };
  if (row !== undefined) return rowAction(key, row, place);
  return key === 'ArrowRight' || key === 'ArrowLeft' ? go(rows, 0) : null;
}

/** What a key does to the line it is pressed on. */
function rowAction(key: string, row: Row, { rows, at }: Place): TreeAction | null {
  switch (key) {
    case 'ArrowRight':
      return inward(rows, row, at);
    case 'ArrowLeft':
      return outward(rows, row, at);
    case 'Enter':
      return row.isMap ? { type: 'toggle', row, isOpen: !row.isOpen } : { type: 'edit', row };
    case 'F2':
      return { type: 'edit', row };
    case 'Delete':
      return { type: 'delete', row };
    default:
      return null;
  }
}

function destination(key: string, { rows, at, gone, pageLines }: Place): number | null {
  switch (key) {
    case 'ArrowDown':
      // Where a line has gone, the one that followed it stands now.
      return at < 0 ? gone : at + 1;
    case 'ArrowUp':
      return (at < 0 ? gone : at) - 1;
    case 'PageDown':
      return (at < 0 ? gone : at) + pageLines;
    case 'PageUp':
      return (at < 0 ? gone : at) - pageLines;
    case 'Home':
      return 0;
    case 'End':
      return rows.length - 1;
    default:
      return null;
  }
}

function go(rows: readonly Row[], to: number): TreeAction | null {
  if (rows.length === 0) return null;
  return { type: 'go', to: Math.min(Math.max(to, 0), rows.length - 1) };
}

function inward(rows: readonly Row[], row: Row, at: number): TreeAction | null {
  if (!row.isMap) return null;
  return row.isOpen ? go(rows, at + 1) : { type: 'toggle', row, isOpen: true };
}

function outward(rows: readonly Row[], row: Row, at: number): TreeAction | null {
  if (row.isOpen) return { type: 'toggle', row, isOpen: false };
  for (let above = at - 1; above >= 0; above--) {
    if ((rows[above]?.level ?? 0) < row.level) return { type: 'go', to: above };
  }
  return null;
}

/** The next line, from the one after `at` and round, whose name begins with what was typed. */
export function findByName(rows: readonly Row[], typed: string, at: number): number | null {
  const wanted = typed.toLowerCase();
  for (let step = 0; step < rows.length; step++) {
    const index = (at + step + rows.length) % rows.length;
    if (rows[index]?.name.toLowerCase().startsWith(wanted) === true) return index;
  }
  return null;
}
