import { expect, test } from 'vitest';
import { ask, put } from '../conversation/talk.ts';
import { set, topic, world } from '../conversation/world.ts';
import { answerTo, dropSocket, heardOn, openSocket, transports } from './client.ts';

test.each(transports)(
  'S3 the official Phoenix client over %s joins, pushes, hears events before replies, leaves, and joins again',
  async (_name, opening) => {
    const { url } = await world();
    const socket = openSocket(url, opening);
    const channel = socket.channel(topic, { last_store_seq: 0 });
    const order: unknown[] = [];
    channel.on('event', (payload) => order.push(payload));
    const caughtUp = heardOn(channel, 'catch_up_complete');
    const [joined, response] = await answerTo(channel.join());
    expect(joined).toBe('ok');
    expect(response).toMatchObject({ store_seq: 0, capver: 3, capver_min: 3 });
    await expect.poll(() => caughtUp).toEqual([{ through_seq: 0 }]);
    const [written, reply] = await answerTo(channel.push('write', set('a/b', 'x', 'one')));
    order.push(reply);
    expect(written).toBe('ok');
    expect(order).toEqual([
      {
        store_seq: 1,
        op: 'set',
        path: 'a/b',
        path_segments: ['a', 'b'],
        value: 'x',
        device_id: 'phoenix',
        client_op_id: 'one',
      },
      { store_seq: 1 },
    ]);
    expect(await answerTo(channel.push('write', set('', 1, 'two')))).toEqual([
      'error',
      { reason: 'empty_path' },
    ]);
    const closed = new Promise((resolve) => channel.onClose(resolve));
    expect(await answerTo(channel.leave())).toEqual(['ok', {}]);
    await closed;
    expect(channel.state).toBe('closed');
    const again = socket.channel(topic, { last_store_seq: 1 });
    expect((await answerTo(again.join()))[0]).toBe('ok');
    expect((await answerTo(again.push('write', set('a/b', 'y', 'three'))))[1]).toEqual({
      store_seq: 2,
    });
    expect(order).toHaveLength(2);
  },
);

test.each(transports)(
  'S55 the official Phoenix client over %s rejoins by itself after its socket is lost, and misses nothing',
  async (_name, opening) => {
    const { url, joined } = await world();
    const socket = openSocket(url, opening);
    let cursor = 0;
    const channel = socket.channel(topic, () => ({ last_store_seq: cursor }));
    const seqs: number[] = [];
    channel.on('event', (payload) => {
      cursor = (payload as { store_seq: number }).store_seq;
      seqs.push(cursor);
    });
    await answerTo(channel.join());
    const writer = await joined({ device: 'writer' });
    await put(writer, 'k', 1);
    await expect.poll(() => cursor).toBe(1);
    const errors: unknown[] = [];
    channel.onError((reason) => errors.push(reason));
    dropSocket(socket);
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    for (let n = 2; n <= 5; n += 1) await put(writer, 'k', n);
    await expect.poll(() => cursor).toBe(5);
    expect(channel.state).toBe('joined');
    await put(writer, 'k', 6);
    await expect.poll(() => seqs).toEqual([1, 2, 3, 4, 5, 6]);
  },
);

test.each(transports)(
  'S3 the heartbeat of the official Phoenix client over %s is answered, and keeps the socket',
  async (_name, opening) => {
    const { url } = await world();
    const socket = openSocket(url, opening);
    const beats: unknown[] = [];
    let closes = 0;
    socket.onClose(() => (closes += 1));
    socket.onMessage((message) => {
      if (message.topic === 'phoenix') beats.push(message);
    });
    await new Promise<void>((resolve) => void socket.onOpen(resolve));
    for (let count = 1; count <= 5; count += 1) {
      // As its timer does; an interval of milliseconds would end the socket of who is slow to answer.
      socket.sendHeartbeat();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await expect.poll(() => beats.length).toBe(count);
    }
    expect(beats[0]).toMatchObject({
      join_ref: null,
      event: 'phx_reply',
      payload: { status: 'ok', response: {} },
    });
    expect(closes).toBe(0);
  },
);

test.each(transports)(
  'S8 a second channel on a topic replaces the first of the official Phoenix client over %s',
  async (_name, opening) => {
    const { url, joined } = await world();
    const socket = openSocket(url, opening);
    const [first, second] = [
      socket.channel(topic, { last_store_seq: 0 }),
      socket.channel(topic, { last_store_seq: 0 }),
    ];
    const [before, after] = [heardOn(first, 'event'), heardOn(second, 'event')];
    let closes = 0;
    first.onClose(() => (closes += 1));
    await answerTo(first.join());
    expect((await answerTo(second.join()))[0]).toBe('ok');
    await put(await joined({ device: 'writer' }), 'a', 1);
    await expect.poll(() => after.length).toBe(1);
    expect(before).toEqual([]);
    expect(closes).toBe(1);
    expect(first.state).toBe('closed');
  },
);

test.each(transports)(
  'S59 channels of several stores share one socket of the official Phoenix client over %s',
  async (_name, opening) => {
    const { url, server } = await world();
    await server.stores.create('demo/other');
    const socket = openSocket(url, opening);
    const heard: unknown[] = [];
    for (const name of [topic, 'store:demo/other']) {
      const channel = socket.channel(name, { last_store_seq: 0 });
      expect((await answerTo(channel.join()))[0]).toBe('ok');
      channel.on('event', (payload) => heard.push([name, (payload as { value: unknown }).value]));
      await answerTo(channel.push('write', set('in', name, 'same id')));
    }
    expect(heard).toEqual([
      [topic, topic],
      ['store:demo/other', 'store:demo/other'],
    ]);
    expect(server.describe().sockets).toBe(1);
  },
);

test.each(transports)(
  'S6 the official Phoenix client over %s is told why a join is refused',
  async (_name, opening) => {
    const { url } = await world();
    const socket = openSocket(url, opening);
    const unknown = socket.channel('store:demo/nowhere', { last_store_seq: 0 });
    expect(await answerTo(unknown.join())).toEqual(['error', { reason: 'unauthorized' }]);
    unknown.leave();
    const vague = socket.channel(topic, {});
    expect(await answerTo(vague.join())).toEqual([
      'error',
      { reason: 'invalid_payload', field: 'last_store_seq' },
    ]);
    vague.leave();
    const other = socket.channel('room:lobby', {});
    expect((await answerTo(other.join()))[0]).toBe('error');
    other.leave();
    const good = socket.channel(topic, { last_store_seq: 0 });
    expect((await answerTo(good.join()))[0]).toBe('ok');
    expect(await answerTo(good.push('nonsense', {}))).toEqual([
      'error',
      { reason: 'unknown_event' },
    ]);
    expect((await answerTo(good.push('write', ask('set', 'a', { value: 1 }))))[0]).toBe('ok');
  },
);

test('S110 the official Phoenix client sees its channel closed when the store is archived', async () => {
  const { url, server, storeId } = await world();
  const socket = openSocket(url);
  const channel = socket.channel(topic, { last_store_seq: 0 });
  const closed = new Promise((resolve) => channel.onClose(resolve));
  await answerTo(channel.join());
  await server.stores.archive(storeId);
  await closed;
  expect(channel.state).toBe('closed');
  expect(socket.isConnected()).toBe(true);
});
