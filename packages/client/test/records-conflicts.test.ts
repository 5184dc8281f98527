import type { Client, Store } from '@holdfast/client';
import {
  RecordConflictError,
  type RecordHandle,
  records,
  type TxReceipt,
} from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

// What a write meets that is to hold only where nobody else has changed the same (records.md §11.4).

const Post = record({
  name: 'post',
  store: 'acme/app',
  path: 'posts/:id',
  version: '1.0',
  schema: passthrough<{ readonly title: string; readonly likes?: number }>(),
  conflict: 'detect',
});
const all = collection(Post, { limit: 5 });

type Setting = {
  readonly valve: Valve;
  readonly client: Client;
  readonly post: RecordHandle<typeof Post>;
  readonly store: Awaited<ReturnType<World['store']>>;
  readonly told: unknown[];
};

/** A post, and a client that shows it: by itself, or as a row that the server has found. */
async function setting(world: World, isRow: boolean): Promise<Setting> {
  if (isRow) world.server.record(Post);
  const store = await world.store();
  await store.put('posts/1', { title: 'a', likes: 5 }).committed;
  const [valve, told]: [Valve, unknown[]] = [new Valve(), []];
  const onConflict = (each: RecordConflictError): unknown => told.push(each.theirs);
  const client = world.client({ link: valve, records: records([Post], { onConflict }) });
  if (isRow) {
    const list = client.collection(all);
    list.retain();
    await list.ready();
  }
  const post = client.record(Post, { id: '1' });
  post.retain();
  await post.ready();
  return { valve, client, post, store, told };
}

type Crossing = { readonly valve: Valve; readonly store: Store; readonly title?: string | null };

/** What becomes of a write that is made after another's, by who can hear of that only later. */
async function crossed(of: Crossing, ours: () => { readonly committed: Promise<unknown> }) {
  const { valve, store, title = 'theirs' } = of;
  valve.down();
  const theirs = title === null ? store.delete('posts/1') : store.put('posts/1/title', title);
  await theirs.committed;
  const { committed } = ours();
  valve.up();
  return refusalOf(committed);
}

async function refusalOf(write: Promise<unknown>): Promise<RecordConflictError> {
  const error: unknown = await write.catch((thrown: unknown) => thrown);
  if (error instanceof RecordConflictError) return error;
  throw new Error('no conflict', { cause: error });
}

test.each([false, true])(
  'own writes that follow each other do not meet (a row: %s)',
  async (isRow) => {
    await using world = await openWorld();
    const { valve, post, told } = await setting(world, isRow);
    valve.holdOut();
    const writes = [
      post.patch({ title: 'b' }),
      post.patch({ title: 'c', likes: 6 }),
      post.increment('likes'),
      post.set({ title: 'd' }),
      post.patch({ likes: 1 }),
      post.remove(),
      post.set({ title: 'e' }),
    ];
    valve.letOut();
    await Promise.all(writes.map(({ committed }) => committed));
    expect([post.get(), told]).toEqual([{ title: 'e' }, []]);
  },
);

test('own writes on top of one that met another’s meet it, too', async () => {
  await using world = await openWorld();
  const { valve, post, store, told } = await setting(world, false);
  valve.holdIn();
  await store.put('posts/1/title', 'theirs').committed;
  const [first, second] = [post.patch({ title: 'b' }), post.patch({ title: 'c' })];
  valve.letIn();
  await Promise.all([first, second].map(({ committed }) => refusalOf(committed)));
  expect(told).toMatchObject([{ title: 'theirs' }, { title: 'theirs' }]);
  expect([post.get()?.title, store.get('posts/1/title')]).toEqual(['theirs', 'theirs']);
});

test('own writes on top of one that was refused come to an end, too, though nobody else has written', async () => {
  await using world = await openWorld();
  const schema = z.object({ title: z.string().max(5) });
  const { name, store, path, version } = Post;
  world.server.record(record({ name, store, path, version, schema }));
  const { valve, post, told } = await setting(world, false);
  valve.holdOut();
  const writes = [post.patch({ title: 'too long' }), post.patch({ title: 'b' })];
  const [first, second] = writes.map(({ committed }) => committed);
  valve.letOut();
  await expect(first).rejects.toMatchObject({ code: 'invalid_value' });
  const error = await refusalOf(Promise.resolve(second));
  expect([error.base, error.theirs]).toMatchObject([{ title: 'too long' }, { title: 'a' }]);
  expect(told).toMatchObject([{ title: 'a' }]);
  await error.resolve('mine')?.committed;
  expect(post.get()?.title).toBe('b');
});

