import { HoldfastError } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { Item } from './item.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

test('C18 another token than one that was refused is asked for once, though it takes longer than a connection may', async () => {
  const clock = new VirtualClock();
  await using still = await openWorld(undefined, { clock });
  const asked: ((token: string) => void)[] = [];
  let isFirst = true;
  const client = still.client({
    token: () => {
      if (!isFirst) return new Promise((resolve) => void asked.push(resolve));
      isFirst = false;
      return 'refused';
    },
  });
  const store = client.store('acme/app');
  await expect.poll(() => asked.length).toBe(1);
  await clock.pass(60_000);
  expect(client.status.get().attempts).toBeGreaterThan(1);
  asked[0]?.(still.token);
  await store.ready;
  expect(asked).toHaveLength(1);
});

test('C18 a source that says between two attempts that there is no other token is not asked again', async () => {
  const clock = new VirtualClock();
  await using still = await openWorld(undefined, { clock });
  const fails: ((error: Error) => void)[] = [];
  let asked = 0;
  const client = still.client({
    token: () => {
      asked += 1;
      return asked === 1 ? 'refused' : new Promise((_, reject) => void fails.push(reject));
    },
  });
  client.store('acme/app');
  await expect.poll(() => fails.length).toBe(1);
  // It has been given up, and the next attempt is to come.
  while (client.status.get().attempts === 0) {
    // oxlint-disable-next-line no-await-in-loop -- one step after the other
    await clock.pass(100);
  }
  fails[0]?.(new Error('signed out'));
  await expect.poll(() => client.status.get().connection).toBe('failed');
  await clock.pass(60_000);
  expect(asked).toBe(2);
});

test('a source that always takes longer than a connection may is connected with what it gives: its first answer is for whichever attempt waits', async () => {
  const clock = new VirtualClock();
  await using still = await openWorld(undefined, { clock });
  const asked: ((token: string) => void)[] = [];
  const client = still.client({
    token: () => new Promise((resolve) => void asked.push(resolve)),
  });
  const store = client.store('acme/app');
  await expect.poll(() => asked.length).toBe(1);
  await clock.pass(60_000);
  expect(client.status.get().attempts).toBeGreaterThan(1);
  asked[0]?.(still.token);
  await store.ready;
});

test('a source that never answers once is asked again with the next attempt, and that one connects', async () => {
  const clock = new VirtualClock();
  await using still = await openWorld(undefined, { clock });
  let count = 0;
  const client = still.client({
    token: () => (count++ === 0 ? new Promise(() => undefined) : still.token),
  });
  const store = client.store('acme/app');
  await expect.poll(() => count).toBe(1);
  // No further than to the next attempt, which takes no time by this clock.
  await expect.poll(() => clock.pass(1000).then(() => count)).toBe(2);
  await store.ready;
  expect(count).toBe(2);
});

/** A source whose own server cannot be reached until it has been asked so often; it believes in an old token at first. */
const unreachable = (until: number, asked: (string | undefined)[]) => async (refused?: string) => {
  asked.push(refused);
  if (asked.length === 1) return 'expired';
  if (asked.length < until) await fetch('http://127.0.0.1:1/token');
  return world.token;
};

test('C18 a source that has no network when it is to give another token is asked on, and nobody is signed out', async () => {
  const asked: (string | undefined)[] = [];
  const client = world.client({ token: unreachable(5, asked), env: { random: () => 0.01 } });
  const states = new Set<string>();
  client.status.subscribe(() => states.add(client.status.get().connection));
  await client.store('acme/app').ready;
  expect([...states]).not.toContain('failed');
  expect(asked).toEqual([undefined, ...Array.from({ length: 4 }, () => 'expired')]);
});

test.each(['<!doctype html>\n<title>Wi-Fi</title>', 'Bienvenue à l’hôtel ☕'])(
  'C18 a source that took %j of a captive portal for a token is asked for another, though no header can carry that one',
  async (portal) => {
    const asked: (string | undefined)[] = [];
    const { rawToken } = await world.issue(['entries:read', 'files:read', 'files:write']);
    const client = world.client({
      token: (refused) => {
        asked.push(refused);
        return refused === undefined ? portal : rawToken;
      },
      env: { random: () => 0.01 },
    });
    const store = client.store('acme/app');
    await store.ready;
    expect(asked).toEqual([undefined, portal]);
    await expect(store.getFile('a')).resolves.toBeUndefined();
  },
);

