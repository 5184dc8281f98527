import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../src/host/clock.ts';
import { Listener } from '../src/listen.ts';
import { VirtualClock } from './conversation/clock.ts';

test('given a port that was refused, when another one is listened to, then a later error is told once', async () => {
  const told: string[] = [];
  const log = { info: () => undefined, error: (_: object, what: string) => told.push(what) };
  const [first, http] = [createServer(), createServer()];
  const [taken, listener] = [new Listener(first, systemClock), new Listener(http, systemClock)];
  onTestFinished(async () => {
    await Promise.all([taken.stop(), listener.stop()]);
  });
  const { port } = await taken.listen({}, log);
  await expect(listener.listen({ port }, log)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await listener.listen({}, log);
  http.emit('error', new Error('no more files may be open'));
  expect(told).toEqual(['listening failed']);
});

test('given a connection that has become a WebSocket, when the time for requests is over, then it is not cut with them', async () => {
  const [http, clock] = [createServer(), new VirtualClock()];
  const listener = new Listener(http, clock);
  http.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n');
    socket.on('data', () => socket.end('still here'));
  });
  const { port } = await listener.listen({}, { info: () => undefined, error: () => undefined });
  const client = connect(port, '127.0.0.1');
  onTestFinished(() => void client.destroy());
  client.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n');
  await once(client, 'data');
  const stopped = listener.stop();
  await clock.pass(10_000);
  client.write('is anybody there?');
  expect(await text(client)).toBe('still here');
  client.end();
  await stopped;
});
