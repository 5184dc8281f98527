import { useSignal } from '@holdfast/react';
import type { ReactNode } from 'react';
import { nameOf, pathAbove } from '../model/path.ts';
import type { Workspace } from '../model/workspace.ts';
import { Editor } from './editor.tsx';
import { MapPreview } from './map-preview.tsx';
import type { TreeCommands } from './use-tree-keys.ts';

type Props = {
  readonly workspace: Workspace;
  readonly commands: TreeCommands;
  /** The edit is over: saved, or given up. */
  readonly onDone: () => void;
};

/** What is selected, to look at and to edit. */
export function EditorPanel({ workspace, commands, onDone }: Props): ReactNode {
  const path = useSignal(workspace.selection);
  // Drawn again with every change of the store, for the value is read here.
  useSignal(workspace.outline.view);
  const child = path === null ? null : workspace.childAt(path);
  return (
    <section className="panel panel-value" aria-label="Value" tabIndex={-1}>
      {path === null ? (
        <p className="empty">Select something in the tree.</p>
      ) : (
        <>
          <Heading workspace={workspace} path={path} onRemove={commands.remove} />
          {child?.isMap === true ? (
            <MapPreview workspace={workspace} path={path} onAdd={commands.add} />
          ) : (
            <Editor key={path} workspace={workspace} path={path} onDone={onDone} />
          )}
        </>
      )}
    </section>
  );
}

type HeadingProps = {
  readonly workspace: Workspace;
  readonly path: string;
  readonly onRemove: (path: string) => void;
};

function Heading({ workspace, path, onRemove }: HeadingProps): ReactNode {
  const above: string[] = [];
  const mayWrite = useSignal(workspace.mayWrite);
  for (let at = pathAbove(path); at !== ''; at = pathAbove(at)) above.unshift(at);
  return (
    <div className="bar heading">
      <nav className="crumbs" aria-label="Path">
        {above.map((at) => (
          <span key={at}>
            <button type="button" onClick={() => workspace.reveal(at)}>
              {nameOf(at)}
            </button>
            <span aria-hidden="true">/</span>
          </span>
        ))}
        <strong data-testid="path">{nameOf(path)}</strong>
      </nav>
      {mayWrite !== false && (
        <button type="button" className="danger" onClick={() => onRemove(path)}>
          Delete
        </button>
      )}
    </div>
  );
}
