import { useSignal } from '@holdfast/react';
import { type ReactNode, useEffect, useState } from 'react';
import type { Session, StoreList } from '../model/session.ts';
import type { Workspace } from '../model/workspace.ts';
import { ConnectionPill } from './connection-pill.tsx';
import { focusShown, isTyping } from './keyboard.ts';
import { Mark } from './mark.tsx';
import { Notices } from './notices.tsx';
import { Shortcuts } from './shortcuts.tsx';
import { WorkspaceView } from './workspace-view.tsx';

type Props = { readonly session: Session; readonly onSignOut: () => void };

/** The console of somebody who is signed in. */
export function ConsolePage({ session, onSignOut }: Props): ReactNode {
  const stores = useSignal(session.stores);
  const workspace = useSignal(session.workspace);
  const [isHelpOpen, setHelpOpen] = useState(false);
  useHelpKey(() => setHelpOpen(true));
  return (
    <div className="page">
      <button type="button" className="skip" onClick={focusShown}>
        Skip to the tree
      </button>
      <header>
        <h1 aria-label="Holdfast">
          <Mark /> <span className="wide">Holdfast</span>
        </h1>
        <StorePicker session={session} stores={stores} workspace={workspace} />
        {workspace !== null && <Figures workspace={workspace} />}
        <span className="spring" />
        <ConnectionPill />
        <button type="button" className="quiet wide" onClick={() => setHelpOpen(true)}>
          Keys <kbd>?</kbd>
        </button>
        <button type="button" className="quiet" onClick={onSignOut}>
          Sign out
        </button>
      </header>
      {workspace === null ? (
        <Welcome stores={stores} />
      ) : (
        <WorkspaceView key={workspace.store.name} session={session} workspace={workspace} />
      )}
      <Notices notice={session.notice} />
      {isHelpOpen && <Shortcuts onClose={() => setHelpOpen(false)} />}
    </div>
  );
}

type PickerProps = {
  readonly session: Session;
  readonly stores: StoreList;
  readonly workspace: Workspace | null;
};

function StorePicker({ session, stores, workspace }: PickerProps): ReactNode {
  const listed = stores.state === 'listed' ? stores.stores : [];
  const open = workspace?.store.name;
  const isListed = open === undefined || listed.some(({ name }) => name === open);
  const names = isListed ? listed : [{ name: open, isArchived: false }, ...listed];
  return (
    <select
      className="store"
      aria-label="Store"
      value={open ?? ''}
      disabled={names.length === 0}
      onChange={({ target }) => session.open(target.value)}
    >
      {names.length === 0 && <option value="">No store</option>}
      {names.map(({ name, isArchived }) => (
        <option key={name} value={name}>
          {isArchived ? `${name} (archived)` : name}
        </option>
      ))}
    </select>
  );
}

function Figures({ workspace }: { readonly workspace: Workspace }): ReactNode {
  const { seq, pending } = useSignal(workspace.store.status);
  return (
    <dl className="figures wide">
      <dt>seq</dt>
      <dd data-testid="seq">{seq.toLocaleString('en')}</dd>
      <dt>pending</dt>
      <dd data-testid="pending">{pending}</dd>
    </dl>
  );
}

function Welcome({ stores }: { readonly stores: StoreList }): ReactNode {
  return (
    <main className="empty" role="status">
      {welcome(stores)}
    </main>
  );
}

function welcome(stores: StoreList): ReactNode {
  if (stores.state === 'loading') return null;
  if (stores.state === 'listed') {
    return (
      <>
        There is no store yet. Make one with <code>holdfast stores create org/name</code>.
      </>
    );
  }
  if (stores.why === 'unreachable') return 'The server cannot be reached. Trying again…';
  if (stores.why === 'forbidden') {
    return 'This token may not list stores. Open a link that names one, or sign in with another.';
  }
  return 'This token is not accepted. Sign out, and sign in with another.';
}

function useHelpKey(open: () => void): void {
  useEffect(() => {
    const listener = (event: KeyboardEvent): void => {
      if (event.key !== '?' || isTyping(event.target)) return;
      event.preventDefault();
      open();
    };
    addEventListener('keydown', listener);
    return () => removeEventListener('keydown', listener);
  });
}