test('what a rule or the schema of the server refuses of a whole object comes to an end, and meets nothing', async () => {
  await using world = await openWorld();
  const { name, store, path, version } = Post;
  const schema = z.object({ title: z.string().max(5) });
  const mutations = { claim: { apply: () => ({ title: 'mine' }) } };
  const Strict = record({ name, store, path, version, schema, mutations });
  const here = { schema: passthrough<{ title: string }>(), conflict: 'detect' } as const;
  const Ours = record({ name, store, path, version, ...here, mutations });
  world.server.record(Strict, { write: (_ctx, _ref, { op }) => op !== 'mutate' });
  await (await world.store()).put('posts/1', { title: 'a' }).committed;
  const client = world.client({ records: records([Ours]) });
  const post = client.record(Ours, { id: '1' });
  post.retain();
  await post.ready();
  await expect(post.mutate('claim').committed).rejects.toMatchObject({ code: 'path_not_allowed' });
  const gated = post.set({ title: 'too long' });
  await expect(gated.committed).rejects.toMatchObject({ code: 'invalid_value' });
  const both = client.transact((tx) => tx.record(post).mutate('claim'));
  await expect(both.committed).rejects.toMatchObject({ code: 'path_not_allowed' });
  expect([post.get(), post.state.get().conflicts]).toEqual([{ title: 'a' }, []]);
});

test('what is made once more is what was given, whatever has become of that object since', async () => {
  await using world = await openWorld();
  const { valve, post, store } = await setting(world, false);
  valve.holdIn();
  await store.put('posts/1/title', 'theirs').committed;
  const [whole, part] = [{ title: 'mine', likes: 1 }, { title: 'my title' }];
  const writes = [post.set(whole), post.patch(part)].map(({ committed }) => refusalOf(committed));
  whole.title = 'not mine';
  part.title = 'not mine';
  valve.letIn();
  for (const error of await Promise.all(writes)) {
    // oxlint-disable-next-line no-await-in-loop -- one on top of the other
    await error.resolve('mine')?.committed;
    expect(store.get('posts/1/title')).toBe(Reflect.get(Object(error.mine), 'title'));
  }
  expect(store.get('posts/1')).toEqual({ title: 'my title', likes: 1 });
});

test('a conflict of a row tells what the other has written, also where the row comes after the refusal', async () => {
  await using world = await openWorld();
  const { valve, post, store, told } = await setting(world, true);
  const error = await crossed({ valve, store }, () => post.patch({ title: 'mine' }));
  expect(error).toMatchObject({
    kind: 'precondition',
    base: { title: 'a' },
    mine: { title: 'mine' },
    theirs: { title: 'theirs' },
  });
  expect(told).toMatchObject([{ title: 'theirs' }]);
  expect(post.state.get().conflicts).toEqual([error]);
  await error.resolve('mine')?.committed;
  expect(store.get('posts/1/title')).toBe('mine');
});

/** A transaction of two posts, of which another has changed the second meanwhile. */
async function crossing(world: World, isRow: boolean) {
  const { valve, client, post, store, told } = await setting(world, isRow);
  await store.put('posts/2', { title: 'b', likes: 1 }).committed;
  const other = client.record(Post, { id: '2' });
  other.retain();
  await other.ready();
  const write = (): TxReceipt<string> =>
    client.transact((tx) => {
      tx.record(other).increment('likes');
      tx.record(post).patch({ title: 'mine' });
      tx.record(post).patch({ title: 'mine, too' });
      return 'done';
    });
  const likes = (): unknown => [store.get('posts/1/title'), store.get('posts/2/likes')];
  return { valve, client, post, other, store, told, write, likes };
}

