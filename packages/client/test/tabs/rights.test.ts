import {
  type Client,
  type ClientOptions,
  memoryCache,
  type Revocation,
  type Store,
} from '@holdfast/client';
import { tabs } from '@holdfast/client/tabs';
import { asStoreName } from '@holdfast/protocol';
import type { GivenPrincipal } from '@holdfast/server';
import { expect, test } from 'vitest';
import { Valve } from '../valve.ts';
import { openWorld, type World } from '../world.ts';

const full: GivenPrincipal = {
  subject: 'u',
  orgs: ['acme'],
  scopes: ['entries:read', 'entries:write'],
};

type Tab = { readonly client: Client; readonly store: Store; readonly revoked: Revocation[] };

/** Two tabs of one person, each with a part; the first leads. `allow` says what that person may read. */
async function twoTabs(parts: readonly (readonly string[])[], first: readonly string[] = ['**']) {
  let allowed = first;
  const world = await openWorld(async ({ token }) => {
    if (token === 'all') return full;
    const pathRules = allowed.map((pattern) => ({ pattern, allow: ['read', 'write'] as const }));
    return { ...full, subject: 'me', pathRules };
  });
  const writer = await world.store({ token: 'all' });
  await writer.transact((tx) => {
    for (const path of ['a/x', 'b/x', 'b/y']) tx.put(path, path);
  }).committed;
  const both: Tab[] = [];
  for (const scope of parts) {
    // One after the other.
    // oxlint-disable-next-line no-await-in-loop
    both.push(await tabIn(world, scope));
  }
  const allow = (...patterns: readonly string[]): void => {
    allowed = patterns;
  };
  return { world, writer, allow, both };
}

/** A tab that has been open for long: nothing of a cache makes its part larger. */
async function tabIn(
  world: World,
  scope: readonly string[],
  options: Partial<ClientOptions> = {},
): Promise<Tab> {
  const revoked: Revocation[] = [];
  const client = world.client({
    token: 'me',
    deviceId: 'browser',
    tabs: tabs({ name: 'rights' }),
    cache: memoryCache(),
    link: new Valve(),
    ...options,
    onRevoked: (each) => revoked.push(each),
  });
  const store = client.store('acme/app', { scope });
  await store.ready;
  return { client, store, revoked };
}

test('S102 a tab that takes the lead in the moment when rights are lost tells of what is gone', async () => {
  const { world, allow, both } = await twoTabs([['a/**'], ['b/**']]);
  await using _ = world;
  const [a, b] = both;
  expect(b?.store.get('b')).toEqual({ x: 'b/x', y: 'b/y' });
  allow('a/**', 'b/x');
  await a?.client.close();
  await expect.poll(() => b?.store.get('b')).toEqual({ x: 'b/x' });
  expect(b?.revoked).toEqual([{ store: 'acme/app', patterns: ['b/**'], error: null }]);
});

test('S102 tabs with parts of their own are told, all of them, that rights are lost', async () => {
  const { world, allow, both } = await twoTabs([['a/**'], ['b/**'], ['b/*'], ['b/x']]);
  await using _ = world;
  allow('a/**', 'b/x');
  await expect
    .poll(() => both.slice(1, 3).map(({ store }) => store.get('b/y')), { timeout: 5000 })
    .toEqual([undefined, undefined]);
  // The one that leads held it for the others.
  expect(both.map(({ revoked }) => revoked.length)).toEqual([1, 1, 1, 0]);
});

test('a tab that takes the lead, and finds that something was deleted meanwhile, tells of no right that was lost', async () => {
  const { world, writer, both } = await twoTabs([['a/**'], ['b/**']]);
  await using _ = world;
  const [a, b] = both;
  const closed = a?.client.close();
  await writer.delete('b/y').committed;
  await closed;
  await expect.poll(() => b?.store.get('b')).toEqual({ x: 'b/x' });
  expect(b?.revoked).toEqual([]);
});

test('S83 a tab with an older state of what the one that leads did not hold is brought what has changed meanwhile', async () => {
  const { world, writer, both } = await twoTabs([['a/**'], ['a/**']]);
  await using _ = world;
  const parts = ['a/**', 'b/**'];
  const cache = memoryCache();
  await writer.put('a/x', 'heard by the one that leads').committed;
  const before = await tabIn(world, parts, { cache, tabs: (settings) => settings });
  await before.client.close();
  const { seq } = await writer.put('b/x', 'another').committed;
  await expect.poll(() => both[0]?.store.status.get().seq).toBe(seq);
  const { store } = await tabIn(world, parts, { cache });
  expect(store.get('b')).toEqual({ x: 'another', y: 'b/y' });
});

