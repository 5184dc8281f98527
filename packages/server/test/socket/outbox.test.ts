import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Meters } from '../../src/metrics/index.ts';
import { Flusher, Outbox } from '../../src/socket/outbox.ts';

test('a socket that is gone with bytes unsent is not congested: who waits for it to drain would wait in one turn for ever', async () => {
  const socket = new Socket();
  const outbox = new Outbox(socket, new Flusher(new Meters(), () => 0), 10);
  outbox.send(Buffer.alloc(100));
  expect(outbox.congested).toBe(true);
  socket.destroy();
  expect(outbox.congested).toBe(false);
  await outbox.drained();
  const before = outbox.unsentBytes;
  outbox.send(Buffer.alloc(100));
  expect(outbox.unsentBytes).toBe(before);
});

test('the first events of a turn are written at once, or with the answer that is owed; all else at its end, and nothing overtakes what waits', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')])) as [
    [Socket],
    unknown,
  ];
  const outbox = new Outbox(socket, new Flusher(new Meters(), () => 0), 1000);
  const written: number[] = [];
  const note = (): void => void written.push(socket.bytesWritten);
  outbox.sendAtOnce(Buffer.from('a'));
  note();
  outbox.send(Buffer.from('b'));
  outbox.sendAtOnce(Buffer.from('c'));
  note();
  await turn();
  note();
  outbox.send(Buffer.from('d'));
  outbox.sendAtOnce(Buffer.from('e'));
  note();
  await turn();
  outbox.sendAtOnce(Buffer.from('f'));
  note();
  await turn();
  outbox.owe(2);
  outbox.owe(-1);
  outbox.sendAtOnce(Buffer.from('g'));
  outbox.send(Buffer.from('h'));
  note();
  await turn();
  outbox.owe(-1);
  outbox.sendAtOnce(Buffer.from('i'));
  note();
  socket.end();
  let heard = '';
  for await (const bytes of peer) heard += String(bytes);
  expect(written).toEqual([1, 1, 3, 3, 6, 6, 9]);
  expect(heard).toBe('abcdefghi');
  server.close();
});
