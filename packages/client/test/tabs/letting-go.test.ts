import { memoryCache } from '@holdfast/client';
import { tabs } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { Clock } from '../../../react/test/clock.ts';
import { openWorld, type World } from '../world.ts';
import { beatless, hearing, opened, Profile, type Tab } from './profile.ts';

type Timed = Tab & { readonly clock: Clock };

/** A tab with a part of the store, of whose clock a test may leave out a stretch. */
async function timed(profile: Profile, ...scope: string[]): Promise<Timed> {
  const clock = new Clock();
  const tab = profile.sit({ env: clock.env, cache: memoryCache() }, { scope });
  await tab.store.ready;
  return { ...tab, clock };
}

/** What a tab has of the store at the server. */
function held({ client }: Tab): readonly string[] {
  const { stores } = client.inspect() as { stores: { held: readonly string[] }[] };
  return stores[0]?.held.toSorted() ?? [];
}

/** Lets minutes pass, in which the connection is heard of: it would be taken for dead. */
async function minutes<T>({ clock, store }: Timed, seen: () => T): Promise<T> {
  for (const ms of [40_000, 21_000]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await clock.skip(ms).then(() => store.put('own/beat', clock.env.now()).committed);
  }
  return seen();
}

/** Three tabs with a part each, of which the first leads; the second has one more. */
async function three(world: World) {
  const profile = new Profile(world);
  const a = await timed(profile, 'own/**');
  const b = await timed(profile, 'own/**', 'b/**');
  const c = await timed(profile, 'own/**', 'c/**');
  const more = b.client.store('acme/app', { scope: ['more/**'] });
  await more.ready;
  expect(held(a)).toEqual(['b/**', 'c/**', 'more/**', 'own/**']);
  return { a, b, c, more };
}

test('a part that a tab lets go of, or whose tab is gone, the leading one lets go of in a minute, and of no other', async () => {
  await using world = await openWorld();
  const { a, b, c, more } = await three(world);
  more.close();
  await expect.poll(() => minutes(b, () => held(b))).toEqual(['b/**', 'own/**']);
  // Others may want it next.
  expect(held(a)).toEqual(['b/**', 'c/**', 'more/**', 'own/**']);
  await expect.poll(() => minutes(a, () => held(a))).toEqual(['b/**', 'c/**', 'own/**']);
  await c.client.close();
  await expect.poll(() => minutes(a, () => held(a))).toEqual(['b/**', 'own/**']);
  const writer = await world.store();
  await writer.put('b/x', 1).committed;
  await expect.poll(() => b.store.get('b/x')).toBe(1);
  expect([opened(b, c), world.errors]).toEqual([[0, 0], []]);
});

const isTold = (message: unknown): boolean => JSON.stringify(message).includes('later');

test('a tab that hears nothing, as a frozen one, is told no more than 10,000 things, and of all that it has missed when it hears again; one that hears keeps its line', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const heard = { b: 0, c: 0, isDeaf: false };
  const inB = hearing((name, message, hear) => {
    if (isTold(message)) heard.b += 1;
    // That another leads it hears all the same.
    if (!heard.isDeaf || !name.includes('/to/')) hear?.(message);
  });
  const inC = hearing((_name, message, hear) => {
    if (isTold(message)) heard.c += 1;
    hear?.(message);
  });
  const a = await profile.open();
  const [b, c] = await Promise.all(
    [inB, inC].map((platform) =>
      profile.open({ tabs: tabs({ name: profile.name, platform }), env: beatless }),
    ),
  );
  if (b === undefined || c === undefined) expect.fail('there are two');
  const ends = [c.client.status.get().connection];
  c.client.status.subscribe(() => ends.push(c.client.status.get().connection));
  heard.isDeaf = true;
  for (let sent = 2000; sent <= 12_000; sent += 2000) {
    for (let n = 0; n < 2000; n++) a.valve.forge('[null,null,"store:acme/app","later",{}]');
    // oxlint-disable-next-line no-await-in-loop -- it says that it has them
    await expect.poll(() => heard.c, { interval: 1 }).toBe(sent);
  }
  await a.store.put('x', 1).committed;
  // With the few that came before.
  await expect.poll(() => heard.b).toBeGreaterThan(9900);
  expect(heard.b).toBeLessThanOrEqual(10_001);
  heard.isDeaf = false;
  await b.store.put('y', 1).committed;
  expect([b.store.get('x'), new Set(ends)]).toEqual([1, new Set(['connected'])]);
  expect(opened(a, b, c)).toEqual([1, 0, 0]);
});
