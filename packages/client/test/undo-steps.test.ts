import { undoManager } from '@holdfast/client/undo';
import { deferred } from '@holdfast/engine/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { all } from './leaves.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

describe('a step of undo', () => {
  it('ends with its group: what is written after that is another, and so is the next group (P58)', async () => {
    const store = await world.store();
    const undo = undoManager(store);
    undo.group(() => store.put('a', 1));
    store.put('b', 1);
    undo.group(() => store.put('c', 1));
    undo.undo();
    expect(all(store)).toEqual({ a: 1, b: 1 });
    undo.undo();
    expect(all(store)).toEqual({ a: 1 });
  });

  it('is a group with all groups within it (P58)', async () => {
    const store = await world.store();
    const undo = undoManager(store);
    undo.group(() => {
      store.put('a', 1);
      undo.group(() => store.put('b', 1));
      store.put('c', 1);
    });
    undo.undo();
    expect([all(store), undo.canUndo.get()]).toEqual([{}, false]);
  });

  it('is not one where a group has changed nothing in the end (P58)', async () => {
    const store = await world.store();
    const undo = undoManager(store);
    undo.group(() => {
      store.put('a', 1);
      store.delete('a');
    });
    expect([undo.canUndo.get(), undo.undo()]).toEqual([false, null]);
  });

  it('of which nothing is left to take back is none any more, such as a total of 0 that others count on (P58)', async () => {
    const [store, other] = [await world.store(), await world.store()];
    const undo = undoManager(store);
    await store.increment('count', 0).committed;
    await other.increment('count', 5).committed;
    await expect.poll(() => store.get('count')).toBe(5);
    expect([undo.canUndo.get(), undo.undo(), undo.canUndo.get()]).toEqual([true, null, false]);
    expect(store.get('count')).toBe(5);
  });

  it('is what a drag has written so far, where that is given up or forgotten (P58)', async () => {
    const store = await world.store();
    const undo = undoManager(store);
    const dragged = deferred<void>();
    store.put('before', 0);
    void undo.group(() => dragged.promise);
    store.put('x', 1);
    undo.drop();
    expect(undo.canUndo.get()).toBe(true);
    undo.undo();
    expect(undo.canUndo.get()).toBe(false);
    store.put('y', 1);
    undo.clear();
    store.put('z', 1);
    undo.undo();
    expect(store.get('y')).toBe(1);
    expect([store.get('z'), undo.canUndo.get()]).toEqual([undefined, false]);
    dragged.resolve();
  });

  it('is none once the manager is closed, amid a drag, too: then the handle may have another one (P58)', async () => {
    const store = await world.store();
    const dragged = deferred<void>();
    {
      using undo = undoManager(store, { limit: 1 });
      void undo.group(() => dragged.promise);
      store.put('x', 1);
    }
    using undo = undoManager(store);
    store.put('x', 2);
    dragged.resolve();
    await dragged.promise;
    undo.undo();
    expect([store.get('x'), undo.undo()]).toEqual([1, null]);
  });
});
