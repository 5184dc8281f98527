import { ConflictError, type Store } from '@holdfast/client';
import { undoManager } from '@holdfast/client/undo';
import { deferred } from '@holdfast/engine/registry';
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

/** What is written from now on has certainly not been sent. */
async function goOffline(store: Store, valve: Valve): Promise<void> {
  valve.down();
  await expect.poll(() => store.status.get().connection).not.toBe('connected');
}

describe('undo', () => {
  it('brings back what was, at once and for everybody, and redo what came (P58)', async () => {
    const [store, other] = [await world.store(), await world.store()];
    const undo = undoManager(store);
    expect([undo.canUndo.get(), undo.canRedo.get(), undo.undo(), undo.redo()]).toEqual([
      false,
      false,
      null,
      null,
    ]);
    await store.put('post', { title: 'A', tags: ['x'] }).committed;
    store.merge('post', { title: 'B' });
    store.transact((tx) => {
      tx.increment('count', 2);
      tx.add('set', 'm');
      tx.delete('post/tags');
    });
    await store.settled();
    const after = all(store);
    const told: boolean[] = [];
    undo.canUndo.subscribe(() => told.push(undo.canUndo.get()));
    undo.undo();
    expect(all(store)).toEqual({ 'post/title': 'B', 'post/tags': ['x'] });
    undo.undo();
    expect(store.get('post/title')).toBe('A');
    undo.undo();
    expect(all(store)).toEqual({});
    expect([undo.canUndo.get(), undo.canRedo.get()]).toEqual([false, true]);
    await store.settled();
    await expect.poll(() => all(other)).toEqual({});
    expect(told).toEqual([false]);
    for (const _ of [1, 2, 3]) await undo.redo()?.committed;
    expect(all(store)).toEqual(after);
    await expect.poll(() => all(other)).toEqual(after);
    store.put('new', 1);
    expect(undo.canRedo.get()).toBe(false);
  });

  it('refuses by name where somebody else has changed it since, and leaves that alone (P58)', async () => {
    const [store, other] = [await world.store(), await world.store()];
    const undo = undoManager(store);
    await store.put('a', 'mine').committed;
    await other.put('a', 'theirs').committed;
    await expect.poll(() => store.get('a')).toBe('theirs');
    expect(() => undo.undo()).toThrow(ConflictError);
    expect(() => undo.undo()).toThrow(
      expect.objectContaining({ details: { path: 'a', current_revision: 2 } }),
    );
    undo.drop();
    expect(undo.canUndo.get()).toBe(false);
    expect(other.get('a')).toBe('theirs');
  });

  it('is decided by the server, too: what it refuses was not undone, and can be tried again (P58)', async () => {
    const valve = new Valve();
    const [store, other] = [await world.store({ link: valve }), await world.store()];
    const undo = undoManager(store);
    await store.put('a', 'mine').committed;
    valve.holdIn();
    await other.put('a', 'theirs').committed;
    const receipt = undo.undo();
    expect(store.get('a')).toBeUndefined();
    expect(undo.canRedo.get()).toBe(true);
    valve.letIn();
    await expect(receipt?.committed).rejects.toBeInstanceOf(ConflictError);
    expect(store.get('a')).toBe('theirs');
    expect([undo.canUndo.get(), undo.canRedo.get()]).toEqual([true, false]);
    expect(() => undo.undo()).toThrow(ConflictError);
  });

  it('takes back a transaction where others came before it at a total only, and at no leaf beside that (P58)', async () => {
    const valve = new Valve();
    const [store, other] = [await world.store({ link: valve }), await world.store()];
    await store.put('order', { items: 0, at: 'none', by: 'none' }).committed;
    const undo = undoManager(store);
    await goOffline(store, valve);
    const write = store.transact((tx) => {
      tx.increment('sum', 2);
      tx.merge('order', { items: 2, at: 'mine' });
    });
    await other.increment('sum', 5).committed;
    valve.up();
    expect((await write.committed).rebasedOver).toHaveLength(1);
    await undo.undo()?.committed;
    const before = { 'order/items': 0, 'order/at': 'none', 'order/by': 'none' };
    expect(all(store)).toEqual({ ...before, sum: 5 });
    await undo.redo()?.committed;
    expect(all(store)).toEqual({ ...before, 'order/items': 2, 'order/at': 'mine', sum: 7 });
  });

  it('takes back nothing of a transaction where others came before it at one leaf of it (P58)', async () => {
    const valve = new Valve();
    const [store, other] = [await world.store({ link: valve }), await world.store()];
    const undo = undoManager(store);
    await goOffline(store, valve);
    const write = store.transact((tx) => {
      tx.increment('sum', 2);
      tx.put('a', 'mine');
      tx.put('b', 'mine');
    });
    await other.put('a', 'theirs').committed;
    valve.up();
    await write.committed;
    expect(() => undo.undo()).toThrow(
      expect.objectContaining({ details: { path: 'a', current_revision: expect.any(Number) } }),
    );
  });

  it('works offline, on writes that were never sent, and all of it arrives in order (P58)', async () => {
    const valve = new Valve();
    const [store, other] = [await world.store({ link: valve }), await world.store()];
    const undo = undoManager(store);
    valve.holdOut();
    store.put('a', 1);
    store.put('a', 2);
    store.put('b', 'kept');
    undo.undo();
    undo.undo();
    expect(all(store)).toEqual({ a: 1 });
    undo.redo();
    expect(all(store)).toEqual({ a: 2 });
    valve.letOut();
    await store.settled();
    await expect.poll(() => all(other)).toEqual({ a: 2 });
  });

  it('a group of which all but the last was cancelled before it was sent is a step like another (P58)', async () => {
    const valve = new Valve();
    const store = await world.store({ link: valve });
    await goOffline(store, valve);
    const undo = undoManager(store);
    store.put('x', 0);
    undo.group(() => {
      let last = store.put('x', 1);
      for (const x of [2, 3]) {
        const next = store.put('x', x);
        expect(last.cancel()).toBe(true);
        last = next;
      }
    });
    expect([store.get('x'), store.outbox.list().length]).toEqual([3, 2]);
    const alone = store.put('y', 1);
    expect([alone.cancel(), undo.undo() === null, store.get('x')]).toEqual([true, false, 0]);
    valve.up();
    await undo.redo()?.committed;
    expect(all(store)).toEqual({ x: 3 });
  });

  it('takes back of a group what is there of it, and nothing of what was cancelled (P58)', async () => {
    const valve = new Valve();
    const store = await world.store({ link: valve });
    await goOffline(store, valve);
    store.put('x', 0);
    store.increment('total', 5);
    store.add('tags', 'a');
    const undo = undoManager(store);
    undo.group(() => {
      const cancelled = [
        store.put('x', 1),
        store.increment('total', 10),
        store.add('tags', 'b'),
        store.put('gone', 1),
      ];
      store.put('y', 1);
      store.increment('total', 100);
      store.add('tags', 'c');
      for (const each of cancelled) expect(each.cancel()).toBe(true);
    });
    const left = { x: 0, y: 1, total: 105 };
    expect(all(store)).toMatchObject(left);
    undo.undo();
    expect(all(store)).toEqual({ x: 0, total: 5, tags: ['a'] });
    valve.up();
    await undo.redo()?.committed;
    expect(all(store)).toMatchObject(left);
  });

  it('forgets a write that was refused (P58)', async () => {
    const store = await world.store({ onRejected: () => undefined });
    const undo = undoManager(store);
    const receipt = store.put('a', 1, { ifMatch: 7 });
    await expect(receipt.committed).rejects.toBeInstanceOf(ConflictError);
    expect([undo.canUndo.get(), undo.undo()]).toEqual([false, null]);
  });

  it('takes back what was brought back while somebody else changed what lies beside it (P58)', async () => {
    const valve = new Valve();
    const [store, other] = [await world.store({ link: valve }), await world.store()];
    await other.put('doc/beside', 1).committed;
    await expect.poll(() => store.get('doc/beside')).toBe(1);
    const undo = undoManager(store);
    store.put('doc/mine/a', 'A');
    await undo.undo()?.committed;
    valve.holdOut();
    const redone = undo.redo();
    const { seq } = await other.put('doc/beside', 2).committed;
    await expect.poll(() => store.status.get().seq).toBe(seq);
    valve.letOut();
    expect(await redone?.committed).toMatchObject({ rebasedOver: [] });
    expect([undo.undo()?.opId, store.get('doc/mine/a')]).toEqual([expect.any(String), undefined]);
  });

  it('takes a group as one step, writes of other handles as those of others, and no second manager (P58)', async () => {
    const client = world.client();
    const [store, plain] = [client.store('acme/app'), client.store('acme/app')];
    await store.ready;
    const undo = undoManager(store, { limit: 2 });
    expect(() => undoManager(store)).toThrow(TypeError);
    expect(() => undoManager(plain, { limit: 0 })).toThrow(RangeError);
    const result = undo.group(() => {
      store.put('x', 1);
      store.put('y', { deep: true });
      store.put('x', 2);
      return 'done';
    });
    expect(result).toBe('done');
    plain.put('z', 1);
    await undo.undo()?.committed;
    expect(all(store)).toEqual({ z: 1 });
    await undo.redo()?.committed;
    expect(all(store)).toEqual({ x: 2, 'y/deep': true, z: 1 });
    plain.put('x', 3);
    expect(() => undo.undo()).toThrow(ConflictError);
    undo.close();
    store.put('w', 1);
    expect(undo.canUndo.get()).toBe(false);
    undoManager(store).close();
  });

  it('takes all as one step that is written until what a group waits for has come, such as a drag (P58)', async () => {
    const store = await world.store();
    await store.put('shapes', { a: { x: 0, y: 0 }, b: { x: 0, y: 0 } }).committed;
    const undo = undoManager(store);
    store.put('shapes/b/x', 7);
    const drop = deferred<void>();
    const dragged = undo.group(() => drop.promise);
    for (const x of [1, 2, 3]) {
      await store.merge('shapes/a', { x, y: x }).committed;
      expect(undo.canUndo.get()).toBe(true);
    }
    drop.resolve();
    await dragged;
    store.put('shapes/b/y', 7);
    undo.undo();
    undo.undo();
    expect(store.get('shapes')).toEqual({ a: { x: 0, y: 0 }, b: { x: 7, y: 0 } });
    undo.redo();
    expect(store.get('shapes/a')).toEqual({ x: 3, y: 3 });
    undo.undo();
    undo.undo();
    expect(undo.canUndo.get()).toBe(false);
    await store.settled();
    expect(store.get('shapes')).toEqual({ a: { x: 0, y: 0 }, b: { x: 0, y: 0 } });
  });

  it('takes back what is there of a drag that goes on, and what comes is another step; a failed one counts, too (P58)', async () => {
    const store = await world.store();
    await store.put('x', 0).committed;
    const undo = undoManager(store);
    const drop = deferred<void>();
    const dragged = undo.group(() => drop.promise);
    store.put('x', 1);
    store.put('x', 2);
    undo.undo();
    expect([store.get('x'), undo.canUndo.get(), undo.canRedo.get()]).toEqual([0, false, true]);
    store.put('x', 3);
    expect([undo.canUndo.get(), undo.canRedo.get()]).toEqual([true, false]);
    store.put('x', 4);
    drop.reject(new Error('the pointer is gone'));
    await expect(dragged).rejects.toThrow('the pointer is gone');
    expect(undo.canRedo.get()).toBe(false);
    await undo.undo()?.committed;
    expect([store.get('x'), undo.canUndo.get()]).toEqual([0, false]);
  });

  it('leaves alone what another does while a group goes on (P58)', async () => {
    const [store, other] = [await world.store(), await world.store()];
    await store.transact((tx) => {
      tx.put('x', 0);
      tx.increment('total', 1);
    }).committed;
    await expect.poll(() => other.get('total')).toBe(1);
    const undo = undoManager(store);
    const drop = deferred<void>();
    const dragged = undo.group(() => drop.promise);
    await store.put('x', 1).committed;
    await store.increment('total', 1).committed;
    await other.transact((tx) => {
      tx.put('x', 50);
      tx.increment('total', 5);
    }).committed;
    await expect.poll(() => store.get('x')).toBe(50);
    store.put('x', 2);
    store.increment('total', 1);
    drop.resolve();
    await dragged;
    await undo.undo()?.committed;
    expect(all(store)).toEqual({ x: 50, total: 6 });
  });

  it('is for handles that can see, and for edits: not for leases, nor what is computed once (P58)', async () => {
    const store = await world.store();
    const undo = undoManager(store);
    await store.once('report', () => 1);
    await (await store.lease('lock')).release();
    expect([undo.canUndo.get(), store.get('report')]).toEqual([false, '1']);
    const blind = world.client().store('acme/app', { scope: [] });
    expect(() => undoManager(blind)).toThrow(expect.objectContaining({ code: 'out_of_scope' }));
    expect(() => blind.put('a', 1)).not.toThrow();
  });

  it('is for handles on a part, too: what they do not know of, it neither reads nor asks for (P58)', async () => {
    const other = await world.store();
    await other.put('rooms', { a: { name: 'A', size: 1 }, b: { name: 'B' } }).committed;
    const store = world.client().store('acme/app', { scope: ['rooms/a/**', 'solo', 'row/*'] });
    await store.ready;
    const undo = undoManager(store);
    const before = all(other);
    store.put('rooms/a/name', 'Ada');
    store.put('rooms/a', { name: 'new', seats: { one: 1, two: 2 } });
    store.delete('rooms/a');
    store.put('rooms/a/x/y', 1);
    for (const _ of [1, 2, 3, 4]) await undo.undo()?.committed;
    expect(undo.canUndo.get()).toBe(false);
    await expect.poll(() => all(other)).toEqual(before);
    for (const _ of [1, 2, 3, 4]) await undo.redo()?.committed;
    expect(store.get('rooms/a')).toEqual({ x: { y: 1 } });
    await other.put('solo', 1).committed;
    await expect.poll(() => store.get('solo')).toBe(1);
    store.put('solo', 2);
    store.put('row/1', 'is new');
    // To take away all at a path is not for who knows a leaf of it only.
    await expect(undo.undo()?.committed).rejects.toMatchObject({ code: 'out_of_scope' });
    undo.drop();
    await undo.undo()?.committed;
    await expect.poll(() => other.get('solo')).toBe(1);
  });

  it('brings back a deleted map with the types of its leaves, in one commit (P58)', async () => {
    const store = await world.store();
    const undo = undoManager(store);
    store.put('m', { text: 'x', when: new Date(0), list: [1], empty: {} });
    store.increment('m/count', 3);
    store.add('m/tags', 'b');
    store.add('m/tags', 'a');
    await store.settled();
    const types = (): unknown => store.entries('m/**').items.map(({ path, type }) => [path, type]);
    const [before, leaves] = [all(store), types()];
    await store.delete('m').committed;
    await undo.undo()?.committed;
    expect([all(store), types()]).toEqual([before, leaves]);
  });
});
