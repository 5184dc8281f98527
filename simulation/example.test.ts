import { badWeather, failureText, simulate } from '@holdfast/simulation';
import { expect, test } from 'vitest';
import { collect } from '../tools/garbage.ts';

test('the example of the package holds, through its front door', { timeout: 240_000 }, async () => {
  const failure = await simulate(
    {
      faults: { ...badWeather, crash: 6 },
      async program(world) {
        for (let round = 0; round < 20; round++) {
          for (const name of ['ann', 'bob']) {
            const store = world.client(name).store('acme/app');
            store.increment('visits');
            store.close();
          }
          await world.sleep(500);
        }
      },
      check(world) {
        const seen = world.devices.map((device) => device.store('acme/app').get('visits'));
        expect(new Set(seen).size).toBe(1);
        // What a client had just been told to write, and its cache had not kept, ends with it.
        expect(Number(seen[0])).toBeGreaterThan(30);
        expect(Number(seen[0])).toBeLessThanOrEqual(40);
      },
    },
    { from: 1, count: 20 },
  );
  expect(failure === null ? null : failureText(failure)).toBeNull();
});

test('of a world in whose processes somebody dials when they are gone nothing is left', async () => {
  let left: WeakRef<object> | null = null;
  const said: string[] = [];
  const failure = await simulate(
    {
      async program(world) {
        left ??= new WeakRef(world);
        const device = world.device('ann');
        device.end();
        await device.ask('/api/whoami').catch((error: unknown) => said.push(String(error)));
        device.crash();
      },
    },
    { from: 1, count: 3, shrinks: false },
  );
  const isLeft = (): boolean => {
    collect();
    return left?.deref() !== undefined;
  };
  await expect.poll(isLeft, { timeout: 5000 }).toBe(false);
  expect([failure, new Set(said)]).toEqual([null, new Set(['Error: connection refused'])]);
});

test('the weather has not cleared for whoever has yet to hear that he was cut off', async () => {
  let connections = 0;
  const failure = await simulate(
    {
      program: async (world) => {
        const store = world.client('ann').store('acme/app');
        await store.put('a', 1).committed;
      },
      check: (world) => {
        ({ connections } = world.device('ann'));
      },
    },
    { from: 1, count: 1, shrinks: false },
  );
  expect([failure, connections]).toEqual([null, 1]);
});

// Last: it never ends.
test('a program that asks again and again by timers of the platform is told so, for no virtual time passes meanwhile', async () => {
  const failure = await simulate(
    {
      async program(world) {
        const store = world.client('ann').store('acme/app');
        store.increment('visits');
        while (store.status.get().pending > 0) {
          // oxlint-disable-next-line no-await-in-loop -- what programs are told not to do
          await new Promise((resolve) => setTimeout(resolve));
        }
      },
    },
    { from: 1, count: 1, shrinks: false },
  );
  expect(failure?.problems.join('\n')).toContain('wait by world.sleep');
});
