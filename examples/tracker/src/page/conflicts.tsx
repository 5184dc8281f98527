import type { ConflictError } from '@holdfast/client';
import { RecordConflictError } from '@holdfast/client/records';
import type { ReactNode } from 'react';

/** Own changes that met somebody else's: which is to stay is for people to say. */
export function Conflicts({ list }: { readonly list: readonly ConflictError[] }): ReactNode {
  return list.map((conflict) =>
    conflict instanceof RecordConflictError ? (
      <Choice key={conflict.opId} conflict={conflict} />
    ) : null,
  );
}

function Choice({ conflict }: { readonly conflict: RecordConflictError }): ReactNode {
  const { fields, mine, theirs } = conflict;
  const names = fields ?? ['title'];
  return (
    <section className="conflict" role="alertdialog" aria-label="Changed by somebody else">
      <h2>Somebody else has changed this, too.</h2>
      <dl>
        <dt>Yours</dt>
        <dd>{names.map((name) => textOf(mine, name)).join(', ')}</dd>
        <dt>Theirs</dt>
        <dd>{names.map((name) => textOf(theirs, name)).join(', ')}</dd>
      </dl>
      <button className="primary" onClick={() => void conflict.resolve('mine')}>
        Keep mine
      </button>
      <button onClick={() => void conflict.resolve('theirs')}>Take theirs</button>
    </section>
  );
}

function textOf(issue: unknown, name: string): string {
  const value: unknown = Reflect.get(Object(issue), name);
  return typeof value === 'string' ? value : 'nothing';
}
