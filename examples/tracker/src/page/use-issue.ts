import { type ConflictError, HoldfastError } from '@holdfast/client';
import { useState } from 'react';
import type { IssueShape } from '../issue/issue.ts';
import { useRecord, useVersion } from './holdfast.ts';
import { useUndo } from './use-undo.tsx';

/** An issue, and what can be done with it. */
export type ShownIssue = {
  /** Undefined: it is gone. */
  readonly issue: IssueShape | undefined;
  readonly conflicts: readonly ConflictError[];
  readonly isPending: boolean;
  readonly change: (fields: Partial<IssueShape>) => void;
  readonly remove: () => void;
  /** The issue with what was changed when it was gone already; null: nothing was, or it was brought back here. */
  readonly lost: IssueShape | null;
  readonly bringBack: () => void;
};

/** An issue by its id; what is done with it is shown at once, and can be taken back. */
export function useIssue(id: string): ShownIssue {
  const version = useVersion();
  const record = useRecord(version.issue, { id });
  const { did } = useUndo();
  const { value: issue, conflicts, pendingIntents } = record;
  const [lost, setLost] = useState<IssueShape | null>(null);
  const change = (fields: Partial<IssueShape>): void => {
    const names = Object.keys(fields);
    const before = Object.fromEntries(
      Object.entries(issue ?? {}).filter(([name]) => names.includes(name)),
    );
    const { committed } = record.patch(version.change(fields));
    const deed = {
      undo: () => record.patch(version.change(before)),
      redo: () => record.patch(version.change(fields)),
    };
    did(`${names.join(', ')} changed.`, deed, committed);
    committed.catch((error: unknown) => {
      const isGone = error instanceof HoldfastError && error.code === 'not_found';
      if (isGone && issue !== undefined) setLost({ ...issue, ...fields });
    });
  };
  const remove = (): void => {
    if (issue === undefined) return;
    const { committed } = record.remove();
    const deed = {
      undo: () => record.set(version.stored(issue)),
      redo: () => record.remove(),
    };
    did('Issue removed.', deed, committed);
  };
  const bringBack = (): void => {
    if (lost === null) return;
    const { committed } = record.set(version.stored(lost));
    did('Issue brought back.', { undo: () => record.remove(), redo: bringBack }, committed);
    setLost(null);
  };
  return { issue, conflicts, isPending: pendingIntents > 0, change, remove, lost, bringBack };
}
