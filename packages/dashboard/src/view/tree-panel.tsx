import { useSignal } from '@holdfast/react';
import { type ReactNode, useDeferredValue, useEffect, useRef } from 'react';
import type { Search } from '../model/search.ts';
import type { Workspace } from '../model/workspace.ts';
import { focusTree, isComposing, isTyping } from './keyboard.ts';
import { Tree } from './tree.tsx';
import type { TreeCommands } from './use-tree-keys.ts';

type Props = { readonly workspace: Workspace; readonly commands: TreeCommands };

/** The tree of a store, and the filter above it. */
export function TreePanel({ workspace, commands }: Props): ReactNode {
  const search = useSignal(workspace.search);
  const mayWrite = useSignal(workspace.mayWrite);
  return (
    <section className="panel panel-tree" aria-label="Tree" tabIndex={-1}>
      <div className="bar">
        <Filter workspace={workspace} />
        {mayWrite === false ? (
          <span className="hint">read only</span>
        ) : (
          <button type="button" onClick={commands.add}>
            Add
          </button>
        )}
      </div>
      {search === null ? (
        <WholeTree workspace={workspace} commands={commands} />
      ) : (
        <MatchingTree workspace={workspace} commands={commands} search={search} />
      )}
    </section>
  );
}

function WholeTree({ workspace, commands }: Props): ReactNode {
  const { rows } = useSignal(workspace.outline.view);
  const isReady = useSignal(workspace.isReady);
  const problem = useSignal(workspace.problem);
  const mayWrite = useSignal(workspace.mayWrite);
  const empty = `This store is empty.${mayWrite === false ? '' : ' Add the first value.'}`;
  if (problem !== null) return <p className="empty">{problem}</p>;
  return (
    <>
      <Tree workspace={workspace} rows={rows} isFlat={false} commands={commands} />
      {rows.length === 0 && (
        <p className="empty over" role="status">
          {isReady ? empty : 'Loading…'}
        </p>
      )}
    </>
  );
}

type MatchingProps = Props & { readonly search: Search };

function MatchingTree({ workspace, commands, search }: MatchingProps): ReactNode {
  const { rows, hasMore, error } = useSignal(search.matches);
  useSignal(workspace.outline.view);
  const count = rows.length.toLocaleString('en');
  const all = rows.length === 1 ? '1 leaf matches' : `${count} leaves match`;
  return (
    <>
      <p className="count" role="status">
        {error ?? (hasMore ? `The first ${count} leaves that match` : all)}
      </p>
      <Tree workspace={workspace} rows={rows} isFlat commands={commands} />
    </>
  );
}

function Filter({ workspace }: { readonly workspace: Workspace }): ReactNode {
  const text = useSignal(workspace.filter);
  const field = useRef<HTMLInputElement>(null);
  const wanted = useDeferredValue(text);
  useEffect(() => workspace.find(wanted), [workspace, wanted]);
  useEffect(() => {
    const listener = (event: KeyboardEvent): void => {
      if (event.key !== '/' || isTyping(event.target)) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener('keydown', listener);
    return () => removeEventListener('keydown', listener);
  }, []);
  return (
    <input
      ref={field}
      type="search"
      className="filter"
      aria-label="Filter by path"
      placeholder="Filter by path: users/*/name"
      spellCheck={false}
      autoCapitalize="off"
      autoComplete="off"
      value={text}
      onChange={({ target }) => workspace.type(target.value)}
      onKeyDown={(event) => {
        if (isComposing(event)) return;
        if (event.key === 'Escape') workspace.type('');
        if (event.key === 'ArrowDown') focusTree();
      }}
    />
  );
}
