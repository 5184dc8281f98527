import type { ReactNode } from 'react';
import { type IssueShape, priorities } from '../issue/issue.ts';
import { Conflicts } from './conflicts.tsx';
import { Draft } from './draft.tsx';
import { useVersion } from './holdfast.ts';
import { type ShownIssue, useIssue } from './use-issue.ts';

/** One issue, to be read and changed. */
export function IssuePanel({
  id,
  close,
}: {
  readonly id: string;
  readonly close: () => void;
}): ReactNode {
  const { issue, conflicts, isPending, change, remove, lost, bringBack } = useIssue(id);
  const back = (
    <button className="quiet back" onClick={close}>
      ← All issues
    </button>
  );
  if (issue === undefined) {
    return (
      <>
        {back}
        <Conflicts list={conflicts} issue={undefined} />
        <p className="hint nothing">This issue is gone.</p>
        {lost && (
          <section className="conflict" role="alert">
            <h2>You were writing when somebody removed it.</h2>
            <p className="written" dir="auto">{`${lost.title}\n${lost.body}`}</p>
            <button className="primary" onClick={bringBack}>
              Bring it back
            </button>
          </section>
        )}
      </>
    );
  }
  return (
    <article className="shown" data-pending={isPending}>
      {back}
      <Conflicts list={conflicts} issue={issue} />
      <Draft
        label="Title"
        value={issue.title}
        save={(title) => title.trim() !== '' && change({ title: title.trim() })}
      />
      <Fields issue={issue} change={change} />
      <Draft label="Description" isLong value={issue.body} save={(body) => change({ body })} />
      <footer>
        <p className="hint">
          <bdi>{issue.author}</bdi>, {new Date(issue.createdAt).toISOString().slice(0, 10)}
        </p>
        <button
          className="quiet"
          onClick={() => {
            remove();
            close();
          }}
        >
          Remove
        </button>
      </footer>
    </article>
  );
}

type FieldsProps = Pick<ShownIssue, 'change'> & { readonly issue: IssueShape };

function Fields({ issue, change }: FieldsProps): ReactNode {
  const { statuses, hasPriority } = useVersion();
  return (
    <div className="fields">
      <Choice
        label="Status"
        of={statuses}
        value={issue.status}
        choose={(status) => change({ status })}
      />
      {hasPriority && (
        <Choice
          label="Priority"
          of={priorities}
          value={issue.priority}
          choose={(priority) => change({ priority })}
        />
      )}
    </div>
  );
}

function Choice<T extends string>({
  label,
  of,
  value,
  choose,
}: {
  readonly label: string;
  readonly of: readonly T[];
  readonly value: T;
  readonly choose: (chosen: T) => void;
}): ReactNode {
  return (
    <label>
      {label}
      <select
        value={value}
        onChange={({ target }) => choose(of.find((each) => each === target.value) ?? value)}
      >
        {of.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}
