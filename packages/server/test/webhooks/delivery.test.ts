import { createHmac } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { memory } from '@holdfast/server/storage/memory';

import { VirtualClock } from '../conversation/clock.ts';
import { Scrape } from '../metrics/scrape.ts';
import { receiver } from './receiver.ts';
import { Site } from './site.ts';

const hmac = (secret: string, text: string): string =>
  createHmac('sha256', secret).update(text).digest('hex');

test('S108 a webhook begins at the head and is told of every op after it, in order, one at a time', async () => {
  const site = await Site.open();
  const there = await receiver();
  await site.put(['before', 1]);
  const { id } = await site.hook(there.url);
  await site.put(['a', 1], ['b', 2], ['a', 3], ['c', 4], ['d', 5]);
  await there.heard(5);
  expect(there.bodies().map(({ store_seq: seq, path }) => [seq, path])).toEqual([
    [2, 'a'],
    [3, 'b'],
    [4, 'a'],
    [5, 'c'],
    [6, 'd'],
  ]);
  expect(there.together()).toBe(1);
  await expect.poll(() => site.look(id)).toMatchObject({ last_delivered_seq: 6, active: true });
});

test('S108 a delivery says what was logged, and its signatures verify with the secret shown once', async () => {
  const site = await Site.open();
  const there = await receiver();
  const { id, secret } = await site.hook(there.url);
  expect(secret).toMatch(/^whsec_[0-9a-f]{64}$/);
  there.react('silence');
  await site.put(['title', 'old']);
  await there.heard(1);
  const [first] = there.received;
  expect(first?.body).toEqual({
    event: 'entry.changed',
    store: 'demo/main',
    store_seq: 1,
    op: 'set',
    path: 'title',
    value: 'old',
    type: 'string',
    device_id: 'web:dev',
    tx: null,
    timestamp: new Date(site.clock.wall()).toISOString(),
  });
  const { headers, text = '' } = first ?? {};
  const [, time = '', mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(
    String(headers?.['holdfast-signature']),
  ) ?? [''];
  expect(Number(time)).toBe(Math.floor(site.clock.wall() / 1000));
  expect(mac).toBe(hmac(secret, `${time}.${text}`));
  expect(headers?.['x-dust-signature']).toBe(`sha256=${hmac(secret, text)}`);
  expect(headers?.['content-type']).toBe('application/json');
  expect(headers?.['holdfast-delivery']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
  const listed = await site.ask('GET', 'webhooks');
  expect(JSON.stringify(listed)).not.toContain(secret);
  expect(await site.look(id)).toMatchObject({ id, url: there.url, patterns: ['**'], ops: null });
});

test('S108 only what matches the patterns and ops is told, cut to the patterns; the rest moves the cursor in silence', async () => {
  const site = await Site.open();
  const there = await receiver();
  const { id } = await site.hook(there.url, { patterns: ['posts/**', 'x/a'], ops: ['set'] });
  await site.put(['posts/1', 'p'], ['other', 'o'], ['x', { a: 1, b: 2 }], ['y', 1]);
  await site.ask('DELETE', 'entries/posts/1');
  await site.put(['posts', 'a leaf']);
  await there.heard(3);
  expect(there.bodies().map(({ store_seq: seq, path, value }) => [seq, path, value])).toEqual([
    [1, 'posts/1', 'p'],
    [3, 'x', { a: 1 }],
    [6, 'posts', 'a leaf'],
  ]);
  await site.put(['other', 'o2'], ['other', 'o3']);
  await expect.poll(() => site.look(id)).toMatchObject({ last_delivered_seq: 8 });
  expect(there.received).toHaveLength(3);
});

test('each op of a transaction is told by itself, with its tx', async () => {
  const site = await Site.open();
  const there = await receiver();
  await site.hook(there.url);
  const ops = ['a', 'b', 'c'].map((path) => ({ op: 'set', path, value: path }));
  await site.ask('POST', 'transact', { ops });
  await there.heard(3);
  expect(there.bodies().map(({ path, tx }) => [path, tx])).toEqual([
    ['a', 3],
    ['b', 3],
    ['c', 3],
  ]);
});

const sets = (count: number, place: string): object[] =>
  Array.from({ length: count }, (_, at) => ({ op: 'set', path: `${place}/${at}`, value: at }));

test('a delivery reads few ops of the log, however many wait behind it; many are passed at a time where none match', async () => {
  const storage = memory();
  const site = await Site.open({ storage });
  const there = await receiver();
  await site.hook(there.url, { patterns: ['told/**'] });
  const read = vi.spyOn(storage, 'read');
  await site.ask('POST', 'transact', { ops: [...sets(900, 'silent'), ...sets(100, 'told')] });
  await there.heard(100);

  const parts = await Promise.all(read.mock.results.map(({ value }) => value));
  expect(parts.length).toBeLessThan(120);
  expect(parts.flat().length).toBeLessThan(900 + 256 + 100 * 16);
});

test('webhooks of a store are told each by itself: one that is stuck keeps nobody', async () => {
  const site = await Site.open();
  const [stuck, well] = [await receiver(), await receiver()];
  stuck.react('silence');
  await site.hook(stuck.url);
  await site.hook(well.url);
  await site.put(['a', 1], ['b', 2]);
  await well.heard(2);
  expect(stuck.received).toHaveLength(1);
});

test('attempts are listed newest first; a removed webhook hears nothing more', async () => {
  const site = await Site.open();
  const there = await receiver();
  const { id } = await site.hook(there.url);
  await site.put(['a', 1], ['b', 2]);
  await there.heard(2);
  await expect.poll(() => site.deliveries(id)).toHaveLength(2);
  const at = new Date(site.clock.wall()).toISOString();
  const listed = await site.deliveries(id);
  expect(listed.map(({ store_seq: seq }) => seq)).toEqual([2, 1]);
  expect(listed[0]).toEqual({
    id: there.received[1]?.headers['holdfast-delivery'],
    store_seq: 2,
    status_code: 200,
    response_ms: expect.any(Number),
    error: null,
    attempted_at: at,
  });
  expect((await site.ask('GET', `webhooks/${id}/deliveries?limit=1`)).json).toEqual({
    deliveries: [listed[0]],
  });
  expect((await site.ask('DELETE', `webhooks/${id}`)).json).toEqual({ ok: true });
  expect((await site.ask('GET', `webhooks/${id}/deliveries`)).status).toBe(404);
  const other = await receiver();
  await site.hook(other.url);
  await site.put(['c', 3]);
  await other.heard(1);
  expect(there.received).toHaveLength(2);
});

test('a hint that is lost costs latency only', async () => {
  const clock = new VirtualClock();
  const deaf = {
    publish: () => undefined,
    subscribe: () => () => undefined,
    close: () => Promise.resolve(),
  };
  const site = await Site.open({ bus: deaf, clock });
  const there = await receiver();
  await site.hook(there.url);
  await site.put(['a', 1]);
  expect(there.received).toHaveLength(0);
  await clock.pass(60_000);
  await there.heard(1);
});

test('S111 /metrics tells how many ops webhooks have not come to yet', async () => {
  const site = await Site.open();
  const there = await receiver();
  there.react('silence');
  const { id } = await site.hook(there.url);
  const figure = async (name: string): Promise<number> => (await Scrape.of(site.url)).value(name);
  expect(await figure('holdfast_webhooks')).toBe(1);
  await site.put(['a', 1], ['b', 2], ['c', 3]);
  await expect.poll(() => figure('holdfast_webhook_lag_ops')).toBe(3);
  await site.ask('DELETE', `webhooks/${id}`);
  expect(await figure('holdfast_webhooks')).toBe(0);
});
