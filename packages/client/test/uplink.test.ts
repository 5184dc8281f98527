import { type ClientOptions, createClient, type Link, type LinkEvents } from '@holdfast/client';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';

type Dialed = { readonly url: URL; readonly events: LinkEvents; readonly isClosed: () => boolean };

/** A client whose connections a test opens and ends, in a time of its own. */
function setting(options: Partial<ClientOptions> = {}) {
  const clock = new VirtualClock();
  const dialed: Dialed[] = [];
  const errors: unknown[] = [];
  const link: Link = {
    open: (url, events) => {
      let isClosed = false;
      dialed.push({ url: new URL(url), events, isClosed: () => isClosed });
      return {
        send: () => undefined,
        close: () => {
          isClosed = true;
        },
      };
    },
  };
  const client = createClient({
    url: 'ws://nowhere.test',
    token: 'given',
    link,
    onError: (error) => errors.push(error),
    ...options,
    env: {
      now: () => clock.now(),
      wall: () => clock.wall(),
      setTimeout: (run, ms) => clock.setTimeout(run, ms),
      clearTimeout: (handle) => clock.clearTimeout(handle),
      random: () => 0.5,
      fetch: () => Promise.reject(new TypeError('no network')),
      ...options.env,
    },
  });
  /** The connections that were asked for by now. */
  const count = (): Promise<number> => clock.pass(0).then(() => dialed.length);
  return { client, clock, dialed, errors, count };
}

const connectionOf = ({ client }: ReturnType<typeof setting>): string =>
  client.status.get().connection;

test('connect tries at once where the next attempt would come later', async () => {
  const at = setting();
  await expect.poll(at.count).toBe(1);
  at.dialed[0]?.events.closed(1006);
  await expect.poll(() => at.client.status.get().attempts).toBe(1);
  expect(await at.count()).toBe(1);
  const connected = at.client.connect();
  await expect.poll(at.count).toBe(2);
  at.dialed[1]?.events.opened();
  await connected;
  await at.client.close();
});

test.each(['token', 'params'] as const)(
  'a client that is closed while its %s are asked for opens no connection (C20)',
  async (asked) => {
    let give: (() => void) | undefined;
    const at = setting({
      [asked]: () =>
        new Promise((resolve) => {
          give = () => resolve(asked === 'token' ? 'given' : {});
        }),
    });
    await expect.poll(() => give !== undefined).toBe(true);
    await at.client.close();
    give?.();
    await new Promise(setImmediate);
    expect([await at.count(), at.clock.timers, at.errors]).toEqual([0, 0, []]);
  },
);

test('a client that is closed listens to the network no more, and waits for no answer about its token (C20)', async () => {
  let isWatched = false;
  const asked: (AbortSignal | null | undefined)[] = [];
  const at = setting({
    env: {
      watchNetwork: () => {
        isWatched = true;
        return () => {
          isWatched = false;
        };
      },
      fetch: (_url, { signal }) => {
        asked.push(signal);
        return new Promise(() => undefined);
      },
    },
  });
  await expect.poll(at.count).toBe(1);
  at.dialed[0]?.events.closed(1006);
  await expect.poll(() => asked.length).toBe(1);
  expect([isWatched, asked[0]?.aborted]).toEqual([true, false]);
  await at.client.close();
  expect([isWatched, asked[0]?.aborted, at.clock.timers]).toEqual([false, true, 0]);
});

test('a client that is closed ends its connection, and no timer runs after that (C20)', async () => {
  const at = setting();
  await expect.poll(at.count).toBe(1);
  at.dialed[0]?.events.opened();
  expect([connectionOf(at), at.dialed[0]?.isClosed()]).toEqual(['connected', false]);
  await at.client.close();
  expect([connectionOf(at), at.dialed[0]?.isClosed(), at.clock.timers]).toEqual([
    'closed',
    true,
    0,
  ]);
});

test('C18 a token source is told of a token that was refused until one is taken, and then no more', async () => {
  const asked: (string | undefined)[] = [];
  const at = setting({
    token: (refused) => {
      asked.push(refused);
      return refused === undefined ? 'old' : 'new';
    },
  });
  await expect.poll(at.count).toBe(1);
  at.dialed[0]?.events.closed(4001);
  await expect.poll(at.count).toBe(2);
  at.dialed[1]?.events.opened();
  at.dialed[1]?.events.closed(4002);
  await expect.poll(at.count).toBe(3);
  expect(asked).toEqual([undefined, 'old', undefined]);
  expect(at.dialed.map(({ url }) => url.searchParams.get('token'))).toEqual(['old', 'new', 'old']);
  await at.client.close();
});

