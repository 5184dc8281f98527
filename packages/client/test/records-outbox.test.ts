import { type Cache, type CacheChange, type Client, memoryCache } from '@holdfast/client';
import { keptIn } from '@holdfast/client/cache';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { sqlite } from '@holdfast/client/cache/sqlite';
import { memoryLink } from '@holdfast/client/link/memory';
import { RecordConflictError, records } from '@holdfast/client/records';
import { asStoreName, passthrough, record } from '@holdfast/protocol';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { Disk, MapRows } from './cache/map-rows.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';
import { issue } from './token.ts';

type Doc = { readonly n: number; readonly list?: readonly string[]; readonly big?: bigint };

const docOf = (add: string) =>
  ({
    add: {
      apply: (doc: Doc | undefined, input: unknown) =>
        doc && { ...doc, list: [...(doc.list ?? []), `${add}${String(input)}`] },
    },
    grow: {
      apply: (doc: Doc | undefined, input: unknown) =>
        doc && typeof input === 'bigint' ? { ...doc, big: (doc.big ?? 0n) + input } : doc,
    },
  }) as const;

const place = { store: 'acme/app', version: '*', schema: passthrough<Doc>() } as const;
const Doc = record({ ...place, name: 'doc', path: 'docs/:id', mutations: docOf('d') });
const Note = record({ ...place, name: 'note', path: 'notes/:id', mutations: docOf('n') });
/** Nobody answers. */
const link = memoryLink(() => null);

async function opened(): Promise<World> {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  world.server.record(Doc);
  world.server.record(Note);
  return world;
}

type Options = Parameters<World['client']>[0];

const join = (world: World, options: Options = {}): Client =>
  world.client({ deviceId: 'd', records: records([Doc, Note]), ...options });

/** A document that is here. */
async function opening(client: Client, def: typeof Doc | typeof Note = Doc) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- they hold the same
  const handle = client.record(def as typeof Doc, { id: '1' });
  handle.retain();
  await handle.ready();
  return handle;
}

/** A memory cache that notes the requests that are stored. */
function noted(): { readonly cache: Cache; readonly requests: CacheChange['requests'][number][] } {
  const cache = memoryCache();
  const requests: CacheChange['requests'][number][] = [];
  const commit: Cache['commit'] = (store, change) => {
    requests.push(...change.requests);
    return cache.commit(store, change);
  };
  return { cache: { ...cache, commit }, requests };
}

const store = asStoreName('acme/app');

test('R126 an outbox in memory keeps the order of its writes when one is stored again, and forgets what is gone', async () => {
  const world = await opened();
  const { cache, requests } = noted();
  const away = join(world, { cache, link });
  const handle = away.record(Doc, { id: '1' });
  const writes = [1, 2, 3].map((n) => handle.set({ n }));
  await Promise.all(writes.map(({ durable }) => durable));
  const stored = requests.flatMap(([opId, pending]) =>
    pending === null ? [] : [{ opId, pending }],
  );
  const [first, , third] = stored;
  if (first === undefined || third === undefined) throw new Error('three');
  const order = async (): Promise<readonly string[]> =>
    ((await cache.sharing?.outbox(store)) ?? []).map(({ opId }) => opId);
  const ids = writes.map(({ opId }) => opId);
  expect(await order()).toEqual(ids);
  await cache.sharing?.keep(store, [[first.opId, { ...first.pending, attempts: 7 }]]);
  expect(await order()).toEqual(ids);
  await cache.sharing?.keep(store, [[first.opId, null]]);
  expect(await order()).toEqual(ids.slice(1));
  await cache.clear(store);
  expect(await order()).toEqual([]);
});

