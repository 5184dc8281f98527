import { useSignal } from '@holdfast/react';
import type { Store, StoreEntry } from '@holdfast/client';
import type { KeyboardEvent, ReactNode } from 'react';
import { disclose } from '../model/disclose.ts';
import type { Draft } from '../model/edits.ts';
import { editableText, parseText } from '../model/value.ts';
import { readOnlyText, type Workspace } from '../model/workspace.ts';
import { Conflict } from './conflict.tsx';
import { isComposing } from './keyboard.ts';

type EditorProps = {
  readonly workspace: Workspace;
  readonly path: string;
  readonly onDone: () => void;
};

/** The value of a leaf as text; Enter saves, Escape gives up. */
export function Editor({ workspace, path, onDone }: EditorProps): ReactNode {
  const { edits, store } = workspace;
  const draft = useSignal(edits.drafts).get(path);
  const entry = store.entry(path);
  // What was edited before that was known can be taken back.
  const isFixed = useSignal(workspace.mayWrite) === false && draft === undefined;
  const text = draft?.text ?? (entry === undefined ? '' : editableText(entry.value));
  const isStale = draft !== undefined && edits.isStale(draft);
  const save = (): void => {
    if (edits.save(path)) onDone();
  };
  const cancel = (): void => {
    edits.drop(path);
    onDone();
  };
  const press = (event: KeyboardEvent): void => {
    // Both keys also end the choice of a character.
    if (isComposing(event)) return;
    const isSave = event.key === 'Enter' && !event.shiftKey;
    if (event.key === 'Escape') cancel();
    else if (isSave && (event.ctrlKey || event.metaKey || !text.includes('\n'))) save();
    else return;
    event.preventDefault();
  };
  return (
    <div className="editor">
      <Facts entry={entry} draft={draft} text={text} />
      <textarea
        id="value"
        aria-label={`Value of ${disclose(path)}`}
        aria-describedby="value-problem"
        aria-invalid={problemOf(draft) !== ''}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        readOnly={isFixed}
        value={text}
        onChange={({ target }) => edits.change(path, target.value)}
        onKeyDown={press}
      />
      <p id="value-problem" className="problem" role="status">
        {isStale ? '' : problemOf(draft)}
      </p>
      {isFixed && <p className="hint">{readOnlyText}</p>}
      {isStale && <Conflict edits={edits} draft={draft} onDone={onDone} />}
      {!isStale && !isFixed && (
        <div className="actions">
          <button type="button" className="primary" disabled={draft === undefined} onClick={save}>
            Save
          </button>
          <button type="button" disabled={draft === undefined} onClick={cancel}>
            Cancel
          </button>
          <CounterButtons store={store} path={path} />
        </div>
      )}
    </div>
  );
}

/** Why an edit could not be saved; empty: nothing is wrong. */
function problemOf(draft: Draft | undefined): string {
  return draft?.problem ?? '';
}

/** What a counter is changed by without a guard: increments of several people add up. */
function CounterButtons({
  store,
  path,
}: {
  readonly store: Store;
  readonly path: string;
}): ReactNode {
  if (store.entry(path)?.type !== 'counter') return null;
  return (
    <>
      <span className="spring" />
      <button type="button" aria-label="Subtract 1" onClick={() => store.increment(path, -1)}>
        −1
      </button>
      <button type="button" aria-label="Add 1" onClick={() => store.increment(path, 1)}>
        +1
      </button>
    </>
  );
}

type FactsProps = {
  readonly entry: StoreEntry | undefined;
  readonly draft: Draft | undefined;
  readonly text: string;
};

/** Type, revision and state, as far as anything is there. */
function Facts({ entry, draft, text }: FactsProps): ReactNode {
  const parsed = draft === undefined ? null : parseText(text);
  const type = parsed === null ? entry?.type : parsed.ok ? parsed.type : 'not JSON';
  const isChanged = parsed !== null && entry !== undefined && type !== entry.type;
  return (
    <dl className="facts">
      <dt>type</dt>
      <dd data-testid="type">{isChanged ? `${entry.type} → ${type}` : (type ?? '–')}</dd>
      <dt>revision</dt>
      <dd data-testid="revision">
        {entry === undefined || entry.revision === 0 ? '–' : entry.revision}
      </dd>
      <dt>state</dt>
      <dd data-testid="state">{stateOf(entry, draft)}</dd>
    </dl>
  );
}

function stateOf(entry: StoreEntry | undefined, draft: Draft | undefined): string {
  if (draft?.isQueued === true) return 'saved after the save before it';
  if (draft !== undefined) return 'edited';
  if (entry === undefined) return 'nothing here';
  return entry.pending ? 'pending' : 'committed';
}
