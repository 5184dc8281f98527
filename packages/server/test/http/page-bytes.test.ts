import { expect, test } from 'vitest';

import { type Ask, World } from './world.ts';

const listing = '/api/stores/acme/blog/entries';

async function open(): Promise<{ readonly ask: Ask }> {
  const world = new World({});
  await world.store('acme/blog');
  return world.token();
}

test('a page holds no more bytes than are asked for, each of its items whole, and always one', async () => {
  const { ask } = await open();
  for (const path of ['A', '_x', 'a/1', 'é']) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await ask('PUT', `${listing}/${path.split('/').map(encodeURIComponent).join('/')}`, path);
  }
  const entries = async (query: string) => (await ask('GET', `${listing}?${query}`)).json;
  const all = (await entries('pattern=**'))['items'];
  if (!Array.isArray(all)) throw new Error('no items');
  const total = (count: number): number =>
    Buffer.byteLength(JSON.stringify(all.slice(0, count))) - 1;
  for (const [max, count] of [
    [1, 1],
    [total(1), 1],
    [total(2) - 1, 1],
    [total(2), 2],
    [total(4) - 1, 3],
  ] as const) {
    const items = all.slice(0, count);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const page = await entries(`max_bytes=${max}`);
    expect(page).toEqual({ items, next_cursor: items.at(-1).path });
  }
  expect(await entries(`max_bytes=${total(4)}`)).toEqual({ items: all, next_cursor: null });
  expect((await entries('max_bytes=8388608&limit=2'))['items']).toHaveLength(2);
  const keys = { items: ['A', '_x'], next_cursor: '_x' };
  expect(await entries(`select=keys&max_bytes=${'"A","_x",'.length}`)).toEqual(keys);
  expect(await entries('select=prefixes&max_bytes=9')).toEqual(keys);
});

test.for(['0', '-1', '1e3', '8388609', ''])(
  'a page of at most %j bytes is asked for in vain',
  async (max) => {
    const { ask } = await open();
    const { status, json } = await ask('GET', `${listing}?max_bytes=${max}`);
    expect([status, json['error']]).toEqual([400, 'invalid_params']);
  },
);
