import { badWeather, failureText, simulate } from '@holdfast/simulation';
import { expect, test } from 'vitest';

test('the example of the package holds, through its front door', { timeout: 60_000 }, async () => {
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
