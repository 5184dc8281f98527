import { memory } from '@holdfast/server/storage/memory';
import { createClient } from '@holdfast/client';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer, WireFrame } from '../conversation/peer.ts';
import { arrived, put } from '../conversation/talk.ts';
import { topic, type World, world } from '../conversation/world.ts';
import { Scrape } from './scrape.ts';

async function still(): Promise<World & { readonly clock: VirtualClock }> {
  const clock = new VirtualClock();
  return { ...(await world({ clock, storage: memory({ now: clock.wall }) })), clock };
}

const saysSo = { last_store_seq: 0, acks: true };

async function asksOf(peer: Peer): Promise<readonly WireFrame[]> {
  await arrived(peer);
  return peer.heard.filter(([, , , event]) => event === 'ack');
}

const behind = async ({ url }: World): Promise<number> =>
  (await Scrape.of(url)).value('holdfast_lag_ops');

test('a client that says what it has applied is asked right behind events, at most once a second; any other is not', async () => {
  const home = await still();
  const writer = await home.joined({ device: 'w' });
  const reader = await home.joined({ device: 'r' }, saysSo);
  const old = await home.joined({ device: 'old', capver: '3' }, saysSo);
  await put(writer, 'a', 1);
  expect(await asksOf(reader)).toEqual([]);
  await home.clock.pass(1000);
  await put(writer, 'a', 2);
  await put(writer, 'a', 3);
  expect(await asksOf(reader)).toEqual([[null, null, topic, 'ack', { seq: 2 }]]);
  const [last, question] = reader.heard.filter(([, , , event]) => event !== 'phx_reply').slice(-3);
  expect([last?.[3], question?.[3]]).toEqual(['events', 'ack']);
  for (const peer of [writer, old]) expect(await asksOf(peer)).toEqual([]);
});

test('the time of delivery is that from the commit to the answer of the client', async () => {
  const home = await still();
  const writer = await home.joined({ device: 'w' });
  const reader = await home.joined({ device: 'r' }, saysSo);
  await home.clock.pass(1000);
  const seq = await put(writer, 'a', 1);
  await reader.until(([, , , event]) => event === 'ack');
  await home.clock.pass(300);
  await reader.ask(topic, 'ack_seq', { seq });
  const { families } = await Scrape.of(home.url);
  expect(families.get('holdfast_delivery_seconds')?.metrics[0]).toMatchObject({
    count: '1',
    sum: '0.3',
  });
});

test('a client that reads and does not apply lags by what was committed since it was asked, and that has a slope', async () => {
  const home = await still();
  const writer = await home.joined({ device: 'w' });
  const reader = await home.joined({ device: 'r' }, saysSo);
  await home.clock.pass(1000);
  for (const value of [1, 2, 3]) await put(writer, 'a', value);
  await home.clock.pass(1000);
  expect(await behind(home)).toBe(2);
  for (const value of [4, 5]) await put(writer, 'a', value);
  await home.clock.pass(1000);
  expect(await behind(home)).toBe(4);
  expect((await Scrape.of(home.url)).value('holdfast_lag_ops_slope')).toBeGreaterThan(1);
  // One question at a time.
  expect((await asksOf(reader)).length).toBe(1);
  await reader.ask(topic, 'ack_seq', { seq: 5 });
  await home.clock.pass(1000);
  expect(await behind(home)).toBe(0);
});

test('our client says what it has applied, after the callbacks, without being told to', async () => {
  const home = await still();
  const { clock, url } = home;
  const client = createClient({ url, token: 'dev' });
  onTestFinished(() => client.close());
  const store = client.store('demo/main');
  await store.ready;
  const writer = await home.joined({ device: 'w' });
  const seen: unknown[] = [];
  const calledBack = new Promise<void>((resolve) => {
    store.on('a', ({ value }) => {
      seen.push(value);
      resolve();
    });
  });
  await clock.pass(1000);
  await put(writer, 'a', 1);
  await calledBack;
  await expect.poll(async () => (await Scrape.of(url)).count('holdfast_delivery_seconds')).toBe(1);
  expect(seen).toEqual([1]);
});
