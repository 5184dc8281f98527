import { expect, test } from 'vitest';
import { openWorld, type World } from './world.ts';

// More than a client keeps open of what nobody holds: what is closed makes room at once.
const roomFor = 33;
const limits = { max_channels_per_socket: roomFor };

test('a store that finds no room on the connection says so, and has its turn, with its writes, when another is closed', async () => {
  await using world = await openWorld(undefined, { limits });
  const names = await createStores(world, roomFor + 2);
  const client = world.client();
  const stores = names.map((name) => client.store(name));
  const [first, second] = stores;
  const [b, c] = stores.slice(roomFor);
  await Promise.all(stores.slice(0, roomFor).map(({ ready }) => ready));
  const full = { code: 'too many channels joined' };
  await expect(b?.ready).rejects.toMatchObject(full);
  await expect(c?.ready).rejects.toMatchObject(full);
  const [inB, inC] = [b, c].map((store) => store?.put('k', 1));
  expect(client.status.get()).toMatchObject({ isSynced: false, pending: 2, error: full });
  first?.close();
  expect(await inB?.committed).toMatchObject({ seq: 1 });
  expect(b?.status.get().error).toBeUndefined();
  expect(c?.status.get()).toMatchObject({ pending: 1, error: full });
  second?.close();
  expect(await inC?.committed).toMatchObject({ seq: 1 });
  await c?.ready;
  await expect.poll(() => client.status.get()).toMatchObject({ isSynced: true, pending: 0 });
});

test('stores opened as others are closed are all ready, though the connection has no room for both', async () => {
  await using world = await openWorld(undefined, { limits });
  const names = await createStores(world, roomFor * 2);
  const client = world.client();
  const before = names.slice(0, roomFor).map((name) => client.store(name));
  await Promise.all(before.map(({ ready }) => ready));
  for (const store of before) store.close();
  const others = names.slice(roomFor).map((name) => client.store(name));
  await Promise.all(others.map(({ ready }) => ready));
});

async function createStores(world: World, length: number): Promise<readonly string[]> {
  const names = Array.from({ length }, (_, i) => `acme/s${i}`);
  await Promise.all(names.map((name) => world.createStore(name)));
  return names;
}