test('R127 R137 R133 R136 what a durable outbox has is sent by the next client, each through its own definition, bigints and all', async () => {
  const world = await opened();
  const disk = new Disk();
  const first = join(world, { cache: keptIn(new MapRows(disk)) });
  await (await opening(first)).set({ n: 1, list: ['z'] }).committed;
  await (await opening(first, Note)).set({ n: 1 }).committed;
  await first.close();
  const away = join(world, { cache: keptIn(new MapRows(disk)), link });
  const one = await opening(away);
  const two = await opening(away, Note);
  const made = [
    one.mutate('add', 'A'),
    two.mutate('add', 'X'),
    one.mutate('grow', 2n ** 70n),
    one.mutate('add', 'B'),
  ];
  expect([one.get(), two.get()]).toEqual([
    { n: 1, list: ['z', 'dA', 'dB'], big: 2n ** 70n },
    { n: 1, list: ['nX'] },
  ]);
  await away.flush();
  expect(away.outbox.list('acme/app').map(({ opId }) => opId)).toEqual(
    made.map(({ opId }) => opId),
  );
  expect(away.outbox.list('acme/none')).toEqual([]);
  await away.close();
  const back = join(world, { cache: keptIn(new MapRows(disk)) });
  const again = await opening(back);
  await back.flush();
  expect(back.outbox.list()).toEqual([]);
  expect(again.get()).toEqual({ n: 1, list: ['z', 'dA', 'dB'], big: 2n ** 70n });
  const fresh = await opening(join(world, { deviceId: 'e' }), Note);
  expect(fresh.get()).toEqual({ n: 1, list: ['nX'] });
});

test('R132 the echo of a write takes it out of the outbox, before any reply', async () => {
  const world = await opened();
  const { cache } = noted();
  const valve = new Valve();
  const client = join(world, { cache, link: valve });
  const handle = await opening(client);
  const { committed } = handle.set({ n: 1 });
  expect(client.outbox.list()).toHaveLength(1);
  await committed;
  await client.flush();
  await expect.poll(async () => (await cache.sharing?.outbox(store))?.length).toBe(0);
  expect(handle.state.get().pendingIntents).toBe(0);
});

test('R134 a cache without a name, or where there is no storage, throws', () => {
  expect(() => indexedDB('')).toThrow(TypeError);
  expect(() => indexedDB(undefined as never)).toThrow(TypeError);
  expect(() => sqlite('')).toThrow(TypeError);
  // Here is none.
  const missing = { code: 'cache_failed' };
  expect(globalThis.indexedDB).toBeUndefined();
  expect(() => indexedDB('app')).toThrow(expect.objectContaining(missing));
  const { getBuiltinModule } = process;
  onTestFinished(() => void Object.assign(process, { getBuiltinModule }));
  Object.assign(process, {
    getBuiltinModule: (name: string) =>
      name === 'node:sqlite' ? undefined : getBuiltinModule(name),
  });
  expect(() => sqlite(':memory:')).toThrow(expect.objectContaining(missing));
});

test('R135 no op id comes twice: of two tabs, after a reload, of the copy of a tab', async () => {
  const world = await opened();
  const cache = memoryCache();
  const ids: string[] = [];
  for (let life = 0; life < 3; life++) {
    const clients = [join(world, { cache, link }), join(world, { link })];
    for (const client of clients) {
      const handle = client.record(Doc, { id: '1' });
      ids.push(...[1, 2, 3].map((n) => handle.set({ n: n + life }).opId));
    }
    await clients[0]?.flush();
    for (const client of clients) await client.close();
  }
  expect(new Set(ids).size).toBe(ids.length);
  // What was stored before is all there, in order: nothing was overwritten.
  const kept = await cache.sharing?.outbox(store);
  expect(kept?.map(({ opId }) => opId)).toEqual(ids.filter((_, at) => at % 6 < 3));
});

test('R138 where a write cannot be stored its maker hears of it, and it is sent all the same', async () => {
  const world = await opened();
  const full = { ...memoryCache(), commit: () => Promise.reject(new Error('the disk is full')) };
  const client = join(world, { cache: full });
  const handle = client.record(Doc, { id: '1' });
  const receipt = handle.set({ n: 1 });
  await expect(receipt.durable).rejects.toMatchObject({ code: 'outbox_failed' });
  await receipt.committed;
  expect(world.errors.map(String)).toContain('Error: the disk is full');
});

