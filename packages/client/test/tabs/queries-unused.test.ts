import { expect, test } from 'vitest';
import { Clock } from '../../../react/test/clock.ts';
import { openWorld, type World } from '../world.ts';
import { opened, type Tab } from './profile.ts';
import { ranked, ranks, setting, shown, sit, titles } from './tasks.ts';

/** The minutes that a tab lets pass, which end when a test says so. */
class Minutes {
  readonly #running = new Set<() => void>();
  #now = 0;

  readonly env = {
    // No two looks see the same time: who has set a time a minute ahead waits for less than a minute, and is not counted.
    now: (): number => (this.#now = Math.max(this.#now + 1, performance.now())),
    setTimeout: (run: () => void, ms: number): unknown => {
      if (ms !== 60_000) return setTimeout(run, ms);
      // Each is one of its own, though the same be done after several.
      const minute = (): void => run();
      this.#running.add(minute);
      return minute;
    },
    clearTimeout: (timer: unknown): void => {
      for (const minute of this.#running) if (minute === timer) this.#running.delete(minute);
      clearTimeout(Number(timer));
    },
  };

  get count(): number {
    return this.#running.size;
  }

  pass(): void {
    const over = [...this.#running];
    this.forget();
    for (const run of over) run();
  }

  /** What runs by now does not matter. */
  forget(): void {
    this.#running.clear();
  }
}

const told = ({ valve }: Tab, word: string): number =>
  valve.sent.filter((data) => String(data).includes(word)).length;

/** A leading tab that keeps the query of another one, which is closed, for a minute. */
async function left(world: World) {
  const { profile } = await setting(world, []);
  const minutes = new Minutes();
  const a = await sit(profile, [], { env: minutes.env });
  const b = await sit(profile, []);
  await shown(b, ranked(2));
  minutes.forget();
  await b.client.close();
  await expect.poll(() => minutes.count).toBe(1);
  return { a, minutes };
}

test('queries of other tabs that nobody looks at any more go in time once the leading tab is live, and keep no time offline', async () => {
  await using world = await openWorld();
  const { a, minutes } = await left(world);
  a.valve.cut();
  a.valve.holdOut();
  await expect.poll(() => a.store.status.get().synced).toBe(false);
  minutes.pass();
  expect(minutes.count).toBe(0);
  a.valve.letOut();
  await expect.poll(() => minutes.count).toBe(1);
  expect(told(a, 'query_close')).toBe(0);
  minutes.pass();
  await expect.poll(() => told(a, 'query_close')).toBe(1);
  expect(minutes.count).toBe(0);
});

test('a leading tab that is closed leaves no timer running for queries that nobody looks at any more (P35)', async () => {
  await using world = await openWorld();
  const { a, minutes } = await left(world);
  await a.client.close();
  expect(minutes.count).toBe(0);
});

test('a query that had to make room while nobody looked at it, and is looked at again, goes in its own time', async () => {
  await using world = await openWorld();
  const { profile } = await setting(world, []);
  const clock = new Clock();
  const a = await sit(profile, [], { env: clock.env });
  const b = await sit(profile, []);
  await shown(b, ranked(2));
  await b.client.close();
  // All places are the leading tab's own by then.
  await Promise.all(ranks(101, 99).map((limit) => shown(a, ranked(limit))));
  const last = a.client.collection(ranked(300));
  const release = last.retain();
  await last.ready();
  await expect.poll(() => told(a, 'query_close')).toBe(1);
  release();
  const closed = (): Promise<number> => clock.skip(1000).then(() => told(a, 'query_close'));
  await expect.poll(closed).toBe(2);
  const c = await sit(profile, []);
  expect(titles(await shown(c, ranked(2)))).toEqual(['T0 T1']);
  // The minute is over that it would have had the first time.
  await clock.skip(25_000);
  await a.store.put('heard', 1, { blind: true }).committed;
  await clock.skip(26_000);
  await c.client.close();
  await expect.poll(closed).toBe(3);
  expect(opened(a, c)).toEqual([1, 0]);
});
