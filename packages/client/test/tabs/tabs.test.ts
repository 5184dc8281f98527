import { queryObjects } from 'node:v8';
import { type Client, type Link, memoryCache, type Store } from '@holdfast/client';
import { joinPresence } from '@holdfast/client/presence';
import { tabs } from '@holdfast/client/tabs';
import type { Principal } from '@holdfast/server';
import { describe, expect, test } from 'vitest';
import { seed } from '../../../../tools/seed.ts';
import { Clock } from '../../../react/test/clock.ts';
import { HubPart } from '../../src/tabs/part.ts';
import { Valve } from '../valve.ts';
import { openWorld } from '../world.ts';
import { hearing, opened, Profile, type Tab } from './profile.ts';

/** Collects all garbage first, which takes its time. */
function partsAlive(): number {
  return queryObjects(HubPart, { format: 'count' });
}

/** Lets time pass for a tab that nobody serves, until it goes its own way. */
async function goes({ valve }: Tab, clock: Clock): Promise<void> {
  // Not so fast that the leading one is taken for dead: its word takes its time, too.
  await expect.poll(() => clock.skip(500).then(() => valve.dialed)).toBeGreaterThan(0);
}

function shown({ store }: { readonly store: Store }, pattern: string): unknown {
  return store.entries(pattern).items.map(({ path, value }) => [path, value]);
}

const placeOf = (topic: string) => ({ store: 'acme/app', topic });

