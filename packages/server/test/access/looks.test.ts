import { RejectedError } from '@holdfast/protocol';
import { expect, test } from 'vitest';

import type { Look } from '../../src/access/index.ts';
import { Rates } from '../../src/access/rates.ts';
import { ratesOf } from '../../src/access/rate-limits.ts';
import { everything } from '../conversation/world.ts';

/** Rates by which a server looks for a tenth of the time, and for two seconds at once. */
function world(limits = ratesOf({ look_ms_per_minute: 6000, look_burst_ms: 2000 })) {
  const clock = { at: 1_000_000 };
  const rates = new Rates(limits, () => clock.at);
  /** Looks for so long in slices of a millisecond, and tells how that ended. */
  const look = async (ms: number, { store = 'a', of = everything } = {}): Promise<unknown> =>
    rates
      .looking(of, store, async (each) => {
        for (let left = ms; left > 0; left -= 1) {
          clock.at += 1;
          // oxlint-disable-next-line no-await-in-loop -- slice by slice
          await each.rest();
        }
        return 'found';
      })
      .catch((error: unknown) =>
        error instanceof RejectedError ? [error.code, error.details['retry_after_ms']] : error,
      );
  return { clock, rates, look };
}

test('who has made the server look for longer than its burst is refused, and told when ten times as long has passed', async () => {
  const { clock, look } = world();
  expect(await look(1500)).toBe('found');
  expect(await look(1500)).toBe('found');
  // 3000 ms are paid for after 30 s, of which 20 may be owed, and 1500 have passed since.
  const refused = await look(1500);
  expect(refused).toEqual(['rate_limited', 8494]);
  clock.at += 8494 - 7;
  expect(await look(6)).toEqual(['rate_limited', 1]);
  clock.at -= 5;
  expect(await look(6)).toBe('found');
});

test('what is found at once is no look that anybody is refused, whatever was looked for before', async () => {
  const { look } = world();
  await look(60_000);
  for (let each = 0; each < 1000; each += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await look(5)).toBe('found');
  }
  expect(await look(7)).toContain('rate_limited');
});

test('what somebody has looked for counts for one store, and for nobody else', async () => {
  const { look } = world();
  await look(60_000);
  expect(await look(100)).toContain('rate_limited');
  expect(await look(100, { store: 'b' })).toBe('found');
  expect(await look(100, { of: { ...everything, subject: 'other' } })).toBe('found');
  const limits = { look_burst_ms: 100_000 };
  expect(await look(100, { of: { ...everything, limits } })).toBe('found');
});

test('somebody looks for one thing at a time, in the order they came; those who fail make room too', async () => {
  const { rates } = world();
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  const one = (each: number): Promise<void> =>
    rates.looking(everything, 'a', async (look) => {
      await look.enter();
      begun.push(each);
      running += 1;
      most = Math.max(most, running);
      await look.rest();
      running -= 1;
      if (each === 1) throw new Error('forgotten');
    });
  const ends = await Promise.allSettled(Array.from({ length: 5 }, (_, each) => one(each)));
  expect(ends.map(({ status }) => status === 'fulfilled')).toEqual([true, false, true, true, true]);
  expect([begun, most]).toEqual([[0, 1, 2, 3, 4], 1]);
});

test('what others do while somebody waits for them is not counted; what is decided after its verdict is', async () => {
  const { clock, rates, look } = world();
  const count = async (use: (one: Look) => Promise<void>): Promise<unknown> => {
    await rates.looking(everything, 'a', async (one) => {
      await one.enter();
      await use(one);
    });
    return look(100);
  };
  const pass = async (ms: number): Promise<void> => {
    await Promise.resolve();
    clock.at += ms;
  };
  expect(await count((one) => one.wait(pass(1_000_000)))).toBe('found');
  const deciding = async (one: Look): Promise<void> => {
    const decide = async (): Promise<void> => {
      await Promise.resolve();
      one.counting(() => null)();
      clock.at += 60_000;
    };
    await one.wait(decide());
  };
  expect(await count(deciding)).toContain('rate_limited');
});

test('what is left while it is taken is owed part by part and in nobody’s way; it goes on when it is let in once more', async () => {
  const { clock, rates, look } = world();
  const given = rates.look(everything, 'a');
  for (let part = 0; part < 30; part += 1) {
    clock.at += 100;
    given.leave();
    // Whoever takes it takes an hour for that.
    clock.at += part === 29 ? 0 : 3_600_000;
    // oxlint-disable-next-line no-await-in-loop -- part by part
    await given.back();
  }
  given.leave();
  expect(await look(100)).toBe('found');
  const more = rates.look(everything, 'a');
  clock.at += 3000;
  more.leave();
  expect(await look(100)).toContain('rate_limited');
  await expect(more.back()).rejects.toMatchObject({ code: 'rate_limited' });
  const few = rates.look(everything, 'a');
  clock.at += 4;
  few.leave();
  await few.back();
  few.end();
});

test('who gives a look up while it waits lets nobody in beside the one that goes on, and is refused nothing', async () => {
  const { clock, rates } = world();
  const [first, second, third] = [0, 1, 2].map(() => rates.look(everything, 'a'));
  await first?.enter();
  const waiting = second?.enter();
  second?.end();
  const order: string[] = [];
  const next = third?.enter().then(
    () => order.push('in'),
    () => order.push('refused'),
  );
  await new Promise<void>((resolve) => setImmediate(resolve));
  clock.at += 60_000;
  order.push('out');
  first?.end();
  await Promise.all([waiting, next]);
  expect(order).toEqual(['out', 'refused']);
});

test('where nothing is limited all look at once, for as long as they like', async () => {
  const { rates, clock } = world();
  const free = new Rates(null, () => clock.at);
  expect(free.of(everything)).toEqual({});
  let running = 0;
  let most = 0;
  const one = (): Promise<void> =>
    free.looking(everything, 'a', async (look) => {
      await look.enter();
      most = Math.max(most, (running += 1));
      clock.at += 60_000;
      await look.rest();
      running -= 1;
    });
  await Promise.all(Array.from({ length: 5 }, one));
  expect(most).toBe(5);
  expect(rates.of(everything)).toMatchObject({ look_ms_per_minute: 6000, look_burst_ms: 2000 });
});
