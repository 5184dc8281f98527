import type { ServerResponse } from 'node:http';

/** Whoever takes nothing of an answer for so long has gone, or holds it and a connection for nothing. */
const STALLED_MS = 120_000;

/** Closes the connection of an answer that is complete, and waits whole in memory for a reader who does not read. */
export function dropStalled(response: ServerResponse): void {
  response.once('prefinish', () => {
    const { socket } = response;
    if (socket === null) return;
    const { timeout: before = 0 } = socket;
    const drop = (): void => void socket.destroy();
    // What is taken bit by bit counts as taken.
    socket.setTimeout(STALLED_MS, drop);
    response.once('finish', () => {
      socket.off('timeout', drop);
      // Unless the library has set its own, of connections that wait for another request.
      if (socket.timeout === STALLED_MS) socket.setTimeout(before);
    });
  });
}
