import type { ClientEnv, Link } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { joinPresence } from '@holdfast/client/presence';
import { presenceLimits } from '@holdfast/protocol/presence';
import { expect, test } from 'vitest';
import { Clock } from '../../../react/test/clock.ts';
import { Valve } from '../valve.ts';
import { openWorld } from '../world.ts';
import { bell, looks } from './bell.ts';
import { freezable, ready, thawsEmpty } from './freezable.ts';
import { opened, Profile } from './profile.ts';

test('G71 a leading tab that is about to be frozen leaves the lead at once, and follows when it thaws', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const [a, b] = [await ready(freezable(profile)), await ready(freezable(profile))];
  a.freeze(true);
  await b.store.put('x', 1).committed;
  expect(opened(a, b)).toEqual([1, 1]);
  const kept = a.store.put('y', 2);
  a.freeze(false);
  await kept.committed;
  await expect.poll(() => [a.store.get('x'), b.store.get('y')]).toEqual([1, 2]);
  expect(opened(a, b)).toEqual([1, 1]);
  expect(world.errors).toEqual([]);
});

test('G71 a frozen tab inherits no lead: those who come after it are connected when the leading one goes', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const a = await ready(freezable(profile));
  const b = await ready(freezable(profile));
  const c = await ready(freezable(profile));
  b.freeze(true);
  await a.client.close();
  await c.store.put('x', 1).committed;
  expect(opened(a, b, c)).toEqual([1, 0, 1]);
  // Its client goes on asking for a way to the server.
  await expect.poll(() => b.client.status.get().attempts).toBeGreaterThan(0);
  await c.client.close();
  const d = await ready(freezable(profile));
  await d.store.put('y', 1).committed;
  expect(opened(a, b, c, d)).toEqual([1, 0, 1, 1]);
  b.freeze(false);
  await expect.poll(() => b.store.get('y')).toBe(1);
  expect(opened(a, b, c, d)).toEqual([1, 0, 1, 1]);
  expect(world.errors).toEqual([]);
});

test('G71 what a leading tab had to send for another when it was frozen, and the other was refused since, it does not send when it thaws', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const [a, b] = [await ready(freezable(profile)), await ready(freezable(profile))];
  const writer = await world.store();
  a.valve.holdIn();
  a.valve.holdOut();
  await writer.put('taken', 1).committed;
  const { committed } = b.store.put('taken', 2, { ifAbsent: true });
  await expect.poll(() => a.store.status.get().pending).toBe(1);
  a.freeze(true);
  await expect(committed).rejects.toMatchObject({ code: 'exists' });
  await thawsEmpty(a, writer);
});

test('G71 what a tab that is gone has left, and a leading one has taken on and not sent when it is frozen, the next one sends', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const look = bell(2000);
  const a = await ready(freezable(profile, { env: look.env }));
  const [b, c] = [await ready(freezable(profile)), await ready(freezable(profile))];
  a.valve.holdIn();
  a.valve.holdOut();
  await b.store.put('left', 1).durable;
  await expect.poll(() => a.store.status.get().pending).toBe(1);
  await b.client.close();
  await looks(look, 4);
  a.freeze(true);
  await c.store.put('own', 1).committed;
  await expect.poll(() => c.store.get('left')).toBe(1);
});

test('G71 what a tab that is gone has left, and the next one that leads was refused since, a leading one that had taken it on when it was frozen does not send when it thaws', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const [a, b] = [await ready(freezable(profile)), await ready(freezable(profile))];
  const gone = await profile.open();
  const writer = await world.store();
  a.valve.down();
  await expect.poll(() => gone.client.status.get().connection).not.toBe('connected');
  await writer.put('taken', 1).committed;
  await gone.store.put('taken', 2, { ifAbsent: true }).durable;
  await gone.client.close();
  // It is never answered.
  let lost = 0;
  a.valve.loses = (data) => String(data).includes('"exists"') && (lost += 1) > 0;
  a.valve.up();
  await expect.poll(() => lost).toBe(1);
  a.freeze(true);
  await expect
    .poll(() => b.store.outbox.deadLetters())
    .toMatchObject([{ request: { path: 'taken' } }]);
  await thawsEmpty(a, writer);
});

