import { WebSocket } from 'ws';
import { median } from '../figure.ts';
import type { Running } from '../servers/process.ts';

/** The median of the milliseconds that a bare server takes to send a message back; it is stopped then. */
export async function echoMs(server: Running, path: string, count: number): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`);
  await new Promise<void>((resolve) => socket.once('open', () => resolve()));
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const heard = new Promise<void>((resolve) => socket.once('message', () => resolve()));
    const startedAt = performance.now();
    socket.send('.'.repeat(330));
    await heard;
    times.push(performance.now() - startedAt);
  }
  socket.terminate();
  await server.stop();
  return median(times);
}
