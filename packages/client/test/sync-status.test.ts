import type { SyncStatus } from '@holdfast/client';
import { RecordConflictError, records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { collection, passthrough, record } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { Profile } from './tabs/profile.ts';
import { Valve } from './valve.ts';
import { module, node, Scripted } from './views/scripted.ts';
import { openWorld } from './world.ts';

const turn = (): Promise<void> => new Promise(setImmediate);

describe('the status of a client as a whole', () => {
  it('G68 a client is in step only with nothing pending, connected, and every open store caught up', async () => {
    await using world = await openWorld();
    const client = world.client();
    const { status } = client;
    const seen: SyncStatus[] = [];
    status.subscribe(() => seen.push(status.get()));
    expect(status.get().isSynced).toBe(false);
    const [one, two] = [client.store('acme/app'), client.store('acme/none')];
    await one.ready;
    await expect(two.ready).rejects.toThrow('unauthorized');
    expect(status.get()).toMatchObject({ isSynced: false, lastSyncedAt: 0 });
    await world.createStore('acme/none');
    const three = client.store('acme/none');
    await three.ready;
    await expect.poll(() => status.get().isSynced).toBe(true);
    const write = one.put('a', 1);
    expect(status.get()).toMatchObject({ isSynced: false, pending: 1 });
    await write.committed;
    expect(status.get()).toMatchObject({ isSynced: true, pending: 0, unsent: 0 });
    expect(status.get()).toBe(status.get());
    expect(status.get().lastSyncedAt).toBeGreaterThan(1e12);
    await client.close();
    expect(status.get()).toMatchObject({ connection: 'closed', isSynced: false });
    await turn();
    // Each of them is told of once, and nothing that is no change.
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('tells why its connection was given up, and else why a store of it cannot be used, and that this is over', async () => {
    await using world = await openWorld();
    let token = 'nobody';
    const client = world.client({ token: () => token });
    const told: (string | undefined)[] = [];
    client.status.subscribe(() => void told.push(client.status.get().error?.code));
    await expect
      .poll(() => client.status.get())
      .toMatchObject({ connection: 'failed', error: { code: 'unauthorized' } });
    token = world.token;
    await client.connect();
    expect([client.status.get().error, told.at(-1)]).toEqual([undefined, undefined]);
    const store = client.store('acme/none');
    await expect(store.ready).rejects.toThrow('unauthorized');
    expect([client.status.get().error, told.at(-1)]).toEqual([
      store.status.get().error,
      'unauthorized',
    ]);
    await world.createStore('acme/none');
    await client.store('acme/none').ready;
    await expect.poll(() => client.status.get().isSynced).toBe(true);
    expect([client.status.get().error, told.at(-1)]).toEqual([undefined, undefined]);
  });

  it('tells of what has never been sent apart from what waits for its answer, or to be sent again', async () => {
    await using world = await openWorld();
    const valve = new Valve();
    const client = world.client({ link: valve });
    const store = client.store('acme/app');
    await store.ready;
    valve.holdIn();
    const first = store.put('a', 1);
    expect(client.status.get()).toMatchObject({ pending: 1, unsent: 0 });
    valve.cut();
    valve.holdOut();
    await expect.poll(() => valve.opened).toBe(2);
    const second = store.put('b', 2);
    expect(client.status.get()).toMatchObject({ pending: 2, unsent: 1 });
    valve.letOut();
    await Promise.all([first.committed, second.committed]);
    expect(client.status.get()).toMatchObject({ pending: 0, unsent: 0 });
  });

  it('G68 who watches the status is told when rows that the server finds are on their way, and when they are here or not wanted any more', async () => {
    await using world = await openWorld();
    const Task = record({
      name: 'task',
      store: 'acme/app',
      path: 'tasks/:id',
      version: '*',
      schema: passthrough<{ rank: number }>(),
    });
    const tasks = world.server.record(Task);
    await tasks.write({ id: '1' }, { set: { rank: 1 } });
    const valve = new Valve();
    const client = world.client({ link: valve, records: records([Task]) });
    const { status } = client;
    const write = client.record(Task, { id: '1' }).patch({ rank: 2 });
    await write.committed;
    await expect.poll(() => status.get().isSynced).toBe(true);
    const told: boolean[] = [];
    status.subscribe(() => told.push(status.get().isSynced));
    const [large, small] = [3, 2].map((limit) =>
      client.collection(collection(Task, { orderBy: 'rank', limit })),
    );
    const release = large?.retain();
    await large?.ready();
    await expect.poll(() => told).toEqual([false, true]);
    valve.holdIn();
    const forget = small?.retain();
    await expect.poll(() => told).toEqual([false, true, false]);
    forget?.();
    await expect.poll(() => told).toEqual([false, true, false, true]);
    release?.();
  });

  it('G68 a client is in step only while every view that is mounted is live', async () => {
    await using world = new Scripted();
    const { status } = world.client;
    await expect.poll(() => status.get().isSynced).toBe(true);
    const page = world.client.view(module, { id: 'main' });
    expect(status.get().isSynced).toBe(false);
    await world.accept({ instance: 't1' });
    expect(status.get().isSynced).toBe(false);
    let told = 0;
    status.subscribe(() => (told += 1));
    await world.show(node([], { n: 1 }));
    expect([status.get().isSynced, told]).toEqual([true, 1]);
    await world.end('phx_error');
    expect([status.get().isSynced, told]).toEqual([false, 2]);
    page.unmount();
    await world.clock.advance(60_000);
    expect([status.get().isSynced, told]).toEqual([true, 3]);
  });

  it('G68 a client is in step only while every record that comes another way has caught up', async () => {
    await using world = await openWorld();
    const transport = new InProcessTransport();
    const client = world.client({
      records: records([Note], { delivery: byTransport({ transport }) }),
    });
    const { status } = client;
    await expect.poll(() => status.get().isSynced).toBe(true);
    const note = client.record(Note, { id: '1' });
    const release = note.retain();
    expect(status.get().isSynced).toBe(false);
    let told = 0;
    status.subscribe(() => (told += 1));
    transport.publish(note.key, {
      value: { text: 'a' },
      schema_version: '1.0',
      sequence: 1,
      incarnation: 'e1',
    });
    await turn();
    expect([note.state.get().status, status.get().isSynced, told]).toEqual(['ok', true, 1]);
    release();
  });

  it('an entry says when its store was last in step: now while it is, else when that ended', async () => {
    await using world = await openWorld();
    const valve = new Valve();
    let wall = 1000;
    const client = world.client({ link: valve, env: { wall: () => wall } });
    const store = client.store('acme/app');
    await store.ready;
    expect(store.entry('a')).toBeUndefined();
    await store.put('a', 1).committed;
    wall = 2000;
    expect(store.entry('a')).toEqual({
      path: 'a',
      value: 1,
      type: 'integer',
      revision: 1,
      pending: false,
      syncedAt: 2000,
    });
    valve.holdOut();
    store.put('b', 1);
    await turn();
    wall = 3000;
    expect(store.entry('a')?.syncedAt).toBe(2000);
    const fresh = world.client({ env: { wall: () => wall } }).store('acme/app');
    fresh.put('c', 1);
    expect(fresh.entry('c')?.syncedAt).toBe(0);
    valve.letOut();
    await store.settled();
    expect(store.entry('a')?.syncedAt).toBe(3000);
  });

  it('tells when it was in step for the last time, also to who asks only later', async () => {
    await using world = new Scripted();
    const { status } = world.client;
    await expect.poll(() => status.get().isSynced).toBe(true);
    await world.clock.advance(5000);
    const left = world.clock.now();
    world.isRefusing = true;
    await world.cut();
    await world.clock.advance(3_600_000);
    expect(status.get()).toMatchObject({ isSynced: false, lastSyncedAt: left });
  });

  it('tells when it was in step for the last time, also to who has never asked before', async () => {
    const valve = new Valve();
    let wall = 1000;
    await using world = await openWorld();
    const client = world.client({ link: valve, env: { wall: () => wall } });
    const store = client.store('acme/app');
    await store.put('a', 1).committed;
    await turn();
    wall = 2000;
    valve.cut();
    await expect.poll(() => store.status.get().synced).toBe(false);
    wall = 3000;
    expect(client.status.get()).toMatchObject({ isSynced: false, lastSyncedAt: 2000 });
  });

  it('counts the own writes that met another’s until each is resolved', async () => {
    await using world = await openWorld();
    const store = await world.store();
    await store.put('notes/1', { text: 'a' }).committed;
    const valve = new Valve();
    const client = world.client({ link: valve, records: records([Note]) });
    const note = client.record(Note, { id: '1' });
    note.retain();
    await note.ready();
    valve.down();
    await store.put('notes/1/text', 'theirs').committed;
    const { committed } = note.patch({ text: 'mine' });
    valve.up();
    const error: unknown = await committed.catch((thrown: unknown) => thrown);
    expect(client.status.get().conflicts).toBe(1);
    let told = 0;
    client.status.subscribe(() => (told += 1));
    if (error instanceof RecordConflictError) error.resolve('theirs');
    await turn();
    expect([client.status.get().conflicts, told]).toEqual([0, 1]);
  });

  it('of tabs that share a connection one sends the writes of all, and each knows whether it is that', async () => {
    await using world = await openWorld();
    const profile = new Profile(world);
    const [a, b] = [await profile.open(), await profile.open()];
    const leads = (): readonly boolean[] =>
      [a, b].map(({ client }) => client.status.get().outboxLeader);
    expect(leads()).toEqual([true, false]);
    const seen: boolean[] = [];
    b.client.status.subscribe(() => seen.push(b.client.status.get().outboxLeader));
    await a.client.close();
    await expect.poll(() => seen.at(-1)).toBe(true);
    expect(world.client().status.get().outboxLeader).toBe(true);
  });
});

const Note = record({
  name: 'note',
  store: 'acme/app',
  path: 'notes/:id',
  version: '1.0',
  schema: passthrough<{ readonly text: string }>(),
  conflict: 'detect',
});
