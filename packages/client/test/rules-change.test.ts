import type { Socket } from 'node:net';
import { type Client, createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { createServer, type Server, type ServerRecord } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { person, synced } from './ssr-world.ts';
import { Tap } from './tap.ts';
import { all, Card, closed, endsOf, friends } from './veiled-cards.ts';

const softBytes = 64 * 1024;

let clock: VirtualClock;
let server: Server;
let cards: ServerRecord<typeof Card>;
let clients: Client[];
/** The server's ends of the connections, in the order in which they came. */
let ends: readonly Socket[];

beforeEach(async () => {
  friends.clear();
  closed.clear();
  clients = [];
  clock = new VirtualClock();
  server = createServer({
    storage: memory({ now: clock.wall }),
    clock,
    rates: false,
    secret: 'of the test',
    limits: { socket_soft_bytes: softBytes, max_value_bytes: 3 * softBytes },
  });
  ends = endsOf(server);
  cards = server.record(Card, { read: (_ctx, { params }) => !closed.has(params.id) });
  await server.stores.create(Card.store);
  for (const id of ['1', '2', '3']) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await write(id, `Name ${id}`);
  }
});

afterEach(async () => {
  await Promise.all(clients.map((each) => each.close()));
  await server.close({ retryAfterMs: 0 });
});

async function write(id: string, name: string): Promise<void> {
  await cards.write({ id }, { set: { name, phone: `Phone ${id}` } });
}

function browser(subject = 'ada'): [Client, Tap] {
  const at = server.inProcess(person(subject));
  const tap = new Tap(at.link);
  const client = createClient({ ...at, link: tap, records: records([Card]) });
  clients.push(client);
  return [client, tap];
}

/** Loses the newest connection; the client is back, and in step, when this resolves. */
async function cut(client: Client, tap: Tap): Promise<void> {
  await tap.quiet();
  const before = tap.sent('phx_join').length;
  ends.at(-1)?.destroy();
  await expect.poll(() => tap.sent('phx_join').length).toBeGreaterThan(before);
  await synced(client, Card.store);
  await tap.quiet();
}

const snapshots = (tap: Tap): number => tap.text().split('"snapshot_begin"').length - 1;

test('R254 nothing comes again of a store that hides something when its client comes back, and no rule has changed', async () => {
  const [client, tap] = browser();
  const store = client.store(Card.store);
  const list = client.collection(all);
  list.retain();
  await store.ready;
  await tap.quiet();
  const begun = snapshots(tap);
  const names = tap.text().split('"Name ').length;
  await cut(client, tap);
  await cut(client, tap);
  expect(snapshots(tap)).toBe(begun);
  expect(tap.text().split('"Name ')).toHaveLength(names);
  expect(store.get('cards/1/name')).toBe('Name 1');
});

test('R254 R226 what rules say otherwise while a client is away comes and goes with its return, and nothing else', async () => {
  const [client, tap] = browser();
  const store = client.store(Card.store);
  await store.ready;
  await tap.quiet();
  const names = tap.text().split('"Name 1"').length;
  ends.at(-1)?.pause();
  closed.add('2');
  await write('3', 'Changed');
  await cut(client, tap);
  await expect.poll(() => store.get('cards/2/name')).toBe(undefined);
  expect(store.get('cards/3/name')).toBe('Changed');
  closed.delete('2');
  await cut(client, tap);
  await expect.poll(() => store.get('cards/2/name')).toBe('Name 2');
  expect(tap.text().split('"Name 1"')).toHaveLength(names);
});

test('R226 rights that are lost without a commit leave a client that stays within 5 s, and those that are gained arrive', async () => {
  const [client, tap] = browser();
  const [other] = browser('eve');
  const store = client.store(Card.store);
  const list = other.collection(all);
  list.retain();
  await Promise.all([store.ready, synced(other, Card.store)]);
  await tap.quiet();
  expect(list.get()).toHaveLength(3);
  closed.add('2');
  friends.add('ada');
  await clock.pass(5000);
  await expect.poll(() => store.get('cards/1/phone')).toBe('Phone 1');
  await expect.poll(() => store.get('cards/2')).toBe(undefined);
  await expect.poll(() => list.get().map(({ name }) => name)).toEqual(['Name 1', 'Name 3']);
  closed.clear();
  friends.clear();
  await clock.pass(5000);
  await expect.poll(() => store.get('cards/1/phone')).toBe(undefined);
  await expect.poll(() => store.get('cards/2/name')).toBe('Name 2');
  await expect.poll(() => list.get()).toHaveLength(3);
  const told = snapshots(tap);
  await clock.pass(60_000);
  await tap.quiet();
  expect(snapshots(tap)).toBe(told);
});

test('a slow reader is sent what may be hidden once, however steadily hidden things are written, and goes live', async () => {
  const many = Array.from({ length: 30 }, (_, at) => `h${at}`);
  for (const id of many) closed.add(id);
  await write('1', 'x'.repeat(2 * softBytes));
  const [first] = browser();
  await first.store(Card.store).ready;
  await first.close();
  const [client, tap] = browser();
  const store = client.store(Card.store);
  await store.ready;
  await tap.quiet();
  const begun = snapshots(tap);
  // Its socket takes nothing while hidden things are written, and little after that.
  const end = ends.at(-1);
  end?.cork();
  await write('2', 'x'.repeat(2 * softBytes));
  await write('3', 'Last');
  for (const id of many) {
    // oxlint-disable-next-line no-await-in-loop -- each while what came before is on its way
    await write(id, 'Hidden');
    end?.uncork();
    await new Promise((resolve) => setImmediate(resolve));
    end?.cork();
  }
  end?.uncork();
  await expect.poll(() => store.get('cards/3/name')).toBe('Last');
  await tap.quiet();
  expect(snapshots(tap) - begun).toBeLessThan(2);
  expect(tap.text()).not.toMatch(/Hidden|cards\/h/);
});
