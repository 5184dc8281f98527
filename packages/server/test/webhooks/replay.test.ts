import type { Principal } from '@holdfast/server';
import { expect, test } from 'vitest';
import { everything } from '../conversation/world.ts';
import { principals } from '../conversation/principals.ts';
import { receiver } from './receiver.ts';
import { Site } from './site.ts';

test('S108 what a webhook has passed is delivered again on demand, in order, and then what is new', async () => {
  const site = await Site.open();
  const there = await receiver();
  const { id } = await site.hook(there.url);
  await site.put(['a', 1], ['b', 2], ['c', 3]);
  await there.heard(3);
  await expect.poll(() => site.look(id)).toMatchObject({ last_delivered_seq: 3 });
  const again = await site.ask('POST', `webhooks/${id}/replay`, { after_seq: 1 });
  expect([again.status, again.json]).toEqual([200, { ok: true, after_seq: 1 }]);
  await there.heard(5);
  await site.put(['d', 4]);
  await there.heard(6);
  expect(there.bodies().map(({ store_seq: seq }) => seq)).toEqual([1, 2, 3, 2, 3, 4]);
  const deliveries = there.received.map(({ headers }) => headers['holdfast-delivery']);
  expect(deliveries[3]).toBe(deliveries[1]);
  const acts = await fetch(`${site.url}/api/audit?act=webhook.replayed`, {
    headers: { authorization: 'Bearer dev' },
  });
  expect(await acts.json()).toMatchObject({ acts: [{ target: id, details: { after_seq: 1 } }] });
});

test('S108 a replay makes an inactive webhook active', async () => {
  const site = await Site.open();
  const there = await receiver();
  there.react(500);
  const { id } = await site.hook(there.url);
  await site.put(['a', 1], ['b', 2]);
  for (const [at, ms] of [0, 60_000, 300_000, 1_800_000, 7_200_000].entries()) {
    // oxlint-disable-next-line no-await-in-loop -- attempt after attempt
    await site.clock.pass(ms);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await expect.poll(async () => (await site.deliveries(id)).length).toBe(at + 1);
  }
  await expect.poll(() => site.look(id)).toMatchObject({ active: false });
  there.react(204);
  const before = there.received.length;
  await site.ask('POST', `webhooks/${id}/replay`, { after_seq: 0 });
  await there.heard(before + 2);
  expect(await site.look(id)).toMatchObject({ active: true });
});

test('S108 a replay amid a delivery begins when that has ended: one attempt at a time', async () => {
  const site = await Site.open();
  const there = await receiver();
  there.react('silence');
  const { id } = await site.hook(there.url);
  await site.put(['a', 1]);
  await there.heard(1);
  const replay = site.ask('POST', `webhooks/${id}/replay`, { after_seq: 0 });
  for (let i = 0; i < 10; i++) {
    // oxlint-disable-next-line no-await-in-loop -- so that what would come has come
    await site.look(id);
  }
  expect(there.received).toHaveLength(1);
  there.react(200);
  await site.clock.pass(5000);
  expect((await replay).status).toBe(200);
  await there.heard(2);
  expect(there.bodies()).toMatchObject([{ store_seq: 1 }, { store_seq: 1 }]);
});

/** A webhook that has delivered two commits, and gets no answer to the third. */
async function underWay(site: Site) {
  const there = await receiver();
  const { id } = await site.hook(there.url);
  await site.put(['a', 1], ['b', 2]);
  await there.heard(2);
  await expect.poll(() => site.look(id)).toMatchObject({ last_delivered_seq: 2 });
  there.react('silence');
  await site.put(['c', 3]);
  await there.heard(3);
  return { there, id };
}

test('S108 of two replays at once the later one holds, and both wait for the delivery under way', async () => {
  const site = await Site.open();
  const { there, id } = await underWay(site);
  const first = site.ask('POST', `webhooks/${id}/replay`, { after_seq: 0 });
  for (let i = 0; i < 10; i++) {
    // oxlint-disable-next-line no-await-in-loop -- so that the first has come
    await site.look(id);
  }
  const second = site.ask('POST', `webhooks/${id}/replay`, { after_seq: 1 });
  for (let i = 0; i < 10; i++) {
    // oxlint-disable-next-line no-await-in-loop -- so that the second has, and what it would set off
    await site.look(id);
  }
  expect(there.received).toHaveLength(3);
  await site.clock.pass(5000);
  await there.heard(4);
  there.react(200);
  await site.clock.pass(5000);
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  await there.heard(6);
  expect(there.bodies().map(({ store_seq: seq }) => seq)).toEqual([1, 2, 3, 1, 2, 3]);
});

test.each([
  ['is revoked', null, 401],
  ['comes to grant something else', { claims: { role: 'lead' } }, 503],
] as const)(
  'S101 S108 a replay that waits for the delivery under way when its token %s is not done',
  async (_what, then, status) => {
    let grants: Partial<Principal> | null = {};
    const site = await Site.open({
      authenticate: async () => (grants === null ? null : { ...everything, ...grants }),
    });
    const { there, id } = await underWay(site);
    const replay = site.ask('POST', `webhooks/${id}/replay`, { after_seq: 0 });
    for (let i = 0; i < 10; i++) {
      // oxlint-disable-next-line no-await-in-loop -- so that it has come
      await site.look(id);
    }
    grants = then;
    await site.clock.pass(5000);
    expect((await replay).status).toBe(status);
    grants = {};
    expect(await site.look(id)).toMatchObject({ active: true, last_delivered_seq: 2 });
    there.react(200);
    await site.clock.pass(60_000);
    await there.heard(4);
    expect(there.bodies().map(({ store_seq: seq }) => seq)).toEqual([1, 2, 3, 3]);
  },
);

test('a replay from a seq that is not passed, from none, or without audit:read is refused', async () => {
  const narrow = { scopes: new Set(['webhooks:read', 'webhooks:write'] as const) };
  const site = await Site.open({ authenticate: principals({ dev: {}, narrow }) });
  const there = await receiver();
  const { id } = await site.hook(there.url);
  for (const seq of [1, -1, 0.5, '0', undefined]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await site.ask('POST', `webhooks/${id}/replay`, { after_seq: seq });
    expect([answer.status, answer.json['field']]).toEqual([422, 'after_seq']);
  }
  const refused = await fetch(`${site.url}/api/stores/demo/main/webhooks/${id}/replay`, {
    method: 'POST',
    headers: { authorization: 'Bearer narrow', 'content-type': 'application/json' },
    body: '{"after_seq":0}',
  });
  expect(await refused.json()).toMatchObject({ reason: 'missing_scope', scope: 'audit:read' });
});
