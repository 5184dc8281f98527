import type { Socket } from 'node:net';
import { type Client, createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { collection, record } from '@holdfast/protocol';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { person } from './ssr-world.ts';

/** What rules say, which changes without a commit. */
const closed = new Set<string>();
const friends = new Set<string>();

const Card = record({
  name: 'card',
  store: 'acme/cards',
  path: 'cards/:id',
  version: '1.0',
  schema: z.object({ name: z.string(), phone: z.string().optional() }),
  visibility: { '*': () => true, phone: ({ params }) => friends.has(params.id) },
});
const all = collection(Card, { orderBy: 'name' });
const ids = ['0', '1', '2'];

async function world() {
  closed.clear();
  friends.clear();
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const server = createServer({
    storage,
    clock,
    rates: false,
    limits: { socket_soft_bytes: 1024 },
  });
  const ends: Socket[] = [];
  const serve = server.serve.bind(server);
  server.serve = (connection) => {
    ends.push(connection);
    serve(connection);
  };
  const cards = server.record(Card, { read: (_ctx, { params }) => !closed.has(params.id) });
  await server.stores.create(Card.store);
  for (const id of ids) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await cards.write({ id }, { set: { name: `Name ${id}`, phone: '0' } });
  }
  const client = (): Client =>
    createClient({ ...server.inProcess(person('ada')), records: records([Card]) });
  return { clock, server, ends, cards, client };
}

type World = Awaited<ReturnType<typeof world>>;

const flip = (set: Set<string>, id: string): void => void (set.delete(id) || set.add(id));
const put = async ({ cards }: World, id: string, name: string): Promise<void> =>
  void (await cards.write({ id }, { set: { name, phone: name.slice(0, 9) } }));
/** The newest connection, or the one before it. */
const lineOf = ({ ends }: World, id: string): Socket | undefined => ends.at(id === '0' ? -1 : -2);

const deeds = {
  close: (_site: World, id: string) => flip(closed, id),
  befriend: (_site: World, id: string) => flip(friends, id),
  remove: async ({ cards }: World, id: string) => {
    await cards.write({ id }, { remove: true }).catch(() => undefined);
  },
  write: (site: World, id: string) => put(site, id, `Name ${id} ${Math.trunc(site.clock.now())}`),
  pad: (site: World, id: string) => put(site, id, `Name ${id} ${'x'.repeat(1500)}`),
  cut: (site: World, id: string) => void lineOf(site, id)?.destroy(),
  cork: (site: World, id: string) => lineOf(site, id)?.cork(),
  uncork: (site: World, id: string) => lineOf(site, id)?.uncork(),
  second: ({ clock }: World) => clock.pass(1000),
  turn: () => new Promise<void>((resolve) => setImmediate(resolve)),
};

const deed = fc.record({
  name: fc.constantFrom(
    ...(['close', 'close', 'befriend', 'remove', 'write', 'write', 'pad'] as const),
    ...(['cut', 'cork', 'cork', 'uncork', 'turn', 'second'] as const),
  ),
  id: fc.constantFrom(...ids),
});

async function truth({ cards }: World): Promise<object> {
  const seen: { [id: string]: object } = {};
  for (const id of ids) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { value } = await cards.get({ id });
    if (value === null || closed.has(id)) continue;
    const { name, phone } = value;
    seen[id] = friends.has(id) ? { name, phone } : { name };
  }
  return seen;
}

test('R226 whatever changes in rules and objects, while clients stay, lag and come back: 5 s later they have what they may see', async () => {
  const runs = Number(process.env['HOLDFAST_RUNS'] ?? 12);
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { minLength: 5, maxLength: 40 }), async (list) => {
      const site = await world();
      const clients = [site.client(), site.client()] as const;
      const [whole, rows] = clients;
      const store = whole.store(Card.store);
      const found = rows.collection(all);
      found.retain();
      await store.ready;
      await expect.poll(() => found.state.get().ready).toBe(true);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      for (const { name, id } of list) await deeds[name](site, id);
      for (const end of site.ends) while (end.writableCorked > 0) end.uncork();
      await new Promise((resolve) => setImmediate(resolve));
      await site.clock.pass(5000);
      const expected = await truth(site);
      await expect.poll(() => store.get('cards') ?? {}).toEqual(expected);
      await expect
        .poll(() => found.get())
        .toEqual(Object.values(expected).toSorted((a, b) => (a.name < b.name ? -1 : 1)));
      await Promise.all(clients.map((each) => each.close()));
      await site.server.close({ retryAfterMs: 0 });
    }),
    { numRuns: runs, endOnFailure: true },
  );
});