test.each([false, true])(
  'a transaction meets what another has written to one of its fields, and is made once more as a whole (a row: %s)',
  async (isRow) => {
    await using world = await openWorld();
    const { valve, post, other, store, told, write, likes } = await crossing(world, isRow);
    const sent: TxReceipt<string>[] = [];
    const error = await crossed({ valve, store }, () => (sent[0] = write()));
    expect(error).toMatchObject({
      kind: 'precondition',
      opId: sent[0]?.group,
      fields: ['title'],
      base: { title: 'a' },
      mine: { title: 'mine, too' },
      theirs: { title: 'theirs' },
    });
    expect([sent[0]?.status.get(), error.ref.key, other.get()?.likes]).toEqual([
      'rejected',
      post.key,
      1,
    ]);
    expect(told).toMatchObject([{ title: 'theirs' }]);
    expect(post.state.get().conflicts).toEqual([error]);
    await error.resolve('mine')?.committed;
    expect(post.state.get().conflicts).toEqual([]);
    await expect.poll(likes).toEqual(['mine, too', 2]);
  },
);

test('a conflict of a transaction is resolved by theirs, or by a value in the place of what it has written of that record', async () => {
  await using world = await openWorld();
  const { valve, post, store, write, likes } = await crossing(world, false);
  const first = await crossed({ valve, store }, write);
  expect(first.resolve('theirs')).toBe(undefined);
  expect(likes()).toEqual(['theirs', 1]);
  const second = await crossed({ valve, store, title: 'again' }, write);
  const envelope = await second.resolve({ value: { title: 'both' } })?.committed;
  expect([envelope?.value, post.get()]).toEqual([{ title: 'both' }, { title: 'both' }]);
  await expect.poll(likes).toEqual(['both', 2]);
});

test('a transaction meets nothing in fields that it does not write, in own writes before it, and where it says so', async () => {
  await using world = await openWorld();
  const { valve, client, post, other, store, told, write, likes } = await crossing(world, false);
  valve.holdOut();
  const before = [post.patch({ title: 'b' }), other.patch({ likes: 3 })];
  const sent = write();
  await store.put('posts/1/likes', 9).committed;
  valve.letOut();
  await Promise.all([...before, sent].map(({ committed }) => committed));
  await expect.poll(likes).toEqual(['mine, too', 4]);
  valve.down();
  await store.put('posts/1/title', 'theirs').committed;
  const force = { precondition: 'none' } as const;
  const forced = client.transact((tx) => tx.record(post).patch({ title: 'forced' }, force));
  valve.up();
  await forced.committed;
  await expect.poll(likes).toEqual(['forced', 4]);
  expect(told).toEqual([]);
});

test('a transaction that changes what was deleted meanwhile is told of as that', async () => {
  await using world = await openWorld();
  const { valve, post, store, write } = await crossing(world, true);
  const error = await crossed({ valve, store, title: null }, write);
  expect([error.kind, error.ref.key, error.theirs]).toEqual(['deleted', post.key, undefined]);
});

test('a row that was deleted meanwhile is told of as that', async () => {
  await using world = await openWorld();
  const { valve, post, store } = await setting(world, true);
  const gone = { valve, store, title: null };
  const error = await crossed(gone, () => post.patch({ title: 'mine' }));
  expect([error.kind, error.theirs]).toEqual(['deleted', undefined]);
});

test('what a write has met does not keep a client from closing', async () => {
  await using world = await openWorld();
  const { valve, client, post, store } = await setting(world, true);
  valve.down();
  await store.put('posts/1/title', 'theirs').committed;
  valve.loses = (data) => String(data).includes('"query_delta"');
  const write = post.patch({ title: 'mine' }).committed;
  valve.up();
  await expect
    .poll(() => valve.received.some((data) => String(data).includes('"conflict"')))
    .toBe(true);
  await client.close();
  await expect(write).rejects.toMatchObject({ code: 'conflict' });
});

test('what is written in the form of a version that the server has left behind is a conflict of its own', async () => {
  await using world = await openWorld();
  const place = { name: 'doc', store: 'acme/app', path: 'docs/:id' } as const;
  const schema = z.object({ text: z.string() });
  const [Old, New] = [
    record({ ...place, version: '1.0', schema: z.object({ title: z.string() }) }),
    record({ ...place, version: '2.0', schema }),
  ];
  world.server.record(New);
  await world
    .client({ records: records([New]) })
    .record(New, { id: '1' })
    .set({ text: 'a' }).committed;
  const told: RecordConflictError[] = [];
  const onConflict = (each: RecordConflictError): unknown => told.push(each);
  const client = world.client({ records: records([Old], { onConflict }) });
  const old = client.record(Old, { id: '2' });
  old.retain();
  // Nothing is known yet, not even of which version the server is.
  const error = await refusalOf(old.set({ title: 'mine' }).committed);
  expect(error).toMatchObject({
    kind: 'schema',
    code: 'invalid_value',
    mine: { title: 'mine' },
    theirs: undefined,
  });
  expect([told, old.state.get().conflicts]).toEqual([[error], [error]]);
  error.resolve('theirs');
  expect(old.state.get().conflicts).toEqual([]);
});

