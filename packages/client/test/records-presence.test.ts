import { type Client, observe } from '@holdfast/client';
import { type PresenceHandle, presences } from '@holdfast/client/presence';
import { presence } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

type Cursor = { readonly x: number };

const schemaOf = (isFit: (x: unknown) => boolean) => ({
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) => {
      const { x } = (value ?? {}) as { x?: unknown };
      return isFit(x) ? { value: { x } as Cursor } : { issues: [{ message: 'no cursor' }] };
    },
  },
});

const place = { name: 'cursors', store: 'acme/app', topic: 'rooms/:id' };
const Cursors = presence<Cursor>({ ...place, schema: schemaOf((x) => typeof x === 'number') });
/** What a client of another version of the application shows. */
const Loose = presence<{ x: unknown }>({ ...place, schema: schemaOf(() => true) });

async function opened(): Promise<World> {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  return world;
}

const shown = (room: PresenceHandle<Cursor>): (readonly [number, boolean])[] =>
  [...room.peers.get().values()].map(({ value, self }) => [value.x, self] as const);

const made = (client: World['client'], options: Parameters<World['client']>[0] = {}): Client =>
  client({ presences: presences(), ...options });

const room = ({ client }: World, ...args: Parameters<World['client']>): PresenceHandle<Cursor> =>
  made(client, ...args).presence(Cursors, { id: '1' });

test('R205 two peers see each other, and the last that each has set', async () => {
  const world = await opened();
  const [a, b] = [room(world), room(world)];
  a.retain();
  b.retain();
  a.set({ x: 1 });
  a.set({ x: 2 });
  b.set({ x: 10 });
  expect(shown(a)).toEqual([[2, true]]);
  const byPeer = (): unknown => new Set(shown(a).map(String));
  await expect.poll(byPeer).toEqual(new Set(['2,true', '10,false']));
  await expect.poll(() => new Set(shown(b).map(String))).toEqual(new Set(['2,false', '10,true']));
});

test('R206 what does not pass the schema is dropped by those who see it, and counted', async () => {
  const world = await opened();
  const a = room(world);
  a.retain();
  const loose = made(world.client).presence(Loose, { id: '1' });
  loose.retain();
  loose.set({ x: 'far' });
  await expect.poll(() => a.stats().parseErrors).toBe(1);
  expect(shown(a)).toEqual([]);
});

test('R207 R211 a release tells the others at once, and empties what is seen; what is set then is nothing', async () => {
  const world = await opened();
  const [a, b] = [room(world), room(world)];
  a.retain();
  const release = b.retain();
  b.set({ x: 1 });
  await expect.poll(() => shown(a)).toEqual([[1, false]]);
  const began = performance.now();
  release();
  release();
  expect(b.peers.get().size).toBe(0);
  b.set({ x: 2 });
  await expect.poll(() => shown(a)).toEqual([]);
  // A socket that is lost is waited for five seconds; who leaves is not.
  expect(performance.now() - began).toBeLessThan(4000);
  expect(a.stats()).toMatchObject({ leaves: 1 });
  const again = b.retain();
  b.set({ x: 3 });
  await expect.poll(() => shown(a)).toEqual([[3, false]]);
  again();
});

test('R208 an observer sees; who is not on the topic, or shows what is no value, hears of it', async () => {
  const world = await opened();
  const [a, b] = [room(world), room(world)];
  const seen: number[] = [];
  const stop = observe(a.peers, (peers) => seen.push(peers.size));
  expect(() => b.set({ x: 1 })).toThrow(expect.objectContaining({ code: 'closed' }));
  b.retain();
  expect(() => b.set({ x: 'no' } as never)).toThrow(TypeError);
  b.set({ x: 1 });
  await expect.poll(() => seen).toEqual([0, 1]);
  stop();
  expect(shown(a)).toEqual([]);
});

test('R209 peers are in the order in which they came', async () => {
  const world = await opened();
  const watcher = room(world);
  const seen: number[][] = [];
  observe(watcher.peers, (peers) => seen.push([...peers.values()].map(({ value }) => value.x)));
  for (const x of [7, 3]) {
    const peer = room(world);
    peer.retain();
    peer.set({ x });
    await expect.poll(() => seen.at(-1)).toContain(x);
  }
  expect(seen).toEqual([[], [7], [7, 3]]);
});

test('R210 a definition is checked when it is made, and parameters when they are given', async () => {
  const { client } = await opened();
  const schema = schemaOf(() => true);
  for (const wrong of [
    { ...place, name: '' },
    { ...place, store: 'none' },
    { ...place, topic: '' },
    { ...place, topic: 'rooms/:' },
  ]) {
    expect(() => presence({ ...wrong, schema })).toThrow(TypeError);
  }
  expect(() => presence({ ...place, schema: {} as never })).toThrow(/[sS]chema/);
  expect(() => presence({ ...place, schema, throttle: -1 })).toThrow(RangeError);
  for (const params of [{}, { id: '' }]) {
    expect(() => made(client).presence(Cursors, params)).toThrow(TypeError);
  }
});

test('R212 who comes late sees everyone at once', async () => {
  const world = await opened();
  for (const x of [1, 2, 3]) {
    const peer = room(world);
    peer.retain();
    peer.set({ x });
  }
  const watcher = room(world);
  watcher.retain();
  await expect.poll(() => watcher.peers.get().size).toBe(3);
  const late = room(world);
  const sizes: number[] = [];
  observe(late.peers, (peers) => sizes.push(peers.size));
  await expect.poll(() => sizes).toEqual([0, 3]);
});

test('R213 of a hundred that are set within the throttle two are sent, and the last is the last', async () => {
  const world = await opened();
  const valve = new Valve();
  const a = room(world, { link: valve });
  const watcher = room(world);
  a.retain();
  const seen: number[] = [];
  observe(watcher.peers, (peers) => {
    for (const { value } of peers.values()) seen.push(value.x);
  });
  a.set({ x: 0 });
  await expect.poll(() => seen).toEqual([0]);
  for (let x = 1; x <= 100; x++) a.set({ x });
  await expect.poll(() => seen.at(-1)).toBe(100);
  const sent = valve.sent.filter((data) => String(data).includes('presence_track')).length;
  expect(sent).toBeLessThanOrEqual(3);
});

test('client.presence without the part that brings it names the import', async () => {
  const { client } = await opened();
  expect(() => client().presence(Cursors, { id: '1' })).toThrow(
    new TypeError(
      'client.presence needs createClient({ presences: presences(…) }), of @holdfast/client/presence.',
    ),
  );
});
