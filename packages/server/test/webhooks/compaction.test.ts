import { asPath, asStoreName, defaultLimits } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';

import { memoryBus } from '../../src/bus/memory.ts';
import { Compactor } from '../../src/host/compactor.ts';
import { Stores } from '../../src/host/stores.ts';
import { Meters } from '../../src/metrics/index.ts';
import { VirtualClock } from '../conversation/clock.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A store of three ops, a webhook that is told by nobody, and the compactor. */
async function stuck() {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const failures: unknown[] = [];
  const report = (_what: string, error: unknown): void => void failures.push(error);
  const meters = new Meters();
  const room = { storage, bus: memoryBus(), clock, limits: defaultLimits, meters, report };
  const stores = new Stores({ ...room, slow: null, stopped: () => undefined });
  const compactor = new Compactor({ ...room, stores }, { ms: HOUR, ops: 1 });
  const name = asStoreName('demo/main');
  await storage.stores.create({ id: 's', name, incarnation: 'i', expiresAt: null });
  const url = 'https://example.org/';
  const secret = 'whsec_0';
  const insertedAt = clock.wall();
  await storage.webhooks.create(
    { id: 'w', store: 's', url, secret, patterns: ['**'], ops: null, insertedAt },
    20,
  );
  const ops = [1, 2, 3].map((seq) => ({
    seq,
    op: 'set' as const,
    path: asPath(`k/${seq}`),
    value: seq,
    arg: null,
    deviceId: 'd',
    clientOpId: `${seq}`,
    tx: null,
    at: clock.wall(),
    principal: null,
    removed: [],
  }));
  await storage.append('s', 0, { ops, entries: [], maps: [], answers: [] });
  const oldest = async () => (await storage.open('s'))?.oldestSeq;
  const note = (cursor: number, inactiveReason: string | null = null) =>
    storage.webhooks.note('w', { cursor, inactiveReason, failures: 0, retryAt: null }, null);
  return { clock, oldest, note, compactor, failures };
}

test('S94 an op that an active webhook was not told stays longer, but for 7 days at most', async () => {
  const { clock, oldest, note, compactor, failures } = await stuck();
  await clock.pass(2 * HOUR);
  expect(await oldest()).toBe(1);
  await note(1);
  await clock.pass(HOUR);
  await expect.poll(oldest).toBe(2);
  await clock.pass(7 * DAY - 4 * HOUR);
  expect(await oldest()).toBe(2);
  await clock.pass(3 * HOUR);
  await expect.poll(oldest).toBe(3);
  compactor.stop();
  expect(failures).toEqual([]);
});

test('S94 nothing stays for an inactive webhook', async () => {
  const { clock, oldest, note, compactor } = await stuck();
  await note(0, 'gave up');
  await clock.pass(2 * HOUR);
  await expect.poll(oldest).toBe(3);
  compactor.stop();
});
