import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, memoryCache } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { dehydrate, hydrate } from '@holdfast/client/ssr';
import { createServer, type Server } from '@holdfast/server';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
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

function browser(): [Client, Tap] {
  const at = server.inProcess(person('ada'));
  const tap = new Tap(at.link);
  const cache = memoryCache();
  const client = createClient({ ...at, link: tap, cache, onError, records: records([Card]) });
  clients.push(client);
  return [client, tap];
}

const ways = ['records', 'collection'] as const;
type Way = (typeof ways)[number];

/** A page that shows cards one by one, or all of them. */
async function rendered(way: Way): Promise<string> {
  const [client] = browser();
  const refs = ['1', '2', '3'].map((id) => Card.ref({ id }));
  if (way === 'records') await client.prefetch(...refs);
  else await client.prefetch(all);
  return dehydrate(client);
}

/** A browser that has begun with a page, and is in step with the server: what it shows, and has been sent. */
async function resumed(
  way: Way,
  state: string,
): Promise<{ readonly tap: Tap; readonly names: () => readonly unknown[] }> {
  const [client, tap] = browser();
  hydrate(client, state);
  const list = client.collection(all);
  const handles = ['1', '2', '3'].map((id) => client.record(Card, { id }));
  for (const each of way === 'records' ? handles : [list]) each.retain();
  await synced(client, Card.store);
  await tap.quiet();
  const each = (): readonly unknown[] => handles.map((handle) => handle.get());
  const names = way === 'records' ? each : () => list.get();
  return { tap, names: () => names().filter((value) => value !== undefined) };
}

test.each(ways)(
  'R254 of a page of %s that an earlier process has rendered nothing comes again, where no rule says otherwise than then',
  async (way) => {
    const state = await rendered(way);
    expect(state).not.toContain('Phone');
    await restart();
    const { tap, names } = await resumed(way, state);
    expect(names()).toEqual(['1', '2', '3'].map((id) => ({ name: `Name ${id}` })));
    expect(tap.text()).not.toMatch(/snapshot_begin|"Name /);
    expect(errors).toEqual([]);
  },
);

test.each(ways)(
  'R254 of a page of %s that an earlier process has rendered what rules show since comes with the join',
  async (way) => {
    const state = await rendered(way);
    friends.add('ada');
    await restart();
    const { names } = await resumed(way, state);
    await expect
      .poll(names)
      .toEqual(['1', '2', '3'].map((id) => ({ name: `Name ${id}`, phone: `Phone ${id}` })));
  },
);

test.each(ways)(
  'R254 of a page of %s that an earlier process has rendered what rules hide since goes with the join',
  async (way) => {
    friends.add('ada');
    const state = await rendered(way);
    expect(state).toContain('Phone 1');
    friends.clear();
    closed.add('2');
    await restart();
    const { tap, names } = await resumed(way, state);
    await expect.poll(names).toEqual([{ name: 'Name 1' }, { name: 'Name 3' }]);
    expect(tap.text()).not.toContain('Phone');
  },
);

test('R254 of a page that an earlier process has rendered what was written since comes, and what is hidden is not named', async () => {
  closed.add('9');
  await write('9', { name: 'Hidden 9' });
  const state = await rendered('records');
  await write('2', { name: 'Changed', phone: 'Phone 2' });
  await write('9', { name: 'Hidden again' });
  await restart();
  const { tap, names } = await resumed('records', state);
  expect(names()).toEqual([{ name: 'Name 1' }, { name: 'Changed' }, { name: 'Name 3' }]);
  expect(tap.text()).not.toMatch(/Name [13]|cards\/9|Hidden|Phone/);
});

test('R254 of a page that an earlier process has rendered what rules show since comes beside what was written, without a name of what they hide', async () => {
  const hidden = ['5', '6', '7', '8', '9'];
  for (const id of hidden) {
    closed.add(id);
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await write(id, { name: `Hidden ${id}` });
  }
  const [client] = browser();
  await client.store(Card.store).ready;
  const state = dehydrate(client);
  await write('2', { name: 'Changed', phone: 'Phone 2' });
  friends.add('ada');
  await restart();
  const [next, tap] = browser();
  hydrate(next, state);
  const store = next.store(Card.store);
  await synced(next, Card.store);
  const phones = (): unknown => ['1', '2', '3'].map((id) => store.get(`cards/${id}/phone`));
  await expect.poll(phones).toEqual(['Phone 1', 'Phone 2', 'Phone 3']);
  expect(store.get('cards/2/name')).toBe('Changed');
  expect(tap.text()).not.toMatch(/cards\/[5-9]|Hidden/);
});
