import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { everything, set, topic, world } from '../conversation/world.ts';

const MINUTE = 60_000;

test('G52 a store is open while a channel holds it, is closed 15 minutes after the last one left, and opens again whole', async () => {
  const clock = new VirtualClock();
  const { server, joined } = await world({ clock, storage: memory({ now: clock.wall }) });
  const peer = await joined();
  await peer.ask(topic, 'write', set('a', 1, 'first'));
  for (let beat = 0; beat < 40; beat += 1) {
    await clock.pass(MINUTE / 2);
    peer.send([null, `h${beat}`, 'phoenix', 'heartbeat', {}]);
    await peer.reply(`h${beat}`);
  }
  expect(server.describe().stores).toHaveLength(1);
  await peer.ask(topic, 'phx_leave', {});
  peer.close();
  await peer.closed();
  await clock.pass(14 * MINUTE);
  expect(server.describe().stores).toHaveLength(1);
  await clock.pass(2 * MINUTE);
  await expect.poll(() => server.describe().stores).toHaveLength(0);
  const later = await joined({ device: 'd2' });
  expect((await later.ask(topic, 'status', {})).response).toMatchObject({
    current_seq: 1,
    entry_count: 1,
  });
});

test('a store that is archived while it is open is closed like any other once nobody uses it', async () => {
  const clock = new VirtualClock();
  const { server, storeId, joined } = await world({ clock, storage: memory({ now: clock.wall }) });
  const peer = await joined();
  expect(await server.stores.archive(storeId)).toBe(true);
  await peer.until(([, , , event]) => event === 'phx_close');
  expect(server.describe().stores).toHaveLength(1);
  await clock.pass(16 * MINUTE);
  await expect.poll(() => server.describe().stores).toHaveLength(0);
});

test('a store that was watched by server-sent events is closed like any other once nobody watches it', async () => {
  const clock = new VirtualClock();
  let isKnown = true;
  const authenticate = async () => (isKnown ? everything : null);
  const storage = memory({ now: clock.wall });
  const { server, url } = await world({ clock, storage, authenticate });
  const headers = { authorization: 'Bearer dev' };
  const watching = await fetch(`${url}/api/stores/demo/main/watch`, { headers });
  expect(server.describe().stores).toHaveLength(1);
  isKnown = false;
  await clock.pass(5000);
  expect(await watching.text()).toContain('unauthorized');
  await clock.pass(16 * MINUTE);
  await expect.poll(() => server.describe().stores).toHaveLength(0);
});
