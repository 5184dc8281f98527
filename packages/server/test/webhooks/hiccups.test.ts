import { asStoreName } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';

import { VirtualClock } from '../conversation/clock.ts';
import { receiver } from './receiver.ts';
import { Site } from './site.ts';

const silent = { info: () => undefined, error: () => undefined };

test('S108 webhooks that could not be read when the server started are started when they can be', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const there = await receiver();
  const name = asStoreName('demo/main');
  await storage.stores.create({ id: 's', name, incarnation: 'i', expiresAt: null });
  const row = { id: 'w', store: 's', url: there.url, secret: 'whsec_0', patterns: ['**'] };
  await storage.webhooks.create({ ...row, ops: null, insertedAt: clock.wall() }, 20);
  const list = storage.webhooks.list.bind(storage.webhooks);
  let failures = 0;
  storage.webhooks.list = async (of) => {
    if (of !== 'active' || failures === 2) return list(of);
    failures += 1;
    throw new Error('the disk is away');
  };
  const site = await Site.open({ clock, storage, log: silent });
  await site.put(['a', 1]);
  for (const times of [1, 2]) {
    // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
    await expect.poll(() => failures).toBe(times);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await clock.pass(5000);
  }
  await there.heard(1);
  expect(there.bodies()).toMatchObject([{ store_seq: 1 }]);
});

test('S108 a webhook whose replay could not be noted goes on from where it was', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const site = await Site.open({ clock, storage, log: silent });
  const there = await receiver();
  const { id } = await site.hook(there.url);
  await site.put(['a', 1], ['b', 2]);
  await there.heard(2);
  await expect.poll(() => site.look(id)).toMatchObject({ last_delivered_seq: 2 });
  const { webhooks } = storage;
  const note = webhooks.note.bind(webhooks);
  webhooks.note = () => Promise.reject(new Error('the disk is full'));
  expect((await site.ask('POST', `webhooks/${id}/replay`, { after_seq: 0 })).status).toBe(500);
  webhooks.note = note;
  await site.put(['c', 3]);
  await there.heard(3);
  expect(there.bodies().map(({ store_seq: seq }) => seq)).toEqual([1, 2, 3]);
});

/** A webhook whose fifth failure could not be noted yet. */
async function givenUpUnnoted() {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const site = await Site.open({ clock, storage, log: silent });
  const there = await receiver();
  there.react(500);
  const { id } = await site.hook(there.url);
  const { webhooks } = storage;
  const note = webhooks.note.bind(webhooks);
  const disk = { isFull: true, refusals: 0 };
  webhooks.note = async (of, standing, delivery) => {
    if (!disk.isFull || standing.inactiveReason === null) return note(of, standing, delivery);
    disk.refusals += 1;
    throw new Error('the disk is full');
  };
  await site.put(['a', 1]);
  for (const [index, minutes] of [1, 5, 30, 120].entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one failure after the other
    await expect.poll(() => site.look(id)).toMatchObject({ failure_count: index + 1 });
    // oxlint-disable-next-line no-await-in-loop -- the same
    await clock.pass(minutes * 60_000);
  }
  await expect.poll(() => disk.refusals).toBe(1);
  return { clock, webhooks, site, there, id, disk };
}

test('S108 a webhook whose fifth failure could not be noted is tried no more, and ends when that can be', async () => {
  const { clock, webhooks, there, id, disk } = await givenUpUnnoted();
  for (const times of [2, 3]) {
    await clock.pass(5000);
    await expect.poll(() => disk.refusals).toBe(times);
  }
  disk.isFull = false;
  await clock.pass(5000);
  await expect.poll(async () => (await webhooks.get(id))?.inactiveReason).toContain('5 attempts');
  expect(there.received).toHaveLength(5);
});

test('S108 a ping that is answered before the fifth failure could be noted keeps the webhook active', async () => {
  const { site, there, id, disk } = await givenUpUnnoted();
  there.react(200);
  disk.isFull = false;
  expect((await site.ask('POST', `webhooks/${id}/ping`)).status).toBe(200);
  await expect.poll(() => site.look(id)).toMatchObject({ active: true, last_delivered_seq: 1 });
});

test('S108 a webhook that a ping could not make active again, as the disk is full, goes on from where it was', async () => {
  const { clock, webhooks, site, there, id } = await givenUpUnnoted();
  there.react(200);
  const { note } = webhooks;
  webhooks.note = () => Promise.reject(new Error('the disk is full'));
  expect((await site.ask('POST', `webhooks/${id}/ping`)).status).toBe(500);
  webhooks.note = note;
  await clock.pass(5000);
  await expect.poll(() => site.look(id)).toMatchObject({ active: true, last_delivered_seq: 1 });
});
