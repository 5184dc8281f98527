import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';

import { VirtualClock } from '../conversation/clock.ts';
import { Scrape } from '../metrics/scrape.ts';
import { type Receiver, receiver } from './receiver.ts';
import { Site } from './site.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Waits for so many attempts, noted. */
async function attempted(site: Site, id: string, count: number): Promise<void> {
  await expect.poll(async () => (await site.deliveries(id)).length).toBe(count);
}

type Failed = { readonly site: Site; readonly there: Receiver; readonly id: string };

/** A webhook whose first delivery has failed. */
async function failedOnce(): Promise<Failed> {
  const site = await Site.open();
  const there = await receiver();
  there.react(500);
  const { id } = await site.hook(there.url);
  await site.put(['a', 1]);
  await attempted(site, id, 1);
  return { site, there, id };
}

test('S108 a failed delivery is tried again after 1, 5, 30 and 120 minutes; later ops wait; the fifth failure ends it', async () => {
  const told: string[] = [];
  const log = { info: () => undefined, error: (_: object, what: string) => void told.push(what) };
  const site = await Site.open({ log });
  const there = await receiver();
  there.react(500);
  const { id } = await site.hook(there.url);
  await site.put(['a', 1], ['b', 2]);
  await attempted(site, id, 1);
  for (const [index, minutes] of [1, 5, 30, 120].entries()) {
    expect(await site.look(id)).toMatchObject({
      failure_count: index + 1,
      active: true,
      next_attempt_at: new Date(site.clock.wall() + minutes * MINUTE).toISOString(),
    });
    await site.clock.pass(minutes * MINUTE - 1);
    expect(there.received).toHaveLength(index + 1);
    await site.clock.pass(1);
    await there.heard(index + 2);
    await attempted(site, id, index + 2);
  }
  expect(new Set(there.bodies().map(({ store_seq: seq }) => seq))).toEqual(new Set([1]));
  expect(new Set(there.received.map(({ text }) => text)).size).toBe(1);
  const ids = there.received.map(({ headers }) => headers['holdfast-delivery']);
  expect(new Set(ids).size).toBe(1);
  expect(await site.look(id)).toMatchObject({
    active: false,
    failure_count: 5,
    last_delivered_seq: 0,
    inactive_reason: '5 attempts failed in a row; the last: the answer was 500',
  });
  await site.clock.pass(10 * HOUR);
  expect(there.received).toHaveLength(5);
  // An operator hears of it: the gauges count webhooks that are active only.
  expect(told).toEqual([expect.stringContaining(`webhook ${id} of demo/main is inactive`)]);
  const figures = await Scrape.of(site.url);
  const attempts = (result: string): number =>
    figures.value('holdfast_webhook_attempts_total', { result });
  expect([
    attempts('failed'),
    attempts('given_up'),
    figures.value('holdfast_errors_total'),
  ]).toEqual([5, 1, 1]);
});

test('given a wall clock that is set back by ten years after a failure, the next attempt comes no later than it was to', async () => {
  const { site, there, id } = await failedOnce();
  site.clock.setWall(-10 * 365 * 24 * HOUR);
  // Somebody waits already; the wait after the next failure begins by the clock that was set.
  await site.clock.pass(MINUTE);
  await attempted(site, id, 2);
  there.react(200);
  await site.clock.pass(5 * MINUTE);
  await attempted(site, id, 3);
  expect(await site.look(id)).toMatchObject({ failure_count: 0, last_delivered_seq: 1 });
});

test('given a wall clock that is behind by ten years when a server starts, a retry of before comes after its wait', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const there = await receiver();
  there.react(500);
  const first = await Site.open({ data: directory });
  const { id } = await first.hook(there.url);
  await first.put(['a', 1]);
  await attempted(first, id, 1);
  await first.server.close();
  there.react(200);
  const clock = new VirtualClock();
  clock.setWall(-10 * 365 * 24 * HOUR);
  const second = await Site.open({ data: directory, clock });
  await expect.poll(() => clock.timers).toBeGreaterThan(0);
  await second.look(id);
  await clock.pass(MINUTE);
  await attempted(second, id, 2);
  expect(await second.look(id)).toMatchObject({ failure_count: 0, last_delivered_seq: 1 });
});

