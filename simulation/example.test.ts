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
