import { memoryCache } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { memoryPersister } from '@holdfast/client/views';
import { collection, passthrough, record } from '@holdfast/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { Profile } from './tabs/profile.ts';
import { Valve } from './valve.ts';
import { module, node, Scripted } from './views/scripted.ts';
import { openWorld } from './world.ts';

// Parts of the program that are loaded when they are needed, and cannot be had then: offline, or of a version that is gone.

const missing = new Set<string>();
const asked: string[] = [];

async function part<T>(name: string, load: () => Promise<T>): Promise<T> {
  asked.push(name);
  if (missing.has(name)) throw new Error(`${name} cannot be had`);
  return load();
}

vi.mock(import('../src/files.ts'), (load) => part('files', load));
vi.mock(import('../src/history.ts'), (load) => part('history', load));
vi.mock(import('../src/seldom.ts'), (load) => part('seldom', load));
vi.mock(import('../src/tabs/together.ts'), (load) => part('together', load));
vi.mock(import('../src/tabs/windows.ts'), (load) => part('windows', load));
vi.mock(import('../src/records/evaluate.ts'), (load) => part('evaluate', load));
vi.mock(import('../src/views/transfers.ts'), (load) => part('transfers', load));
vi.mock(import('../src/views/cache.ts'), (load) => part('cache', load));

const Note = record({
  name: 'note',
  store: 'acme/app',
  path: 'notes/:id',
  version: '1.0',
  schema: passthrough<{ readonly text: string }>(),
});

afterEach(() => {
  missing.clear();
  asked.length = 0;
});

test('a tab that is closed tries no more to load what it lacks', async () => {
  await using world = await openWorld();
  missing.add('together');
  const timers = new Set<unknown>();
  const env = {
    setTimeout: (run: () => void, ms: number): unknown => {
      const timer = setTimeout(run, ms);
      if (ms === 15_000) timers.add(timer);
      return timer;
    },
    clearTimeout: (timer: unknown): void => {
      timers.delete(timer);
      clearTimeout(timer as number);
    },
  };
  const { client } = await new Profile(world).open({ cache: memoryCache(), env });
  await expect.poll(() => timers.size).toBe(1);
  await client.close();
  expect(timers.size).toBe(0);
});

test('a tab that leads and cannot serve keeps no other from the server, and serves once it can', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  missing.add('together');
  const a = await profile.open();
  expect(asked).toEqual(['together']);
  missing.clear();
  const b = await profile.open();
  await b.store.put('x', 1).committed;
  await expect.poll(() => a.store.get('x')).toBe(1);
  expect([a.valve.opened, b.valve.opened]).toEqual([1, 1]);
});

test('a collection whose rows nobody can find says so, and finds them over the next connection', async () => {
  await using world = await openWorld();
  world.server.record(Note);
  await (await world.store()).put('notes/1', { text: 'a' }).committed;
  missing.add('evaluate');
  const valve = new Valve();
  const client = world.client({ link: valve, records: records([Note]) });
  const notes = client.collection(collection(Note, { limit: 5 }));
  notes.retain();
  const error = { code: 'unavailable', details: { cause: expect.any(Error) } };
  await expect(notes.ready()).rejects.toMatchObject(error);
  expect([notes.state.get().status, world.errors.length]).toEqual(['stale', 1]);
  missing.clear();
  valve.cut();
  await expect.poll(() => notes.get()).toEqual([{ text: 'a' }]);
  expect(notes.state.get()).toMatchObject({ status: 'ok', ready: true });
  expect(notes.state.get().error).toBeUndefined();
});

test('what is asked of the server by a part that cannot be had is `unavailable`, and answered by the next try', async () => {
  await using world = await openWorld();
  const scopes = ['entries', 'files'].flatMap((of) => [`${of}:read`, `${of}:write`]);
  const { rawToken } = await world.issue([...scopes, 'audit:read']);
  const store = await world.store({ token: rawToken });
  await store.put('notes/1', 'a').committed;
  for (const name of ['files', 'history', 'seldom']) missing.add(name);
  const asks = [
    () => store.putFile('files/1', new Blob(['a'])),
    () => store.getFile('files/1'),
    () => store.history(),
    () => store.at(1).get('notes/1'),
    () => store.diff(0),
    () => store.rollback({ path: 'notes', to: 1 }),
    () => store.lease('lock'),
  ];
  const error = { code: 'unavailable', details: { cause: expect.any(Error) } };
  for (const ask of asks) await expect(ask()).rejects.toMatchObject(error);
  missing.clear();
  await Promise.all(asks.map((ask) => ask()));
});

test('a file that cannot be sent as what sends it is missing is sent by the next try', async () => {
  await using world = new Scripted();
  const page = world.client.view(module, { id: 'main' });
  await world.accept();
  const wire = node([], { file: { __musubi_upload__: 'file' } });
  const config = { accept: 'any', max_entries: 5, max_file_size: 1000, chunk_size: 4 };
  await world.patch(0, 1, {
    ops: [{ op: 'replace', path: '', value: wire }],
    upload_ops: [{ store_id: [], upload: 'file', op: 'config', config }],
  });
  await expect.poll(() => page.proxy['file'].config?.chunkSize).toBe(4);
  missing.add('transfers');
  await expect(page.proxy['file'].select([new File(['a'], 'a.txt')])).rejects.toThrow();
  missing.clear();
  const files = [new File(['a'], 'a.txt')];
  const selected = page.proxy['file'].select(files);
  // As the list of an input is, when its form is cleared.
  files.length = 0;
  selected.catch(() => undefined);
  await expect.poll(() => world.sent.map(({ event }) => event)).toEqual(['allow_upload']);
});

test('what keeps trees of views is loaded with the next view, where it could not be had before', async () => {
  missing.add('cache');
  const sets: unknown[] = [];
  const kept = memoryPersister();
  const persister = {
    ...kept,
    set: (key: string, entry: Parameters<typeof kept.set>[1]) => {
      sets.push(key);
      return kept.set(key, entry);
    },
  };
  await using world = new Scripted({ viewCache: { persister } });
  await expect.poll(() => asked).toEqual(['cache']);
  missing.clear();
  const page = world.client.view(module, { id: 'main', cache: true });
  await world.accept();
  await world.show(node([], { n: 1 }));
  await page.ready;
  await expect.poll(() => world.clock.advance(1000).then(() => sets.length)).toBe(1);
});

test('a tab whose queries the leading one cannot follow asks them over a connection of its own', async () => {
  await using world = await openWorld();
  world.server.record(Note);
  const profile = new Profile(world);
  missing.add('windows');
  const a = await profile.open({ cache: memoryCache() });
  const options = { records: records([Note]), cache: memoryCache() };
  const { client, valve } = profile.sit(options, { scope: [] });
  const notes = client.collection(collection(Note, { orderBy: 'text', limit: 5 }));
  notes.retain();
  await notes.ready();
  await (await world.store()).put('notes/1', { text: 'a' }).committed;
  await expect.poll(() => notes.get().map(({ text }) => text)).toEqual(['a']);
  expect([a.valve.opened, valve.opened]).toEqual([1, 1]);
});
