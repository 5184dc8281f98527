import { defaultLimits, jsonCodec } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from './clock.ts';
import { SlowDisk } from './slow-disk.ts';
import { arrived, ask, put, reasonOf } from './talk.ts';
import { topic, world } from './world.ts';

const limits = { idle_timeout_ms: defaultLimits.idle_timeout_ms };

test('a capver-4 socket that answers pings is not idle, however long nobody says anything', async () => {
  const clock = new VirtualClock();
  const { joined, connect } = await world({ clock, limits });
  const quiet = await joined({ device: 'quiet' });
  const silent = await joined({ device: 'silent', pongs: false });
  for (let i = 0; i < 20; i += 1) {
    await clock.pass(9000);
    // What other sockets do takes longer than the way of a pong.
    const other = await connect({ device: 'other' });
    await arrived(other);
    other.cut();
  }
  expect(await silent.closed()).toBe(1001);
  expect(await put(quiet, 'a', 1)).toBe(1);
});

test('sockets of capver 4 are pinged every 25 s, those of capver 3 never', async () => {
  const clock = new VirtualClock();
  const { joined } = await world({ clock });
  const modern = await joined({ device: 'modern' });
  const old = await joined({ device: 'old', capver: '3' });
  const pings: (readonly [number, number])[] = [];
  for (const ms of [24_000, 1000, 24_000, 1000]) {
    await clock.pass(ms);
    // The answer comes after the ping.
    for (const peer of [modern, old]) await arrived(peer);
    pings.push([modern.pings, old.pings]);
  }
  expect(pings).toEqual([0, 1, 1, 2].map((count) => [count, 0]));
});

test('where a socket may be idle for less, it is pinged sooner: who answers stays', async () => {
  const clock = new VirtualClock();
  const { joined, connect } = await world({ clock, limits: { idle_timeout_ms: 12_000 } });
  const quiet = await joined({ device: 'quiet' });
  const silent = await joined({ device: 'silent', pongs: false });
  for (let i = 0; i < 60; i += 1) {
    await clock.pass(1000);
    // As above, six times between a ping and the end.
    const other = await connect({ device: 'other' });
    await arrived(other);
    other.cut();
  }
  expect(await silent.closed()).toBe(1001);
  expect(await put(quiet, 'a', 1)).toBe(1);
});

test.each([
  ['2.0.0', jsonCodec],
  ['3.0.0', messagePackCodec()],
])(
  'S29 on vsn %s a frame that is too large is refused before it is decoded',
  async (vsn, codec) => {
    const limit = 5000;
    const { joined } = await world({ limits: { max_frame_bytes: limit } });
    const peer = await joined({ vsn });
    const whole = codec.encode([peer.joinRef, 'big', topic, 'write', { value: 'x'.repeat(limit) }]);
    // Nobody could decode it: the end is missing.
    peer.sendRaw(whole.slice(0, -10));
    expect(await peer.reply('big')).toEqual({
      status: 'error',
      response: { reason: 'frame_too_large', limit },
    });
    peer.sendRaw(codec.encode([null, 'beat', 'phoenix', 'heartbeat', { x: 'x'.repeat(limit) }]));
    expect(reasonOf(await peer.reply('beat'))).toBe('frame_too_large');
    const nonsense = vsn === '3.0.0' ? Buffer.alloc(limit + 1, 0x95) : '["'.repeat(limit);
    peer.sendRaw(nonsense);
    expect(await put(peer, 'a', 1)).toBe(1);
  },
);

test('S69 op_status tells the truth of a request that another socket of the device has queued', async () => {
  const disk = new SlowDisk(memory());
  const { joined } = await world({ storage: disk.storage });
  const [one, two] = [await joined({ device: 'd' }), await joined({ device: 'd' })];
  disk.hold();
  const request = ask('set', 'a', { value: 1 });
  const written = one.push(topic, 'write', request);
  await disk.reached();
  const asked = two.push(topic, 'op_status', { client_op_id: request['client_op_id'] });
  await arrived(two);
  expect(two.heard.some(([, ref]) => ref === asked)).toBe(false);
  disk.release();
  expect((await two.reply(asked)).response).toEqual({ state: 'committed', store_seq: 1 });
  expect((await one.reply(written)).response).toEqual({ store_seq: 1 });
});

test('S111 a join that is being decided while the server lets go of its stores is told to come back', async () => {
  const base = memory();
  const disk = new SlowDisk(base);
  const { server, connect, joined } = await world({ storage: disk.storage });
  const writer = await joined({ device: 'w' });
  const late = await connect({ device: 'late' });
  // The server waits for the write, and the join for the server to have begun.
  disk.hold();
  const written = writer.push(topic, 'write', ask('set', 'a', { value: 1 }));
  await disk.reached();
  let closed = Promise.resolve();
  const find = base.stores.find.bind(base.stores);
  Object.assign(base.stores, {
    find: (name: Parameters<typeof find>[0]) => {
      closed = server.close();
      return find(name);
    },
  });
  expect(await late.join(topic)).toEqual({
    status: 'error',
    response: { reason: 'unavailable', retry_after_ms: expect.any(Number) },
  });
  disk.release();
  expect((await writer.reply(written)).response).toEqual({ store_seq: 1 });
  await closed;
});

test('questions of a channel are looked into one after the other, however many come at once', async () => {
  const storage = memory();
  const size = storage.size.bind(storage);
  let [open, most] = [0, 0];
  storage.size = async () => {
    open += 1;
    most = Math.max(most, open);
    await new Promise((resolve) => setImmediate(resolve));
    open -= 1;
    return size();
  };
  const { joined } = await world({ storage });
  const peer = await joined();
  const refs = Array.from({ length: 50 }, () => peer.push(topic, 'status', {}));
  const last = peer.push(topic, 'write', ask('set', 'a', { value: 1 }));
  for (const ref of refs) expect((await peer.reply(ref)).status).toBe('ok');
  expect((await peer.reply(last)).response).toEqual({ store_seq: 1 });
  expect(most).toBe(1);
});
