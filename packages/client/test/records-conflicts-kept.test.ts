import type { Client, ClientOptions } from '@holdfast/client';
import { keptIn } from '@holdfast/client/cache';
import { type RecordConflictError, type RecordHandle, records } from '@holdfast/client/records';
import { asPath, collection, passthrough, record } from '@holdfast/protocol';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { Disk, MapRows } from './cache/map-rows.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

// Conflicts and the dead letters of the same writes, in this life of a page and in the next (records.md §11.4, §11.5).

const place = {
  name: 'post',
  store: 'acme/app',
  path: 'posts/:id',
  version: '1.0',
  conflict: 'detect',
} as const;
const Post = record({
  ...place,
  schema: passthrough<{ readonly title: string; readonly likes?: number }>(),
});
const all = collection(Post, { limit: 5 });

let world: World;
let disk: Disk;
let told: RecordConflictError[];

beforeEach(async () => {
  world = await openWorld();
  disk = new Disk();
  told = [];
});
afterEach(() => world[Symbol.asyncDispose]());

const onConflict = (each: RecordConflictError): unknown => told.push(each);

function page(options: Partial<ClientOptions> = {}): Client {
  const cache = keptIn(new MapRows(disk));
  const client = world.client({ cache, records: records([Post], { onConflict }), ...options });
  client.collection(all).retain();
  return client;
}

/** Has a write made that nobody hears of later: the page is closed before the server does. */
async function left(make: (post: RecordHandle<typeof Post>) => { durable: Promise<void> }) {
  const link = new Valve();
  const client = page({ link });
  const post = client.record(Post, { id: '1' });
  await post.ready();
  link.holdOut();
  await make(post).durable;
  await client.close();
}

const none = (): never => {
  throw new Error('missing');
};

const letters = (client: Client): readonly unknown[] =>
  client.store('acme/app', { scope: [] }).outbox.deadLetters();

test('a write that was made before a restart and meets another is told of like each other, and resolved', async () => {
  const others = await world.store();
  await others.put('posts/1', { title: 'a', likes: 5 }).committed;
  await left((post) => post.patch({ title: 'mine' }));
  await others.put('posts/1/title', 'theirs').committed;
  // It stays until somebody decides, whoever is closed meanwhile.
  await page().close();
  const client = page();
  await expect.poll(() => told.length).toBeGreaterThan(0);
  const conflict = told.at(-1);
  expect(conflict).toMatchObject({
    kind: 'precondition',
    code: 'conflict',
    fields: ['title'],
    mine: { title: 'mine', likes: 5 },
    theirs: { title: 'theirs', likes: 5 },
  });
  expect(client.status.get().conflicts).toBe(1);
  expect(client.record(Post, { id: '1' }).state.get().conflicts).toEqual([conflict]);
  await conflict?.resolve('mine')?.committed;
  expect([client.status.get().conflicts, letters(client)]).toEqual([0, []]);
  await expect.poll(() => others.get('posts/1')).toEqual({ title: 'mine', likes: 5 });
  await client.close();
  told = [];
  const next = page();
  await next.collection(all).ready();
  await next.flush();
  expect([told, letters(next)]).toEqual([[], []]);
});

test('a client that is closed before it has told of what a former life left tells of nothing, and fails nobody', async () => {
  const others = await world.store();
  await others.put('posts/1', { title: 'a' }).committed;
  await left((post) => post.patch({ title: 'mine' }));
  await others.put('posts/1/title', 'theirs').committed;
  const first = page();
  await expect.poll(() => told.length).toBeGreaterThan(0);
  await first.close();
  const failed: unknown[] = [];
  const fault = (error: unknown): unknown => failed.push(error);
  process.on('unhandledRejection', fault);
  onTestFinished(() => void process.off('unhandledRejection', fault));
  const before = told.length;
  const client = page();
  await client.record(Post, { id: '1' }).ready();
  // What looks for them comes later than this.
  await page().close();
  await expect.poll(() => told.length).toBe(before + 1);
  await new Promise(setImmediate);
  expect([failed, told.length]).toEqual([[], before + 1]);
});

test('so is one whose object is gone by then', async () => {
  const others = await world.store();
  await others.put('posts/1', { title: 'a' }).committed;
  await left((post) => post.patch({ title: 'mine' }));
  await others.delete('posts/1').committed;
  page();
  await expect.poll(() => told).toMatchObject([{ kind: 'deleted', theirs: undefined }]);
  await told[0]?.resolve({ value: { title: 'anew' } })?.committed;
  await expect.poll(() => others.get('posts/1')).toEqual({ title: 'anew' });
});

