import { memo, type ReactNode } from 'react';
import { Avatar } from './avatar.tsx';
import type { Message } from './holdfast.ts';
import { dayOf, timeOf } from './times.ts';
import { addressOf } from './use-picture.ts';
import type { Unsent } from './use-send.ts';
import { useToday } from './use-today.ts';

/** So long after a message the next one of the same person stands below the same name. */
const breathMs = 300_000;

type Props = {
  readonly messages: readonly Message[];
  readonly me: string;
  /** What was new when the room was opened: the numbers after `read`, up to `count`. */
  readonly unread: { readonly read: number; readonly count: number };
  readonly unsent: readonly Unsent[];
  readonly onEdit: (unsent: Unsent) => void;
  readonly onForget: (id: string) => void;
};

/** What was said, the newest at the bottom, where it stays unless somebody scrolls. */
export function Messages({ messages, me, unread, unsent, onEdit, onForget }: Props): ReactNode {
  const today = useToday();
  const firstNew = messages.find(
    ({ number, author }) => number > unread.read && number <= unread.count && author !== me,
  );
  if (messages.length + unsent.length === 0) return <Nothing />;
  return (
    <div className="log" role="log" aria-label="Messages" tabIndex={0}>
      <ol>
        {messages.map((message, at) => (
          <Line
            key={message.id}
            message={message}
            before={messages[at - 1]}
            isFirstNew={message === firstNew}
            today={today}
          />
        ))}
        {unsent.map((each) => (
          <li key={each.id} className="unsent">
            <p dir="auto">{each.text || 'A picture'}</p>
            <p className="problem" role="alert">
              {each.reason} <button onClick={() => onEdit(each)}>Edit</button>{' '}
              <button onClick={() => onForget(each.id)}>Discard</button>
            </p>
          </li>
        ))}
      </ol>
    </div>
  );
}

type LineProps = {
  readonly message: Message;
  readonly before: Message | undefined;
  readonly isFirstNew: boolean;
  readonly today: number;
};

const Line = memo(function Line({ message, before, isFirstNew, today }: LineProps): ReactNode {
  const { id, number, author, at, text, picture } = message;
  const name = dayOf(at, today);
  const isNewDay = before === undefined || dayOf(before.at, today) !== name;
  const isAside = !isNewDay && before.author === author && at - before.at < breathMs;
  return (
    <>
      {isNewDay && <li className="rule">{name}</li>}
      {isFirstNew && <li className="rule new">New</li>}
      <li className={isAside ? 'line aside' : 'line'} data-pending={number === 0}>
        {!isAside && <Avatar name={author} />}
        {!isAside && <strong dir="auto">{author}</strong>}
        <time dateTime={new Date(at).toISOString()}>{number === 0 ? 'sending' : timeOf(at)}</time>
        {text !== '' && <p dir="auto">{text}</p>}
        {picture && <img src={addressOf(id)} {...picture} alt={`A picture from ${author}`} />}
      </li>
    </>
  );
});

function Nothing(): ReactNode {
  return (
    <div className="log empty">
      <p>Nobody has said anything here yet.</p>
      <p className="hint">Write something, or drop a picture.</p>
    </div>
  );
}
