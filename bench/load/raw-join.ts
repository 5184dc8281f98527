import { WebSocket } from 'ws';
import { mount, topic } from './writers.ts';

/** Joins as a bare peer and returns the text of every frame up to `catch_up_complete`, with the time it took. */
export function rawJoin(
  port: number,
  payload: object,
): Promise<{ readonly frames: readonly string[]; readonly ms: number }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${mount('raw')}`);
  const frames: string[] = [];
  let startedAt = 0;
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => {
      startedAt = performance.now();
      socket.send(JSON.stringify(['1', '1', topic, 'phx_join', payload]));
    });
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      frames.push(text);
      if (!text.includes('catch_up_complete')) return;
      resolve({ frames, ms: performance.now() - startedAt });
      socket.terminate();
    });
  });
}
