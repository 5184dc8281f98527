import { type ClientOptions, createClient, memoryCache, observe } from '@holdfast/client';
import { type RecordHandle, records } from '@holdfast/client/records';
import { type App, record, type StandardSchema } from '@holdfast/protocol';
import { expect, expectTypeOf, test } from 'vitest';
import { openWorld } from './world.ts';

type User = { readonly name: string; readonly age?: number; readonly roles?: readonly string[] };

const isUser = (value: unknown): value is User => {
  const { name, age } = Object(value) as { name?: unknown; age?: unknown };
  return typeof name === 'string' && (age === undefined || typeof age === 'number');
};

const schema: StandardSchema<User, User> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      isUser(value) ? { value } : { issues: [{ message: 'no user', path: ['name'] }] },
  },
};

const User = record({
  name: 'user',
  store: 'acme/app',
  path: 'users/:id',
  version: '1.0',
  schema,
  mutations: {
    older: { apply: (current) => current && { ...current, age: (current.age ?? 0) + 1 } },
  },
});

const Note = record({ name: 'note', store: 'acme/other', path: 'notes/:id', version: '1', schema });

const recorded = (options: Partial<ClientOptions> = {}): Partial<ClientOptions> => ({
  records: records([User, Note]),
  ...options,
});

const seen = <T>(signal: Parameters<typeof observe<T>>[0]): T[] => {
  const values: T[] = [];
  observe(signal, (value) => values.push(value));
  return values;
};

const until = (handle: RecordHandle<typeof User>, isSo: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const release = handle.state.subscribe(() => look());
    const look = (): void => {
      if (!isSo()) return;
      release();
      resolve();
    };
    look();
  });

test('the names, params and values of records follow from the type of the app', async () => {
  type Acme = App<{}, { user: typeof User }>;
  await using world = await openWorld();
  const client = createClient<Acme>({
    url: world.url,
    token: world.token,
    records: records([User]),
  });
  const ada = client.record('user', { id: '1' });
  expectTypeOf(ada.get()).toEqualTypeOf<User | undefined>();
  expectTypeOf(client.collection('user', { where: { name: 'x' } }).get()).toEqualTypeOf<
    readonly User[]
  >();
  // @ts-expect-error -- the app has no record of that name
  expect(() => client.record('note', { id: '1' })).toThrow('unknown_record');
  // @ts-expect-error -- the parameter is "id"
  expect(() => client.record('user', { key: '1' })).toThrow('non-empty string');
  // @ts-expect-error -- a name is a text
  const bad = (): unknown => ada.set({ name: 7 });
  expect(bad).toThrow();
  await client.close();
});

test('a client without records says what it needs', async () => {
  await using world = await openWorld();
  expect(() => world.client().record(User, { id: '1' })).toThrow('@holdfast/client/records');
});

test('R80 R87 R107 a record is read, shown as it is written, and told of once for each change', async () => {
  await using world = await openWorld();
  const store = await world.store();
  await store.put('users/1', { name: 'ada' }).committed;
  const ada = world.client(recorded()).record(User, { id: '1' });
  expectTypeOf(ada.get()).toEqualTypeOf<User | undefined>();
  expect(ada.state.get().status).toBe('idle');
  await ada.ready();
  expect(ada.get()).toEqual({ name: 'ada' });
  expect(ada.state.get()).toMatchObject({ status: 'ok', sequence: 1, schemaVersion: '1.0' });
  const values = seen(ada);
  const states: number[] = [];
  ada.state.subscribe(() => states.push(ada.state.get().pendingIntents));
  const receipt = ada.patch({ age: 36 });
  expect(ada.get()).toEqual({ name: 'ada', age: 36 });
  expect(ada.state.get().pendingIntents).toBe(1);
  await expect(receipt.committed).resolves.toMatchObject({
    value: { name: 'ada', age: 36 },
    sequence: 2,
    op_id: receipt.opId,
  });
  await until(ada, () => ada.state.get().pendingIntents === 0);
  expect(receipt.state).toBe('committed');
  expect(ada.state.get()).toMatchObject({ sequence: 2, connected: true });
  expect(values).toEqual([{ name: 'ada' }, { name: 'ada', age: 36 }]);
  expect(states).toEqual([1, 0]);
});

test('R88 R101 a change by anybody is one change here, whatever wrote it; equal parts stay the same objects', async () => {
  await using world = await openWorld();
  const store = await world.store();
  await store.put('users/1', { name: 'ada', roles: ['x'] }).committed;
  const ada = world.client(recorded()).record('user', { id: '1' }) as RecordHandle<typeof User>;
  await ada.ready();
  const values = seen(ada);
  await store.transact((tx) => {
    tx.put('users/1/name', 'ada lovelace');
    tx.put('users/1/age', 36);
  }).committed;
  await until(ada, () => ada.state.get().sequence === 3);
  expect(values).toEqual([
    { name: 'ada', roles: ['x'] },
    { name: 'ada lovelace', roles: ['x'], age: 36 },
  ]);
  expect(values[1]?.roles).toBe(values[0]?.roles);
});