/** A write that has met another, in a page that is told of it. */
async function contested() {
  const others = await world.store();
  await others.put('posts/1', { title: 'a' }).committed;
  const link = new Valve();
  const client = page({ link });
  const post = client.record(Post, { id: '1' });
  post.retain();
  await post.ready();
  link.holdIn();
  await others.put('posts/1/title', 'theirs').committed;
  const { opId } = post.patch({ title: 'mine' });
  link.letIn();
  await expect.poll(() => told.length).toBe(1);
  await expect.poll(() => letters(client).length).toBe(1);
  return { client, post, opId };
}

test('a conflict that is resolved leaves no dead letter of its write', async () => {
  const { client, post } = await contested();
  told[0]?.resolve('theirs');
  expect(letters(client)).toEqual([]);
  expect(post.get()).toEqual({ title: 'theirs' });
});

test('a conflict whose dead letter is discarded is over: nothing is left to decide about', async () => {
  const { client, post, opId } = await contested();
  client.store('acme/app', { scope: [] }).outbox.discard(opId);
  expect([client.status.get().conflicts, post.state.get().conflicts]).toEqual([0, []]);
});

test('of 210 conflicts each is over with its dead letter, the first too, and one change of the letters is looked at once for all', async () => {
  const others = await world.store();
  await others.put('posts/1', { title: 'a' }).committed;
  const cache = keptIn(new MapRows(disk));
  const link = new Valve();
  const client = page({ link, cache });
  const post = client.record(Post, { id: '1' });
  post.retain();
  await post.ready();
  link.holdIn();
  await others.put('posts/1/title', 'theirs').committed;
  const patches = Array.from({ length: 210 }, (_, at) =>
    post.patch({ title: `mine ${String(at)}` }),
  );
  link.letIn();
  await expect.poll(() => [told.length, letters(client).length]).toEqual([210, 210]);
  const { outbox } = client.store('acme/app', { scope: [] });
  const listed = vi.spyOn(cache.letters ?? none(), 'list');
  for (const { opId } of patches.slice(0, 10)) outbox.discard(opId);
  expect(post.state.get().conflicts).toEqual(told.slice(10));
  expect(listed.mock.calls.length).toBeLessThan(100);
  for (const each of told) each.resolve('theirs');
  expect([client.status.get().conflicts, letters(client)]).toEqual([0, []]);
});

test('a conflict of a former life whose dead letter is edited and sent again is over, and cannot be made a second time', async () => {
  const others = await world.store();
  await others.put('posts/1', { title: 'a' }).committed;
  await left((post) => post.patch({ title: 'mine' }));
  await others.put('posts/1/title', 'theirs').committed;
  const client = page();
  await expect.poll(() => told.length).toBe(1);
  const { outbox } = client.store('acme/app', { scope: [] });
  const opId = told[0]?.opId ?? '';
  await outbox.retry(opId, { op: 'set', path: asPath('posts/1/title'), value: 'both' })?.committed;
  expect(client.status.get().conflicts).toBe(0);
  expect(told[0]?.resolve('mine')).toBe(undefined);
  expect([told.length, letters(client)]).toEqual([1, []]);
});

test('what has met something that this version of a page cannot read waits for one that can', async () => {
  const Old = record({ ...place, schema: z.object({ title: z.string() }) });
  const New = record({
    ...place,
    version: '2.0',
    schema: z.object({ text: z.string() }),
    migrate: { '1': ({ title }) => ({ text: title }) },
  });
  world.server.record(New);
  const opened = (of: typeof Old | typeof New, options: Partial<ClientOptions> = {}): Client => {
    const cache = keptIn(new MapRows(disk));
    const client = world.client({ cache, records: records([of], { onConflict }), ...options });
    client.record(of, { id: '1' }).retain();
    return client;
  };
  const link = new Valve();
  const first = opened(Old, { link });
  link.holdOut();
  await first.record(Old, { id: '1' }).set({ title: 'mine' }).durable;
  await first.close();
  const theirs = world.client({ records: records([New]) }).record(New, { id: '1' });
  await theirs.set({ text: 'theirs' }).committed;
  const second = opened(Old);
  await expect.poll(() => letters(second).length).toBe(1);
  await second.record(Old, { id: '1' }).ready();
  await second.close();
  expect(told).toEqual([]);
  opened(New);
  await expect
    .poll(() => told)
    .toMatchObject([{ kind: 'precondition', mine: { text: 'mine' }, theirs: { text: 'theirs' } }]);
  await told[0]?.resolve('mine')?.committed;
  await expect.poll(() => theirs.get()).toEqual({ text: 'mine' });
});

