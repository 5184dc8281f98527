import { asPath, asStoreName } from '@holdfast/protocol';
import type { LoadChunk, Storage } from '@holdfast/server/storage';
import { memory } from '@holdfast/server/storage/memory';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Stores } from '../../src/host/stores.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { roomOf } from './room.ts';

const CHUNKS = 8;
const id = '00000000-0000-4000-8000-000000000000';

type Slow = {
  readonly clock: VirtualClock;
  readonly storage: Storage;
  readonly stores: Stores;
  readonly reads: { begun: number; open: number };
  readonly reported: string[];
};

/** A store of eight leaves; each takes so long to be read. */
async function slowStore(leafMs: number): Promise<Slow> {
  const clock = new VirtualClock();
  const inner = memory({ now: clock.wall });
  const incarnation = 'i';
  await inner.stores.create({ id, name: asStoreName('demo/main'), incarnation, expiresAt: null });
  const reads = { begun: 0, open: 0 };
  async function* load(): AsyncGenerator<LoadChunk> {
    reads.begun += 1;
    reads.open += 1;
    try {
      for (let at = 0; at < CHUNKS; at += 1) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, leafMs));
        const leaf = { path: asPath(`k/${at}`), value: at, type: 'integer', revision: 1 } as const;
        yield { seq: 1, entries: [leaf], maps: [] };
      }
    } finally {
      reads.open -= 1;
    }
  }
  const storage: Storage = Object.assign(inner, { load });
  const reported: string[] = [];
  const report = (_: string, error: unknown): void => void reported.push(String(error));
  const stores = new Stores({ ...roomOf(storage, clock), report });
  return { clock, storage, stores, reads, reported };
}

/** Lets time pass, with turns of the event loop in between, as what is read takes them. */
async function pass(clock: VirtualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    // oxlint-disable-next-line no-await-in-loop -- step by step
    await clock.pass(500);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await turn();
  }
}

test('a store that takes minutes to be read is opened, and is read once, for all who ask meanwhile', async () => {
  const { clock, stores, reads } = await slowStore(29_000);
  const holds = [stores.hold(id)];
  await turn();
  await pass(clock, 40_000);
  holds.push(stores.hold(id));
  await pass(clock, CHUNKS * 29_000);
  const leaves = (await Promise.all(holds)).map(({ host }) => host.view().tree.size);
  expect(leaves).toEqual([CHUNKS, CHUNKS]);
  expect(reads).toEqual({ begun: 1, open: 0 });
  expect(clock.timers).toBeLessThan(3);
});

test('of a storage that does not go on for half a minute the store is read anew, and after the fourth time who waits is told', async () => {
  const { clock, stores, reads, reported } = await slowStore(Infinity);
  const told = stores.hold(id).catch((error: unknown) => String(error));
  await turn();
  await pass(clock, 200_000);
  expect(await told).toContain('timeout');
  expect(reads.begun).toBe(4);
  expect(reported).toHaveLength(1);
});

test('of a storage that does not say what the store is, who waits is told, and who asks when it does is given it', async () => {
  const { clock, storage, stores } = await slowStore(1);
  const get = storage.stores.get.bind(storage.stores);
  storage.stores.get = () => new Promise<never>(() => undefined);
  let told = '';
  stores.hold(id).catch((error: unknown) => (told = String(error)));
  await pass(clock, 200_000);
  expect(told).toContain('timeout');
  storage.stores.get = get;
  const hold = stores.hold(id);
  await pass(clock, 5000);
  expect((await hold).host.view().tree.size).toBe(CHUNKS);
});

test('a store that nobody wants any more is read no further', async () => {
  const { clock, stores, reads } = await slowStore(1000);
  const told = stores.hold(id).catch((error: unknown) => String(error));
  await turn();
  await pass(clock, 2500);
  expect(reads.open).toBe(1);
  await stores.reopen(id);
  expect(await told).toContain('unavailable');
  await pass(clock, 1000);
  expect(reads.open).toBe(0);
});