test('G71 what a leading tab has taken on of one that is gone, and not sent when it is frozen, it sends when it leads once more, also over a connection that it has kept', async () => {
  await using world = await openWorld(undefined, { limits: { max_channels_per_socket: 2 } });
  for (const name of ['acme/a', 'acme/b']) await world.createStore(name);
  const profile = new Profile(world);
  const writer = await world.store();
  const valve = new Valve();
  let held = 0;
  let isHeld = true;
  const link: Link = {
    open: (url, events) => {
      const inner = valve.open(url, events);
      const send = (data: string | Uint8Array): void => {
        if (isHeld && String(data).includes('"left"')) held += 1;
        else inner.send(data);
      };
      return { send, close: (code) => inner.close(code) };
    },
  };
  const look = bell(2000);
  const first = await profile.open();
  await first.client.store('acme/a').ready;
  const a = await ready(freezable(profile, { link, env: look.env }));
  // There is no room for it on the connection of the first.
  await a.client.store('acme/b').ready;
  await first.client.close();
  const gone = await profile.open();
  valve.down();
  await expect.poll(() => gone.client.status.get().connection).not.toBe('connected');
  await gone.store.put('left', 1).durable;
  await gone.client.close();
  await looks(look, 1);
  valve.up();
  const sent = (): number => {
    look.ring();
    return held;
  };
  await expect.poll(sent).toBe(1);
  const { opened: before } = valve;
  a.freeze(true);
  expect(a.store.status.get().pending).toBe(0);
  isHeld = false;
  a.freeze(false);
  await expect.poll(() => writer.get('left')).toBe(1);
  expect(valve.opened).toBe(before);
  expect(world.errors).toEqual([]);
});

test('a client that has given up does not stand for the lead because its tab thaws', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const a = freezable(profile, { token: 'refused' });
  await expect.poll(() => a.client.status.get().connection).toBe('failed');
  const before = a.asked();
  a.freeze(true);
  a.freeze(false);
  const b = await ready(freezable(profile));
  await b.store.put('x', 1).committed;
  expect([a.asked(), b.valve.opened]).toEqual([before, 1]);
});

test('a leading tab whose client gives up leaves the lead to the next, and stands for it no more', async () => {
  let isOut = false;
  await using world = await openWorld(async ({ token }) =>
    isOut && token === 'out'
      ? null
      : { subject: 'u', orgs: ['acme'], scopes: ['entries:read', 'entries:write'] },
  );
  const profile = new Profile(world);
  let listeners = 0;
  const watchNetwork: ClientEnv['watchNetwork'] = () => {
    listeners += 1;
    return () => (listeners -= 1);
  };
  const a = await ready(freezable(profile, { token: 'out', env: { watchNetwork } }));
  const b = await ready(freezable(profile));
  isOut = true;
  const write = b.store.put('x', 1);
  a.valve.cut();
  await expect.poll(() => a.client.status.get().connection).toBe('failed');
  await write.committed;
  await b.store.put('y', 1).committed;
  expect([a.watched(), opened(a, b)]).toEqual([1, [1, 1]]);
  await Promise.all([a, b].map(({ client }) => client.close()));
  expect([a.watched(), b.watched(), listeners]).toEqual([0, 0, 0]);
});

