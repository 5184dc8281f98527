import type { ReactNode } from 'react';
import { disclose } from '../model/disclose.ts';
import { patternBelow } from '../model/path.ts';
import type { Workspace } from '../model/workspace.ts';
import { Dialog } from './dialog.tsx';

type Props = {
  readonly workspace: Workspace;
  readonly path: string;
  readonly onClose: () => void;
  /** `revision`: what was looked at; null for a map, which has no one revision. */
  readonly onDelete: (path: string, revision: number | null) => void;
};

const COUNT_MAX = 1000;

/** Asks before something is deleted. */
export function DeleteDialog({ workspace, path, onClose, onDelete }: Props): ReactNode {
  const { items, next } = workspace.store.entries(patternBelow(path), { limit: COUNT_MAX });
  const isMap = items.length > 0;
  const count = next === null ? String(items.length) : `more than ${COUNT_MAX}`;
  const confirm = (): void => {
    const entry = isMap ? undefined : workspace.store.entry(path);
    onDelete(path, entry === undefined || entry.pending ? null : entry.revision);
  };
  return (
    <Dialog title="Delete" onClose={onClose}>
      <p>
        <code>{disclose(path)}</code>
        {isMap && ` and ${items.length === 1 ? 'the leaf' : `${count} leaves`} below it`} will be
        deleted for everybody.
      </p>
      <div className="actions">
        <button type="button" className="primary danger" autoFocus onClick={confirm}>
          Delete
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}
