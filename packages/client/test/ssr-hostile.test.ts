import { memoryCache } from '@holdfast/client';
import { hydrate } from '@holdfast/client/ssr';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  browser,
  closePages,
  doc,
  errors,
  openPages,
  rendered,
  synced,
  write,
} from './ssr-world.ts';

beforeEach(openPages);
afterEach(closePages);

type Loose = { stores: { [name: string]: unknown }[]; principal: unknown };

async function bent(bend: (seed: Loose) => void): Promise<object> {
  const seed = JSON.parse(await rendered()) as Loose;
  bend(seed);
  return seed;
}

test('R256 a record in a seed that its schema refuses is not shown', async () => {
  await write('1', { title: 'One' });
  const state = await bent(({ stores: [store] }) => {
    for (const entry of (store?.['entries'] ?? []) as unknown[][]) {
      if (entry[0] === 'docs/1/title') entry.splice(1, 2, 7, 'integer');
    }
  });
  const [client] = browser();
  hydrate(client, state);
  const handle = doc(client, '1');
  handle.retain();
  expect(handle.get()).toBeUndefined();
  expect(handle.stats().parseErrors).toBe(1);
  // It was altered, so the server sends what is so.
  await expect.poll(() => handle.get()?.title).toBe('One');
});

test.each<[string, (store: { [name: string]: unknown }) => void]>([
  [
    'a value',
    (store) => {
      const entries = store['entries'] as unknown[][];
      entries.find(([path]) => path === 'docs/1/title')?.splice(1, 1, 'Forged');
    },
  ],
  ['the seq', (store) => (store['seq'] = Number(store['seq']) - 1)],
  ['the signature', (store) => (store['signature'] = 'x'.repeat(43))],
  ['a signature that is gone', (store) => delete store['signature']],
  ['an entry that is left out', (store) => (store['entries'] as unknown[]).pop()],
])('a seed that was altered on its way (%s) is found out by the first join', async (what, bend) => {
  const isSigned = what !== 'a signature that is gone';
  await write('2', { title: 'Two' });
  await write('1', { title: 'One' });
  const cache = memoryCache();
  const state = await bent(({ stores: [store] }) => store && bend(store));
  const [client, tap] = browser({ cache });
  hydrate(client, state);
  const [one, two] = [doc(client, '1'), doc(client, '2')];
  one.retain();
  two.retain();
  await synced(client);
  await Promise.all([one.ready(), two.ready()]);
  expect(one.get()).toMatchObject({ title: 'One' });
  expect(two.get()).toMatchObject({ title: 'Two' });
  const [{ sync, why } = {}] = tap.replies('phx_join') as { sync?: string; why?: string }[];
  expect(sync).toBe('snapshot');
  // What was not signed at all was no lie.
  expect(why).toBe(isSigned ? 'seed' : 'fresh');
  const lie = { code: 'invalid_seed', details: { why: 'it is not as it was rendered' } };
  expect(errors).toMatchObject(isSigned ? [lie] : []);
  await client.close();
  const kept = [...((await cache.load('acme/app' as never))?.entries ?? [])];
  expect(kept.map(({ value }) => value)).not.toContain('Forged');
});

test('a seed is good for its principal alone, also where a client says that it is of another', async () => {
  await write('1', { title: 'Plan', secret: 'gold', owner: 'ada' });
  const [client, tap] = browser({ principal: 'ada' }, 'bob');
  hydrate(client, await rendered('ada'));
  await synced(client);
  expect(tap.replies('phx_join')).toMatchObject([{ sync: 'snapshot' }]);
  const handle = doc(client, '1');
  await handle.ready();
  expect(handle.get()).toEqual({ title: 'Plan', owner: 'ada' });
});

test('R257 the state of another principal is refused, and told', async () => {
  await write('1', { title: 'One' });
  const [client] = browser({}, 'bob');
  hydrate(client, await rendered('ada'));
  expect(errors).toMatchObject([{ code: 'invalid_seed', details: { why: /principal/ } }]);
  const handle = doc(client, '1');
  handle.retain();
  expect(handle.state.get()).toMatchObject({ status: 'loading', value: undefined });
});

test.each<[string, (store: { [name: string]: unknown }) => void]>([
  ['seq', (store) => (store['seq'] = '3')],
  ['name', (store) => (store['store'] = '../x')],
  ['patterns', (store) => (store['patterns'] = ['a/**/b'])],
  ['entries', (store) => (store['entries'] = [['docs/1/title', 'x', 'string']])],
  ['path', (store) => (store['entries'] = [['', 'x', 'string', 1]])],
])('R256 a store whose %s is wrong is left out', async (_, bend) => {
  await write('1', { title: 'One' });
  const state = await bent(({ stores: [store] }) => store && bend(store));
  const [client] = browser();
  hydrate(client, state);
  expect(errors).toMatchObject([{ code: 'invalid_seed' }]);
  const handle = doc(client, '1');
  handle.retain();
  expect(handle.state.get()).toMatchObject({ status: 'loading' });
  await handle.ready();
  expect(handle.get()).toMatchObject({ title: 'One' });
});