test('S108 a ping that is answered makes an inactive webhook active; it goes on from its cursor', async () => {
  const site = await Site.open();
  const there = await receiver();
  const { id } = await site.hook(there.url);
  await site.put(['a', 1]);
  await attempted(site, id, 1);
  there.react(503);
  await site.put(['b', 2], ['c', 3]);
  await attempted(site, id, 2);
  for (const [index, minutes] of [1, 5, 30, 120].entries()) {
    await site.clock.pass(minutes * MINUTE);
    await attempted(site, id, index + 3);
  }
  const failed = await site.ask('POST', `webhooks/${id}/ping`);
  expect(failed.status).toBe(502);
  expect(failed.json).toMatchObject({ ok: false, error: 'the answer was 503', status_code: 503 });
  expect(await site.look(id)).toMatchObject({ active: false, last_delivered_seq: 1 });
  there.react(204);
  const before = there.received.length;
  const ping = await site.ask('POST', `webhooks/${id}/ping`);
  expect(ping.json).toEqual({ ok: true, status_code: 204, response_ms: expect.any(Number) });
  await there.heard(before + 3);
  expect(there.bodies().slice(before)).toEqual([
    { event: 'ping', store: 'demo/main', timestamp: expect.any(String) },
    expect.objectContaining({ store_seq: 2 }),
    expect.objectContaining({ store_seq: 3 }),
  ]);
  await expect
    .poll(() => site.look(id))
    .toMatchObject({
      active: true,
      failure_count: 0,
      inactive_reason: null,
      last_delivered_seq: 3,
    });
});

test('a ping changes nothing of a retry that is due later', async () => {
  const { site, there, id } = await failedOnce();
  there.react(200);
  expect((await site.ask('POST', `webhooks/${id}/ping`)).status).toBe(200);
  expect(await site.look(id)).toMatchObject({ failure_count: 1, last_delivered_seq: 0 });
  await site.clock.pass(MINUTE);
  await attempted(site, id, 2);
  expect(await site.look(id)).toMatchObject({ failure_count: 0, last_delivered_seq: 1 });
});

test('S108 what has not answered after 5 s has failed', async () => {
  const site = await Site.open();
  const there = await receiver();
  there.react('silence');
  const { id } = await site.hook(there.url);
  await site.put(['a', 1]);
  await there.heard(1);
  await site.clock.pass(4999);
  expect(await site.deliveries(id)).toEqual([]);
  await site.clock.pass(1);
  await attempted(site, id, 1);
  const [attempt] = await site.deliveries(id);
  expect(attempt).toMatchObject({ status_code: null, error: 'there was no answer within 5 s' });
});

test('S108 what was answered is not told again after a restart, and a retry keeps its time', async () => {
  const data = mkdtempSync(join(tmpdir(), 'holdfast-hooks-'));
  onTestFinished(() => rmSync(data, { recursive: true }));
  const there = await receiver();
  const first = await Site.open({ data });
  const { id } = await first.hook(there.url);
  await first.put(['a', 1], ['b', 2]);
  await attempted(first, id, 2);
  there.react(500);
  await first.put(['c', 3]);
  await attempted(first, id, 3);
  await first.server.close();

  there.react(200);
  const clock = new VirtualClock();
  const second = await Site.open({ data, clock });
  expect(await second.look(id)).toMatchObject({ failure_count: 1, last_delivered_seq: 2 });
  expect(there.received).toHaveLength(3);
  await clock.pass(MINUTE);
  await there.heard(4);
  expect(there.bodies().map(({ store_seq: seq }) => seq)).toEqual([1, 2, 3, 3]);
});

test('S108 compaction waits for active webhooks; of what one has missed while inactive it is told as a gap', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const site = await Site.open({ clock, storage, retention: { ms: HOUR, ops: 1 } });
  const there = await receiver();
  const { id } = await site.hook(there.url);
  await site.put(['a', 1], ['b', 2]);
  await attempted(site, id, 2);
  there.react(500);
  await site.put(['c', 3], ['d', 4], ['e', 5]);
  await attempted(site, id, 3);
  const oldest = async (): Promise<number | undefined> =>
    (await storage.open(site.storeId))?.oldestSeq;
  for (const [index, minutes] of [1, 5, 30].entries()) {
    await clock.pass(minutes * MINUTE);
    await attempted(site, id, index + 4);
  }
  await clock.pass(60 * MINUTE);
  await expect.poll(oldest).toBe(3);
  await clock.pass(60 * MINUTE);
  await attempted(site, id, 7);
  await clock.pass(20 * MINUTE);
  await expect.poll(oldest).toBe(5);
  there.react(200);
  const before = there.received.length;
  expect((await site.ask('POST', `webhooks/${id}/ping`)).status).toBe(200);
  await there.heard(before + 3);
  expect(there.bodies().slice(before + 1)).toEqual([
    { event: 'gap', store: 'demo/main', from_seq: 3, to_seq: 4 },
    expect.objectContaining({ event: 'entry.changed', store_seq: 5 }),
  ]);
  await expect.poll(() => site.look(id)).toMatchObject({ last_delivered_seq: 5 });
});