test('R100 a write above the path changes each record below it', async () => {
  await using world = await openWorld();
  const store = await world.store();
  const client = world.client(recorded());
  const [one, two] = [client.record(User, { id: '1' }), client.record(User, { id: '2' })];
  await Promise.all([one.ready(), two.ready()]);
  expect([one.state.get().status, two.state.get().status]).toEqual(['gone', 'gone']);
  await store.put('users', { 1: { name: 'a' }, 2: { name: 'b' } }).committed;
  await until(two, () => two.get() !== undefined);
  expect([one.get(), two.get()]).toEqual([{ name: 'a' }, { name: 'b' }]);
  await store.delete('users').committed;
  await until(one, () => one.state.get().status === 'gone');
  expect(one.get()).toBeUndefined();
  await store.put('users/1', { name: 'again' }).committed;
  await until(one, () => one.get() !== undefined);
  // R78: above every earlier one.
  expect(one.state.get().sequence).toBe(3);
});

test('R83 what does not pass the schema leaves the last good value, and a good one ends it', async () => {
  await using world = await openWorld();
  const store = await world.store();
  await store.put('users/1', { name: 'ada' }).committed;
  const ada = world.client(recorded()).record(User, { id: '1' });
  const release = ada.retain();
  await ada.ready();
  await store.put('users/1/name', 7).committed;
  await until(ada, () => ada.state.get().status === 'stale');
  expect(ada.get()).toEqual({ name: 'ada' });
  expect(ada.stats()).toMatchObject({ applied: 1, parseErrors: 1 });
  await store.put('users/1/name', 'grace').committed;
  await until(ada, () => ada.state.get().status === 'ok');
  expect(ada.get()).toEqual({ name: 'grace' });
  release();
});

test('R109 R114 what is rejected vanishes, and nothing else with it', async () => {
  await using world = await openWorld();
  const store = await world.store();
  await store.put('users/1', { name: 'ada', age: 1 }).committed;
  const { rawToken } = await world.issue(['entries:read']);
  const rejected: unknown[] = [];
  const client = world.client(
    recorded({ token: rawToken, onRejected: ({ error }) => rejected.push(error.code) }),
  );
  const ada = client.record(User, { id: '1' });
  await ada.ready();
  const receipt = ada.patch({ age: 2 });
  expect(ada.get()?.age).toBe(2);
  await expect(receipt.committed).rejects.toMatchObject({ code: 'missing_scope' });
  expect(receipt.state).toBe('rejected');
  expect(ada.get()).toEqual({ name: 'ada', age: 1 });
  expect(rejected).toEqual([]);
});

test('another definition of a name than the one that the client was given is told from a name that it was not given', async () => {
  await using world = await openWorld();
  const client = world.client(recorded());
  const { name, store, path, version } = User;
  const copy = record({ name, store, path, version, schema });
  expect(() => client.record(copy, { id: '1' })).toThrow(
    'unknown_record: record user, message The client was given another definition of that name.',
  );
  expect(() => client.record('no', {})).toThrow(/^unknown_record: record no$/);
});

test('R118 a bad value, an unknown record, a closed client: the caller hears of it, and nothing is queued', async () => {
  await using world = await openWorld();
  const client = world.client(recorded());
  const ada = client.record(User, { id: '1' });
  await ada.ready();
  expect(() => ada.set({ name: 7 } as never)).toThrow(
    expect.objectContaining({ code: 'invalid_value' }),
  );
  expect(() => ada.mutate('no' as never, 1 as never)).toThrow(
    expect.objectContaining({ code: 'unknown_mutation' }),
  );
  expect(() => client.record('no', {})).toThrow(
    expect.objectContaining({ code: 'unknown_record' }),
  );
  expect(ada.state.get().pendingIntents).toBe(0);
  const receipt = ada.set({ name: 'ada' });
  await receipt.committed;
  const same = ada.set({ name: 'ada' });
  expect(same.state).toBe('committed');
  await expect(same.committed).resolves.toMatchObject({ sequence: 1 });
  await client.close();
  expect(ada.state.get().status).toBe('closed');
  expect(() => ada.set({ name: 'late' })).toThrow(expect.objectContaining({ code: 'closed' }));
});

test('R121 what is gone can be made anew, and not patched', async () => {
  await using world = await openWorld();
  const ada = world.client(recorded()).record(User, { id: '1' });
  await ada.ready();
  await expect(ada.patch({ age: 1 }).committed).rejects.toMatchObject({ code: 'not_found' });
  await expect(ada.increment('age').committed).rejects.toMatchObject({ code: 'not_found' });
  ada.set({ name: 'ada' });
  expect(ada.get()).toEqual({ name: 'ada' });
});

