import { type DragEvent, type ReactNode, Suspense, useDeferredValue } from 'react';
import { Away } from './away.tsx';
import { useHash } from './hash.ts';
import { useSnapshot, useView } from './holdfast.ts';
import { Room } from './room.tsx';
import { Sidebar } from './sidebar.tsx';

/** The rooms, and the one that the address names. */
export function Chat({ me }: { readonly me: string }): ReactNode {
  const lobby = useView('Lobby');
  const rooms = useSnapshot(lobby, (shown) => shown.rooms);
  const wanted = useHash();
  // The old room stays until the new one is there.
  const at = useDeferredValue(wanted);
  const [first] = rooms;
  const room = rooms.find(({ id }) => id === at) ?? first;
  const current = (rooms.find(({ id }) => id === wanted) ?? first)?.id;
  return (
    <div className="chat" onDragOver={keepPage} onDrop={keepPage}>
      <Sidebar rooms={rooms} current={current} me={me} />
      <Suspense fallback={<main className="room" aria-busy="true" />}>
        {room && <Room key={room.id} room={room} lobby={lobby} me={me} />}
      </Suspense>
      <Away />
    </div>
  );
}

/** A file that is dropped anywhere would be opened instead of the page; text goes where it is dropped. */
function keepPage(event: DragEvent): void {
  if (event.dataTransfer.types.includes('Files')) event.preventDefault();
}
