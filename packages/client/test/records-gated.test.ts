import { type Client, memoryCache, observe } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { records } from '@holdfast/client/records';
import { record } from '@holdfast/protocol';
import { expect, expectTypeOf, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { openWorld, type World } from './world.ts';

const place = { name: 'doc', store: 'acme/app', path: 'docs/:id' } as const;

const Doc = record({
  ...place,
  version: '1.0',
  schema: z.object({
    title: z.string(),
    likes: z.number().optional(),
    tags: z.array(z.string()).optional(),
    owner: z.string().optional(),
    big: z.bigint().optional(),
    when: z.date().optional(),
    bytes: z.instanceof(Uint8Array).optional(),
    meta: z.record(z.string(), z.unknown()).optional(),
  }),
  authority: {
    title: 'lww',
    likes: 'lww',
    big: 'lww',
    when: 'lww',
    bytes: 'lww',
    meta: 'lww',
    owner: 'server',
    tags: (mine, theirs) => [...new Set([...(theirs ?? []), ...(mine ?? [])])],
  },
  mutations: {
    retitle: {
      input: z.object({ suffix: z.string() }),
      apply: (doc, { suffix }) => doc && { ...doc, title: `${doc.title}${suffix}` },
    },
  },
});

const ready = async (client: Client): Promise<ReturnType<typeof docOf>> => {
  const doc = docOf(client);
  await doc.ready();
  return doc;
};

const docOf = (client: Client) => client.record(Doc, { id: '1' });

const idle = (doc: ReturnType<typeof docOf>): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (doc.state.get().pendingIntents > 0) return;
      release();
      resolve();
    };
    const release = doc.state.subscribe(look);
    queueMicrotask(look);
  });

const shows = (doc: ReturnType<typeof docOf>, title: string): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (doc.get()?.title !== title) return;
      release();
      resolve();
    };
    const release = doc.subscribe(look);
    queueMicrotask(look);
  });

const whole = (doc: ReturnType<typeof docOf>): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (doc.get()?.tags?.length !== 3) return;
      release();
      resolve();
    };
    const release = doc.subscribe(look);
    queueMicrotask(look);
  });

async function gated(): Promise<World> {
  const world = await openWorld();
  world.server.record(Doc);
  return world;
}

const join = (world: World): Client => world.client({ records: records([Doc]) });

test('R125 a mutation runs here at once, and there on what the server has', async () => {
  await using world = await gated();
  const [one, two] = [await ready(join(world)), await ready(join(world))];
  await one.set({ title: 'a' }).committed;
  const values: (string | undefined)[] = [];
  observe(one, (doc) => values.push(doc?.title));
  expectTypeOf(one.mutate<'retitle'>)
    .parameter(1)
    .toEqualTypeOf<{ suffix: string }>();
  await shows(two, 'a');
  await two.patch({ title: 'b' }).committed;
  const mine = one.mutate('retitle', { suffix: '!' });
  await mine.committed;
  await idle(one);
  expect(one.get()).toEqual({ title: 'b!' });
  // @ts-expect-error -- it takes an input
  expect(() => one.mutate('retitle')).toThrow(expect.objectContaining({ code: 'invalid_params' }));
  expect(() => one.mutate('retitle', { suffix: 7 as never })).toThrow(
    expect.objectContaining({ code: 'invalid_params' }),
  );
});

test('R152 R155 two who write one field at once are merged, alike for all', async () => {
  await using world = await gated();
  const [one, two] = [await ready(join(world)), await ready(join(world))];
  await one.set({ title: 'a', tags: ['x'] }).committed;
  await shows(two, 'a');
  const writes = [one.patch({ tags: ['x', 'one'] }), two.patch({ tags: ['x', 'two'] })];
  expect(one.get()?.tags).toEqual(['x', 'one']);
  await Promise.all(writes.map(({ committed }) => committed));
  const third = await ready(join(world));
  expect([...(third.get()?.tags ?? [])].toSorted()).toEqual(['one', 'two', 'x']);
  await Promise.all([idle(one), idle(two)]);
  await Promise.all([one, two].map((doc) => whole(doc)));
  expect(one.get()).toEqual(third.get());
  expect(two.get()).toEqual(third.get());
});

test('R151 R154 fields of the server do not travel', async () => {
  await using world = await gated();
  const doc = await ready(join(world));
  await doc.set({ title: 'a', owner: 'me' }).committed;
  expect(doc.get()).toEqual({ title: 'a' });
});

