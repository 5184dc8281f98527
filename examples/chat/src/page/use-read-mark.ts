import { useEffect } from 'react';
import type { LobbyView, RoomLine } from './holdfast.ts';

/** Tells the server that a room has been read, while somebody is looking at it. */
export function useReadMark(lobby: LobbyView, { id, count, read }: RoomLine): void {
  useEffect(() => {
    const look = (): void => {
      if (document.visibilityState !== 'visible' || read >= count) return;
      void lobby.$dispatch('read', { room: id }, { idempotent: true });
    };
    look();
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [lobby, id, count, read]);
}