test('a tab that led, and showed another on a topic, goes on being shown there when it follows (S85)', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const grace = bell(presenceLimits.grace_ms);
  const a = await ready(freezable(profile, { env: grace.env }));
  const b = await ready(freezable(profile));
  const at = { store: 'acme/app', topic: 'rooms/1' };
  const watcher = joinPresence(world.client(), at);
  const shown = (): ReadonlySet<unknown> =>
    new Set(Array.from(watcher.peers.get().values(), ({ value }) => value['tab']));
  const [inA, inB] = [joinPresence(a.client, at), joinPresence(b.client, at)];
  inA.set({ tab: 'a' });
  inB.set({ tab: 'b' });
  await expect.poll(shown).toEqual(new Set(['a', 'b']));
  a.freeze(true);
  await b.store.put('x', 1).committed;
  a.freeze(false);
  await expect.poll(() => inA.status.get().state).toBe('joined');
  // So long it would have waited for the other to come back.
  grace.ring();
  await a.store.put('y', 1).committed;
  inB.set({ tab: 'b2' });
  await expect.poll(shown).toEqual(new Set(['a', 'b2']));
});

test('a tab that leads once more, after another one has kept its own part alone, keeps all that it has', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const clock = new Clock();
  const writer = await world.store();
  await writer.transact((tx) => {
    tx.put('a/1', 1);
    tx.put('b/1', 1);
  }).committed;
  const a = await ready(freezable(profile, {}, ['a/**']));
  a.freeze(true);
  const b = await ready(freezable(profile, { env: clock.env }, ['b/**']));
  // What it has found of the other's part it lets go of in a minute.
  for (const ms of [40_000, 21_000]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await clock.skip(ms).then(() => b.store.put('b/beat', ms).committed);
  }
  await expect.poll(() => b.client.inspect()).toMatchObject({ stores: [{ held: ['b/**'] }] });
  await b.client.close();
  a.freeze(false);
  await writer.put('a/2', 2).committed;
  await expect.poll(() => a.store.get('a/2')).toBe(2);
  await a.client.close();
  const { store } = profile.sit({ link: memoryLink(() => null) }, { scope: ['a/**'] });
  await store.ready;
  expect([store.get('a/1'), store.get('a/2')]).toEqual([1, 2]);
});
test.each(['follows', 'leads once more'])(
  'G71 what a leading tab had found when it opened of one that was gone, and the next one that leads was refused since, it does not send when it thaws and %s',
  async (then) => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const gone = await profile.open();
    const b = await ready(freezable(profile));
    const writer = await world.store();
    b.valve.down();
    gone.valve.holdIn();
    gone.valve.holdOut();
    await writer.put('taken', 1).committed;
    await gone.store.put('taken', 2, { ifAbsent: true }).durable;
    await gone.client.close();
    const a = freezable(profile);
    let lost = 0;
    a.valve.loses = (data) => String(data).includes('"exists"') && (lost += 1) > 0;
    await expect.poll(() => a.store.status.get().pending).toBe(1);
    b.freeze(true);
    await expect.poll(() => lost).toBe(1);
    b.freeze(false);
    a.freeze(true);
    b.valve.up();
    await expect.poll(() => b.store.outbox.deadLetters().length).toBe(1);
    if (then !== 'follows') await b.client.close();
    await thawsEmpty(a, writer);
  },
);

test('G71 what two tabs have found as they opened of one that was gone, and the leading one was refused since, the one that was frozen does not send when it thaws', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const a = await ready(freezable(profile));
  const gone = await profile.open();
  const writer = await world.store();
  a.valve.down();
  await expect.poll(() => gone.client.status.get().connection).not.toBe('connected');
  await writer.put('taken', 1).committed;
  await gone.store.put('taken', 2, { ifAbsent: true }).durable;
  await gone.client.close();
  const [b, c] = [freezable(profile), freezable(profile)];
  for (const { store } of [b, c]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await expect.poll(() => store.outbox.list()).toMatchObject([{ request: { path: 'taken' } }]);
  }
  c.freeze(true);
  a.valve.up();
  await expect.poll(() => a.store.outbox.deadLetters()).toHaveLength(1);
  await expect.poll(() => b.store.outbox.list()).toEqual([]);
  await thawsEmpty(c, writer);
});
