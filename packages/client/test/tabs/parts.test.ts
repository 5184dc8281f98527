import { expect, test } from 'vitest';
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
