import { memoryCache } from '@holdfast/client';
import { expect, test } from 'vitest';
import { Clock } from '../../../react/test/clock.ts';
import { openWorld } from '../world.ts';
import { opened, Profile } from './profile.ts';

test.each([
  ['all', ['**']],
  ['as much', ['x/**', 'y/**']],
  ['less', ['x/**']],
])(
  'a tab that comes to have another part is told from then on what happens there, where the leading one has %s',
  async (_much, scope) => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const a = profile.part(...scope);
    await a.store.ready;
    const b = profile.part('x/**');
    await b.store.ready;
    const other = world.client().store('acme/app');
    await other.put('y/1', 1).committed;
    const more = b.client.store('acme/app', { scope: ['y/**'] });
    await more.ready;
    // What the leading one has yet to hear comes with the next events.
    await expect.poll(() => more.get('y/1')).toBe(1);
    await other.put('y/2', 2).committed;
    await other.put('x/1', 1).committed;
    await expect.poll(() => [more.get('y/2'), b.store.get('x/1')]).toEqual([2, 1]);
    more.close();
    await other.put('x/2', 2).committed;
    await expect.poll(() => b.store.get('x/2')).toBe(2);
    expect(opened(a, b)).toEqual([1, 0]);
    expect(world.errors).toEqual([]);
  },
);

test('given a leading tab that lets go of a part, when another opens it in that moment, then that one is told what happened there meanwhile', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const clock = new Clock();
  const a = profile.sit({ env: clock.env }, { scope: ['x/**'] });
  const unused = a.client.store('acme/app', { scope: ['y/**'] });
  await Promise.all([a.store.ready, unused.ready]);
  unused.close();
  // It is kept for a minute; in the midst of it the line is heard of, which would be taken for dead.
  await clock.skip(40_000);
  await a.store.put('x/1', 1).committed;
  a.valve.holdOut();
  await clock.skip(21_000);
  const b = profile.part('y/**');
  await b.store.ready;
  a.valve.letOut();
  a.valve.holdOut();
  await expect.poll(() => a.valve.received.join().includes('"patterns":["x/**"]')).toBe(true);
  await (await world.store()).put('y/1', 1).committed;
  a.valve.letOut();
  await expect.poll(() => b.store.get('y/1')).toBe(1);
  expect(opened(a, b)).toEqual([1, 0]);
  expect(world.errors).toEqual([]);
});

test.each([
  ['all', ['**']],
  ['a part', ['post/**', 'other/**']],
])(
  'S43 a tab that has %s from the leading one knows of a map when something below it was last written or deleted',
  async (_much, scope) => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const a = await profile.open();
    await a.store.put('post', { title: 'T', meta: { author: 'A', draft: true } }).committed;
    const { seq } = await a.store.delete('post/meta/draft').committed;
    const b = profile.sit({ cache: memoryCache() }, { scope });
    await b.store.ready;
    const revisions = (): unknown[] =>
      [a, b].map(({ store }) => ['post', 'post/meta'].map((path) => store.entry(path)?.revision));
    expect(revisions()).toEqual([
      [seq, seq],
      [seq, seq],
    ]);
    await a.store.delete('post/meta', { ifMatch: seq }).committed;
    await expect.poll(() => b.store.entry('post')?.revision).toBe(seq + 1);
    const stale = b.store.delete('post', { ifMatch: seq }).committed;
    await expect(stale).rejects.toMatchObject({ code: 'conflict' });
    expect(opened(a, b)).toEqual([1, 0]);
  },
);
