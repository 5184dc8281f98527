import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Dice } from '../src/dice.ts';
import { type Climate, fairClimate, FaultyProxy, type Line } from './proxy.ts';

type Ends = {
  readonly proxy: FaultyProxy;
  readonly line: Line;
  readonly near: Socket;
  readonly far: Socket;
};

/** A connection through a proxy, and both of its ends. */
async function through(climate: Partial<Climate> = {}): Promise<Ends> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  const proxy = await FaultyProxy.listen(address.port, new Dice(1));
  proxy.climate = { ...fairClimate, ...climate };
  const near = connect(proxy.port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  for (const end of [near, far]) end.on('error', () => undefined);
  onTestFinished(async () => {
    for (const end of [near, far]) end.destroy();
    await proxy.close();
    server.close();
  });
  const [line] = proxy.lines;
  if (line === undefined) throw new Error('nobody came through');
  return { proxy, line, near, far };
}

/** So many bytes, or as many as come before the end. */
function read(end: Socket, bytes: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let count = 0;
    const done = (): void => resolve(Buffer.concat(pieces));
    end.on('data', (piece: Buffer) => {
      pieces.push(piece);
      count += piece.length;
      if (count >= bytes) done();
    });
    end.once('close', done);
  });
}

/** What is sent, and how long it takes to come. */
async function sent(
  from: Socket,
  to: Socket,
  bytes: Buffer,
): Promise<{ tookMs: number; came: Buffer }> {
  const start = performance.now();
  const coming = read(to, bytes.length);
  from.write(bytes);
  return { came: await coming, tookMs: performance.now() - start };
}

const text = Buffer.from(Array.from({ length: 500 }, (_, n) => `${n} `).join(''));
/** A timer may ring a little before its time. */
const earlyMs = 2;

test('what passes comes whole and in order, both ways, in pieces of whatever size and delay', async () => {
  const { near, far } = await through({ pieceBytes: 7, jitterMs: 3 });
  const [up, down] = await Promise.all([sent(near, far, text), sent(far, near, text)]);
  expect([up.came.equals(text), down.came.equals(text)]).toEqual([true, true]);
});

test('a slow network takes its time, each way', async () => {
  const { near, far } = await through({ latencyMs: 60 });
  expect((await sent(near, far, text)).tookMs).toBeGreaterThan(60 - earlyMs);
  expect((await sent(far, near, text)).tookMs).toBeGreaterThan(60 - earlyMs);
});

test('a narrow network lets no more bytes through in a second than it has room for', async () => {
  const { near, far } = await through({ bytesPerSecond: 10_000, pieceBytes: 100 });
  const { tookMs, came } = await sent(near, far, text);
  expect(came.length).toBe(text.length);
  expect(tookMs).toBeGreaterThan(text.length / 10 - earlyMs);
});

test('a reader that stalls gets nothing for a while, and then all of it', async () => {
  const { near, far, line } = await through();
  const start = performance.now();
  line.stall(150);
  const { came } = await sent(far, near, text);
  expect(came.equals(text)).toBe(true);
  expect(performance.now() - start).toBeGreaterThan(150 - earlyMs);
});

test('a half-open connection passes nothing, and nobody is told of its end but by the end of all', async () => {
  const { near, far, line, proxy } = await through();
  line.mute();
  const heard = read(far, 1);
  near.write('lost');
  near.destroy();
  await once(near, 'close');
  expect([far.destroyed, proxy.lines.length]).toEqual([false, 1]);
  proxy.cutAll();
  expect((await heard).length).toBe(0);
  expect(proxy.lines).toEqual([]);
});

test('a connection that breaks amid what the server says brings half of that', async () => {
  const { near, far, line } = await through();
  line.cutAmid();
  const { came } = await sent(far, near, text);
  expect(came.equals(text.subarray(0, text.length >> 1))).toBe(true);
});

test('both ends hear of a cut, and what was on its way is lost', async () => {
  const { near, far, line } = await through({ latencyMs: 60_000 });
  const heard = Promise.all([read(near, 1), read(far, 1)]);
  near.write('lost');
  line.cut();
  expect((await heard).map(({ length }) => length)).toEqual([0, 0]);
});
