import { randomUUID } from 'node:crypto';
import { defaultLimits, parseStoreName } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { memoryBus } from '../../src/bus/memory.ts';
import { Stores } from '../../src/host/stores.ts';
import { Meters } from '../../src/metrics/index.ts';
import { VirtualClock } from '../conversation/clock.ts';

test('G52 where memory is short, stores that nobody uses are closed before their time, least recently used first, and open again whole', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const ids = await Promise.all(
    ['a', 'b', 'c', 'd', 'e'].map(async (name) => {
      const [id, incarnation] = [randomUUID(), randomUUID()];
      const parsed = parseStoreName(`acme/${name}`);
      if (parsed === null) throw new Error(name);
      await storage.stores.create({ id, incarnation, name: parsed, expiresAt: null });
      return id;
    }),
  );
  const room = {
    storage,
    clock,
    bus: memoryBus(),
    limits: defaultLimits,
    meters: new Meters(),
    slow: null,
    report: (what: string, error: unknown) => {
      throw new Error(what, { cause: error });
    },
    stopped: () => undefined,
  };
  let isFull = false;
  const stores = new Stores(room, () => isFull);
  const [a = '', b = '', c = '', d = '', e = ''] = ids;
  const held = await stores.hold(a);
  for (const id of [b, c, d]) (await stores.hold(id)).release();
  const open = (): string[] => ids.filter((id) => stores.peek(id) !== null);
  expect(open()).toEqual([a, b, c, d]);
  isFull = true;
  const last = await stores.hold(e);
  await expect.poll(open).toEqual([a, d, e]);
  (await stores.hold(d)).release();
  expect(open()).toEqual([a, d, e]);
  for (const hold of [held, last]) hold.release();
  isFull = false;
  (await stores.hold(b)).release();
  expect(open()).toEqual([a, b, d, e]);
  await stores.close();
});