test('a store that the tab that leads was refused is asked for once more by the write, or the handle, of another tab (C1)', async () => {
  const { world, both } = await twoTabs([['a/**'], ['b/**']]);
  await using _ = world;
  const [a, b] = both.map(({ client }) => client);
  const refused = { code: 'unauthorized' };
  const led = a?.store('acme/new');
  const early = led?.put('a', 1);
  await expect(led?.ready).rejects.toMatchObject(refused);
  const store = b?.store('acme/new');
  await expect(store?.ready).rejects.toMatchObject(refused);
  await world.createStore('acme/new');
  expect(await store?.put('b', 2).committed).toMatchObject({ seq: 2 });
  expect(await early?.committed).toMatchObject({ seq: 1 });
  for (const client of [a, b]) {
    // One after the other.
    // oxlint-disable-next-line no-await-in-loop
    await expect(client?.store('acme/late').ready).rejects.toMatchObject(refused);
  }
  await world.createStore('acme/late');
  await b?.store('acme/late').ready;
});

test('S102 a tab that asks for several parts at once is refused those of which nothing may be read, whoever leads, and has them once they may be', async () => {
  const { world, allow, both: leading } = await twoTabs([['a/**']], ['a/**']);
  await using _ = world;
  const link = new Valve();
  const settings = { token: 'me', deviceId: 'browser', tabs: tabs({ name: 'rights' }), link };
  const tab = world.client({ ...settings, cache: memoryCache() });
  const [a, b, both] = [['a/**'], ['b/**'], ['a/x', 'b/x']].map((scope) =>
    tab.store('acme/app', { scope }),
  );
  const refused = async (): Promise<void> => {
    const denied = { code: 'path_not_allowed' };
    await expect(b?.ready).rejects.toMatchObject(denied);
    await expect(both?.ready).rejects.toMatchObject(denied);
  };
  await a?.ready;
  await refused();
  expect([a?.get('a/x'), both?.get('a/x'), link.opened]).toEqual(['a/x', 'a/x', 0]);
  await leading[0]?.client.close();
  await expect.poll(() => link.opened).toBe(1);
  await refused();
  allow('**');
  link.cut();
  await expect.poll(() => b?.get('b/x')).toBe('b/x');
  expect(both?.get('b/x')).toBe('b/x');
});

test('a tab that only writes does so through one that may read nothing', async () => {
  const pathRules = [{ pattern: 'drop/**', allow: ['write'] as const }];
  await using world = await openWorld(async () => ({ ...full, pathRules }));
  const denied = { code: 'path_not_allowed' };
  const settings = { deviceId: 'browser', tabs: tabs({ name: 'drop' }) };
  const [a, b] = [new Valve(), new Valve()].map((link) => ({
    link,
    client: world.client({ ...settings, link }),
  }));
  const led = a?.client.store('acme/app');
  await expect(led?.ready).rejects.toMatchObject(denied);
  const store = b?.client.store('acme/app', { scope: [] });
  await store?.put('drop/x', 1).committed;
  await store?.put('drop/y', 1).committed;
  expect([a?.link.opened, b?.link.opened]).toEqual([1, 0]);
});

test.each([
  ['the one that led', false],
  ['another', true],
])(
  'S101 what tabs keep together of a store that may be read no more is gone when %s is told so',
  async (_who, isAnother) => {
    const { world, allow } = await twoTabs([]);
    await using _ = world;
    const cache = memoryCache();
    const kept = async (): Promise<unknown> =>
      [...((await cache.load(asStoreName('acme/app')))?.entries ?? [])].map(({ path }) => path);
    const first = await tabIn(world, ['**'], { cache });
    await expect.poll(kept).toHaveLength(3);
    const other = await tabIn(world, ['**'], { cache });
    allow();
    if (isAnother) await first.client.close();
    await expect.poll(() => other.revoked, { timeout: 5000 }).toHaveLength(1);
    await expect.poll(kept).toEqual([]);
  },
);

test('S102 a tab that comes with a part is refused it where the one that leads wanted all and may read nothing', async () => {
  const { world, allow, both } = await twoTabs([['**']]);
  await using _ = world;
  const [leading] = both;
  allow();
  await expect.poll(() => leading?.revoked, { timeout: 5000 }).toHaveLength(1);
  await expect.poll(() => leading?.client.status.get().connection).toBe('connected');
  const late = tabIn(world, ['b/**']);
  await expect(late).rejects.toMatchObject({ code: 'path_not_allowed' });
});