test('R147 fields that own writes may not change are put back, counted, and told of to developers', async () => {
  await using world = await gated();
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  onTestFinished(() => warn.mockRestore());
  const doc = docOf(world.client({ records: records([Doc]), env: { dev: true } }));
  await doc.ready();
  await doc.set({ title: 'a', when: new Date(5) }).committed;
  await doc.set({ ...doc.get(), title: 'b' }).committed;
  expect([doc.stats().putBack, warn.mock.calls]).toEqual([0, []]);
  await doc.patch({ title: 'c', owner: 'me' }).committed;
  expect(doc.get()).toEqual({ title: 'c', when: new Date(5) });
  doc.set({ title: 'c', when: new Date(5), owner: 'me' });
  expect(doc.stats().putBack).toBe(2);
  expect(warn.mock.lastCall).toEqual([expect.stringMatching(/acme\/app\/docs\/1.*: owner$/)]);
});

test('R99 R109 what the schema of the server refuses vanishes here, too', async () => {
  await using world = await openWorld();
  world.server.record(
    record({ ...place, version: '1.0', schema: z.object({ title: z.string().max(3) }) }),
  );
  const loose = record({ ...place, version: '1.0', schema: z.object({ title: z.string() }) });
  const doc = world.client({ records: records([loose]) }).record(loose, { id: '1' });
  await doc.ready();
  const written = doc.set({ title: 'too long' });
  expect(doc.get()).toEqual({ title: 'too long' });
  const error: unknown = await written.committed.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'invalid_value',
    details: { record: 'doc', path: 'docs/1' },
  });
  expect(doc.get()).toBeUndefined();
  expect(doc.state.get().status).toBe('gone');
});

test('R104 native values come back from the store as they were', async () => {
  await using world = await gated();
  const value = {
    title: 'a',
    big: 2n ** 70n,
    when: new Date(5),
    bytes: new Uint8Array([0, 255]),
    meta: { price: { _type: 'decimal', _typed: '1.50' }, empty: {} },
  };
  const doc = await ready(join(world));
  await doc.set(value).committed;
  const other = await ready(join(world));
  expect(other.get()).toEqual(value);
  expect(() => doc.set({ title: 'a', meta: { bad: NaN } })).toThrow(
    expect.objectContaining({ code: 'invalid_value' }),
  );
});

test('R102 a schema that transforms stores what went in, if it is told so', async () => {
  await using world = await openWorld();
  const schema = z.object({ n: z.string().transform(Number) });
  const In = record({ ...place, version: '1.0', schema, stored: 'input' });
  world.server.record(In);
  const made = world.client({ records: records([In]) }).record(In, { id: '1' });
  await made.ready();
  await made.set({ n: '5' }).committed;
  expect(made.get()).toEqual({ n: 5 });
  const store = await world.store();
  expect(store.get('docs/1')).toEqual({ n: '5' });
  const Out = record({ ...place, version: '1.0', schema });
  const unstable = world.client({ records: records([Out]) }).record(Out, { id: '1' });
  await unstable.ready();
  expect(() => unstable.set({ n: '5' } as never)).toThrow(
    "schema is not stable; use stored:'input'",
  );
});

test('R105 R50 a client of an older major says that it cannot read, once; one that migrates can', async () => {
  await using world = await openWorld();
  const Two = record({ ...place, version: '2.0', schema: z.object({ name: z.string() }) });
  world.server.record(Two);
  const current = world.client({ records: records([Two]) }).record(Two, { id: '1' });
  await current.ready();
  await current.set({ name: 'ada' }).committed;
  const One = record({ ...place, version: '1.0', schema: z.object({ title: z.string() }) });
  const skews: unknown[] = [];
  const old = world
    .client({ records: records([One], { onSkew: (skew) => skews.push(skew) }) })
    .record(One, { id: '1' });
  await old.ready();
  expect(old.state.get()).toMatchObject({
    status: 'skew',
    value: undefined,
    serverSchemaVersion: '2.0',
  });
  expect(skews).toEqual([{ record: 'doc', client: '1.0', server: '2.0' }]);
  const Down = record({
    ...place,
    version: '1.0',
    schema: z.object({ title: z.string() }),
    migrateDown: { '2': ({ name }) => ({ title: name }) },
  });
  const down = world.client({ records: records([Down]) }).record(Down, { id: '1' });
  await down.ready();
  expect(down.get()).toEqual({ title: 'ada' });
  expect(down.stats().migrated).toBe(1);
});