test('C18 a page of a captive portal is refused also where a server lets in who has no token', async () => {
  await using open = await openWorld(({ token }) =>
    token === null || token === 'good'
      ? { subject: token, orgs: ['acme'], scopes: ['entries:read'] }
      : null,
  );
  const asked: (string | undefined)[] = [];
  const client = open.client({
    token: (refused) => {
      asked.push(refused);
      return refused === undefined ? '<html>\nWi-Fi' : 'good';
    },
    env: { random: () => 0.01 },
  });
  await client.store('acme/app').ready;
  expect(asked).toEqual([undefined, '<html>\nWi-Fi']);
});

test('C18 a token with a line break behind it, as a file ends, is refused, and not tried for ever', async () => {
  const client = world.client({ token: `${world.token}\n` });
  await expect(client.connect()).rejects.toMatchObject({ code: 'unauthorized' });
});

test('C18 a source whose server is busy says so by an error that may be tried again, and is asked on', async () => {
  let asked = 0;
  const client = world.client({
    token: () => {
      asked += 1;
      if (asked === 1) return 'expired';
      if (asked < 4) throw new HoldfastError('unavailable');
      return world.token;
    },
    env: { random: () => 0.01 },
  });
  await client.store('acme/app').ready;
  expect(asked).toBe(4);
});

test('C18 what a source says at last, after it could not be reached, is final: there is no other token', async () => {
  let asked = 0;
  const client = world.client({
    token: async () => {
      asked += 1;
      if (asked === 1) return 'expired';
      if (asked < 4) await fetch('http://127.0.0.1:1/token');
      throw new Error('signed out');
    },
    env: { random: () => 0.01 },
  });
  await expect(client.connect()).rejects.toMatchObject({ code: 'unauthorized' });
  expect([asked, client.status.get().connection]).toEqual([4, 'failed']);
});

test('a file is sent and read though its token source could not be reached for some time', async () => {
  const { rawToken } = await world.issue([
    'entries:read',
    'entries:write',
    'files:read',
    'files:write',
  ]);
  const refused: (string | undefined)[] = [];
  let isLost = false;
  const store = await world.store({
    token: async (of) => {
      refused.push(of);
      if (isLost) {
        isLost = false;
        await fetch('http://127.0.0.1:1/token');
      }
      return refused.length === 2 ? 'expired' : rawToken;
    },
    env: { random: () => 0.01 },
  });
  await store.putFile('a', new Uint8Array([1]));
  expect(refused).toEqual([undefined, undefined, 'expired']);
  isLost = true;
  await store.putFile('a', new Uint8Array([2]));
  isLost = true;
  expect(await store.getFile('a')).toMatchObject({ size: 1 });
});

test('what is told by params is told with each request, too: files, the past and streams are had, and who is refused by them hears so', async () => {
  await using open = await openWorld(({ params }) =>
    params.get('user') === 'ada'
      ? { subject: 'ada', orgs: ['acme'], scopes: ['entries:read', 'entries:write', 'files:read'] }
      : null,
  );
  const ada = open.client({
    token: 'x',
    params: () => Promise.resolve({ user: 'ada' }),
    records: records([Item], { delivery: bySse() }),
  });
  await open.server.record(Item).write({ id: '1' }, { set: { n: 5 } });
  const item = ada.record(Item, { id: '1' });
  await item.ready();
  expect(item.get()).toEqual({ n: 5 });
  const store = ada.store('acme/app');
  const { seq } = await store.put('a', 1).committed;
  await expect(store.at(seq).get('a')).resolves.toBe(1);
  await expect(store.getFile('b')).resolves.toBeUndefined();
  const bob = open.client({ token: 'x', params: { user: 'bob' } });
  await expect(bob.connect()).rejects.toMatchObject({ code: 'unauthorized' });
});

test('S78 what waits for a token that does not come ends where it is given up, or its client is closed (P35)', async () => {
  let isFirst = true;
  const asked: object[] = [];
  const client = world.client({
    token: () => {
      if (!isFirst) return new Promise((resolve) => void asked.push(resolve));
      isFirst = false;
      return world.token;
    },
  });
  const store = client.store('acme/app');
  await store.ready;
  const abort = new AbortController();
  const { signal } = abort;
  const [fetched, sent] = [store.getFile('a', { signal }), store.putFile('a', new Blob(['b']))];
  await expect.poll(() => asked.length).toBe(2);
  abort.abort();
  await expect(fetched).rejects.toMatchObject({ name: 'AbortError' });
  await Promise.all([client.close(), expect(sent).rejects.toMatchObject({ code: 'closed' })]);
});
