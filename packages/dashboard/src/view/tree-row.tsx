import type { StoreEntry } from '@holdfast/client';
import { type ReactNode, useState } from 'react';
import type { Row } from '../model/outline.ts';
import { shortValue } from '../model/value.ts';

type Props = {
  readonly id: string;
  readonly row: Row;
  readonly style: { readonly top: number; readonly height: number };
  readonly label: string;
  readonly entry: StoreEntry | undefined;
  readonly isSelected: boolean;
  readonly isEdited: boolean;
  readonly onPick: (row: Row) => void;
  readonly onEdit: (path: string) => void;
};

const MARGIN_PX = 8;
const INDENT_PX = 16;

/** One line of the tree. */
export function TreeRow({ id, row, style, label, entry, ...rest }: Props): ReactNode {
  const { isSelected, isEdited, onPick, onEdit } = rest;
  return (
    <div
      id={id}
      className="line"
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={row.isMap ? row.isOpen : undefined}
      aria-selected={isSelected}
      data-path={row.path}
      style={{ ...style, paddingInlineStart: MARGIN_PX + (row.level - 1) * INDENT_PX }}
      onClick={() => onPick(row)}
      onDoubleClick={() => (row.isMap ? undefined : onEdit(row.path))}
    >
      <span className="twist" aria-hidden="true" />
      <span className="name">{label}</span>
      {entry !== undefined && <Value entry={entry} />}
      {isEdited && <span className="mark-edited">edited</span>}
      {entry?.pending === true && <span className="mark-pending">pending</span>}
      {entry !== undefined && <span className="type">{entry.type}</span>}
    </div>
  );
}

/** A value that lights up for a moment when it changes. */
function Value({ entry }: { readonly entry: StoreEntry }): ReactNode {
  const [first] = useState(entry.value);
  const text = shortValue(entry.value);
  return (
    <span
      key={text}
      className={Object.is(first, entry.value) ? 'value' : 'value fresh'}
      data-type={entry.type}
    >
      {text}
    </span>
  );
}
