import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { Pings } from '../../src/socket/pings.ts';

test('of pings that are never answered a thousand wait, those sent last: of who is silent nothing more is kept', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false });
  onTestFinished(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  const pings = new Pings(socket, 60_000, 0);
  const told: (readonly [number, boolean])[] = [];
  for (let n = 1; n <= 1002; n += 1) void pings.ping().then((yes) => told.push([n, yes]));
  await Promise.resolve();
  expect(told).toEqual([
    [1, false],
    [2, false],
  ]);
  // A late answer to one that was given up tells nothing.
  socket.emit('pong', Buffer.from('2'));
  socket.emit('pong', Buffer.from('3'));
  await Promise.resolve();
  expect(told.slice(2)).toEqual([[3, true]]);
});
