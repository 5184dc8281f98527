import { useSignal } from '@holdfast/react';
import { type ReactNode, useLayoutEffect, useState } from 'react';
import { disclose } from '../model/disclose.ts';
import { explain } from '../model/edits.ts';
import type { Session } from '../model/session.ts';
import { readOnlyText, type Workspace } from '../model/workspace.ts';
import { AddDialog } from './add-dialog.tsx';
import { DeleteDialog } from './delete-dialog.tsx';
import { EditorPanel } from './editor-panel.tsx';
import { focusTree, focusValue, followPanel } from './keyboard.ts';
import { LogPanel } from './log-panel.tsx';
import { OutboxPanel } from './outbox-panel.tsx';
import type { TreeCommands } from './use-tree-keys.ts';
import { TreePanel } from './tree-panel.tsx';

type Props = { readonly session: Session; readonly workspace: Workspace };
type Panel = (typeof panels)[number];
type Asking = { readonly type: 'add' } | { readonly type: 'remove'; readonly path: string };

const panels = ['tree', 'value', 'outbox', 'log'] as const;

/** One store: its tree, the selected value, the outbox and the log; on a phone one of them at a time. */
export function WorkspaceView({ session, workspace }: Props): ReactNode {
  const [panel, setPanel] = useState<Panel>('tree');
  const [asking, setAsking] = useState<Asking | null>(null);
  useLayoutEffect(() => followPanel(panel), [panel]);
  const mayWrite = useSignal(workspace.mayWrite);
  const ask = (what: Asking): void => {
    if (mayWrite === false) session.tell(readOnlyText);
    else setAsking(what);
  };
  const commands: TreeCommands = {
    edit: (path) => {
      workspace.select(path);
      setPanel('value');
      // The panel is drawn first; then the value can take the focus.
      requestAnimationFrame(focusValue);
    },
    show: () => setPanel('value'),
    add: () => ask({ type: 'add' }),
    remove: (path) => ask({ type: 'remove', path }),
  };
  const backToTree = (): void => {
    setPanel('tree');
    requestAnimationFrame(focusTree);
  };
  const remove = (path: string, revision: number | null): void => {
    setAsking(null);
    const options = revision === null ? {} : { ifMatch: revision };
    workspace.store
      .delete(path, options)
      .committed.catch((error: unknown) =>
        session.tell(`${disclose(path)} was not deleted. ${explain(error)}`),
      );
  };
  return (
    <>
      <main className="workspace" data-panel={panel}>
        <TreePanel workspace={workspace} commands={commands} />
        <EditorPanel workspace={workspace} commands={commands} onDone={backToTree} />
        <OutboxPanel session={session} workspace={workspace} />
        <LogPanel workspace={workspace} onPick={() => setPanel('value')} />
      </main>
      <Tabs workspace={workspace} panel={panel} onPick={setPanel} />
      {asking?.type === 'add' && (
        <AddDialog workspace={workspace} onClose={() => setAsking(null)} />
      )}
      {asking?.type === 'remove' && (
        <DeleteDialog
          workspace={workspace}
          path={asking.path}
          onClose={() => setAsking(null)}
          onDelete={remove}
        />
      )}
    </>
  );
}

type TabsProps = {
  readonly workspace: Workspace;
  readonly panel: Panel;
  readonly onPick: (panel: Panel) => void;
};

/** Where to go on a phone. */
function Tabs({ workspace, panel, onPick }: TabsProps): ReactNode {
  const { pending } = useSignal(workspace.store.status);
  return (
    <nav className="tabs" aria-label="Panels">
      {panels.map((each) => (
        <button
          key={each}
          type="button"
          aria-current={each === panel ? 'page' : undefined}
          onClick={() => onPick(each)}
        >
          {each}
          {each === 'outbox' && pending > 0 && <span className="badge">{pending}</span>}
        </button>
      ))}
    </nav>
  );
}
