import type { Client, Store } from '@holdfast/client';
import { collection, presence, record, type RemoteNode } from '@holdfast/protocol';
import type { App, AsyncSlot, StreamSlot, UploadSlot } from '@holdfast/protocol';
import { createHoldfast } from '@holdfast/react';
import { expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';

type Shape = { name: string; age?: number | undefined };
const User = record({
  name: 'user',
  store: 'acme/app',
  path: 'users/:id',
  version: '1.0',
  schema: z.object({ name: z.string(), age: z.number().optional() }),
  mutations: {
    rename: {
      input: z.object({ to: z.string() }),
      apply: (user, { to }) => user && { ...user, name: to },
    },
    older: { apply: (user) => user && { ...user, age: (user.age ?? 0) + 1 } },
  },
});
const users = collection(User, { orderBy: 'name' });
const Cursors = presence({
  name: 'cursors',
  store: 'acme/app',
  topic: 'rooms/:id',
  schema: z.object({ x: z.number() }),
});

type Card = RemoteNode<{
  snapshot: { title: string };
  commands: { toggle: {}; rename: { payload: { to: string }; reply: { old: string } } };
  events: { flashed: { at: Date } };
}>;
type Board = {
  params: { room: string };
  snapshot: {
    count: number;
    cards: readonly Card[];
    log: StreamSlot<{ id: string }>;
    weather: AsyncSlot<{ degrees: number }>;
    cover: UploadSlot;
  };
  commands: { clear: {} };
  events: { toast: { text: string } };
  uploads: { cover: {} };
};
type Acme = App<{ Board: Board; Clock: { snapshot: { now: string } } }, { user: typeof User }>;
const hooks = createHoldfast<Acme>();

// None of these is run: what counts is what compiles, and that what is marked does not.

function Records(): null {
  const { useRecord, useRecordState } = hooks;
  const user = useRecord('user', { id: '1' });
  expectTypeOf(user.value).toEqualTypeOf<Shape | undefined>();
  expectTypeOf(useRecord(User, null).value).toEqualTypeOf<Shape | undefined>();
  user.set({ name: 'Ada' });
  user.patch({ age: undefined });
  user.increment('age', 2);
  user.remove();
  user.mutate('rename', { to: 'Ada' });
  user.mutate('older');
  // @ts-expect-error -- an object has all its fields
  user.set({ age: 1 });
  // @ts-expect-error -- an age is a number
  user.patch({ age: '1' });
  // @ts-expect-error -- no such field
  user.patch({ size: 1 });
  // @ts-expect-error -- it is added to by a number
  user.increment('age', '2');
  // @ts-expect-error -- no such mutation
  user.mutate('renamed', { to: 'Ada' });
  // @ts-expect-error -- it takes an input
  user.mutate('rename');
  // @ts-expect-error -- and one of this type
  user.mutate('rename', { to: 1 });
  // @ts-expect-error -- no record of that name
  useRecord('users', { id: '1' });
  // @ts-expect-error -- the parameter is "id"
  useRecord('user', { key: '1' });
  // @ts-expect-error -- and has to be there
  useRecord(User, {});
  // @ts-expect-error -- no such option
  useRecord(User, { id: '1' }, { store: 'acme/app' });
  const state = useRecordState(User, { id: '1' });
  if (state.status === 'ready') state.value.patch({ age: 1 });
  // @ts-expect-error -- it may not be there yet
  state.value.patch({ age: 1 });
  // @ts-expect-error -- no record of that name
  useRecordState('users', { id: '1' });
  return null;
}

function Collections(): null {
  const { useAll, useCollection, useCollectionState, useOne } = hooks;
  const found = useCollection('user', { where: { age: { gt: 3 } }, orderBy: [['age', 'desc']] });
  expectTypeOf(found.values).toEqualTypeOf<readonly Shape[]>();
  expectTypeOf(useCollection(users).values).toEqualTypeOf<readonly Shape[]>();
  expectTypeOf(useOne(users)).toEqualTypeOf<Shape | undefined>();
  void found.loadMore(10);
  found.row('1')?.patch({ age: 1 });
  // @ts-expect-error -- a row is written as its record is
  found.row('1')?.patch({ age: '1' });
  // @ts-expect-error -- no record of that name
  useCollection('users', null);
  // @ts-expect-error -- no such field
  useCollection('user', { where: { size: 1 } });
  // @ts-expect-error -- no such comparison
  useCollection('user', { where: { age: { above: 1 } } });
  // @ts-expect-error -- no such field
  useCollection('user', { orderBy: 'size' });
  // @ts-expect-error -- no such direction
  useCollection('user', { orderBy: [['age', 'down']] });
  // @ts-expect-error -- a record is no collection
  useOne(User);
  const state = useCollectionState('user', { limit: 3 });
  if (state.status === 'ready') expectTypeOf(state.value.values).toEqualTypeOf<readonly Shape[]>();
  // @ts-expect-error -- they may not be there yet
  state.value.values.map(String);
  // @ts-expect-error -- no record of that name
  useCollectionState('users', {});
  const all = useAll({ ada: User.ref({ id: 'ada' }), users });
  expectTypeOf(all.ada.value).toEqualTypeOf<Shape | undefined>();
  expectTypeOf(all.users.values).toEqualTypeOf<readonly Shape[]>();
  // @ts-expect-error -- which of them
  useAll({ ada: User });
  // @ts-expect-error -- it was not asked for
  void all.bob;
  return null;
}

function Stores({ store, client }: { store: Store; client: Client<Acme> }): null {
  const { useEntries, useEntry, useEntryState, usePresence, useSignal, useStore } = hooks;
  expectTypeOf(useEntry<number>('count')).toEqualTypeOf<number | undefined>();
  expectTypeOf(useEntries<number>('stock/*', { store, limit: 3 })).items.toHaveProperty('value');
  const state = useEntryState<number>('count', { store: 'acme/app', client, ttl: 1 });
  if (state.status === 'ready') expectTypeOf(state.value).toEqualTypeOf<number | undefined>();
  useStore('acme/app').put('count', 1);
  // @ts-expect-error -- it may not be there yet
  void state.value;
  // @ts-expect-error -- no such option
  useEntry('count', { stores: store });
  // @ts-expect-error -- no such option
  useEntries('stock/*', { where: {} });
  const { peers, set, clear } = usePresence(Cursors, { id: '1' });
  set({ x: 1 });
  clear();
  expectTypeOf(peers.size).toEqualTypeOf<number>();
  // @ts-expect-error -- who is there says where
  set({ y: 1 });
  expectTypeOf(useSignal(client.status, ({ attempts }) => attempts)).toEqualTypeOf<number>();
  // @ts-expect-error -- nothing of that name is told
  useSignal(client.status, ({ tries }) => tries);
  return null;
}

function Views(): null {
  const { useAsync, useCommand, useEvent, useSnapshot, useUpload, useView, useViewState } = hooks;
  const board = useView('Board', { params: { room: '1' }, ttl: 0 });
  const [card] = board.cards;
  expectTypeOf(board.log).toEqualTypeOf<readonly { readonly id: string }[]>();
  expectTypeOf(useSnapshot(board, ({ count }) => count)).toEqualTypeOf<number>();
  expectTypeOf(useSnapshot(card)?.title).toEqualTypeOf<string | undefined>();
  expectTypeOf(useAsync(board, (shown) => shown.weather)).toEqualTypeOf<{
    readonly degrees: number;
  }>();
  expectTypeOf(useUpload(board, 'cover').progress).toEqualTypeOf<number>();
  expectTypeOf(useView('Clock').now).toEqualTypeOf<string>();
  useEvent(board, 'toast', ({ text }) => expectTypeOf(text).toEqualTypeOf<string>());
  useEvent(card, 'flashed', ({ at }) => expectTypeOf(at).toEqualTypeOf<string>());
  const rename = useCommand(card, 'rename', { optimistic: (draft) => void (draft.title = '…') });
  expectTypeOf(rename.dispatch({ to: 'x' })).resolves.toEqualTypeOf<{ readonly old: string }>();
  expectTypeOf(rename.data).toEqualTypeOf<{ readonly old: string } | undefined>();
  void useCommand(card, 'toggle').dispatch();
  // @ts-expect-error -- a payload that must be there
  void rename.dispatch();
  // @ts-expect-error -- a payload of the wrong type
  void rename.dispatch({ to: 1 });
  // @ts-expect-error -- no such command of this node
  useCommand(board, 'toggle');
  // @ts-expect-error -- no such field to draw before the answer
  useCommand(card, 'toggle', { optimistic: (draft) => void (draft.open = true) });
  // @ts-expect-error -- no such event of this node
  useEvent(board, 'flashed', () => undefined);
  // @ts-expect-error -- no such member of the event
  useEvent(board, 'toast', ({ html }) => html);
  // @ts-expect-error -- no such upload
  useUpload(board, 'covers');
  // @ts-expect-error -- no such field
  useSnapshot(board, ({ counts }) => counts);
  // @ts-expect-error -- no async value
  useAsync(board, (shown) => shown.count);
  // @ts-expect-error -- params of the wrong name
  useView('Board', { params: { rooms: '1' } });
  // @ts-expect-error -- params that must be there
  useView('Board');
  // @ts-expect-error -- no view of that name
  useView('Boards');
  // @ts-expect-error -- no such option
  useView('Clock', { keep: 0 });
  const state = useViewState('Board', { params: { room: '1' } });
  if (state.status === 'ready') expectTypeOf(state.value.count).toEqualTypeOf<number>();
  // @ts-expect-error -- it may not be there yet
  void state.value.count;
  // @ts-expect-error -- no view of that name
  useViewState('Boards');
  // @ts-expect-error -- params that must be there
  useViewState('Board');
  return null;
}

it('each hook knows what an app has of records, collections, stores and views, and refuses what it has not', () => {
  for (const each of [Records, Collections, Stores, Views]) expect(each).toBeTypeOf('function');
});
