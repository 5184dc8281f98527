import { type Client, observe } from '@holdfast/client';
import { RecordConflictError, type RecordHandle, records } from '@holdfast/client/records';
import { passthrough, record } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

type Post = { readonly title: string; readonly liked?: boolean; readonly likes?: number };

const Post = record({
  name: 'post',
  store: 'acme/app',
  path: 'posts/:id',
  version: '*',
  schema: passthrough<Post>(),
});

type Setting = {
  readonly valve: Valve;
  readonly client: Client;
  readonly post: RecordHandle<typeof Post>;
  readonly store: Awaited<ReturnType<World['store']>>;
  readonly conflicts: RecordConflictError[];
};

async function setting(world: World): Promise<Setting> {
  const store = await world.store();
  await store.put('posts/1', { title: 'a', liked: false, likes: 5 }).committed;
  const valve = new Valve();
  const conflicts: RecordConflictError[] = [];
  const client = world.client({
    link: valve,
    records: records([Post], { onConflict: (each) => conflicts.push(each) }),
  });
  const post = client.record(Post, { id: '1' });
  post.retain();
  await post.ready();
  return { valve, client, post, store, conflicts };
}

const until = (post: RecordHandle<typeof Post>, isSo: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (!isSo()) return;
      release();
      resolve();
    };
    const release = post.state.subscribe(look);
    queueMicrotask(look);
  });

const settled = (post: RecordHandle<typeof Post>): Promise<void> =>
  until(post, () => post.state.get().pendingIntents === 0);

test('R106 R115 R116 writes have ids of their own, in order, and are counted until they are settled', async () => {
  await using world = await openWorld();
  const { valve, client, post } = await setting(world);
  const counts: number[] = [];
  observe(post.state, ({ pendingIntents }) => counts.push(pendingIntents));
  valve.holdOut();
  const other = client.record(Post, { id: '1' });
  const ids = [post.patch({ likes: 6 }), other.patch({ likes: 7 })].map(({ opId }) => opId);
  expect(ids.map((id) => id.replace(/\d+$/, ''))[0]).toBe(ids[1]?.replace(/\d+$/, ''));
  expect(Number(ids[1]?.split(':')[2])).toBe(Number(ids[0]?.split(':')[2]) + 1);
  expect(post.get()).toBe(other.get());
  valve.letOut();
  await settled(post);
  expect(post.get()?.likes).toBe(7);
  expect(counts.slice(0, 3)).toEqual([0, 1, 2]);
  expect(counts.at(-1)).toBe(0);
});

test('R108 R111 the echo of a write changes nothing but that it is settled: no flash', async () => {
  await using world = await openWorld();
  const { post } = await setting(world);
  const values: unknown[] = [];
  observe(post, (value) => values.push(value));
  const receipt = post.patch({ title: 'mine' });
  const [envelope] = await Promise.all([receipt.committed, settled(post)]);
  expect(envelope.sequence).toBe(post.state.get().sequence);
  expect(values).toHaveLength(2);
  expect(post.get()).toBe(values[1]);
});

test('R112 R158 what others write meanwhile is shown beneath, and survives a rejection', async () => {
  await using world = await openWorld();
  const { valve, post, store } = await setting(world);
  valve.holdOut();
  const receipt = post.patch({ title: 'mine' });
  await store.put('posts/1/likes', 9).committed;
  await until(post, () => post.get()?.likes === 9);
  expect(post.get()).toEqual({ title: 'mine', liked: false, likes: 9 });
  expect(post.state.get().pendingIntents).toBe(1);
  await store.put('posts/1/title', 'theirs').committed;
  await until(post, () => post.state.get().sequence === 3);
  expect(post.get()?.title).toBe('mine');
  expect(receipt.cancel()).toBe(false);
  valve.letOut();
  await receipt.committed;
  expect(post.get()).toEqual({ title: 'mine', liked: false, likes: 9 });
});

