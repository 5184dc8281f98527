import type { ReactNode } from 'react';
import type { Draft, Edits } from '../model/edits.ts';

type Props = { readonly edits: Edits; readonly draft: Draft; readonly onDone: () => void };

/** Somebody else changed what is being edited: both values, and the choice. */
export function Conflict({ edits, draft, onDone }: Props): ReactNode {
  const { path } = draft;
  const theirs = edits.present(path);
  const overwrite = (): void => {
    edits.rebase(path);
    if (edits.save(path)) onDone();
  };
  const takeTheirs = (): void => {
    edits.drop(path);
    onDone();
  };
  return (
    <section className="conflict" aria-label="Conflict">
      <p role="alert">
        {theirs === null
          ? 'Somebody else deleted this while you edited it.'
          : 'Somebody else changed this while you edited it.'}
      </p>
      <div className="sides">
        <figure>
          <figcaption>Theirs{theirs !== null && `, revision ${theirs.revision}`}</figcaption>
          <pre>{theirs?.text ?? '(nothing)'}</pre>
        </figure>
        <figure>
          <figcaption>
            Mine{draft.base !== null && `, made on revision ${draft.base.revision}`}
          </figcaption>
          <pre>{draft.text}</pre>
        </figure>
      </div>
      <div className="actions">
        <button type="button" onClick={takeTheirs}>
          Take theirs
        </button>
        <button type="button" onClick={overwrite}>
          Save mine over it
        </button>
      </div>
    </section>
  );
}
