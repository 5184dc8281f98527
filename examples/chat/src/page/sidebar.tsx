import { type ReactNode, useEffect } from 'react';
import { Avatar } from './avatar.tsx';
import type { RoomLine } from './holdfast.ts';
import { signOut } from './session.ts';

type Props = {
  readonly rooms: readonly RoomLine[];
  readonly current: string | undefined;
  readonly me: string;
};

/** The rooms, and how much in each is new. */
export function Sidebar({ rooms, current, me }: Props): ReactNode {
  useRoomKeys(rooms, current);
  // On a phone they are a line, and may be longer than that is wide; who looks for another is left there, whatever comes in.
  useEffect(() => {
    const link = document.querySelector('.sidebar a[aria-current]');
    link?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [current]);
  return (
    <nav className="sidebar" aria-label="Rooms">
      <h2>Team chat</h2>
      <ul>
        {rooms.map(({ id, count, read }) => (
          <li key={id}>
            <a href={`#${id}`} aria-current={id === current ? 'page' : undefined}>
              {id}
              {count > read && (
                <span className="unread" aria-label={`${count - read} unread`}>
                  {count - read}
                </span>
              )}
            </a>
          </li>
        ))}
      </ul>
      <p className="hint">
        <kbd>Alt</kbd> <kbd>↑</kbd> <kbd>↓</kbd> other rooms
      </p>
      <div className="me">
        <Avatar name={me} />
        <span>{me}</span>
        <button className="quiet" onClick={signOut}>
          Sign out
        </button>
      </div>
    </nav>
  );
}

/** Alt and an arrow go to the room above or below. */
function useRoomKeys(rooms: readonly RoomLine[], current: string | undefined): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (step === undefined || !event.altKey) return;
      const at = rooms.findIndex(({ id }) => id === current);
      const next = rooms.at((at + step) % rooms.length);
      if (next !== undefined) location.hash = next.id;
      event.preventDefault();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [rooms, current]);
}