describe('tabs', () => {
  test('R139 share one connection, and see what each of them writes', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const [a, b, c] = [await profile.open(), await profile.open(), await profile.open()];
    await b.store.put('x', 1).committed;
    await a.store.put('y', 2).committed;
    await expect.poll(() => [c.store.get('x'), c.store.get('y')]).toEqual([1, 2]);
    expect(opened(a, b, c)).toEqual([1, 0, 0]);
    expect(world.errors).toEqual([]);
  });

  test('are told of their own writes as if each had a connection of its own', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const [a, b] = [await profile.open(), await profile.open()];
    await a.store.put('x', 1).committed;
    await expect.poll(() => b.store.get('x')).toBe(1);
    const { seq } = await b.store.transact((tx) => {
      tx.increment('n', 2);
      tx.put('y', 'b');
    }).committed;
    expect(seq).toBe(3);
    const claim = b.store.put('x', 2, { ifAbsent: true });
    await expect(claim.committed).rejects.toMatchObject({ code: 'exists' });
    const lease = await b.store.lease('job', { ttl: 5000 });
    await expect(a.store.lease('job', { ttl: 5000 })).rejects.toMatchObject({ code: 'held' });
    expect(await lease.release()).toBe(true);
    expect(b.store.get('x')).toBe(1);
    expect(opened(a, b)).toEqual([1, 0]);
  });

  test('bring what was there before to a tab that comes later, and to one that only writes', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const a = await profile.open();
    for (let n = 0; n < 1200; n++) a.store.put(`many/${n}`, n);
    await a.store.settled();
    const b = await profile.open({ cache: memoryCache() });
    expect(b.store.entries('many/**').items).toHaveLength(1200);
    const client = world.client({
      tabs: tabs({ name: profile.name }),
      deviceId: 'browser',
      link: b.valve,
    });
    await client.store('acme/app', { scope: [] }).put('from/c', 1).committed;
    await expect.poll(() => a.store.get('from/c')).toBe(1);
    expect(opened(a, b)).toEqual([1, 0]);
  });

  test('R139 go on under the next of them when the first is closed, and nothing is lost', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const [a, b, c] = [await profile.open(), await profile.open(), await profile.open()];
    a.valve.holdOut();
    const writes = [a, b, c].map(({ store }) => store.increment('n', 1));
    await Promise.all(writes.map(({ durable }) => durable));
    await a.client.close();
    await Promise.all(writes.slice(1).map(({ committed }) => committed));
    await expect.poll(() => [b.store.get('n'), c.store.get('n')]).toEqual([3, 3]);
    expect(opened(a, b, c).reduce((sum, count) => sum + count)).toBe(2);
  });

  test('leave what a closed tab has stored to the one that leads', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const [a, b] = [await profile.open(), await profile.open()];
    a.valve.holdOut();
    await b.store.put('left/behind', 1).durable;
    await b.client.close();
    a.valve.cut();
    await expect.poll(() => a.store.get('left/behind')).toBe(1);
  });

  test('leave it also where the clock of the device is a year behind, and the server forgets after a day', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const env = { wall: () => Date.now() - 365 * 86_400_000 };
    const valve = new Valve();
    const forgetful: Link = {
      open: (url, events) => {
        const received = (data: string | Uint8Array): void =>
          events.received(
            String(data).replace('"dedupe_since":0', `"dedupe_since":${Date.now() - 86_400_000}`),
          );
        return valve.open(url, { ...events, received });
      },
    };
    const [a, b] = [await profile.open({ env, link: forgetful }), await profile.open({ env })];
    valve.holdOut();
    await b.store.put('left/behind', 1).durable;
    await b.client.close();
    valve.cut();
    await expect.poll(() => a.store.get('left/behind')).toBe(1);
  });

  test('share the connection for parts of a store too, each with what is in its own (S83, P59, P74)', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const writer = await world.store();
    await writer.transact((tx) => {
      tx.put('a/1/x', 'one');
      tx.put('a/2/x', 'two');
      tx.put('b/leaf', 'b');
    }).committed;
    const [a, b] = [profile.part('a/1/**'), profile.part('a/*/x', 'b/**')];
    await Promise.all([a.store.ready, b.store.ready]);
    const paths = ['a/1/x', 'a/2/x'].map((path, at) => [path, ['one', 'two'][at]]);
    expect(shown(b, 'a/*/x')).toEqual(paths);
    expect([shown(a, 'a/1/**'), shown(b, 'b/**')]).toEqual([[paths[0]], [['b/leaf', 'b']]]);
    await writer.put('a', { 1: { x: 'uno', y: 1 }, 3: { x: 'tres', z: 3 } }).committed;
    await expect
      .poll(() => shown(a, 'a/1/**'))
      .toEqual([
        ['a/1/x', 'uno'],
        ['a/1/y', 1],
      ]);
    await expect
      .poll(() => shown(b, 'a/*/x'))
      .toEqual([
        ['a/1/x', 'uno'],
        ['a/3/x', 'tres'],
      ]);
    await b.store.put('b/own', 2).committed;
    // Wider, in the tab that is served; what it had goes on meanwhile.
    const wider = b.client.store('acme/app', { scope: ['a/3/**'] });
    await wider.ready;
    expect(wider.get('a/3')).toEqual({ x: 'tres', z: 3 });
    await writer.delete('a').committed;
    await expect.poll(() => [wider.get('a/3'), shown(b, 'a/*/x')]).toEqual([undefined, []]);
    expect(opened(a, b)).toEqual([1, 0]);
    // The other one goes on where it leaves off.
    await a.client.close();
    await writer.put('a/3/y', 'late').committed;
    await expect.poll(() => wider.get('a/3')).toEqual({ y: 'late' });
    expect(shown(b, 'b/**')).toEqual([
      ['b/leaf', 'b'],
      ['b/own', 2],
    ]);
    expect([opened(a, b), world.errors]).toEqual([[1, 1], []]);
  });

  test('end with all of each part, whatever parts they open and close and whoever leads meanwhile (P60, P75)', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const writer = await world.store();
    let lot = seed;
    const below = (max: number): number => {
      lot = (Math.imul(lot, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((lot / 2 ** 32) * max);
    };
    const pick = <T>(list: readonly [T, ...T[]]): T => list[below(list.length)] ?? list[0];
    const scopes: [string, ...string[]] = ['a/**', 'a/1/**', 'a/*/x', 'b/**', 'b/leaf', '**'];
    const places: [string, ...string[]] = ['a/1/x', 'a/1/y', 'a/2/x', 'b/leaf', 'b/2/x', 'c'];
    let crew: [Tab, ...Tab[]] = [profile.part('a/1/**'), profile.part('b/**'), profile.part('c')];
    let handles: { readonly tab: Tab; readonly store: Store; readonly scope: string }[] = [];
    for (let round = 0; round < 60; round++) {
      const [tab, path, roll] = [pick(crew), pick(places), below(20)];
      if (roll < 8) writer.put(path, round);
      else if (roll < 10) writer.delete(pick(['a', 'a/1', 'b']));
      else if (roll < 15) {
        const scope = pick(scopes);
        handles.push({ tab, scope, store: tab.client.store('acme/app', { scope: [scope] }) });
      } else if (roll < 18) handles.splice(below(handles.length), 1)[0]?.store.close();
      else if (roll < 19) tab.valve.cut();
      else {
        await tab.client.close();
        handles = handles.filter((each) => each.tab !== tab);
        crew = [profile.part('a/**'), ...crew.filter((each) => each !== tab)];
      }
      if (below(3) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await writer.settled();
    for (const { store, scope } of handles) {
      await store.ready;
      await expect.poll(() => shown({ store }, scope)).toEqual(shown({ store: writer }, scope));
    }
    expect(world.errors).toEqual([]);
  });

  test('that close while they ask for a part leave it to nobody', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    let isGone = false;
    const heard = tabs({
      name: profile.name,
      platform: hearing((_, message, hear) => {
        hear?.(message);
        if (JSON.stringify(message).includes('"is":"closed"')) isGone = true;
      }),
    });
    const a = profile.sit({ tabs: heard }, { scope: ['a/**'] });
    await a.store.ready;
    const b = profile.part('a/**');
    await b.store.ready;
    a.valve.holdOut();
    b.store.put('a/x', 1);
    await expect.poll(() => a.store.status.get().pending).toBe(1);
    b.client.store('acme/app', { scope: ['b/**'] });
    b.store.put('a/y', 2);
    await expect.poll(() => a.store.status.get().pending).toBe(2);
    await b.client.close();
    await expect.poll(() => isGone).toBe(true);
    a.valve.letOut();
    await expect.poll(() => [a.store.get('a/x'), a.store.get('a/y')]).toEqual([1, 2]);
    await a.store.put('a/z', 3).committed;
    expect(a.valve.sent.join('')).not.toContain('b/**');
    expect(opened(a, b)).toEqual([1, 0]);
  });

  test(
    'that have gone leave no part behind in the one that leads',
    { timeout: 60_000 },
    async () => {
      await using world = await openWorld();
      const profile = new Profile(world);
      const a = await profile.open();
      const before = partsAlive();
      for (const name of ['a', 'b', 'c', 'd']) {
        const tab = profile.sit({ cache: memoryCache() }, { scope: [`${name}/**`] });
        await tab.store.ready;
        await tab.client.close();
      }
      await a.store.put('x', 1).committed;
      expect(partsAlive()).toBeLessThanOrEqual(before + 1);
    },
  );

  test('that write only read a part when they want to, and let go of what they had', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const a = await profile.open();
    await a.store.put('a/x', 1).committed;
    const b = profile.part();
    await b.store.put('a/y', 2).committed;
    const part = b.client.store('acme/app', { scope: ['a/**'] });
    await part.ready;
    expect(part.get('a')).toEqual({ x: 1, y: 2 });
    await a.store.put('a/z', 3).committed;
    await expect.poll(() => part.get('a')).toEqual({ x: 1, y: 2, z: 3 });
    expect(opened(a, b)).toEqual([1, 0]);
  });

  test('G67 whose leader lives, and serves nobody any more, lose their line to it and go their own way, as does a reloaded one', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    let isDeaf = false;
    // It still says that it leads.
    const platform = hearing((name, message, hear) => {
      if (!isDeaf || !name.includes('/to/')) hear?.(message);
    });
    const a = await profile.open({ tabs: tabs({ name: profile.name, platform }) });
    const clocks = [new Clock(), new Clock()] as const;
    const b = await profile.open({ env: clocks[0].env });
    expect(opened(a, b)).toEqual([1, 0]);
    isDeaf = true;
    const write = b.store.put('x', 1);
    await goes(b, clocks[0]);
    await write.committed;
    await expect.poll(() => a.store.get('x')).toBe(1);
    // So does one that comes later, as after a reload.
    const c = profile.sit({ env: clocks[1].env });
    await goes(c, clocks[1]);
    await expect.poll(() => c.store.get('x')).toBe(1);
    await expect.poll(() => opened(b, c)).toEqual([1, 1]);
    expect(world.errors).toEqual([]);
  });

  test('G70 that were duplicated, storage and all, draw other op ids, and each of their writes counts', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const [a, b] = [await profile.open(), await profile.open()];
    const receipts = [a, b, a, b].map(({ store }) => store.increment('n', 1));
    expect(new Set(receipts.map(({ opId }) => opId)).size).toBe(4);
    await Promise.all(receipts.map(({ committed }) => committed));
    // Without sharing, too: two clients of one device.
    const alone = [1, 2].map(() => world.client({ deviceId: 'browser' }).store('acme/app'));
    const more = alone.map((store) => store.increment('n', 1));
    expect(more[0]?.opId).not.toBe(more[1]?.opId);
    await Promise.all(more.map(({ committed }) => committed));
    await expect.poll(() => [a.store.get('n'), b.store.get('n')]).toEqual([6, 6]);
  });

  test('of two people share nothing', async () => {
    await using world = await openWorld();
    const a = await new Profile(world).open();
    const b = await new Profile(world).open();
    expect(opened(a, b)).toEqual([1, 1]);
  });

  test('that are another device to the server have a connection of their own', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const a = await profile.open();
    const b = await profile.open({ deviceId: 'other', cache: memoryCache() });
    await b.store.put('x', 1).committed;
    await expect.poll(() => a.store.get('x')).toBe(1);
    expect(opened(a, b)).toEqual([1, 1]);
  });

  test('that want more stores, or presence in more, than one connection may have, have one of their own', async () => {
    await using world = await openWorld(undefined, { limits: { max_channels_per_socket: 2 } });
    for (const name of ['acme/a', 'acme/b', 'acme/c']) await world.createStore(name);
    const profile = new Profile(world);
    const [a, b, c] = [await profile.open(), await profile.open(), await profile.open()];
    await a.client.store('acme/a').ready;
    const inB = b.client.store('acme/b');
    await inB.put('x', 1).committed;
    expect(opened(a, b, c)).toEqual([1, 1, 0]);
    const [one, two] = ['1', '2'].map((topic) => joinPresence(a.client, placeOf(topic)));
    for (const each of [one, two]) {
      await expect.poll(() => each?.status.get().state).toBe('joined');
    }
    const inC = joinPresence(c.client, placeOf('3'));
    await expect.poll(() => inC.status.get().state).toBe('joined');
    expect(opened(a, b, c)).toEqual([1, 1, 1]);
  });

  test('are told, each of them, that nothing may be read, and write all the same', async () => {
    const subject: Principal = {
      subject: 'u',
      orgs: ['acme'],
      scopes: new Set(['entries:read', 'entries:write']),
      storeAccess: { mode: 'all' },
      pathRules: [{ pattern: 'drop/**', allow: ['write'] }],
      expiresAt: null,
      tokenId: null,
    };
    await using world = await openWorld(async () => subject);
    const profile = new Profile(world);
    const denied = { code: 'path_not_allowed' };
    const [a, b] = [profile.sit(), profile.sit()];
    await expect(a.store.ready).rejects.toMatchObject(denied);
    await expect(b.store.ready).rejects.toMatchObject(denied);
    for (const { store } of [a, b]) {
      const { seq } = await store.put('drop/x', 1, { blind: true }).committed;
      expect(seq).toBeGreaterThan(0);
    }
  });

  test('have a connection each where there are no locks', async () => {
    await using world = await openWorld();
    const found = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
    Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
    try {
      const profile = new Profile(world);
      const [a, b] = [await profile.open(), await profile.open()];
      await b.store.put('x', 1).committed;
      await expect.poll(() => a.store.get('x')).toBe(1);
      expect(opened(a, b)).toEqual([1, 1]);
    } finally {
      if (found !== undefined) Object.defineProperty(globalThis, 'navigator', found);
    }
  });

  test('need a name, and a cache that can be shared', async () => {
    await using world = await openWorld();
    // @ts-expect-error -- whose they are must be said
    expect(() => tabs({})).toThrow(/"name"/);
    const { sharing: _, ...cache } = memoryCache();
    const open = (): Client => world.client({ cache, tabs: tabs({ name: 'ada' }) });
    expect(open).toThrow(/cannot be shared/);
  });
});
