import { type Client, createClient, memoryCache } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { dehydrate, hydrate } from '@holdfast/client/ssr';
import { createServer, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { person, synced } from './ssr-world.ts';
import { Tap } from './tap.ts';
import { all, Card, closed, friends, type Shape } from './veiled-cards.ts';

let server: Server;
let clients: Client[];
let author: Client;
let errors: unknown[];

beforeEach(async () => {
  friends.clear();
  closed.clear();
  clients = [];
  errors = [];
  server = createServer({ storage: memory(), rates: false, secret: 'of the test' });
  server.record(Card, { read: (_ctx, { params }) => !closed.has(params.id) });
  await server.stores.create(Card.store);
  const everything = {
    ...person('root'),
    scopes: new Set(['admin', 'entries:read', 'entries:write'] as const),
  };
  author = createClient({ ...server.inProcess(everything), records: records([Card]) });
  clients.push(author);
  for (const id of ['1', '2', '3']) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await write(id, { name: `Name ${id}`, phone: `Phone ${id}` });
  }
});

afterEach(async () => {
  await Promise.all(clients.map((each) => each.close()));
  await server.close({ retryAfterMs: 0 });
});

async function write(id: string, value: Shape): Promise<void> {
  await author.record(Card, { id }).set(value).committed;
}

const onError = (error: unknown): void => void errors.push(error);

function browser(cache = memoryCache()): [Client, Tap] {
  const at = server.inProcess(person('ada'));
  const tap = new Tap(at.link);
  const client = createClient({ ...at, link: tap, cache, onError, records: records([Card]) });
  clients.push(client);
  return [client, tap];
}

type How = 'records' | 'collection';

/** A page that shows cards one by one, or all of them. */
async function rendered(how: How): Promise<string> {
  const [client] = browser();
  const refs = ['1', '2', '3'].map((id) => Card.ref({ id }));
  if (how === 'records') await client.prefetch(...refs);
  else await client.prefetch(all);
  return dehydrate(client);
}

/** Shows what a page showed; gives what it has of each. */
function shown(client: Client, how: How): () => readonly unknown[] {
  if (how === 'collection') {
    const list = client.collection(all);
    list.retain();
    return () => list.get();
  }
  const handles = ['1', '2', '3'].map((id) => client.record(Card, { id }));
  for (const each of handles) each.retain();
  return () => handles.map((each) => each.get()).filter((value) => value !== undefined);
}

/** A browser that has begun with a page, and is in step with the server. */
async function resumed(
  how: How,
  state: string,
  cache = memoryCache(),
): Promise<{ client: Client; tap: Tap; names: () => readonly unknown[] }> {
  const [client, tap] = browser(cache);
  hydrate(client, state);
  const names = shown(client, how);
  await synced(client, Card.store);
  await tap.quiet();
  return { client, tap, names };
}

const withoutPhones = ['1', '2', '3'].map((id) => ({ name: `Name ${id}` }));

test.each(['records', 'collection'] as const)(
  'R254 nothing comes again of %s that hide something, where no rule says otherwise than when it was rendered',
  async (how) => {
    const state = await rendered(how);
    expect(state).not.toContain('Phone');
    const { tap, names } = await resumed(how, state);
    expect(names()).toEqual(withoutPhones);
    expect(tap.text()).not.toContain('snapshot_begin');
    expect(tap.text()).not.toContain('"Name ');
    expect(errors).toEqual([]);
  },
);

test.each(['records', 'collection'] as const)(
  'R254 what rules show of %s since a page was rendered comes with the join, though nothing was written',
  async (how) => {
    const state = await rendered(how);
    friends.add('ada');
    const { names } = await resumed(how, state);
    await expect
      .poll(names)
      .toEqual(['1', '2', '3'].map((id) => ({ name: `Name ${id}`, phone: `Phone ${id}` })));
  },
);

test.each(['records', 'collection'] as const)(
  'R254 what rules hide of %s since a page was rendered goes with the join, from the cache too',
  async (how) => {
    friends.add('ada');
    const state = await rendered(how);
    expect(state).toContain('Phone 1');
    friends.clear();
    closed.add('2');
    const cache = memoryCache();
    const { client, tap, names } = await resumed(how, state, cache);
    await expect.poll(names).toEqual([{ name: 'Name 1' }, { name: 'Name 3' }]);
    expect(tap.text()).not.toContain('Phone');
    await client.close();
    const kept = [...((await cache.load(Card.store as never))?.entries ?? [])];
    expect(JSON.stringify(kept)).not.toMatch(/Phone|Name 2/);
  },
);

test('R254 of a store with writes since, what was not written does not come again, and what is hidden is not named', async () => {
  closed.add('9');
  await write('9', { name: 'Hidden 9' });
  const state = await rendered('records');
  await write('2', { name: 'Changed', phone: 'Phone 2' });
  await write('9', { name: 'Hidden again' });
  const { tap, names } = await resumed('records', state);
  expect(names()).toEqual([{ name: 'Name 1' }, { name: 'Changed' }, { name: 'Name 3' }]);
  expect(tap.text()).not.toMatch(/Name [13]|cards\/9|Hidden|Phone/);
});

test('R254 what rules show since a page was rendered comes without a name of what they hide, then and now', async () => {
  const hidden = ['5', '6', '7', '8', '9'];
  for (const id of hidden) {
    closed.add(id);
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await write(id, { name: `Hidden ${id}` });
  }
  const [client] = browser();
  await client.store(Card.store).ready;
  const state = dehydrate(client);
  friends.add('ada');
  const [next, tap] = browser();
  hydrate(next, state);
  const store = next.store(Card.store);
  await synced(next, Card.store);
  await expect.poll(() => store.get('cards/1/phone')).toBe('Phone 1');
  expect(tap.text()).not.toMatch(/cards\/[5-9]|Hidden/);
});

test('R254 rules that have changed are noticed beside writes', async () => {
  const state = await rendered('records');
  await write('2', { name: 'Changed', phone: 'Phone 2' });
  friends.add('ada');
  const { names } = await resumed('records', state);
  await expect.poll(names).toEqual([
    { name: 'Name 1', phone: 'Phone 1' },
    { name: 'Changed', phone: 'Phone 2' },
    { name: 'Name 3', phone: 'Phone 3' },
  ]);
});

test('what a seed says of hidden things is signed: other words for it make it a forgery', async () => {
  const state = JSON.parse(await rendered('records')) as { stores: { signature: string }[] };
  friends.add('ada');
  const later = JSON.parse(await rendered('records')) as { stores: { signature: string }[] };
  const [old, now] = [state.stores[0], later.stores[0]];
  if (old === undefined || now === undefined) throw new Error('no store');
  const [signature = ''] = old.signature.split('.');
  old.signature = [signature, ...now.signature.split('.').slice(1)].join('.');
  expect(old.signature).not.toBe(now.signature);
  const { tap, names } = await resumed('records', JSON.stringify(state));
  expect(tap.replies('phx_join')).toMatchObject([{ sync: 'snapshot', why: 'seed' }]);
  await expect.poll(() => names()[0]).toEqual({ name: 'Name 1', phone: 'Phone 1' });
});

test('who joins is shown what the rules say by then, though somebody has joined at the same seq before they changed', async () => {
  friends.add('ada');
  expect(await rendered('records')).toContain('Phone 1');
  friends.clear();
  expect(await rendered('records')).not.toContain('Phone');
});
