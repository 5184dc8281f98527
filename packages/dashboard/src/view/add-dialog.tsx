import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { pathBelow } from '../model/path.ts';
import { parseText } from '../model/value.ts';
import type { Workspace } from '../model/workspace.ts';
import { Dialog } from './dialog.tsx';

type Props = { readonly workspace: Workspace; readonly onClose: () => void };

/** Adds a value where nothing is yet. */
export function AddDialog({ workspace, onClose }: Props): ReactNode {
  const [path, setPath] = useState(() => pathBelow(workspace.baseForNew(), ''));
  const [text, setText] = useState('');
  const [problem, setProblem] = useState('');
  const id = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const why = workspace.add(path.trim(), text);
    setProblem(why ?? '');
    if (why !== null) return;
    onClose();
    workspace.reveal(path.trim());
  };
  const parsed = parseText(text);
  return (
    <Dialog title="Add a value" onClose={onClose}>
      <form onSubmit={submit}>
        <label htmlFor={`${id}-path`}>Path</label>
        <input
          id={`${id}-path`}
          className="mono"
          aria-describedby={`${id}-problem`}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          autoFocus
          placeholder="users/7/name"
          value={path}
          onChange={({ target }) => setPath(target.value)}
        />
        <label htmlFor={`${id}-value`}>
          Value <span className="hint">JSON{parsed.ok ? `, ${parsed.type}` : ''}</span>
        </label>
        <input
          id={`${id}-value`}
          className="mono"
          aria-describedby={`${id}-problem`}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          placeholder='"text", 42, true, {"a": 1}'
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
        <p id={`${id}-problem`} className="problem" role="status">
          {problem}
        </p>
        <div className="actions">
          <button type="submit" className="primary">
            Add
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
