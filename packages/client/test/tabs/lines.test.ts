import { memoryCache } from '@holdfast/client';
import { tabs, type TabsPlug } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { Clock, turn } from '../../../react/test/clock.ts';
import { openWorld } from '../world.ts';
import { beatless, hearing, opened, Profile } from './profile.ts';

/** What a tab hears of others, as text; what `loses` is true of it never does. */
class Ears {
  readonly tabs: TabsPlug;
  readonly #heard: string[] = [];
  lost = 0;

  constructor({ name }: Profile, loses: (heard: string) => boolean = () => false) {
    const platform = hearing((_name, message, hear) => {
      const text = JSON.stringify(message);
      if (loses(text)) {
        this.lost += 1;
        return;
      }
      this.#heard.push(text);
      hear?.(message);
    });
    this.tabs = tabs({ name, platform });
  }

  /** How often it has heard something. */
  count(word: string): number {
    return this.#heard.filter((text) => text.includes(word)).length;
  }
}

/** Whether something is the first that has a word. */
function first(word: string): (heard: string) => boolean {
  let isOver = false;
  return (heard) => {
    const isFirst = !isOver && heard.includes(word);
    isOver ||= isFirst;
    return isFirst;
  };
}

test('a tab that is another device to the server learns of the leading one at once that it is not served', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const a = await profile.open();
  const b = profile.sit({ deviceId: 'other', cache: memoryCache(), env: beatless });
  await b.store.ready;
  expect(opened(a, b)).toEqual([1, 1]);
});

test('a tab that has missed that its line has ended learns it with the next thing that it says, and is told no more than what it has missed', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const inA = new Ears(profile, first('client_op_id'));
  const inB = new Ears(profile, first('"is":"closed"'));
  const a = await profile.open({ tabs: inA.tabs });
  const b = await profile.open({ tabs: inB.tabs, env: beatless });
  await a.store.put('a', 1).committed;
  await expect.poll(() => b.store.get('a')).toBe(1);
  const states = inB.count('snapshot_begin');
  // The first is lost, and the second shows it: the line ends there.
  const writes = [b.store.put('x', 1)];
  await expect.poll(() => inA.lost).toBe(1);
  writes.push(b.store.put('y', 1));
  await expect.poll(() => inB.lost).toBe(1);
  // oxlint-disable-next-line no-await-in-loop -- commits of their own
  for (const n of [2, 3, 4]) await a.store.put('a', n).committed;
  writes.push(b.store.put('z', 1));
  await Promise.all(writes.map(({ committed }) => committed));
  expect([b.store.get('a'), inB.count('snapshot_begin')]).toEqual([4, states]);
  expect([inA.lost, inA.count('"is":"open"'), opened(a, b)]).toEqual([1, 2, [1, 0]]);
});

test('a tab that has missed that the leading one has lost the server asks it again, and is served when it is back', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const inA = new Ears(profile);
  const inB = new Ears(profile, (heard) => heard.includes('"isUp":false'));
  const a = await profile.open({ tabs: inA.tabs });
  const b = await profile.open({ tabs: inB.tabs });
  const asked = inA.count('"is":"open"');
  a.valve.down();
  await expect.poll(() => inA.count('"is":"open"')).toBeGreaterThan(asked);
  const write = b.store.put('x', 1);
  a.valve.up();
  await write.committed;
  await expect.poll(() => a.store.get('x')).toBe(1);
  expect(opened(a, b)).toEqual([2, 0]);
});

test('a tab that has long waited for a leading one without a connection is served as soon as that one has it, whenever it meant to try again', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const a = await profile.open();
  const clock = new Clock();
  const b = await profile.open({ env: { ...clock.env, random: () => 0.999 } });
  const attempts = (): number => b.client.status.get().attempts;
  a.valve.down();
  // From now on it waits for half a minute each time.
  await expect.poll(() => clock.skip(1000).then(attempts), { interval: 1 }).toBe(8);
  a.valve.up();
  const write = b.store.put('x', 1);
  await expect.poll(() => write.state, { timeout: 15_000 }).toBe('committed');
  expect(opened(a, b)).toEqual([2, 0]);
});

test('a line on which nothing is said stays for as long as both tabs are there', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const inA = new Ears(profile);
  const clock = new Clock();
  await profile.open({ tabs: inA.tabs });
  await profile.open({ env: clock.env });
  const [asked, beats] = [inA.count('"is":"open"'), inA.count('"is":"beat"')];
  for (let n = 1; n <= 10; n++) {
    await clock.skip(500);
    await expect.poll(() => inA.count('"is":"beat"')).toBe(beats + n);
    // The answer comes.
    await turn();
  }
  expect(inA.count('"is":"open"')).toBe(asked);
});

test('a tab that only writes is told nothing of what others write', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const a = await profile.open();
  const inB = new Ears(profile);
  const { client, store } = profile.sit({ tabs: inB.tabs, cache: memoryCache() }, { scope: [] });
  await store.put('b', 1).committed;
  for (let n = 1; n <= 20; n++) a.store.put('a', n);
  await a.store.settled();
  await store.put('b', 2).committed;
  expect(inB.count('from_seq')).toBe(0);
  const part = client.store('acme/app', { scope: ['a', 'b'] });
  await part.ready;
  expect([part.get('a'), part.get('b')]).toEqual([20, 2]);
});