test('R140 a write that reaches the server twice is committed once, and answered as it was', async () => {
  const world = await opened();
  const valve = new Valve();
  const client = join(world, { link: valve });
  const handle = await opening(client);
  await handle.set({ n: 1 }).committed;
  valve.copies = 2;
  const { sequence } = await handle.increment('n').committed;
  expect([handle.get()?.n, sequence]).toEqual([2, 2]);
});

test('R141 a thousand writes that come faster than the server takes them are all committed, in order', async () => {
  const server = createServer({
    storage: memory(),
    rates: { writes_per_minute: 600_000, write_burst: 50 },
  });
  onTestFinished(() => server.close({ retryAfterMs: 0 }));
  server.record(Doc);
  const { url } = await server.listen();
  await server.stores.create('acme/app');
  const { rawToken: token } = await issue(server);
  const world = await opened();
  const client = world.client({ url, token, records: records([Doc]) });
  const handle = await opening(client);
  await handle.set({ n: 0, list: [] }).committed;
  const receipts = Array.from({ length: 1000 }, () => handle.increment('n'));
  const envelopes = await Promise.all(receipts.map(({ committed }) => committed));
  const sequences = envelopes.map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
  expect(handle.get()?.n).toBe(1000);
});

test('R143 a connection that is lost between commit and answer: the write is committed with its sequence', async () => {
  const world = await opened();
  const valve = new Valve();
  const client = join(world, { link: valve, env: { random: () => 0.01 } });
  const handle = await opening(client);
  await handle.set({ n: 1 }).committed;
  valve.holdIn();
  const receipt = handle.increment('n');
  const other = await opening(join(world, { deviceId: 'e' }));
  await expect.poll(() => other.get()?.n).toBe(2);
  const { sequence } = other.state.get();
  valve.cut();
  const envelope = await receipt.committed;
  expect([envelope.sequence, handle.get()?.n]).toEqual([sequence, 2]);
});

test('R163 a transaction that was made offline is one commit after a restart', async () => {
  const world = await opened();
  const cache = memoryCache();
  const away = join(world, { cache, link });
  away.transact((tx) => {
    tx.record(Doc.ref({ id: '1' })).set({ n: 1 });
    tx.record(Note.ref({ id: '1' })).set({ n: 2 });
  });
  await expect.poll(async () => (await cache.sharing?.outbox(store))?.length).toBe(1);
  await away.close();
  const watcher = join(world, { deviceId: 'e' });
  const [one, two] = [await opening(watcher), await opening(watcher, Note)];
  const seen: unknown[] = [];
  one.subscribe(() => seen.push([one.get()?.n, two.get()?.n]));
  const back = join(world, { cache });
  await opening(back);
  await back.flush();
  await expect.poll(() => seen).toEqual([[1, 2]]);
});

test('R124 a write of what is deleted meanwhile meets a conflict of its own kind', async () => {
  const world = await opened();
  const valve = new Valve();
  const conflicts: RecordConflictError[] = [];
  const client = join(world, {
    link: valve,
    records: records([Doc, Note], { onConflict: (each) => conflicts.push(each) }),
  });
  const handle = await opening(client);
  await handle.set({ n: 1 }).committed;
  valve.holdOut();
  const receipt = handle.mutate('add', 'A');
  const other = await opening(join(world, { deviceId: 'e' }));
  await other.remove().committed;
  await expect.poll(() => handle.state.get().status).toBe('gone');
  valve.letOut();
  await expect(receipt.committed).rejects.toBeInstanceOf(RecordConflictError);
  expect(conflicts).toMatchObject([{ kind: 'deleted', base: { n: 1 }, theirs: undefined }]);
  expect(handle.state.get().conflicts).toHaveLength(1);
  const again = conflicts[0]?.resolve({ value: { n: 2 } });
  await again?.committed;
  expect([handle.get(), handle.state.get().conflicts]).toEqual([{ n: 2 }, []]);
});

