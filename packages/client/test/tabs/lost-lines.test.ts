import type { ClientEnv, Link } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { joinPresence } from '@holdfast/client/presence';
import { tabs } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { Clock, turn } from '../../../react/test/clock.ts';
import { Valve } from '../valve.ts';
import { openWorld, type World } from '../world.ts';
import { hearing, mayDie, opened, Profile } from './profile.ts';

/** A tab that leads, and another one that has no other way to the server, on a topic; and who watches that topic. */
async function onTopic(world: World) {
  const profile = new Profile(world);
  const clock = new Clock();
  const ears = { isDeaf: false };
  // It hears nothing on its line any more, but can speak.
  const platform = hearing((name, message, hear) => {
    if (!ears.isDeaf || !name.includes('/to/')) hear?.(message);
  });
  await profile.open();
  const { client } = await profile.open({
    env: clock.env,
    tabs: tabs({ name: profile.name, platform }),
    link: memoryLink(() => null),
  });
  const at = { store: 'acme/app', topic: 'rooms/1' };
  const watcher = joinPresence(world.client(), at);
  const shown = joinPresence(client, at);
  shown.set({ tab: 'b' });
  const seen = (): number => watcher.peers.get().size;
  await expect.poll(seen).toBe(1);
  return { ears, clock, shown, seen };
}

test('given a tab that has lost its line to the leading one, and finds no other way, then it is shown on no topic any more', async () => {
  await using world = await openWorld();
  const { ears, clock, seen } = await onTopic(world);
  ears.isDeaf = true;
  await expect.poll(() => clock.skip(1000).then(seen)).toBe(0);
});

test('given a tab that has lost its line, and clears what it showed, when it is back in time, then it is shown no more (S85)', async () => {
  await using world = await openWorld();
  const { ears, clock, shown, seen } = await onTopic(world);
  ears.isDeaf = true;
  const state = (): string => shown.status.get().state;
  await expect.poll(() => clock.skip(1000).then(state)).not.toBe('joined');
  shown.clear();
  ears.isDeaf = false;
  await expect.poll(() => clock.skip(1000).then(state)).toBe('joined');
  await expect.poll(seen).toBe(0);
});

test('given a leading tab that misses what another says, then that is said again, and done once', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  let missed = 0;
  const platform = hearing((_name, message, hear) => {
    if (missed === 0 && JSON.stringify(message).includes('"increment')) missed += 1;
    else hear?.(message);
  });
  const a = await profile.open({ tabs: tabs({ name: profile.name, platform }) });
  const b = await profile.open();
  const [first, second] = [b.store.increment('n'), b.store.increment('n')];
  await Promise.all([first.committed, second.committed]);
  expect([missed, a.store.get('n')]).toEqual([1, 2]);
});

test('given a tab that ends without a word, then the leading one shows it no more (S85)', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const clock = new Clock();
  await profile.open({ env: clock.env });
  const { platform, die } = mayDie();
  const b = await profile.open({
    tabs: tabs({ name: profile.name, platform }),
    link: memoryLink(() => null),
  });
  const at = { store: 'acme/app', topic: 'rooms/1' };
  const watcher = joinPresence(world.client(), at);
  joinPresence(b.client, at).set({ tab: 'b' });
  const seen = (): number => watcher.peers.get().size;
  await expect.poll(seen).toBe(1);
  die();
  await expect.poll(() => clock.skip(1000).then(seen)).toBe(0);
});

test('given a tab that ends without a word, when nobody has heard what it wrote last, then the leading one soon finds that and sends it, and goes on serving the others', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const clock = new Clock();
  const setTimeout: ClientEnv['setTimeout'] = (run, ms) =>
    // One that has never seen another looks for what others have left far less often.
    ms > 5000 ? null : clock.env.setTimeout(run, ms);
  const deaf = hearing((_name, message, hear) => {
    if (!JSON.stringify(message).includes('left/behind')) hear?.(message);
  });
  const a = await profile.open({
    env: { ...clock.env, setTimeout },
    tabs: tabs({ name: profile.name, platform: deaf }),
  });
  const { platform, die } = mayDie();
  const b = await profile.open({
    tabs: tabs({ name: profile.name, platform }),
    link: memoryLink(() => null),
  });
  const c = await profile.open();
  const ends = [c.client.status.get().connection];
  c.client.status.subscribe(() => ends.push(c.client.status.get().connection));
  await b.store.put('left/behind', 1).durable;
  die();
  await expect.poll(() => clock.skip(1000).then(() => a.store.get('left/behind'))).toBe(1);
  await c.store.put('x', 1).committed;
  expect([new Set(ends), opened(a, c)]).toEqual([new Set(['connected']), [1, 0]]);
});

test('given a tab that ends without a word, when what it wrote last may have been sent, and the server has forgotten by now what was, then nobody sends it again, and whoever opens the store next is told', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const clock = new Clock();
  const valve = new Valve();
  const forgetful: Link = {
    open: (url, events) => {
      const received = (data: string | Uint8Array): void =>
        events.received(
          String(data).replace('"dedupe_since":0', `"dedupe_since":${Date.now() + 60_000}`),
        );
      return valve.open(url, { ...events, received });
    },
  };
  const deaf = hearing((_name, message, hear) => {
    if (!JSON.stringify(message).includes('left/behind')) hear?.(message);
  });
  const plug = tabs({ name: profile.name, platform: deaf });
  await profile.open({ env: clock.env, tabs: plug, link: forgetful });
  const { platform, die } = mayDie();
  const b = await profile.open({
    tabs: tabs({ name: profile.name, platform }),
    link: memoryLink(() => null),
  });
  await b.store.put('left/behind', 1).durable;
  await expect.poll(() => b.store.outbox.list()[0]?.attempts).toBe(1);
  await turn();
  die();
  // So long it takes at most until that is seen.
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (let n = 0; n < 10; n++) await clock.skip(500);
  const c = await profile.open();
  const told = (): unknown[] => c.store.outbox.deadLetters().map(({ refusal }) => refusal.code);
  await expect.poll(told).toEqual(['outcome_unknown']);
  await c.store.put('x', 1).committed;
  expect(valve.sent.join()).not.toContain('left/behind');
  expect(c.store.get('left/behind')).toBe(undefined);
});

test('given a leading tab that has lost the server, when another ends without a word, then what that one wrote last is sent as soon as the server is back', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const clock = new Clock();
  const a = await profile.open({ env: clock.env });
  const { platform, die } = mayDie();
  const b = await profile.open({
    tabs: tabs({ name: profile.name, platform }),
    link: memoryLink(() => null),
  });
  a.valve.down();
  await expect.poll(() => b.client.status.get().connection).not.toBe('connected');
  await b.store.put('left/behind', 1).durable;
  die();
  // So long it takes at most until that is seen.
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (let n = 0; n < 10; n++) await clock.skip(500);
  a.valve.up();
  await expect.poll(() => clock.skip(500).then(() => a.store.get('left/behind'))).toBe(1);
});
