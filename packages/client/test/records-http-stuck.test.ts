import { getEventListeners } from 'node:events';
import type { ClientOptions } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { type Principal, scopes } from '@holdfast/server';
import { expect, onTestFinished, test, vi } from 'vitest';
import { VirtualClock } from '../../engine/test/virtual-clock.ts';
import { platformEnv } from '../src/env.ts';
import { apart, Item, NoSocket, opened } from './records-http-setting.ts';
import type { World } from './world.ts';

const page = (): Promise<Response> => Promise.resolve(new Response('<html>'));
const pass: typeof fetch = (url, init) => fetch(url, init);
const never = (): Promise<Response> => new Promise(() => {});

const somebody: Principal = {
  subject: 'ann',
  orgs: ['acme'],
  scopes: new Set(scopes),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};

const busy = (): Promise<Response> =>
  Promise.resolve(Response.json({ error: 'idempotency_in_progress' }, { status: 409 }));

/** A client in time that only the test moves, all of whose writes by HTTP are answered so. */
function writer(world: World, answer: typeof fetch, options: Partial<ClientOptions>) {
  const clock = new VirtualClock();
  const { now, setTimeout, clearTimeout } = clock;
  const at: number[] = [];
  const fetchOf = (url: string, init: RequestInit): Promise<Response> => {
    if (!url.endsWith('/transact')) return fetch(url, init);
    at.push(clock.now());
    return answer(url, init);
  };
  const env = { ...platformEnv, now, setTimeout, clearTimeout, fetch: fetchOf };
  const delivery = byTransport({ transport: new InProcessTransport() });
  const errors: unknown[] = [];
  const client = world.client({
    env,
    records: records([Item], { delivery }),
    onError: (error) => errors.push(error),
    ...options,
  });
  return { clock, at, client, errors };
}

/** Lets time pass until something has come to be. */
async function settled(clock: VirtualClock, work: Promise<unknown>): Promise<void> {
  let isOver = false;
  void work.then(() => {
    isOver = true;
  });
  await expect.poll(async () => (await clock.advance(1000), isOver)).toBe(true);
}

test('a write that HTTP never answers goes by the socket where there is one, and is committed once', async () => {
  const world = await opened();
  await world.createStore('acme/other');
  const { clock, at, client } = writer(world, never, {});
  await settled(clock, client.store('acme/other').ready);
  const { committed } = client.record(Item, { id: '1' }).patch({ n: 6 });
  await expect.poll(async () => (await clock.advance(1), at.length)).toBe(1);
  await clock.advance(10_000);
  await settled(clock, committed);
  expect(at).toHaveLength(1);
  expect((await world.items.get({ id: '1' })).value).toEqual({ n: 6 });
});

test('where HTTP answers nonsense to every write, and there is no socket, it is tried ever less often, and told', async () => {
  const world = await opened();
  const { clock, at, client, errors } = writer(world, page, { webSocket: NoSocket });
  client.record(Item, { id: '1' }).patch({ n: 6 });
  for (let second = 0; second < 600 || at.length < 5 || errors.length === 0; second += 1) {
    // oxlint-disable-next-line no-await-in-loop -- so that what comes over the network has its time
    await clock.advance(1000);
  }
  const waits = at.slice(1).map((each, index) => each - (at[index] ?? 0));
  expect(waits.length).toBeGreaterThan(3);
  expect(waits.length).toBeLessThan(30);
  expect(errors.filter((error) => error instanceof SyntaxError)).toHaveLength(1);
});

test('where HTTP answers nonsense to every write, they go by a socket from the third line on, for good', async () => {
  const world = await opened();
  const { clock, at, client, errors } = writer(world, page, {});
  const item = client.record(Item, { id: '1' });
  for (const n of [6, 7]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await settled(clock, item.patch({ n }).committed);
  }
  expect((await world.items.get({ id: '1' })).value).toEqual({ n: 7 });
  expect([at.length, errors.length]).toEqual([2, 1]);
});

test('what a client says in the URL of its socket it says with what it writes by HTTP', async () => {
  const said: (string | null)[] = [];
  const world = await opened(({ token, params }) => {
    const room = params.get('room');
    said.push(room);
    return Promise.resolve(room === 'blue & red' && token === 'ann' ? somebody : null);
  });
  const { client } = writer(world, pass, {
    token: 'ann',
    params: { room: 'blue & red' },
    webSocket: NoSocket,
  });
  await client.record(Item, { id: '1' }).patch({ n: 6 }).committed;
  expect(said.length).toBeGreaterThan(1);
  expect(new Set(said)).toEqual(new Set(['blue & red']));
});

test('nothing is kept of a wait for an answer that is still being made', async () => {
  const world = await opened();
  const heard = vi.spyOn(AbortSignal.prototype, 'addEventListener');
  onTestFinished(() => heard.mockRestore());
  const { net, item } = await apart(world);
  const kept = (): number => {
    const signals = [...new Set(heard.mock.contexts)].filter((each) => each instanceof AbortSignal);
    return signals.flatMap((each) => getEventListeners(each, 'abort')).length;
  };
  /** How many more are kept after a write that waits so often. */
  const grown = async (waits: number): Promise<number> => {
    const before = kept();
    net.faults.push(...Array.from({ length: waits }, () => busy));
    await item.increment('n').committed;
    return kept() - before;
  };
  await grown(0);
  expect(await grown(4)).toBe(await grown(0));
  expect(net.posts).toHaveLength(7);
});
