import { expect, test } from 'vitest';
import { openWorld } from './world.ts';

// More than a client keeps open of what nobody holds: what is closed makes room at once.
const roomFor = 33;

test('a store that finds no room on the connection says so, and has its turn, with its writes, when another is closed', async () => {
  await using world = await openWorld(undefined, {
    limits: { max_channels_per_socket: roomFor },
  });
  const names = Array.from({ length: roomFor + 2 }, (_, i) => `acme/s${i}`);
  await Promise.all(names.map((name) => world.createStore(name)));
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
