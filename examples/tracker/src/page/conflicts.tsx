import type { ConflictError } from '@holdfast/client';
import { RecordConflictError, type Resolution } from '@holdfast/client/records';
import { type ReactNode, useId } from 'react';
import type { IssueShape } from '../issue/issue.ts';
import { useAsked } from './use-asked.ts';

type Props = {
  readonly list: readonly ConflictError[];
  /** The issue as it is now: what others do goes on while somebody is asked. */
  readonly issue: IssueShape | undefined;
};

/** What is asked, and the answers that there are. */
const questions: {
  readonly [kind in RecordConflictError['kind']]: {
    readonly text: string;
    readonly mine?: string;
    readonly theirs: string;
  };
} = {
  precondition: {
    text: 'Somebody else has changed this, too.',
    mine: 'Keep mine',
    theirs: 'Take theirs',
  },
  deleted: {
    text: 'Somebody else has removed this.',
    mine: 'Bring it back',
    theirs: 'Leave it removed',
  },
  schema: {
    text: 'This page is too old to write that. Copy it, and reload.',
    theirs: 'Discard it',
  },
};

/** Own changes that met somebody else's: which is to stay is for people to say. */
export function Conflicts({ list, issue }: Props): ReactNode {
  const all = list.filter((each) => each instanceof RecordConflictError);
  const subjects = [...new Set(all.map(({ fields }) => String(fields)))];
  return subjects.map((about) => {
    const conflicts = all.filter(({ fields }) => String(fields) === about);
    const last = conflicts.at(-1);
    return last && <Choice key={about} conflicts={conflicts} last={last} issue={issue} />;
  });
}

/** Of several changes of the same only the last one is still meant. */
function Choice({
  conflicts,
  last,
  issue,
}: Pick<Props, 'issue'> & {
  readonly conflicts: readonly RecordConflictError[];
  readonly last: RecordConflictError;
}): ReactNode {
  const asked = useAsked();
  const about = useId();
  const { kind, fields, mine } = last;
  const names = fields ?? ['title'];
  const { text, ...answers } = questions[kind];
  const choose = (how: Resolution): void => {
    for (const each of conflicts.slice(0, -1)) each.resolve('theirs');
    last.resolve(how);
  };
  return (
    <section
      className="conflict"
      role="alertdialog"
      aria-label={text}
      aria-describedby={about}
      tabIndex={-1}
      ref={asked}
    >
      <h2>{text}</h2>
      <dl id={about}>
        <dt>Yours</dt>
        <dd dir="auto">{names.map((name) => textOf(mine, name)).join(', ')}</dd>
        {issue && <dt>Theirs</dt>}
        {issue && <dd dir="auto">{names.map((name) => textOf(issue, name)).join(', ')}</dd>}
      </dl>
      {answers.mine && (
        <button
          className="primary"
          // Of what is gone all has to be written.
          onClick={() => choose(kind === 'deleted' ? { value: mine } : 'mine')}
        >
          {answers.mine}
        </button>
      )}
      <button onClick={() => choose('theirs')}>{answers.theirs}</button>
    </section>
  );
}

function textOf(issue: unknown, name: string): string {
  const value: unknown = Reflect.get(Object(issue), name);
  return typeof value === 'string' ? value : 'nothing';
}
