import { afterEach, beforeEach, expect, test } from 'vitest';
import { comparePaths } from '@holdfast/protocol';
import type { Store } from '@holdfast/client';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

// What stands before a slash, and behind it, in the order of bytes.
const names = ['a', 'a b', 'a-', 'a--', 'a-b', 'a.', 'a0', 'A', '*', '**', '*-', 'é', '😀', '￮'];

/** All that is listed, page by page. */
function paged(store: Store, pattern: string, order: 'asc' | 'desc', limit: number): string[] {
  const found: string[] = [];
  for (let after: string | undefined, isOver = false; !isOver;) {
    const page = {
      select: 'prefixes',
      order,
      limit,
      ...(after !== undefined && { after }),
    } as const;
    const { items, next } = store.entries(pattern, page);
    found.push(...items);
    isOver = next === null;
    after = next ?? undefined;
  }
  return found;
}

test.each([
  ['', '**'],
  ['base/', 'base/**'],
  ['*/', String.raw`\*/**`],
])(
  'the next level below "%s" comes in the order of its paths, up and down, on pages of any size, as by HTTP',
  async (base, pattern) => {
    const store = await world.store();
    const listed = names.map((name) => `${base}${name}`).toSorted(comparePaths);
    store.transact((tx) => {
      names.forEach((name, index) => {
        const below = index % 3 === 0 ? 1 : { x: 1, 'x-y': { z: index } };
        tx.put(`${base}${name}`, below);
      });
    });
    await store.settled();
    for (const limit of [1, 2, 5, 100]) {
      expect(paged(store, pattern, 'asc', limit)).toEqual(listed);
      expect(paged(store, pattern, 'desc', limit)).toEqual(listed.toReversed());
    }
    const url = world.url.replace('ws', 'http');
    const query = new URLSearchParams({ pattern, select: 'prefixes' });
    const answer = await fetch(`${url}/api/stores/acme/app/entries?${query.toString()}`, {
      headers: { authorization: `Bearer ${world.token}` },
    });
    expect(await answer.json()).toMatchObject({ items: listed });
  },
);

test('a page that begins behind what is listed goes down from its end, and no further', async () => {
  const store = await world.store();
  await store.put('b', { x: 1, y: { z: 1 } }).committed;
  await store.put('c', 1).committed;
  const down = { order: 'desc', after: 'd' } as const;
  expect(store.entries('b/**', { ...down, select: 'prefixes' }).items).toEqual(['b/y', 'b/x']);
  expect(store.range('b', 'c', down).items.map(({ path }) => path)).toEqual(['b/y/z', 'b/x']);
});
