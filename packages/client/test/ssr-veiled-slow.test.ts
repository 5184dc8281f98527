import type { Socket } from 'node:net';
import { type Client, createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { dehydrate, hydrate } from '@holdfast/client/ssr';
import { record } from '@holdfast/protocol';
import { createServer, type Server, type ServerRecord } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { person, synced } from './ssr-world.ts';
import { Tap } from './tap.ts';
import { endsOf } from './veiled-cards.ts';

const softBytes = 64 * 1024;

/** The cards that the rule hides, which changes without a commit. */
const hidden = new Set<string>();

const Card = record({
  name: 'card',
  store: 'acme/cards',
  path: 'cards/:id',
  version: '1.0',
  schema: z.object({ name: z.string() }),
  visibility: { '*': () => true },
});

let server: Server;
let cards: ServerRecord<typeof Card>;
let clients: Client[];
/** The server's ends of the connections, in the order in which they came. */
let ends: readonly Socket[];

beforeEach(async () => {
  hidden.clear();
  hidden.add('9');
  clients = [];
  server = createServer({
    storage: memory(),
    rates: false,
    secret: 'of the test',
    limits: { socket_soft_bytes: softBytes, max_value_bytes: 3 * softBytes },
  });
  ends = endsOf(server);
  cards = server.record(Card, { read: (_ctx, { params }) => !hidden.has(params.id) });
  await server.stores.create(Card.store);
  for (const id of ['1', '2', '9']) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await write(id, `Name ${id}`);
  }
});

afterEach(async () => {
  await Promise.all(clients.map((each) => each.close()));
  await server.close({ retryAfterMs: 0 });
});

async function write(id: string, name: string): Promise<void> {
  await cards.write({ id }, { set: { name } });
}

function browser(): [Client, Tap] {
  const at = server.inProcess(person('ada'));
  const tap = new Tap(at.link);
  const client = createClient({ ...at, link: tap, records: records([Card]) });
  clients.push(client);
  return [client, tap];
}

/** A browser that has begun with a page that was right, what it shows, and the server's end of its line. */
async function resumed(
  scope: readonly string[],
): Promise<{ client: Client; tap: Tap; end: Socket; name: (id: string) => unknown }> {
  const [page] = browser();
  await page.store(Card.store, { scope }).ready;
  const state = dehydrate(page);
  await page.close();
  const [client, tap] = browser();
  hydrate(client, state);
  const store = client.store(Card.store, { scope });
  await synced(client, Card.store);
  await tap.quiet();
  expect(tap.text()).not.toContain('snapshot_begin');
  const end = ends.at(-1);
  if (end === undefined) throw new Error('no connection');
  const name = (id: string): unknown => store.get(`cards/${id}/name`);
  expect(name('1')).toBe('Name 1');
  return { client, tap, end, name };
}

const isFull = (): boolean => server.describe().unsentBytes > softBytes;
const long = 'x'.repeat(softBytes + 1);

test('R254 what a rule hides by now leaves a client with the write that comes while its scope is changed', async () => {
  await write('2', long);
  const { client, tap, end, name } = await resumed(['cards/1/**']);
  end.cork();
  client.store(Card.store, { scope: ['cards/2/**'] });
  await expect.poll(isFull).toBe(true);
  hidden.add('1');
  await write('1', 'Secret');
  end.uncork();
  await expect.poll(() => name('1')).toBe(undefined);
  expect(tap.text()).not.toContain('Secret');
});

test('R254 what a rule hides by now leaves a client that was too slow, and what it has always hidden is not named', async () => {
  const { tap, end, name } = await resumed(['**']);
  end.cork();
  await write('2', long);
  await write('2', 'Name 2');
  expect(isFull()).toBe(true);
  hidden.add('1');
  await write('1', 'Secret');
  await write('9', 'Secret');
  end.uncork();
  await expect.poll(() => name('1')).toBe(undefined);
  expect(name('2')).toBe('Name 2');
  expect(tap.text()).not.toMatch(/Secret|cards\/9/);
});
