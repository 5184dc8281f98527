import type { Socket } from 'node:net';
import { jsonCodec } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { WebSocket } from 'ws';
import { expect, onTestFinished, test } from 'vitest';
import type { WireFrame } from '../conversation/peer.ts';
import { set, topic, world } from '../conversation/world.ts';

const codecs = { '2.0.0': jsonCodec, '3.0.0': messagePackCodec() };
const large = 'again and again '.repeat(4000);

type Line = {
  readonly socket: WebSocket;
  readonly raw: Socket;
  send(frame: readonly unknown[]): void;
  next(): Promise<WireFrame>;
};

/** A socket that asks for compression, or does not, and has joined. */
async function line(
  url: string,
  { vsn, deflate }: { readonly vsn: '2.0.0' | '3.0.0'; readonly deflate: boolean | object },
): Promise<Line> {
  const codec = codecs[vsn];
  const query = `token=dev&capver=4&device_id=d-${vsn}-${typeof deflate}&vsn=${vsn}`;
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/sync/websocket?${query}`, {
    perMessageDeflate: deflate,
  });
  onTestFinished(() => socket.terminate());
  const inbox: WireFrame[] = [];
  const waiting: ((frame: WireFrame) => void)[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    const frame = codec.decode(isBinary ? data : data.toString()) as WireFrame;
    const first = waiting.shift();
    if (first === undefined) inbox.push(frame);
    else first(frame);
  });
  const raw = await new Promise<Socket>((resolve) => {
    socket.on('upgrade', (response) => socket.on('open', () => resolve(response.socket)));
  });
  const next = (): Promise<WireFrame> => {
    const frame = inbox.shift();
    return frame === undefined
      ? new Promise((resolve) => waiting.push(resolve))
      : Promise.resolve(frame);
  };
  const made = { socket, raw, next, send: (frame: object) => socket.send(codec.encode(frame)) };
  made.send(['1', '1', topic, 'phx_join', { last_store_seq: 0 }]);
  while ((await next())[3] !== 'catch_up_complete');
  return made;
}

test('compression is declined where it is not configured', async () => {
  const { url } = await world();
  const { socket } = await line(url, { vsn: '2.0.0', deflate: true });
  expect(socket.extensions).toBe('');
});

test('where it is configured, large messages are small on the wire for who asks for it, and the same for all', async () => {
  const { url } = await world({ deflate: true });
  const lines: Line[] = [];
  for (const vsn of ['2.0.0', '3.0.0'] as const) {
    for (const deflate of [true, true, false]) lines.push(await line(url, { vsn, deflate }));
  }
  expect(lines.map(({ socket }) => socket.extensions)).toEqual([
    'permessage-deflate',
    'permessage-deflate',
    '',
    'permessage-deflate',
    'permessage-deflate',
    '',
  ]);
  const before = lines.map(({ raw }) => raw.bytesRead);
  for (const [index, writer] of lines.entries()) {
    const head = index * 2;
    writer.send([null, 'w', topic, 'write', set('a', large, `large-${index}`)]);
    for (const each of lines) {
      const [, , , event, { ops }] = await each.next();
      expect([event, (ops as unknown[][])[0]?.slice(0, 4)]).toEqual([
        'events',
        [head + 1, 'set', 'a', large],
      ]);
    }
    expect((await writer.next())[1]).toBe('w');
    // What is small is sent as it is.
    writer.send([null, 's', topic, 'write', set('b', index, `small-${index}`)]);
    for (const each of lines) expect((await each.next())[4]['to_seq']).toBe(head + 2);
    expect((await writer.next())[1]).toBe('s');
  }
  const bytes = lines.map(({ raw }, index) => raw.bytesRead - (before[index] ?? 0));
  for (const [index, count] of bytes.entries()) {
    const isLarge = index % 3 === 2;
    expect(count > large.length * lines.length).toBe(isLarge);
    expect(count < large.length).toBe(!isLarge);
  }
  // A snapshot is compressed as well.
  const late = await line(url, { vsn: '2.0.0', deflate: true });
  expect(late.raw.bytesRead).toBeLessThan(large.length);
});

test('who has no room for the usual window is sent nothing compressed, and may compress', async () => {
  const { url, joined } = await world({ deflate: true });
  const narrow = { serverMaxWindowBits: 10 };
  const { socket, raw, send, next } = await line(url, { vsn: '2.0.0', deflate: narrow });
  expect(socket.extensions).toBe('permessage-deflate');
  const before = raw.bytesRead;
  send([null, 'w', topic, 'write', set('a', large, 'large')]);
  expect((await next())[3]).toBe('events');
  expect(raw.bytesRead - before).toBeGreaterThan(large.length);
  expect((await (await joined()).ask(topic, 'status', {})).response['current_seq']).toBe(1);
});

test('a message that becomes larger than the hard cap when it is inflated closes the socket', async () => {
  const limits = { max_frame_bytes: 2000, hard_frame_bytes: 10_000 };
  const { url } = await world({ deflate: true, limits });
  const { socket } = await line(url, { vsn: '2.0.0', deflate: true });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.send(' '.repeat(1_000_000));
  expect(await closed).toBe(1009);
});
