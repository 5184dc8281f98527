import type { LoggedOp } from '@holdfast/engine/authority';
import { memory } from '@holdfast/server/storage/memory';
import { asPath, parseStoreName } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';

import { Compactor, retentionOf } from '../../src/host/compactor.ts';
import { Meters } from '../../src/metrics/index.ts';
import { VirtualClock } from '../conversation/clock.ts';

type Log = { oldest: number; head: number };

const opOf = (seq: number): LoggedOp => ({
  seq,
  op: 'set',
  path: asPath('a'),
  value: seq,
  deviceId: 'd',
  clientOpId: `${seq}`,
  tx: null,
  at: 0,
  principal: null,
  arg: null,
  removed: [],
});

/** Stores with logs of so many ops, all of them old, of which ten are to stay; `stepped` hears of each step. */
async function compacted(
  logs: { readonly [name: string]: Log },
  stepped: (name: string) => void = () => undefined,
) {
  const clock = new VirtualClock();
  const storage = memory({ now: () => 1000 });
  for (const text of Object.keys(logs)) {
    const name = parseStoreName(text);
    if (name === null) throw new Error('no name');
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await storage.stores.create({ id: text, name, incarnation: text, expiresAt: null });
  }
  const logOf = (id: string): Log => {
    const log = logs[id];
    if (log === undefined) throw new Error('no log');
    return log;
  };
  storage.open = async (id) => {
    const { oldest, head } = logOf(id);
    return { head, oldestSeq: oldest, dedupeSince: 0 };
  };
  storage.read = async (id, after, { ops }) => {
    const count = Math.min(ops, logOf(id).head - after);
    return Array.from({ length: count }, (_, at) => opOf(after + 1 + at));
  };
  const steps: string[] = [];
  storage.compact = async (id, through, limit) => {
    const log = logOf(id);
    log.oldest = Math.min(through + 1, log.oldest + limit);
    steps.push(id);
    stepped(id);
    return log.oldest;
  };
  const compactor = new Compactor(
    {
      storage,
      stores: { peek: () => null },
      clock,
      meters: new Meters(),
      report: (what, error) => expect.fail(`${what}: ${String(error)}`),
    },
    retentionOf({ ms: 10, ops: 10 }),
  );
  onTestFinished(() => compactor.stop());
  return { clock, steps };
}

test('S94 a store with much to forget holds up no other: they take turns, also with what comes meanwhile', async () => {
  const logs = {
    'a/long': { oldest: 1, head: 40_000 },
    'a/other': { oldest: 1, head: 5000 },
    'a/short': { oldest: 1, head: 500 },
  };
  const { clock, steps } = await compacted(logs);
  await clock.pass(30_000);
  await expect.poll(() => logs['a/long'].oldest).toBe(39_991);
  expect(logs).toMatchObject({ 'a/other': { oldest: 4991 }, 'a/short': { oldest: 491 } });
  // So many steps of one store at most before the others have theirs.
  const before = (name: string) => steps.slice(0, steps.lastIndexOf(name));
  expect(before('a/short').filter((name) => name !== 'a/short').length).toBeLessThan(40);
  const ofOther = before('a/other').filter((name) => name === 'a/other').length;
  const ofLong = before('a/other').filter((name) => name === 'a/long').length;
  expect(ofLong).toBeLessThan(1.5 * ofOther);
});

test('S94 a log that grows while others have their turns is compacted faster than it grows', async () => {
  const logs = { 'a/busy': { oldest: 1, head: 300_000 }, 'a/long': { oldest: 1, head: 50_000 } };
  let left = Infinity;
  const { clock } = await compacted(logs, (name) => {
    if (name !== 'a/long') return;
    logs['a/busy'].head += 200;
    left = logs['a/busy'].head - logs['a/busy'].oldest;
  });
  await clock.pass(30_000);
  await expect.poll(() => logs['a/long'].oldest).toBe(49_991);
  const { head } = logs['a/busy'];
  expect(head).toBeGreaterThan(400_000);
  // Seen when the other one was done, not when all was.
  expect(left).toBeLessThan(200_000);
});