test('C18 a token source that has nothing for a token that was refused is told of that one again when it is asked again', async () => {
  const asked: (string | undefined)[] = [];
  const at = setting({
    token: (refused) => {
      asked.push(refused);
      if (asked.length === 2) throw new Error('signed out');
      return refused === undefined ? 'old' : 'new';
    },
  });
  await expect.poll(at.count).toBe(1);
  at.dialed[0]?.events.closed(4001);
  await expect.poll(() => connectionOf(at)).toBe('failed');
  void at.client.connect();
  await expect.poll(at.count).toBe(2);
  expect(asked).toEqual([undefined, 'old', 'old']);
  await at.client.close();
});

test('C18 a token source that says after minutes that there is no other token, as where nobody signs in, is not asked once more', async () => {
  let cancel: (() => void) | undefined;
  let asked = 0;
  const at = setting({
    token: (refused) => {
      asked += 1;
      if (refused === undefined) return 'old';
      return new Promise((_, reject) => {
        cancel = () => reject(new Error('cancelled'));
      });
    },
    env: { random: () => 0 },
  });
  await expect.poll(at.count).toBe(1);
  at.dialed[0]?.events.closed(4001);
  await at.clock.pass(180_005);
  cancel?.();
  await expect.poll(() => connectionOf(at)).toBe('failed');
  expect([asked, at.dialed.length]).toEqual([2, 1]);
  await at.client.close();
});

test('C18 a token that was given before a long time without a network is renewed, as one that was taken is', async () => {
  const tokens = ['old', 'new', 'newer'];
  let given = 0;
  const at = setting({
    token: (refused) => {
      if (refused === tokens[given]) given += 1;
      return tokens[given] ?? '';
    },
    env: { random: () => 0 },
  });
  await expect.poll(at.count).toBe(1);
  at.dialed[0]?.events.closed(4001);
  await expect.poll(at.count).toBe(2);
  at.dialed[1]?.events.closed(1006);
  await at.clock.pass(60_005);
  at.dialed.at(-1)?.events.closed(4001);
  const last = (): string | null | undefined => at.dialed.at(-1)?.url.searchParams.get('token');
  await expect.poll(() => at.count().then(last)).toBe('newer');
  await at.client.close();
});

test('C18 where there is another token for one that was refused, and what else is said cannot be had for now, it is tried again', async () => {
  let isDown = false;
  const at = setting({
    token: (refused) => (refused === undefined ? 'old' : 'new'),
    params: () => {
      if (isDown) throw new Error('no params');
      return {};
    },
  });
  await expect.poll(at.count).toBe(1);
  isDown = true;
  at.dialed[0]?.events.closed(4001);
  await expect.poll(() => at.errors.length).toBe(1);
  isDown = false;
  await expect.poll(() => at.clock.pass(1000).then(() => at.dialed.length)).toBe(2);
  expect([connectionOf(at), at.dialed[1]?.url.searchParams.get('token')]).toEqual([
    'connecting',
    'new',
  ]);
  await at.client.close();
});

test('a token source that gives an empty text gives none: nothing is connected without one, and it is asked again', async () => {
  const tokens = ['', 'given'];
  const at = setting({ token: () => tokens.shift() ?? 'given' });
  await expect
    .poll(() => at.errors.map(String))
    .toEqual(['Error: The token source gave no token.']);
  expect(at.dialed).toEqual([]);
  await expect.poll(() => at.clock.pass(1000).then(() => at.dialed.length)).toBe(1);
  await at.client.close();
});

test('why a connection has ended is asked of nobody where it was open, or says itself that the token is no good', async () => {
  let asked = 0;
  const at = setting({
    token: () => 'given',
    env: {
      fetch: () => {
        asked += 1;
        return Promise.resolve(new Response(null, { status: 200 }));
      },
    },
  });
  await expect.poll(at.count).toBe(1);
  at.dialed[0]?.events.opened();
  at.dialed[0]?.events.closed(1006);
  await expect.poll(() => at.clock.pass(1000).then(() => at.dialed.length)).toBe(2);
  at.dialed[1]?.events.closed(4001);
  await expect.poll(at.count).toBe(3);
  expect(asked).toBe(0);
  at.dialed[2]?.events.closed(1006);
  await expect.poll(() => asked).toBe(1);
  await at.client.close();
});