test('what has met an object that does not pass the schema of this page is not told to be deleted, and waits until it does', async () => {
  const Strict = record({
    ...place,
    schema: z.object({ title: z.string(), likes: z.number().optional() }),
  });
  const others = await world.store();
  await others.put('posts/1', { title: 'a', likes: 'many' }).committed;
  await left((post) => post.patch({ title: 'mine' }));
  await others.put('posts/1/title', 'theirs').committed;
  const cache = keptIn(new MapRows(disk));
  const client = world.client({ cache, records: records([Strict], { onConflict }) });
  const post = client.record(Strict, { id: '1' });
  post.retain();
  await expect.poll(() => letters(client).length).toBe(1);
  await expect.poll(() => post.state.get().status).toBe('stale');
  await others.put('posts/1/likes', 6).committed;
  await expect.poll(() => told.length).toBe(1);
  expect(told).toMatchObject([
    {
      kind: 'precondition',
      mine: { title: 'mine', likes: 6 },
      theirs: { title: 'theirs', likes: 6 },
    },
  ]);
  await told[0]?.resolve('mine')?.committed;
  await expect.poll(() => others.get('posts/1')).toEqual({ title: 'mine', likes: 6 });
});

test('a conflict that is resolved by what cannot be written throws that, and is there still, with its dead letter', async () => {
  const Strict = record({ ...place, schema: z.object({ title: z.string() }) });
  const others = await world.store();
  await others.put('posts/1', { title: 'a' }).committed;
  await left((post) => post.patch({ title: 'mine' }));
  await others.put('posts/1/title', 'theirs').committed;
  const cache = keptIn(new MapRows(disk));
  const client = world.client({ cache, records: records([Strict], { onConflict }) });
  const post = client.record(Strict, { id: '1' });
  post.retain();
  await expect.poll(() => told.length).toBe(1);
  expect(() => told[0]?.resolve({ value: { title: 5 } })).toThrow(
    expect.objectContaining({ code: 'invalid_value' }),
  );
  expect([post.state.get().conflicts, letters(client).length]).toEqual([told, 1]);
  await told[0]?.resolve({ value: { title: 'both' } })?.committed;
  expect([post.get(), post.state.get().conflicts, letters(client)]).toEqual([
    { title: 'both' },
    [],
    [],
  ]);
});

test('who resolves all that they find whenever the record changes makes each write once', async () => {
  const { client, post } = await contested();
  const made: unknown[] = [];
  post.state.subscribe(() => {
    for (const each of told) made.push(each.resolve('mine'));
  });
  await told[0]?.resolve('mine')?.committed;
  await client.flush();
  expect(made.filter((each) => each !== undefined)).toEqual([]);
  expect([post.get(), post.state.get().conflicts]).toEqual([{ title: 'mine' }, []]);
});

test('what waited under an older major and is made once more does what it did, and puts nothing in the place of the object', async () => {
  const mutations = {
    like: {
      input: z.object({ by: z.number() }),
      apply: (post: { likes?: number } | undefined, { by }: { by: number }) =>
        post && { ...post, likes: (post.likes ?? 0) + by },
    },
  };
  const schema = passthrough<{ readonly title?: string; readonly likes?: number }>();
  const Old = record({ ...place, schema, mutations });
  const New = record({
    ...place,
    version: '2.0',
    schema,
    mutations,
    migrate: {
      '1': (old: { readonly title?: string }) => {
        if (old.title === 'untold') throw new Error('nobody knows');
        return old;
      },
    },
  });
  world.server.record(New, { mutations });
  const others = await world.store();
  const object = { title: 'a', likes: 5 };
  await others.put('posts', { 1: object, 2: object, 3: object }).committed;
  const link = new Valve();
  link.holdOut();
  const old = world.client({ link, cache: keptIn(new MapRows(disk)), records: records([Old]) });
  await old.record(Old, { id: '1' }).increment('likes', 2).durable;
  await old.record(Old, { id: '2' }).mutate('like', { by: 3 }).durable;
  await old.record(Old, { id: '3' }).patch({ title: 'untold' }).durable;
  await old.close();
  const cache = keptIn(new MapRows(disk));
  const next = world.client({ cache, records: records([New], { onConflict }) });
  next.record(New, { id: '1' }).retain();
  await expect.poll(() => told.map(({ kind }) => kind)).toEqual(['schema', 'schema', 'schema']);
  expect(told.map(({ mine }) => mine)).toEqual([2, { by: 3 }, { title: 'untold' }]);
  for (const each of told) await each.resolve('mine')?.committed;
  await expect
    .poll(() => others.get('posts'))
    .toEqual({
      1: { title: 'a', likes: 7 },
      2: { title: 'a', likes: 8 },
      3: { title: 'untold', likes: 5 },
    });
  expect(letters(next)).toEqual([]);
});
