import type { ConflictError } from '@holdfast/client';
import { RecordConflictError, type Resolution } from '@holdfast/client/records';
import type { ReactNode } from 'react';
import type { IssueShape } from '../issue/issue.ts';

type Props = {
  readonly list: readonly ConflictError[];
  /** The issue as it is now: what others do goes on while somebody is asked. */
  readonly issue: IssueShape;
};

/** Own changes that met somebody else's: which is to stay is for people to say. */
export function Conflicts({ list, issue }: Props): ReactNode {
  const all = list.filter((each) => each instanceof RecordConflictError);
  const subjects = [...new Set(all.map(({ fields }) => String(fields)))];
  return subjects.map((about) => (
    <Choice
      key={about}
      conflicts={all.filter(({ fields }) => String(fields) === about)}
      issue={issue}
    />
  ));
}

/** Of several changes of the same only the last one is still meant. */
function Choice({
  conflicts,
  issue,
}: Pick<Props, 'issue'> & { readonly conflicts: readonly RecordConflictError[] }): ReactNode {
  const last = conflicts.at(-1);
  if (last === undefined) return null;
  const { fields, mine } = last;
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
        <dd>{names.map((name) => textOf(issue, name)).join(', ')}</dd>
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
