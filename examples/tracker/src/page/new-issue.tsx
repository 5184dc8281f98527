import { type ReactNode, useState } from 'react';
import { useClient, useVersion } from './holdfast.ts';
import { useUndo } from './use-undo.tsx';

/** Writes an issue: it is there at once, and sent when it can be. */
export function NewIssue({
  me,
  made,
}: {
  readonly me: string;
  readonly made: (id: string) => void;
}): ReactNode {
  const [title, setTitle] = useState('');
  const client = useClient();
  const { issue, stored } = useVersion();
  const { did } = useUndo();
  const add = (): void => {
    const id = crypto.randomUUID();
    const handle = client.record(issue, { id });
    const fresh = { title: title.trim(), body: '', status: 'open', priority: 'normal' } as const;
    const value = stored({ ...fresh, author: me, createdAt: Date.now() });
    const { committed } = handle.set(value);
    const deed = { undo: () => handle.remove(), redo: () => handle.set(value) };
    did('Issue written.', deed, committed);
    setTitle('');
    made(id);
  };
  return (
    <form
      className="new"
      onSubmit={(event) => {
        event.preventDefault();
        if (title.trim() !== '') add();
      }}
    >
      <input
        dir="auto"
        aria-label="Title of a new issue"
        placeholder="What is to be done?"
        maxLength={200}
        value={title}
        onChange={(event) => setTitle(event.target.value)}
      />
      <button className="primary" disabled={title.trim() === ''}>
        Add
      </button>
    </form>
  );
}
