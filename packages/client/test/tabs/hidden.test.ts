import { type Client, memoryCache, type Store } from '@holdfast/client';
import { tabs } from '@holdfast/client/tabs';
import type { ReplicaImage } from '@holdfast/engine/replica';
import { record } from '@holdfast/protocol';
import type { Principal } from '@holdfast/server';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { reasonFor } from '../../src/tabs/tail.ts';
import { Valve } from '../valve.ts';
import { openWorld, type World } from '../world.ts';

const Person = record({
  name: 'person',
  store: 'acme/app',
  path: 'people/:id',
  version: '1.0',
  schema: z.object({ name: z.string().optional(), mood: z.string().optional() }),
  visibility: { name: () => true, mood: ({ value }) => value.name !== 'Sad' },
});

const bob: Principal = {
  subject: 'bob',
  orgs: ['acme'],
  scopes: new Set(['entries:read', 'entries:write']),
  storeAccess: { mode: 'all' },
  pathRules: [
    { pattern: 'people/**', allow: ['read', 'write'] },
    { pattern: 'count', allow: ['read', 'write'] },
  ],
  expiresAt: null,
  tokenId: null,
};

type Tab = { readonly client: Client; readonly store: Store; readonly valve: Valve };

/** Two tabs that have the same part; the first leads. */
async function twoTabs(
  world: World,
  scope: readonly string[] = ['people/**'],
): Promise<readonly Tab[]> {
  const cache = memoryCache();
  const both: Tab[] = [];
  for (const link of [new Valve(), new Valve()]) {
    const shared = { tabs: tabs({ name: 'hidden' }), cache, deviceId: 'browser' };
    const client = world.client({ ...shared, link });
    const store = client.store('acme/app', { scope });
    // One after the other.
    // oxlint-disable-next-line no-await-in-loop
    await store.ready;
    both.push({ client, store, valve: link });
  }
  return both;
}

const moods = (all: readonly { readonly store: Store }[]): readonly unknown[] =>
  all.map(({ store }) => store.get('people/1/mood'));

test('R226 what a commit hides leaves all tabs, and what it shows comes to all, also after the leader has asked for what it may not have', async () => {
  await using world = await openWorld(async () => bob);
  const people = world.server.record(Person);
  await people.write({ id: '1' }, { set: { name: 'Ada', mood: 'merry' } });
  const all = await twoTabs(world);
  expect(moods(all)).toEqual(['merry', 'merry']);
  await people.write({ id: '1' }, { patch: { name: 'Sad' } });
  await expect.poll(() => moods(all)).toEqual([undefined, undefined]);
  await people.write({ id: '1' }, { patch: { name: 'Eve' } });
  await expect.poll(() => moods(all)).toEqual(['merry', 'merry']);
  const denied = all[0]?.client.store('acme/app', { scope: ['secret/**'] });
  await expect(denied?.ready).rejects.toMatchObject({ code: 'path_not_allowed' });
  await people.write({ id: '1' }, { patch: { name: 'Sad' } });
  await expect.poll(() => moods(all)).toEqual([undefined, undefined]);
  expect(all.map(({ valve }) => valve.opened)).toEqual([1, 0]);
});

test('R226 what a commit hides leaves all tabs also where the one that leads waits for the answer to an own write first', async () => {
  await using world = await openWorld(async () => bob);
  const people = world.server.record(Person);
  await people.write({ id: '1' }, { set: { name: 'Ada', mood: 'merry' } });
  const all = await twoTabs(world, ['people/**', 'count']);
  const [leader, other] = all;
  leader?.valve.holdOut();
  // It may be in what is to come, or not.
  leader?.store.increment('count', 1);
  const seen = leader?.valve.received.length ?? 0;
  await people.write({ id: '1' }, { patch: { name: 'Sad' } });
  const heard = (): string => String(leader?.valve.received.slice(seen));
  await expect.poll(heard).toContain('snapshot_end');
  // The other one has joined again by now, or waits until it can.
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  leader?.valve.letOut();
  await expect.poll(() => all.map(({ store }) => store.get('count'))).toEqual([1, 1]);
  await expect.poll(() => moods(all)).toEqual([undefined, undefined]);
  expect(other?.valve.opened).toBe(0);
});

/** What a tab asks its leader for, as it has a state of a store. */
const request = {
  lastSeq: 3,
  incarnation: 'i',
  scope: 'hash~of the leader',
  patterns: null,
  snapshot: null,
  seed: null,
};

test('a tab goes on by its tail though its leader has joined anew, as somebody of whom the server knew nothing', () => {
  const image = { seq: 3, incarnation: 'i' } as ReplicaImage;
  const whyIn = (scope: string): unknown => reasonFor(request, { image, scope, tail: [] });
  expect(whyIn('hash~of the leader')).toBe(null);
  expect(whyIn('hash~of the next')).toBe(null);
  expect(whyIn('hash of other rules~of the leader')).toBe('scope');
  expect(whyIn('tabs hash~of the leader')).toBe('behind');
});

test.each([
  ['it has none', { lastSeq: 0 }, 'fresh'],
  ['its own is one that a server rendered', { seed: {} }, 'fresh'],
  ['its own is of a store that was made anew', { incarnation: 'former' }, 'incarnation'],
  ['its own is newer', { lastSeq: 4 }, 'ahead'],
] as const)('S57 a tab is brought a state where %s', (_own, has, why) => {
  const image = { seq: 3, incarnation: 'i' } as ReplicaImage;
  const { scope } = request;
  const asked = { ...request, ...has } as Parameters<typeof reasonFor>[0];
  expect(reasonFor(asked, { image, scope, tail: [] })).toBe(why);
});
