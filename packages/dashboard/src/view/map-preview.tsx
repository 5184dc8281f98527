import { useSignal } from '@holdfast/react';
import type { ReactNode } from 'react';
import { disclose } from '../model/disclose.ts';
import { patternBelow } from '../model/path.ts';
import { shortValue } from '../model/value.ts';
import type { Workspace } from '../model/workspace.ts';

type Props = {
  readonly workspace: Workspace;
  readonly path: string;
  readonly onAdd: () => void;
};

const LEAVES_MAX = 100;

/** The first leaves below a map. */
export function MapPreview({ workspace, path, onAdd }: Props): ReactNode {
  const { items, next } = workspace.store.entries(patternBelow(path), { limit: LEAVES_MAX });
  const mayWrite = useSignal(workspace.mayWrite);
  const count = next === null ? String(items.length) : `the first ${items.length}`;
  return (
    <div className="editor">
      <dl className="facts">
        <dt>type</dt>
        <dd data-testid="type">map</dd>
        <dt>leaves below</dt>
        <dd>{count}</dd>
      </dl>
      <ul className="scroll preview" tabIndex={0} aria-label={`Leaves below ${disclose(path)}`}>
        {items.map((entry) => (
          <li key={entry.path}>
            <button type="button" onClick={() => workspace.reveal(entry.path)}>
              {disclose(entry.path.slice(path.length + 1))}
            </button>
            <span className="value" data-type={entry.type}>
              {shortValue(entry.value)}
            </span>
          </li>
        ))}
      </ul>
      {mayWrite !== false && (
        <div className="actions">
          <button type="button" onClick={onAdd}>
            Add below
          </button>
        </div>
      )}
    </div>
  );
}