test.each(['set', 'patch'] as const)(
  'a %s of somebody from whom a field is hidden rests on the fields that it changes',
  async (kind) => {
    await using world = await openWorld(async ({ token }) =>
      token === 'eve'
        ? { subject: 'eve', orgs: ['acme'], scopes: ['entries:read', 'entries:write'] }
        : null,
    );
    const Letter = record({
      name: 'letter',
      store: 'acme/app',
      path: 'letters/:id',
      version: '1.0',
      conflict: 'detect',
      schema: z.object({ title: z.string(), secret: z.string().optional() }),
      visibility: { '*': () => true, secret: () => false },
    });
    const kept = world.server.record(Letter);
    await kept.write({ id: '1' }, { set: { title: 'a', secret: 's' } });
    const client = world.client({ token: 'eve', records: records([Letter]) });
    const letter = client.record(Letter, { id: '1' });
    letter.retain();
    await letter.ready();
    const writes = ['b', 'c'].map((title) => letter[kind]({ title }));
    await Promise.all(writes.map(({ committed }) => committed));
    expect((await kept.get({ id: '1' })).value).toEqual({ title: 'c', secret: 's' });
  },
);

test('conflicts stand in the order of their writes, in whatever order they are heard of', async () => {
  await using world = await openWorld();
  const { valve, post, store } = await setting(world, false);
  const held: string[] = [];
  valve.loses = (data) => held.push(String(data)) > 0;
  await store.put('posts/1/title', 'theirs').committed;
  const writes = [post.patch({ title: 'b' }), post.patch({ title: 'c' })];
  const refusals = writes.map(({ committed }) => refusalOf(committed));
  await expect.poll(() => held.filter(isMet).length).toBe(2);
  valve.loses = () => false;
  const [first = '', second = ''] = held.filter(isMet);
  for (const data of [second, ...held.filter((each) => !isMet(each)), first]) valve.forge(data);
  await Promise.all(refusals);
  const { conflicts } = post.state.get();
  expect(conflicts).toMatchObject([{ mine: { title: 'b' } }, { mine: { title: 'c' } }]);
});

function isMet(data: string): boolean {
  return data.includes('"conflict"');
}

test('a conflict waits for whoever is to decide, though nobody shows its record (records.md §11.4)', async () => {
  await using world = await openWorld();
  const [valve, store] = [new Valve(), await world.store()];
  await store.put('posts/1', { title: 'a' }).committed;
  let passed = 0;
  const client = world.client({
    link: valve,
    records: records([Post]),
    env: { now: () => performance.now() + passed },
  });
  const [post, other] = ['1', '2'].map((id) => client.record(Post, { id }));
  /** Longer than a record stays that nobody uses; what is due goes when the next is let go of. */
  const whenUnusedAreGone = async (): Promise<void> => {
    other?.retain()();
    await other?.ready();
    passed += 61_000;
    client.record(Post, { id: '3' }).retain()();
    await expect.poll(() => other?.state.get().status).toBe('idle');
  };
  await post?.ready();
  valve.holdIn();
  await store.put('posts/1/title', 'theirs').committed;
  const write = post?.patch({ title: 'mine' });
  valve.letIn();
  const conflict = await refusalOf(write?.committed ?? Promise.resolve());
  await whenUnusedAreGone();
  expect(post?.state.get()).toMatchObject({ status: 'ok', conflicts: [conflict] });
  expect(client.status.get().conflicts).toBe(1);
  await conflict.resolve('mine')?.committed;
  await whenUnusedAreGone();
  expect(post?.state.get().status).toBe('idle');
  expect(store.get('posts/1/title')).toBe('mine');
});
