import { undoManager } from '@holdfast/client/undo';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { all } from './leaves.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

describe('undo', () => {
  it('of what was written before the store was here waits until it is decided, and takes nothing away that was there (P58)', async () => {
    const other = await world.store();
    await other.put('title', 'Old').committed;
    await other.put('map', { x: 1 }).committed;
    const valve = new Valve();
    valve.down();
    const store = world.client({ link: valve }).store('acme/app');
    const undo = undoManager(store);
    store.put('fresh', 1);
    store.put('title', 'Draft');
    store.put('map', { y: 2 });
    expect([undo.canUndo.get(), undo.undo()]).toEqual([false, null]);
    valve.up();
    await store.settled();
    await expect.poll(() => undo.canUndo.get()).toBe(true);
    for (const path of ['map/y', 'title']) {
      expect(() => undo.undo()).toThrow(
        expect.objectContaining({ details: expect.objectContaining({ path }) }),
      );
      undo.drop();
    }
    await undo.undo()?.committed;
    await expect.poll(() => all(other)).toEqual({ title: 'Draft', 'map/y': 2 });
  });

  it('refuses where somebody else has changed it while this client was away, told by a snapshot, too (P58)', async () => {
    const valve = new Valve();
    const [store, other] = [await world.store({ link: valve }), await world.store()];
    await other.put('title', 'Old').committed;
    await other.put('map', { x: 1 }).committed;
    await other.put('same', 1).committed;
    await expect.poll(() => store.get('same')).toBe(1);
    const undo = undoManager(store);
    valve.down();
    await other.put('title', 'Theirs').committed;
    await other.delete('map/x').committed;
    // More ops than a tail would be worth.
    for (const _ of [1, 2]) {
      other.transact((tx) => {
        for (let count = 0; count < 600; count++) tx.increment('n', 1);
      });
    }
    await other.settled();
    store.put('same', 2);
    const writes = [store.put('map', { y: 1 }), store.put('title', 'Mine')];
    valve.up();
    for (const { committed } of writes) {
      expect((await committed).rebasedOver).toHaveLength(1);
    }
    for (const path of ['title', 'map/x']) {
      expect(() => undo.undo()).toThrow(
        expect.objectContaining({ details: expect.objectContaining({ path }) }),
      );
      undo.drop();
    }
    await undo.undo()?.committed;
    await expect.poll(() => all(other)).toMatchObject({ same: 1, title: 'Mine' });
  });

  it('of a group takes back what nobody else has touched, where others have added to a total of it meanwhile (P58)', async () => {
    const valve = new Valve();
    const [store, other] = [await world.store({ link: valve }), await world.store()];
    await other.put('out/0', 'old').committed;
    await other.increment('left', 10).committed;
    await expect.poll(() => store.get('left')).toBe(10);
    const undo = undoManager(store);
    valve.down();
    await other.increment('left', 5).committed;
    const [spent] = undo.group(() => [
      store.increment('left', -2),
      store.put('out/0', 'mine'),
      store.put('out/1', { by: 'me' }),
    ]);
    valve.up();
    await store.settled();
    expect((await spent?.committed)?.rebasedOver).toHaveLength(1);
    await undo.undo()?.committed;
    await expect.poll(() => all(other)).toEqual({ left: 15, 'out/0': 'old' });
  });

  it('of a group refuses where somebody else came first at a leaf of it, and names that one (P58)', async () => {
    const valve = new Valve();
    const [store, other] = [await world.store({ link: valve }), await world.store()];
    await other.put('out', { a: 1, b: 1 }).committed;
    await expect.poll(() => store.get('out')).toEqual({ a: 1, b: 1 });
    const undo = undoManager(store);
    valve.down();
    await other.put('out/b', 2).committed;
    undo.group(() => [store.put('out/a', 3), store.put('out/b', 3)]);
    valve.up();
    await store.settled();
    expect(() => undo.undo()).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ path: 'out/b' }) }),
    );
    undo.drop();
    expect(all(store)).toEqual({ 'out/a': 3, 'out/b': 3 });
  });
});
