import { computed, effect, signal } from '@preact/signals-core';
import { entriesSignal, entrySignal, toSvelte } from '@holdfast/client/signals';
import { fromPreact, toPreact } from '@holdfast/client/signals/preact';
import type { Store } from '@holdfast/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openWorld, type World } from './world.ts';

let world: World;
let store: Store;

beforeEach(async () => {
  world = await openWorld();
  store = await world.store();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const ids = Array.from({ length: 2000 }, (_, index) => `s${index}`);
const turn = (): Promise<void> => new Promise(setImmediate);

describe('signals of a store', () => {
  it('the value at a path is the same object until something in it changes, whoever changes it', async () => {
    const entry = entrySignal(store, 'posts/a');
    let calls = 0;
    expect(entry.get()).toBe(undefined);
    const release = entry.subscribe(() => (calls += 1));
    await store.put('posts/a', { title: 'A', tags: ['x'] }).committed;
    await turn();
    expect(calls).toBe(1);
    const value = entry.get();
    expect(value).toEqual({ title: 'A', tags: ['x'] });
    await store.put('posts/b', 1).committed;
    await turn();
    expect(entry.get()).toBe(value);
    const other = await world.store();
    await other.put('posts/a/title', 'B').committed;
    await expect.poll(() => entry.get()).toEqual({ title: 'B', tags: ['x'] });
    await other.delete('posts').committed;
    await expect.poll(() => entry.get()).toBe(undefined);
    expect(calls).toBe(3);
    release();
    await other.put('posts/a', 1).committed;
    await expect.poll(() => entry.get()).toBe(1);
    expect(calls).toBe(3);
  });

  it('an own write is told while it is made, once, and a transaction is one change (G64)', async () => {
    const [a, b] = [entrySignal(store, 'a'), entrySignal(store, 'b')];
    const seen: unknown[] = [];
    a.subscribe(() => seen.push([a.get(), b.get()]));
    b.subscribe(() => seen.push([a.get(), b.get()]));
    const receipt = store.transact((tx) => {
      tx.put('a', 1);
      tx.put('b', 1);
      tx.put('a', 2);
    });
    expect(seen).toEqual([
      [2, 1],
      [2, 1],
    ]);
    await receipt.committed;
    await turn();
    expect(seen.length).toBe(2);
  });

  it('an own write of many paths tells, before it returns, those who show what is at, above or below one, and no others', () => {
    store.put('shapes', Object.fromEntries(ids.map((id) => [id, { x: 0, y: 0 }])));
    const told: string[] = [];
    for (const path of ['shapes', 'shape', ...ids.map((id) => `shapes/${id}`), 'shapes/s1/x']) {
      entrySignal(store, path).subscribe(() => told.push(path));
    }
    store.transact((tx) => {
      for (const id of ids.slice(0, 500)) tx.merge(`shapes/${id}`, { x: 1 });
    });
    const moved = ids.slice(0, 500).map((id) => `shapes/${id}`);
    expect(told).toEqual(['shapes', ...moved, 'shapes/s1/x']);
    told.length = 0;
    store.put('shapes/s1/x', 2);
    store.delete('shapes/s2');
    expect(told).toEqual(['shapes', 'shapes/s1', 'shapes/s1/x', 'shapes', 'shapes/s2']);
  });

  it('what comes with the first snapshot is told to those who were there before it', async () => {
    await store.put('a', 1).committed;
    const late = world.client().store('acme/app');
    const entry = entrySignal(late, 'a');
    let calls = 0;
    entry.subscribe(() => (calls += 1));
    await expect.poll(() => entry.get()).toBe(1);
    expect(calls).toBe(1);
  });

  it('a path may have a star in it, and a handle may be of no more than one leaf', async () => {
    const part = world.client().store('acme/app', { scope: ['a/*'] });
    await part.ready;
    const leaf = entrySignal(part, 'a/b');
    leaf.subscribe(() => undefined);
    await store.put('a/b', 1).committed;
    await expect.poll(() => leaf.get()).toBe(1);
    expect(() => entrySignal(part, 'c').get()).toThrow('out_of_scope');
    const star = entrySignal(store, ['x', '*'].join('/'));
    let calls = 0;
    star.subscribe(() => (calls += 1));
    await store.put('x/y', 1).committed;
    await turn();
    expect([calls, star.get()]).toEqual([0, undefined]);
  });

  it('a list keeps its entries, and a listener that throws stops nobody (G58)', async () => {
    await store.put('rows', { a: 1, b: 2 }).committed;
    const list = entriesSignal(store, 'rows/*');
    let calls = 0;
    list.subscribe(() => {
      throw new Error('on purpose');
    });
    list.subscribe(() => (calls += 1));
    const [a] = list.get();
    await (await world.store()).put('rows/b', 3).committed;
    await expect.poll(() => list.get().map(({ value }) => value)).toEqual([1, 3]);
    expect(list.get()[0]).toBe(a);
    expect(calls).toBe(1);
    expect(world.errors.map(String)).toContain('Error: on purpose');
  });

  it('of a store that is closed it shows what was there last', async () => {
    await store.put('a', 1).committed;
    const entry = entrySignal(store, 'a');
    expect(entry.get()).toBe(1);
    store.close();
    expect(entry.get()).toBe(1);
    entry.subscribe(() => undefined)();
  });
});

describe('adapters', () => {
  it('G111 for Preact: subscribed only while watched, follows changes, without a glitch beside other signals', async () => {
    const source = entrySignal(store, 'n');
    let subscribed = 0;
    const counted = {
      get: source.get,
      subscribe: (listener: () => void) => {
        subscribed += 1;
        const release = source.subscribe(listener);
        const stop = (): void => {
          subscribed -= 1;
          release();
        };
        return Object.assign(stop, { [Symbol.dispose]: stop });
      },
    };
    const n = toPreact(counted);
    store.put('n', 1);
    expect([n.value, n.peek(), subscribed]).toEqual([1, 1, 0]);
    const factor = signal(10);
    const [double, sum] = [
      computed(() => Number(n.value) * 2),
      computed(() => Number(n.value) * factor.value),
    ];
    const seen: string[] = [];
    const stop = effect(() => {
      seen.push(`${JSON.stringify(n.value)} ${double.value} ${sum.value}`);
    });
    expect(subscribed).toBe(1);
    store.put('n', 2);
    factor.value = 100;
    store.put('n', 3);
    expect(seen).toEqual(['1 2 10', '2 4 20', '2 4 200', '3 6 300']);
    stop();
    expect(subscribed).toBe(0);
    store.put('n', 4);
    expect(n.value).toBe(4);
    expect(seen.length).toBe(4);
  });

  it('G111 for Preact: an effect that throws stops nobody else', () => {
    const n = toPreact(entrySignal(store, 'n'));
    const seen: unknown[] = [];
    effect(() => {
      if (n.value === 2) throw new Error('on purpose');
    });
    effect(() => void seen.push(n.value));
    entrySignal(store, 'n').subscribe(() => seen.push('told'));
    store.put('n', 1);
    store.put('n', 2);
    expect(seen).toEqual([undefined, 1, 'told', 2, 'told']);
    expect(world.errors.map(String)).toEqual(['Error: on purpose']);
  });

  it('from Preact: a signal that is not called when it is subscribed to', () => {
    const source = signal(1);
    const made = fromPreact(source);
    let calls = 0;
    const release = made.subscribe(() => (calls += 1));
    expect([made.get(), calls]).toEqual([1, 0]);
    source.value = 2;
    expect([made.get(), calls]).toEqual([2, 1]);
    release();
    source.value = 3;
    expect(calls).toBe(1);
  });

  it('for Svelte: calls back with the value now, then on each change', () => {
    const seen: unknown[] = [];
    const stop = toSvelte(entrySignal(store, 'n')).subscribe((value) => seen.push(value));
    store.put('n', 1);
    stop();
    store.put('n', 2);
    expect(seen).toEqual([undefined, 1]);
  });
});
