import { records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/test/virtual-clock.ts';
import { platformEnv } from '../src/env.ts';
import { Item, network, NoSocket, opened } from './records-http-setting.ts';

const page = (): Promise<Response> => Promise.resolve(new Response('<html>'));
const none = (): Promise<Response> => Promise.reject(new TypeError('cors'));
const bad = (): Promise<Response> => Promise.resolve(new Response('bad', { status: 502 }));
const never = (): Promise<Response> => new Promise(() => {});

test('where HTTP cannot be reached, or what answers is another, all goes by the socket', async () => {
  const world = await opened();
  for (const [at, answer] of [none, page, bad].entries()) {
    const env = { ...platformEnv, fetch: answer };
    const delivery = byTransport({ transport: new InProcessTransport() });
    const client = world.client({ env, records: records([Item], { delivery }) });
    const store = client.store('acme/app');
    await store.ready;
    expect(store.get('items/1/n')).toBe(5 + at);
    await client.record(Item, { id: '1' }).set({ n: 6 + at }).committed;
    await expect.poll(() => store.get('items/1/n')).toBe(6 + at);
    await client.close();
  }
});

test('where nothing answers by HTTP, all goes by the socket after four seconds', async () => {
  const world = await opened();
  const clock = new VirtualClock();
  const { now, setTimeout, clearTimeout } = clock;
  let asked = 0;
  const fetch = (): Promise<Response> => {
    asked += 1;
    return never();
  };
  const env = { ...platformEnv, now, setTimeout, clearTimeout, fetch };
  const delivery = byTransport({ transport: new InProcessTransport() });
  const store = world.client({ env, records: records([Item], { delivery }) }).store('acme/app');
  const ready = store.ready.then(() => true);
  await expect.poll(() => asked).toBe(1);
  await clock.advance(3999);
  expect(store.status.get().synced).toBe(false);
  await clock.advance(1);
  expect(await ready).toBe(true);
  expect(store.get('items/1/n')).toBe(5);
});

test('where neither HTTP nor a socket can be had, the client goes on trying', async () => {
  const world = await opened();
  const net = network();
  net.down(true);
  const delivery = byTransport({ transport: new InProcessTransport() });
  const client = world.client({
    env: net.env,
    webSocket: NoSocket,
    records: records([Item], { delivery }),
  });
  const receipt = client.record(Item, { id: '1' }).set({ n: 6 });
  await expect.poll(() => client.status.get().attempts).toBeGreaterThan(1);
  net.down(false);
  await receipt.committed;
});

test('a write whose answer is lost, or none, goes by the socket where there is one, which stays; it is committed once', async () => {
  const world = await opened();
  const net = network();
  class Counted extends WebSocket {
    static opened = 0;

    constructor(url: string) {
      super(url);
      Counted.opened += 1;
    }
  }
  const client = world.client({
    env: net.env,
    webSocket: Counted,
    records: records([Item], { delivery: bySse() }),
  });
  await world.createStore('acme/other');
  await client.store('acme/other').ready;
  const item = client.record(Item, { id: '1' });
  item.retain();
  await item.ready();
  const connections: string[] = [];
  client.status.subscribe(() => connections.push(client.status.get().connection));
  net.faults.push(async (_, send) => {
    await send();
    return new Response('bad gateway', { status: 502 });
  });
  const receipts = [item.increment('n'), item.increment('n'), item.increment('n')];
  await Promise.all(receipts.map(({ committed }) => committed));
  expect((await world.items.get({ id: '1' })).value).toEqual({ n: 8 });
  expect([net.posts.length, Counted.opened]).toEqual([1, 1]);
  expect(connections.filter((each) => each !== 'connected')).toEqual([]);
});

test('a write that HTTP still holds back when it was committed by the socket is not committed again', async () => {
  const world = await opened();
  const net = network();
  const client = world.client({ env: net.env, records: records([Item], { delivery: bySse() }) });
  await world.createStore('acme/other');
  await client.store('acme/other').ready;
  const item = client.record(Item, { id: '1' });
  item.retain();
  await item.ready();
  const held: (() => Promise<Response>)[] = [];
  net.faults.push((_, send) => {
    held.push(send);
    return bad();
  });
  const receipts = [item.increment('n'), item.increment('n')];
  await Promise.all(receipts.map(({ committed }) => committed));
  expect(await (await held[0]?.())?.json()).toMatchObject({ store_seq: 3 });
  expect((await world.items.get({ id: '1' })).value).toEqual({ n: 7 });
});

test('what says how writes go is http or socket', () => {
  const writes = 'bogus' as 'http';
  expect(() => bySse({ writes })).toThrow(TypeError);
  expect(() => byTransport({ transport: new InProcessTransport(), writes })).toThrow(TypeError);
});
