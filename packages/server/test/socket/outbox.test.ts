import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { Meters } from '../../src/metrics/index.ts';
import { Flusher, Outbox } from '../../src/socket/outbox.ts';
import { topic, world } from '../conversation/world.ts';

test('a socket that is gone with bytes unsent is not congested: who waits for it to drain would wait in one turn for ever', async () => {
  const socket = new Socket();
  const outbox = new Outbox(
    { raw: socket, socket: { readyState: 1 } },
    new Flusher(new Meters(), () => 0),
    10,
  );
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
  const outbox = new Outbox(
    { raw: socket, socket: { readyState: 1 } },
    new Flusher(new Meters(), () => 0),
    1000,
  );
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

/** The opcodes of the frames of a server, in order. */
function opcodesOf(bytes: Buffer): readonly number[] {
  const opcodes: number[] = [];
  for (let at = 0; at < bytes.length;) {
    opcodes.push((bytes[at] ?? 0) & 0x0f);
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    if (short < 126) at += 2 + short;
    else if (short === 126) at += 4 + bytes.readUInt16BE(at + 2);
    else at += 10 + Number(bytes.readBigUInt64BE(at + 2));
  }
  return opcodes;
}

test('a client that closes right behind what it asks gets nothing after the answer to its close: browsers call that an error', async () => {
  const { url } = await world();
  const query = 'token=dev&capver=4&device_id=d&vsn=2.0.0';
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/sync/websocket?${query}`);
  onTestFinished(() => socket.terminate());
  const [[response]] = await Promise.all([once(socket, 'upgrade'), once(socket, 'open')]);
  const heard: Buffer[] = [];
  response.socket.on('data', (chunk: Buffer) => heard.push(chunk));
  const over = once(response.socket, 'close');
  response.socket.cork();
  socket.send(JSON.stringify(['1', '1', topic, 'phx_join', { last_store_seq: 0 }]));
  socket.send(JSON.stringify([null, '2', 'phoenix', 'heartbeat', {}]));
  socket.close(1000);
  response.socket.uncork();
  await over;
  expect(opcodesOf(Buffer.concat(heard)).at(-1)).toBe(8);
});
