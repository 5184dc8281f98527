import { type Client, createClient } from '../client.ts';
import { rooms } from '../doors.ts';
import type { Room } from '../room.ts';

/**
 * A client that stays where a seed ends: nothing is on its line, no time passes for it. What a server has drawn is drawn
 * again from it. Made when it is first asked for; it ends with the client whose twin it is.
 */
export function twinOf(
  { settings, connection }: Room,
  begin: (twin: Client, room: Room) => void,
): () => Client {
  let twin: Client | null = null;
  return () => {
    if (twin !== null) return twin;
    const { records, principal, env } = settings;
    const still = createClient({
      url: 'ws://seed',
      token: 'seed',
      principal,
      link: { open: () => ({ send: () => undefined, close: () => undefined }) },
      ...(records && { records }),
      onError: () => undefined,
      env: {
        ...env,
        setTimeout: () => null,
        clearTimeout: () => undefined,
        watchNetwork: () => () => undefined,
        deviceId: () => 'seed',
      },
    });
    twin = still;
    const stop = connection.subscribe(() => {
      const { connection: line, error } = connection.get();
      if (line !== 'closed' || error !== undefined) return;
      stop();
      void still.close();
    });
    const room = rooms.get(still);
    if (room !== undefined) begin(still, room);
    return still;
  };
}