test('R113 like, then unlike: the echo of the first does not bring it back', async () => {
  await using world = await openWorld();
  const { valve, post } = await setting(world);
  const liked: (boolean | undefined)[] = [];
  observe(post, (value) => liked.push(value?.liked));
  valve.holdIn();
  const writes = [post.patch({ liked: true }), post.patch({ liked: false })];
  valve.letIn();
  await Promise.all(writes.map(({ committed }) => committed));
  await settled(post);
  expect(liked).toEqual([false, true, false]);
});

test('R119 a pending increment counts on top of what others set, and never twice', async () => {
  await using world = await openWorld();
  const { valve, post, store } = await setting(world);
  const likes: (number | undefined)[] = [];
  observe(post, (value) => likes.push(value?.likes));
  valve.holdOut();
  const receipt = post.increment('likes');
  await store.put('posts/1/likes', 10).committed;
  await until(post, () => post.get()?.likes === 11);
  valve.letOut();
  await receipt.committed;
  await settled(post);
  expect(likes).toEqual([5, 6, 11]);
});

test('R124 a write that asks for unchanged fields meets a conflict, and is made again on top of theirs', async () => {
  await using world = await openWorld();
  const { valve, post, store, conflicts } = await setting(world);
  valve.holdIn();
  await store.put('posts/1/title', 'theirs').committed;
  const receipt = post.patch({ title: 'mine' }, { precondition: 'unchanged' });
  valve.letIn();
  const error: unknown = await receipt.committed.catch((thrown: unknown) => thrown);
  if (!(error instanceof RecordConflictError)) throw new Error('no conflict');
  expect(error).toMatchObject({
    code: 'conflict',
    kind: 'precondition',
    opId: receipt.opId,
    fields: ['title'],
    base: { title: 'a' },
    mine: { title: 'mine' },
    theirs: { title: 'theirs' },
  });
  expect([post.state.get().conflicts, conflicts]).toEqual([[error], [error]]);
  expect(post.get()?.title).toBe('theirs');
  await error.resolve('mine')?.committed;
  expect(error.resolve('mine')).toBeUndefined();
  expect([post.get()?.title, post.state.get().conflicts]).toEqual(['mine', []]);
});

test('R124 where another field was changed there is no conflict; theirs may win, or a third value', async () => {
  await using world = await openWorld();
  const { valve, post, store, conflicts } = await setting(world);
  valve.holdIn();
  await store.put('posts/1/likes', 7).committed;
  const other = post.patch({ title: 'mine' }, { precondition: 'unchanged' });
  valve.letIn();
  await other.committed;
  await until(post, () => post.get()?.likes === 7);
  expect([post.get()?.title, conflicts]).toEqual(['mine', []]);
  for (const how of ['theirs', { value: { title: 'third' } }] as const) {
    valve.holdIn();
    await store.put('posts/1/title', 'theirs').committed;
    const receipt = post.set({ title: 'mine' }, { precondition: 'unchanged' });
    valve.letIn();
    await receipt.committed.catch(() => undefined);
    await conflicts.at(-1)?.resolve(how)?.committed;
    expect(post.get()?.title).toBe(how === 'theirs' ? 'theirs' : 'third');
  }
});

test('R157 R162 the rejection of a transaction takes all of it back', async () => {
  await using world = await openWorld();
  const { rawToken } = await world.issue(['entries:read']);
  const store = await world.store();
  await store.put('posts/1', { title: 'a' }).committed;
  const client = world.client({ token: rawToken, records: records([Post]) });
  const [one, two] = ['1', '2'].map((id) => client.record(Post, { id }));
  await Promise.all([one?.ready(), two?.ready()]);
  const sent = client.transact((tx) => {
    tx.record(Post.ref({ id: '1' })).patch({ title: 'b' });
    tx.record(Post.ref({ id: '1' })).patch({ likes: 1 });
    tx.record(Post.ref({ id: '2' })).set({ title: 'new' });
  });
  expect([one?.get(), two?.get()]).toEqual([{ title: 'b', likes: 1 }, { title: 'new' }]);
  await expect(sent.committed).rejects.toMatchObject({ code: 'missing_scope' });
  expect(sent.status.get()).toBe('rejected');
  expect([one?.get(), two?.get()]).toEqual([{ title: 'a' }, undefined]);
  expect(sent.cancel()).toBe(false);
});