test('R121 R131 before anything is known a set is shown at once, and a patch waits', async () => {
  await using world = await openWorld();
  const store = await world.store();
  await store.put('users/2', { name: 'grace' }).committed;
  const client = world.client(recorded({ cache: memoryCache() }));
  const [one, two] = [client.record(User, { id: '1' }), client.record(User, { id: '2' })];
  const made = one.set({ name: 'ada' });
  const patched = two.patch({ age: 1 });
  await made.durable;
  expect(one.get()).toEqual({ name: 'ada' });
  expect(two.get()).toBeUndefined();
  await Promise.all([made.committed, patched.committed]);
  await until(two, () => two.get()?.age === 1);
  expect(two.get()).toEqual({ name: 'grace', age: 1 });
});

test('R119 increments add up with those of others', async () => {
  await using world = await openWorld();
  const store = await world.store();
  await store.put('users/1', { name: 'ada', age: 5 }).committed;
  const ada = world.client(recorded()).record(User, { id: '1' });
  await ada.ready();
  const values = seen(ada.state);
  await Promise.all([ada.increment('age').committed, store.increment('users/1/age', 5).committed]);
  await until(ada, () => ada.get()?.age === 11);
  expect(values.every(({ value }) => (value?.age ?? 0) <= 11)).toBe(true);
});

test('R156 R159 R162 a transaction shows all its writes in one change and commits them as one', async () => {
  await using world = await openWorld();
  const client = world.client(recorded());
  const [one, two] = [client.record(User, { id: '1' }), client.record(User, { id: '2' })];
  await Promise.all([one.ready(), two.ready()]);
  const values = seen(one);
  const pairs: unknown[] = [];
  one.subscribe(() => pairs.push([one.get()?.age, two.get()?.name]));
  const sent = client.transact(
    (tx) => {
      tx.record(one).set({ name: 'ada' });
      tx.record(one).patch({ age: 2 });
      expect(tx.record(one).get()).toEqual({ name: 'ada', age: 2 });
      tx.record(two.ref).set({ name: 'grace' });
      return 'done';
    },
    { group: 'my-group' },
  );
  expect(sent.group).toBe('my-group');
  expect(sent.status.get()).toBe('pending');
  expect(pairs).toEqual([[2, 'grace']]);
  await expect(sent.committed).resolves.toBe('done');
  expect(sent.status.get()).toBe('committed');
  expect(values).toEqual([undefined, { name: 'ada', age: 2 }]);
  expect(one.get()).toEqual({ name: 'ada', age: 2 });
});

test('R160 R161 a transaction of nothing, of two stores, or that throws comes to nothing', async () => {
  await using world = await openWorld();
  await world.createStore('acme/other');
  const client = world.client(recorded());
  const [one, note] = [client.record(User, { id: '1' }), client.record(Note, { id: '1' })];
  await Promise.all([one.ready(), note.ready()]);
  expect(() => client.transact(() => undefined)).toThrow(TypeError);
  const both = (): void => {
    client.transact((tx) => {
      tx.record(one).set({ name: 'a' });
      tx.record(note).set({ name: 'b' });
    });
  };
  expect(both).toThrow(expect.objectContaining({ code: 'store_mismatch' }));
  const failing = (): void => {
    client.transact((tx) => {
      tx.record(one).set({ name: 'a' });
      throw new Error('third arm');
    });
  };
  expect(failing).toThrow('third arm');
  expect(one.get()).toBeUndefined();
  expect(one.state.get().pendingIntents).toBe(0);
});

test('R260 records opened together share one channel and one change of its scope', async () => {
  await using world = await openWorld();
  const client = world.client(recorded());
  await client.prefetch(...['1', '2', '3'].map((id) => User.ref({ id })));
  const { stores, registries } = client.inspect() as {
    stores: { held: string[] }[];
    registries: { readonly [name: string]: readonly { readonly key: string }[] };
  };
  expect(Object.keys(registries)).toContain('rec/acme/app');
  expect(stores).toHaveLength(1);
  expect(stores[0]?.held).toEqual(['_hf:schema/*', 'users/1/**', 'users/2/**', 'users/3/**']);
  expect(client.record(User, { id: '1' }).state.get().status).toBe('gone');
});

test('R79 R142 what may not be read is denied, and shows nothing', async () => {
  await using world = await openWorld();
  const { rawToken } = await world.issue([]);
  const ada = world.client(recorded({ token: rawToken })).record(User, { id: '1' });
  await expect(ada.ready()).rejects.toMatchObject({ code: 'missing_scope' });
  expect(ada.state.get().status).toBe('denied');
});
