import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, memoryCache } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { dehydrate, hydrate } from '@holdfast/client/ssr';
import { createServer, type Server } from '@holdfast/server';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { person, synced } from './ssr-world.ts';
import { Tap } from './tap.ts';
import { all, Card, closed, friends, type Shape } from './veiled-cards.ts';

let directory: string;
let server: Server;
let clients: Client[];
let errors: unknown[];

beforeEach(async () => {
  friends.clear();
  closed.clear();
  clients = [];
  errors = [];
  directory = await mkdtemp(join(tmpdir(), 'holdfast-pages-'));
  server = begin();
  await server.stores.create(Card.store);
  for (const id of ['1', '2', '3']) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await write(id, { name: `Name ${id}`, phone: `Phone ${id}` });
  }
});

afterEach(async () => {
  await end();
  await rm(directory, { recursive: true });
});

function begin(): Server {
  const storage = sqlite({ directory });
  const begun = createServer({ storage, rates: false, secret: 'of the test' });
  begun.record(Card, { read: (_ctx, { params }) => !closed.has(params.id) });
  return begun;
}

async function end(): Promise<void> {
  await Promise.all(clients.splice(0).map((each) => each.close()));
  await server.close({ retryAfterMs: 0 });
}

/** Another process serves the store from now on: it knows of pages what they say of themselves. */
async function restart(): Promise<void> {
  await end();
  server = begin();
}

async function write(id: string, value: Shape): Promise<void> {
  const everything = {
    ...person('root'),
    scopes: new Set(['admin', 'entries:read', 'entries:write'] as const),
  };
  const author = createClient({ ...server.inProcess(everything), records: records([Card]) });
  await author.record(Card, { id }).set(value).committed;
  await author.close();
}

const onError = (error: unknown): void => void errors.push(error);

function browser(cache = memoryCache()): [Client, Tap] {
  const at = server.inProcess(person('ada'));
  const tap = new Tap(at.link);
  const client = createClient({ ...at, link: tap, cache, onError, records: records([Card]) });
  clients.push(client);
  return [client, tap];
}

const hows = ['records', 'collection'] as const;
type How = (typeof hows)[number];

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

const numbered = ['1', '2', '3'];
const withPhones = numbered.map((id) => ({ name: `Name ${id}`, phone: `Phone ${id}` }));

/** Cards that nobody may read. */
async function hide(ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    closed.add(id);
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await write(id, { name: `Hidden ${id}` });
  }
}

describe.each([
  { process: 'this process', meanwhile: async () => {} },
  { process: 'an earlier process', meanwhile: restart },
])('of a page that $process has rendered', ({ meanwhile }) => {
  test.each(hows)(
    'R254 nothing comes again of %s that hide something, where no rule says otherwise than then',
    async (how) => {
      const state = await rendered(how);
      expect(state).not.toContain('Phone');
      await meanwhile();
      const { tap, names } = await resumed(how, state);
      expect(names()).toEqual(numbered.map((id) => ({ name: `Name ${id}` })));
      expect(tap.text()).not.toMatch(/snapshot_begin|"Name /);
      expect(errors).toEqual([]);
    },
  );

  test.each(hows)(
    'R254 what rules show of %s since comes with the join, though nothing was written',
    async (how) => {
      const state = await rendered(how);
      friends.add('ada');
      await meanwhile();
      const { names } = await resumed(how, state);
      await expect.poll(names).toEqual(withPhones);
    },
  );

  test.each(hows)(
    'R254 what rules hide of %s since goes with the join, from the cache too',
    async (how) => {
      friends.add('ada');
      const state = await rendered(how);
      expect(state).toContain('Phone 1');
      friends.clear();
      closed.add('2');
      await meanwhile();
      const cache = memoryCache();
      const { client, tap, names } = await resumed(how, state, cache);
      await expect.poll(names).toEqual([{ name: 'Name 1' }, { name: 'Name 3' }]);
      expect(tap.text()).not.toContain('Phone');
      await client.close();
      const kept = [...((await cache.load(Card.store as never))?.entries ?? [])];
      expect(JSON.stringify(kept)).not.toMatch(/Phone|Name 2/);
    },
  );

  test('R254 what was written since comes, what was not does not come again, and what is hidden is not named', async () => {
    await hide(['9']);
    const state = await rendered('records');
    await write('2', { name: 'Changed', phone: 'Phone 2' });
    await write('9', { name: 'Hidden again' });
    await meanwhile();
    const { tap, names } = await resumed('records', state);
    expect(names()).toEqual([{ name: 'Name 1' }, { name: 'Changed' }, { name: 'Name 3' }]);
    expect(tap.text()).not.toMatch(/Name [13]|cards\/9|Hidden|Phone/);
  });

  test.each([false, true])(
    'R254 what rules show since comes, without a name of what they hide then and now, beside writes: %s',
    async (isWritten) => {
      await hide(['5', '6', '7', '8', '9']);
      const [client] = browser();
      await client.store(Card.store).ready;
      const state = dehydrate(client);
      if (isWritten) await write('2', { name: 'Changed', phone: 'Phone 2' });
      friends.add('ada');
      await meanwhile();
      const [next, tap] = browser();
      hydrate(next, state);
      const store = next.store(Card.store);
      await synced(next, Card.store);
      const phones = (): unknown => numbered.map((id) => store.get(`cards/${id}/phone`));
      await expect.poll(phones).toEqual(['Phone 1', 'Phone 2', 'Phone 3']);
      expect(store.get('cards/2/name')).toBe(isWritten ? 'Changed' : 'Name 2');
      expect(tap.text()).not.toMatch(/cards\/[5-9]|Hidden/);
    },
  );
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
