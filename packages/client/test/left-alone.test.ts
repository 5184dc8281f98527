import { type Client, createClient, memoryCache, type Store } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { records } from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { module, node, Scripted } from './views/scripted.ts';
import { openWorld, type World } from './world.ts';

// Who makes a promise for somebody who need not wait for it sees to its rejection.

const unhandled: unknown[] = [];
const note = (error: unknown): unknown => unhandled.push(error);

let world: World;

beforeEach(async () => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
  world = await openWorld();
});

afterEach(async () => {
  process.off('unhandledRejection', note);
  await world[Symbol.asyncDispose]();
});

type Deeds = { readonly [name: string]: () => unknown };

/** Does all of it twice: once left alone, and once to see that it rejects. */
async function leftAlone(deeds: Deeds): Promise<void> {
  for (const deed of Object.values(deeds)) void deed();
  const ends = Object.entries(deeds).map(async ([name, deed]) => {
    const end = await Promise.resolve(deed()).then(
      () => 'resolved',
      () => 'rejected',
    );
    return [name, end];
  });
  const rejected = Object.keys(deeds).map((name) => [name, 'rejected']);
  expect(await Promise.all(ends)).toEqual(rejected);
  // What is unhandled is told after the turn in which it was rejected.
  await new Promise(setImmediate);
  expect(unhandled).toEqual([]);
}

const Card = record({
  name: 'card',
  store: 'acme/app',
  path: 'cards/:id',
  version: '1.0',
  schema: passthrough<{ title: string }>(),
});
const cards = collection(Card, { limit: 5 });

test('what a store of a closed client rejects harms nobody who does not wait for it', async () => {
  const scopes = ['entries:read', 'entries:write', 'files:read', 'files:write', 'audit:read'];
  const client = world.client({ token: (await world.issue(scopes)).rawToken });
  const store: Store = client.store('acme/app');
  await store.put('a', 1).committed;
  await store.putFile('f', new Blob(['text']));
  const lease = await store.lease('l', { heartbeat: false });
  const past = store.at(1);
  const file = await store.getFile('f');
  await client.close();
  await leftAlone({
    ready: () => store.ready,
    settled: () => store.settled(),
    lease: () => store.lease('m'),
    leaseOf: () => store.leaseOf({ key: '', token: 1 }),
    once: () => store.once('o', () => 1),
    opStatus: () => store.opStatus('x'),
    putFile: () => store.putFile('g', new Blob(['text'])),
    getFile: () => store.getFile('f'),
    blob: () => file?.blob(),
    history: () => store.history(),
    diff: () => store.diff(1),
    rollback: () => store.rollback({ to: 1 }),
    past: () => past.get('a'),
    pastEntry: () => past.entry('a'),
    pastEntries: () => past.entries(),
    renew: () => lease.renew(),
    release: () => lease.release(),
  });
});

test('nor does what its records and collections reject', async () => {
  const client = world.client({ records: records([Card]), cache: memoryCache() });
  const [card, all] = [client.record(Card, { id: '1' }), client.collection(cards)];
  await Promise.all([card.ready(), all.ready()]);
  const release = card.retain();
  await client.close();
  await leftAlone({
    ready: () => card.ready(),
    all: () => all.ready(),
    loadMore: () => all.loadMore(),
  });
  release();
});

test('nor does what is refused of their writes', async () => {
  const { rawToken: token } = await world.issue(['entries:read']);
  const client = world.client({ token, records: records([Card]) });
  const card = client.record(Card, { id: '1' });
  await card.ready();
  let made = 0;
  const another = (): { title: string } => ({ title: String((made += 1)) });
  await leftAlone({
    put: () => client.store('acme/app').put('a', 1).committed,
    // What changes nothing of what is shown would be over at once.
    set: () => card.set(another()).committed,
    transact: () => client.transact((tx) => tx.record(card).set(another())).committed,
  });
});

test('nor do a flush that is late, and a connection that does not open', async () => {
  // It is open, and nobody ever answers.
  const link = memoryLink(() => ({ received: () => undefined }));
  const client = world.client({ link, records: records([Card]) });
  await client.connect();
  client.store('acme/app').put('a', 1);
  const other = world.client({ link: memoryLink(() => null) });
  await leftAlone({
    flush: () => client.flush({ timeout: 0 }),
    connect: () => other.connect({ timeoutMs: 1 }),
  });
});

/** A client whose cache cannot be closed. */
function stuck(): Client {
  return createClient({
    url: world.url,
    token: null,
    link: memoryLink(() => null),
    cache: { ...memoryCache(), close: () => Promise.reject(new Error('stuck')) },
  });
}

test('nor does a client whose cache cannot be closed', async () => {
  const [first, second] = [stuck(), stuck()];
  await leftAlone({
    close: () => first.close(),
    dispose: () => second[Symbol.asyncDispose](),
  });
});

test('nor does a view that is closed', async () => {
  await using scripted = new Scripted();
  const page = scripted.client.view(module, { id: 'main' });
  await scripted.accept({ instance: 't1' });
  await scripted.patch(0, 1, {
    ops: [{ op: 'replace', path: '', value: node([], { file: { __musubi_upload__: 'file' } }) }],
    upload_ops: [
      {
        store_id: [],
        upload: 'file',
        op: 'config',
        config: { accept: 'any', max_entries: 5, max_file_size: 1000, chunk_size: 4 },
      },
    ],
  });
  await expect.poll(() => page.proxy['file'].config?.chunkSize).toBe(4);
  const upload = page.proxy['file'];
  await scripted.client.close();
  const other = new Scripted();
  const never = other.client.view(module, { id: 'never' });
  await other[Symbol.asyncDispose]();
  await leftAlone({
    ready: () => never.ready,
    revalidated: () => never.revalidated,
    setParams: () => page.setParams({ a: 1 }),
    dispatch: () => page.proxy.$dispatch('go'),
    unsendable: () => page.proxy.$dispatch('go', { run: () => 1 }),
    select: () => upload.select([new File(['a'], 'a.txt')], { autoStart: true }),
  });
});
