import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HoldfastError, type Store } from '@holdfast/client';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Does a job once among all who call it with the same store: who gets the lease does it, who does not waits for the value. */
async function claim(store: Store, job: () => Promise<number>): Promise<'done' | 'awaited'> {
  const abort = new AbortController();
  const value = (async () => {
    const events = store.watch('report', { includeCurrent: true, signal: abort.signal });
    for await (const event of events) if (event.value !== undefined) return 'awaited';
    throw new Error('never');
  })();
  value.catch(() => undefined);
  for (;;) {
    try {
      const lease = await store.lease('locks/report', { ttl: 5000 });
      abort.abort();
      if (store.get('report') === undefined) {
        await store.put('report', await job(), { fence: lease }).committed;
      }
      await lease.release();
      return 'done';
    } catch (error) {
      if (!(error instanceof HoldfastError && error.code === 'held')) throw error;
      const expiresAt = Number(error.details['expires_at']);
      const expired = new Promise<null>((resolve) => {
        setTimeout(() => resolve(null), Math.max(expiresAt - Date.now(), 0) + 20);
      });
      const outcome = await Promise.race([value, expired]);
      if (outcome !== null) return 'awaited';
    }
  }
}

/** Whether somebody was told on this line that another has the lease. */
const isTold = (valve: Valve): boolean => valve.received.join().includes('"held"');

describe('clients together', () => {
  it('S51 of two that claim a job by its lease one does it, and the other gets its value', async () => {
    const valves = [new Valve(), new Valve()];
    const stores = await Promise.all(valves.map((link) => world.store({ link })));
    let runs = 0;
    // It takes until the other was told that it is held.
    const job = async (): Promise<number> => {
      await expect.poll(() => valves.some(isTold)).toBe(true);
      return (runs += 1);
    };
    const results = await Promise.all(stores.map((store) => claim(store, job)));
    expect([results.toSorted(), runs]).toEqual([['awaited', 'done'], 1]);
  });

  it('S51 a holder that dies is replaced after its ttl, and can write no more', async () => {
    const [dead, alive] = await Promise.all([world.store(), world.store()]);
    const began = performance.now();
    const held = await dead.lease('locks/report', { ttl: 300, heartbeat: false });
    expect(await claim(alive, async () => 7)).toBe('done');
    expect(performance.now() - began).toBeGreaterThan(290);
    expect(alive.get('report')).toBe(7);
    const late = dead.put('report', 8, { fence: held });
    await expect(late.committed).rejects.toMatchObject({ code: 'fenced' });
    expect(alive.get('report')).toBe(7);
  });

  it('S54 readers that come and go amid many writers see every seq once, in order, and end equal (P5)', async () => {
    const writers = await Promise.all(Array.from({ length: 10 }, () => world.store()));
    // A reader that has nothing yet gets a snapshot, which has no history.
    await writers[0]?.put('first', true).committed;
    const readers = Array.from({ length: 5 }, () => {
      const valve = new Valve();
      const store = world.client({ link: valve, env: { random: () => 0.01 } }).store('acme/app');
      const seqs: number[] = [];
      store.on('**', ({ seq }) => seqs.push(seq ?? 0), {
        mode: 'committed',
        maxQueue: 10_000,
      });
      return { valve, store, seqs };
    });
    await Promise.all(readers.map(({ store }) => store.ready));
    for (let round = 0; round < 40; round++) {
      const writes = writers.flatMap((store, index) => [
        store.put(`few/${(round + index) % 3}`, { by: index, round }),
        store.increment('count'),
      ]);
      if (round % 3 === 0) readers[round % 5]?.valve.cut();
      if (round % 4 === 0) await Promise.all(writes.map(({ committed }) => committed));
    }
    await Promise.all(writers.map((store) => store.settled()));
    await expect
      .poll(() => readers.every(({ store }) => store.status.get().seq === 801))
      .toBe(true);
    const expected = (await world.store()).entries().items;
    for (const { store, seqs } of readers) {
      expect(store.entries().items).toEqual(expected);
      expect(store.get('count')).toBe(400);
      expect(seqs).toEqual(Array.from({ length: 800 }, (_, index) => index + 2));
    }
  });
});