test('R122 what is not sent can be taken back; what is sent cannot', async () => {
  await using world = await gated();
  const doc = docOf(world.client({ records: records([Doc]), cache: memoryCache() }));
  const early = doc.set({ title: 'early' });
  expect(early.cancel()).toBe(true);
  expect(early.state).toBe('cancelled');
  expect(doc.get()).toBeUndefined();
  await doc.ready();
  const sent = doc.set({ title: 'sent' });
  await sent.committed;
  expect(sent.cancel()).toBe(false);
});

test('R129 R130 R133 R144 a restart shows what was committed, and what is not yet, and sends it once', async () => {
  await using world = await gated();
  const cache = memoryCache();
  const first = world.client({ records: records([Doc]), cache, deviceId: 'd' });
  const doc = await ready(first);
  await doc.set({ title: 'a', likes: 1 }).committed;
  await first.close();
  // Offline: nobody is there.
  const away = world.client({
    records: records([Doc]),
    cache,
    deviceId: 'd',
    link: memoryLink(() => null),
  });
  const offline = docOf(away);
  await offline.ready();
  expect([offline.get(), offline.state.get().source]).toEqual([
    { title: 'a', likes: 1 },
    'persisted',
  ]);
  await Promise.all([offline.patch({ title: 'b' }).durable, offline.increment('likes').durable]);
  await away.close();
  const back = world.client({ records: records([Doc]), cache, deviceId: 'd' });
  const again = docOf(back);
  await again.ready();
  expect(again.get()).toEqual({ title: 'b', likes: 2 });
  await idle(again);
  expect(again.get()).toEqual({ title: 'b', likes: 2 });
  const other = await ready(join(world));
  expect(other.get()).toEqual({ title: 'b', likes: 2 });
});

test('R110 a rejection shows what the server has by now, and never what it had', async () => {
  await using world = await gated();
  const [one, two] = [await ready(join(world)), await ready(join(world))];
  await one.set({ title: 'a' }).committed;
  await shows(two, 'a');
  await two.patch({ title: 'b' }).committed;
  const { rawToken } = await world.issue(['entries:read']);
  const reader = docOf(world.client({ records: records([Doc]), token: rawToken }));
  await reader.ready();
  const written = reader.patch({ title: 'mine' });
  const theirs = two.patch({ title: 'c' }).committed;
  await expect(written.committed).rejects.toMatchObject({ code: 'missing_scope' });
  await theirs;
  expect(reader.get()?.title).not.toBe('a');
  await shows(reader, 'c');
  expect(reader.get()).toEqual({ title: 'c' });
});

test.each<[string, (value: object) => object]>([
  ['holds itself', (value) => Object.assign(value, { self: value })],
  [
    'throws when it is read',
    (value) =>
      Object.defineProperty(value, 'n', {
        enumerable: true,
        get: () => {
          throw new Error('it is closed');
        },
      }),
  ],
])(
  'R57 what a schema gives that %s is shown as it is, and harms no other record',
  async (_, bend) => {
    let isBent = false;
    const bare = { ...place, version: '1.0' };
    const Odd = record({
      ...bare,
      schema: z.looseObject({ n: z.number() }).transform((value) => (isBent ? bend(value) : value)),
      stored: 'input',
    });
    const Other = record({ ...bare, name: 'other', path: 'others/:id', schema: z.looseObject({}) });
    await using world = await openWorld();
    const writer = await world.store();
    const client = world.client({ records: records([Odd, Other]) });
    const odd = client.record(Odd, { id: '1' });
    const other = client.record(Other, { id: '1' });
    await writer.put('docs/1', { n: 1 }).committed;
    await writer.put('others/1', { n: 1 }).committed;
    const releases = [odd.retain(), other.retain()];
    await Promise.all([odd.ready(), other.ready()]);
    isBent = true;
    writer.transact((tx) => {
      tx.put('docs/1', { n: 2 });
      tx.put('others/1', { n: 2 });
    });
    await expect.poll(() => other.get()).toEqual({ n: 2 });
    expect(Object.keys(odd.get() ?? {})).toContain('n');
    expect(odd.state.get().status).toBe('ok');
    for (const release of releases) release();
  },
);