test('flush waits no longer than it is told to, and a write that is not sent can be discarded', async () => {
  const world = await opened();
  const valve = new Valve();
  const client = join(world, { link: valve });
  const handle = await opening(client);
  valve.holdOut();
  const sent = handle.set({ n: 1 });
  await expect(client.flush({ timeout: 1 })).rejects.toMatchObject({ code: 'timeout' });
  expect(client.outbox.discard(sent.opId)).toBe(false);
  expect(client.outbox.discard('unknown')).toBe(false);
  valve.letOut();
  await client.flush();
  const away = join(world, { link });
  const early = away.record(Doc, { id: '2' }).set({ n: 2 });
  expect([away.outbox.discard(early.opId), away.outbox.list()]).toEqual([true, []]);
});

test('R142 what was queued under an older major is migrated before it is sent, or a conflict of its own kind', async () => {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const at = { name: 'task', store: 'acme/app', path: 'tasks/:id' } as const;
  const Old = record({
    ...at,
    version: '1.0',
    schema: passthrough<{ readonly name: string; readonly n?: number }>(),
  });
  const New = record({
    ...at,
    version: '2.0',
    schema: passthrough<{ readonly title: string; readonly n?: number }>(),
    migrate: {
      '1': (old: { readonly name?: string }) => {
        const { name, ...rest } = old;
        if (name === 'untold') throw new Error('nobody knows');
        return { ...rest, ...(name !== undefined && { title: name }) };
      },
    },
  });
  world.server.record(New);
  const disk = new Disk();
  const old = world.client({
    deviceId: 'd',
    link,
    cache: keptIn(new MapRows(disk)),
    records: records([Old]),
    schemaVersion: 7,
  });
  old.record(Old, { id: '1' }).set({ name: 'kept' });
  old.record(Old, { id: '2' }).set({ name: 'untold' });
  old.record(Old, { id: '3' }).set({ name: 'lone', n: 1 });
  old.record(Old, { id: '3' }).increment('n');
  await old.flush();
  await old.close();
  const conflicts: RecordConflictError[] = [];
  const next = world.client({
    deviceId: 'd',
    cache: keptIn(new MapRows(disk)),
    records: records([New], { onConflict: (each) => conflicts.push(each) }),
    schemaVersion: 7,
  });
  const [one, two, three] = ['1', '2', '3'].map((id) => next.record(New, { id }));
  if (one === undefined || two === undefined || three === undefined) throw new Error('three');
  for (const each of [one, two, three]) each.retain();
  await Promise.all([one, two, three].map((each) => each.ready()));
  await next.flush();
  expect([one.get(), two.get(), three.get()]).toEqual([
    { title: 'kept' },
    undefined,
    { title: 'lone', n: 1 },
  ]);
  await expect.poll(() => conflicts.length).toBe(2);
  expect(conflicts).toMatchObject([
    { kind: 'schema', code: 'schema_skew', mine: { name: 'untold' } },
    { kind: 'schema', mine: 1 },
  ]);
  expect([two.state.get().conflicts.length, three.state.get().conflicts.length]).toEqual([1, 1]);
  await conflicts[0]?.resolve({ value: { title: 'told' } })?.committed;
  conflicts[1]?.resolve('theirs');
  expect([two.get(), two.state.get().conflicts, three.state.get().conflicts]).toEqual([
    { title: 'told' },
    [],
    [],
  ]);
  expect(next.store('acme/app').outbox.deadLetters()).toEqual([]);
});

test('a thousand writes of one record may wait, and not one more; another record takes its own', async () => {
  const world = await opened();
  const valve = new Valve();
  const client = join(world, { link: valve });
  const handle = await opening(client);
  await handle.set({ n: 0 }).committed;
  valve.holdOut();
  for (let n = 0; n < 1000; n++) handle.increment('n');
  expect(() => handle.increment('n')).toThrow(expect.objectContaining({ code: 'outbox_full' }));
  expect(handle.get()?.n).toBe(1000);
  client.record(Doc, { id: '2' }).set({ n: 1 });
  valve.letOut();
  await client.flush();
  await handle.increment('n').committed;
  expect(handle.get()?.n).toBe(1001);
});
