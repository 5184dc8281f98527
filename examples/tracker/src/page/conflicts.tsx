import type { ConflictError } from '@holdfast/client';
import { RecordConflictError, type Resolution } from '@holdfast/client/records';
import type { ReactNode } from 'react';

/** Own changes that met somebody else's: which is to stay is for people to say. */
export function Conflicts({ list }: { readonly list: readonly ConflictError[] }): ReactNode {
  const all = list.filter((each) => each instanceof RecordConflictError);
  const subjects = [...new Set(all.map(({ fields }) => String(fields)))];
  return subjects.map((about) => (
    <Choice key={about} conflicts={all.filter(({ fields }) => String(fields) === about)} />
  ));
}

/** Of several changes of the same only the last one is still meant. */
function Choice({ conflicts }: { readonly conflicts: readonly RecordConflictError[] }): ReactNode {
  const last = conflicts.at(-1);
  if (last === undefined) return null;
  const { fields, mine, theirs } = last;
  const names = fields ?? ['title'];
  const choose = (how: Resolution): void => {
    for (const each of conflicts.slice(0, -1)) each.resolve('theirs');
    last.resolve(how);
  };
  return (
    <section className="conflict" role="alertdialog" aria-label="Changed by somebody else">
      <h2>Somebody else has changed this, too.</h2>
      <dl>
        <dt>Yours</dt>
        <dd>{names.map((name) => textOf(mine, name)).join(', ')}</dd>
        <dt>Theirs</dt>
        <dd>{names.map((name) => textOf(theirs, name)).join(', ')}</dd>
      </dl>
      <button className="primary" onClick={() => choose('mine')}>
        Keep mine
      </button>
      <button onClick={() => choose('theirs')}>Take theirs</button>
    </section>
  );
}

function textOf(issue: unknown, name: string): string {
  const value: unknown = Reflect.get(Object(issue), name);
  return typeof value === 'string' ? value : 'nothing';
}
