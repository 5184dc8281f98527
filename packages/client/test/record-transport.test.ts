import { type Client, type ClientOptions, createClient, observe } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { type RecordHandle, records } from '@holdfast/client/records';
import {
  byTransport,
  InProcessTransport,
  NatsTransport,
  streamTransport,
  type SyncTransport,
  type TransportDelivery,
} from '@holdfast/client/records/transport';
import { record, type StandardSchema } from '@holdfast/protocol';
import type { Envelope, HandshakeAnswer, HandshakeRequest } from '@holdfast/protocol/record';
import { expect, test } from 'vitest';
import { platformEnv } from '../src/env.ts';

type User = { readonly name: string };

const schema: StandardSchema<User, User> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof (Object(value) as { name?: unknown }).name === 'string'
        ? { value: value as User }
        : { issues: [{ message: 'no name' }] },
  },
};

const User = record({
  name: 'user',
  store: 'acme/app',
  path: 'users/:id',
  version: '1.0',
  schema,
  mutations: { lengthen: { apply: (user) => user && { name: user.name.repeat(70_000) } } },
});
const key = User.key({ id: '1' });

const at = (sequence: number, name = `v${sequence}`, over: object = {}): Envelope => ({
  value: { name },
  schema_version: '1.0',
  sequence,
  incarnation: 'e1',
  ...over,
});

type Setting = {
  readonly client: Client;
  readonly ada: RecordHandle<typeof User>;
  readonly errors: unknown[];
};

const open: Client[] = [];

function setting(delivery: TransportDelivery, more: Partial<ClientOptions> = {}): Setting {
  const errors: unknown[] = [];
  const client = createClient({
    url: 'ws://nowhere.test',
    token: 'none',
    link: memoryLink(() => null),
    records: records([User], { delivery: byTransport(delivery) }),
    onError: (error) => errors.push(error),
    ...more,
  });
  open.push(client);
  return { client, ada: client.record(User, { id: '1' }), errors };
}

/** A transport whose reconnects are called for by hand. */
function reconnecting(base: SyncTransport, reconnects: (() => void)[]): SyncTransport {
  return {
    status: base.status,
    publish: (each, message) => base.publish(each, message),
    subscribe: (each, handler) => base.subscribe(each, handler),
    onReconnect: (fn) => (reconnects.push(fn), base.onReconnect(() => {})),
    keyCount: () => base.keyCount(),
    stats: () => base.stats(),
    flush: () => base.flush(),
    close: () => base.close(),
  };
}

const names = (ada: RecordHandle<typeof User>): (string | undefined)[] => {
  const seen: (string | undefined)[] = [];
  observe(ada, (user) => seen.push(user?.name));
  return seen;
};

test('R80 R27 a seed is shown at once, and what comes follows, over one subscription for all', async () => {
  const transport = new InProcessTransport();
  const { ada, client } = setting({
    transport,
    seed: (each) => (each === key ? at(1) : undefined),
  });
  const release = client.record(User, { id: '1' }).retain();
  const seen = names(ada);
  expect(ada.state.get()).toMatchObject({ status: 'ok', sequence: 1, source: 'seed' });
  expect(transport.keyCount()).toBe(1);
  transport.publish(key, at(2));
  transport.publish(User.key({ id: '2' }), at(3, 'other'));
  expect(seen).toEqual(['v1', 'v2']);
  expect(ada.stats()).toMatchObject({ applied: 2, ignoredStale: 0 });
  release();
  await client.close();
  expect(transport.keyCount()).toBe(0);
  expect(ada.state.get().status).toBe('closed');
  transport.publish(key, at(4));
  expect(seen).toEqual(['v1', 'v2']);
});

test('what a mutation writes is shown, however much it is: how much it may be is for the server to say', () => {
  const transport = new InProcessTransport();
  const { ada } = setting({ transport, seed: () => at(1, 'a') });
  const release = ada.retain();
  ada.mutate('lengthen');
  expect(ada.get()?.name).toHaveLength(70_000);
  release();
});

test('R81 R82 R84 R91 a stream is opened once, listened to, and closed with the last who looks', async () => {
  const log: string[] = [];
  const tells: ((each: Envelope) => void)[] = [];
  const transport = streamTransport({
    open: (each) => {
      log.push(`open ${each}`);
      return { listen: (tell) => tells.push(tell), close: () => log.push('close') };
    },
  });
  const { ada, client } = setting({ transport });
  const seen = names(ada);
  expect(ada.state.get().status).toBe('stale');
  tells[0]?.(at(1, 'ada'));
  tells[0]?.(at(2, 'grace'));
  expect(seen).toEqual([undefined, 'ada', 'grace']);
  await client.close();
  tells[0]?.(at(3, 'late'));
  expect(seen).toEqual([undefined, 'ada', 'grace']);
  expect(log).toEqual([`open ${key}`, 'close']);
});

test('R89 R83 R45 what cannot be read is counted, and a snapshot asked for', async () => {
  const transport = new InProcessTransport();
  const asked: unknown[] = [];
  const { ada } = setting({
    transport,
    seed: () => at(1),
    refetch: (each, { have }) => {
      asked.push([each, have?.sequence]);
      return Promise.resolve(at(3, 'whole'));
    },
  });
  const states: string[] = [];
  ada.state.subscribe(() => states.push(ada.state.get().status));
  transport.publish(key, at(1));
  transport.publish(key, at(2, 'x', { schema_version: '2.0' }));
  expect([ada.get()?.name, ada.state.get().status]).toEqual(['v1', 'refetching']);
  await ada.whenIdle();
  expect([ada.get()?.name, states]).toEqual(['whole', ['refetching', 'ok']]);
  expect(ada.state.get().source).toBe('snapshot');
  expect(asked).toEqual([[key, 1]]);
  expect(ada.stats()).toMatchObject({ applied: 2, ignoredStale: 1, schemaSkews: 1, refetches: 1 });
});

test('R64 R59 R61 a listener may publish, throw or leave: states come in order, each to all who are there', () => {
  const transport = new InProcessTransport();
  const { ada, errors } = setting({ transport, seed: () => at(1) });
  const seen: [string[], string[]] = [[], []];
  const run = (): void => {
    seen[0].push(ada.get()?.name ?? '');
    if (ada.state.get().sequence === 2) transport.publish(key, at(3));
  };
  const first = ada.subscribe(run);
  ada.subscribe(() => {
    throw new Error('broken');
  });
  const last = ada.subscribe(() => seen[1].push(ada.get()?.name ?? ''));
  ada.subscribe(run);
  transport.publish(key, at(2));
  expect(seen[1]).toEqual(['v2', 'v3']);
  expect(ada.stats()).toMatchObject({ applied: 3, listenerErrors: 2, gaps: 0 });
  expect(errors).toHaveLength(2);
  first();
  first();
  last();
  seen[0].length = 0;
  transport.publish(key, at(4));
  expect([seen[0], seen[1]]).toEqual([['v4'], ['v2', 'v3']]);
});

test('R73 a release from within a listener ends it at once', () => {
  const transport = new InProcessTransport();
  const { ada } = setting({ transport, seed: () => at(1) });
  let told = 0;
  const later = { release: (): void => undefined };
  const release = ada.subscribe(() => {
    told += 1;
    release();
    later.release();
  });
  later.release = ada.subscribe(() => (told += 10));
  transport.publish(key, at(2));
  transport.publish(key, at(3));
  expect(told).toBe(1);
});

test('R31 R58 R79 with a handshake the answer counts; each reconnect asks once; denied erases', async () => {
  const base = new InProcessTransport();
  const reconnects: (() => void)[] = [];
  const asked: HandshakeRequest[] = [];
  let answer: (key: string) => HandshakeAnswer = (each) => ({
    key: each,
    type: 'snapshot',
    envelope: at(5),
  });
  const transport: SyncTransport = {
    ...reconnecting(base, reconnects),
    handshake: (requests) => {
      asked.push(...requests);
      return Promise.resolve(requests.map((each) => answer(each.key)));
    },
  };
  const { ada } = setting({ transport });
  const release = ada.retain();
  base.publish(key, at(3));
  expect(ada.state.get().status).toBe('refetching');
  await ada.ready();
  await ada.whenIdle();
  expect([ada.get()?.name, ada.state.get().status]).toEqual(['v5', 'ok']);
  answer = (each) => ({ key: each, type: 'denied', reason: 'not yours' });
  reconnects[0]?.();
  await ada.whenIdle();
  expect(asked.map(({ sequence }) => sequence)).toEqual([undefined, 5]);
  expect(asked[1]).toMatchObject({
    key,
    record: 'user',
    params: { id: '1' },
    client_version: '1.0',
  });
  expect(ada.state.get()).toMatchObject({ status: 'denied', value: undefined });
  release();
});

test('records that have only `refetch` are not all asked for at once when the connection is back', async () => {
  const reconnects: (() => void)[] = [];
  const alarms: { readonly run: () => void; readonly ms: number }[] = [];
  const asked: string[] = [];
  let chance = 0;
  const base = new InProcessTransport();
  const transport = reconnecting(base, reconnects);
  const refetch = (each: string) => (asked.push(each), Promise.resolve(at(2)));
  const env = {
    ...platformEnv,
    now: () => 0,
    random: () => (chance += 0.25),
    setTimeout: (run: () => void, ms: number) => alarms.push({ run, ms }),
    clearTimeout: () => {},
  };
  const { client } = setting({ transport, refetch, seed: () => at(1) }, { env });
  const ids = ['1', '2', '3'];
  for (const id of ids) client.record(User, { id }).retain();
  alarms.length = 0;
  chance = 0;
  for (const each of reconnects) each();
  expect(asked).toEqual([]);
  expect(alarms.map(({ ms }) => ms)).toEqual([500, 1000, 1500]);
});

test('R69 R72 what fails is told of, and the end aborts what is under way', async () => {
  const transport = new InProcessTransport();
  const signals: AbortSignal[] = [];
  const { ada, client } = setting({
    transport,
    refetch: (_, { signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    },
  });
  const release = ada.retain();
  expect(ada.state.get().status).toBe('loading');
  await client.close();
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  release();
});

test('R96 where a stream cannot be opened nothing stays subscribed, and the caller hears of it', () => {
  let isBroken = true;
  const transport = streamTransport({
    open: () => {
      if (isBroken) throw new Error('no stream');
      return { listen: (tell) => tell(at(1)) };
    },
  });
  const { ada } = setting({ transport });
  expect(() => ada.retain()).toThrow('no stream');
  expect(transport.keyCount()).toBe(0);
  isBroken = false;
  ada.retain();
  expect(ada.get()?.name).toBe('v1');
});

test('R90 R93 two clients with transports of their own do not affect each other', () => {
  const transports = [new InProcessTransport(), new InProcessTransport()] as const;
  const [one, two] = transports.map((transport) => setting({ transport }).ada);
  one?.retain();
  two?.retain();
  transports[0].publish(key, at(1));
  expect([one?.get()?.name, two?.get()]).toEqual(['v1', undefined]);
});

test('R75 a hundred who look at one record are one subscription', () => {
  const transport = new InProcessTransport();
  const { client } = setting({ transport });
  const releases = Array.from({ length: 100 }, () => client.record(User, { id: '1' }).retain());
  expect(transport.keyCount()).toBe(1);
  for (const release of releases) release();
});

test('a record whose bus subscription came only after its first answer is asked for again, and shows what went by meanwhile', async () => {
  let permits = false;
  const bus = {
    publish: () => undefined,
    subscribe: () => {
      if (!permits) throw new Error('no subscription now');
      return () => undefined;
    },
  };
  const due: (() => void)[] = [];
  const env = {
    setTimeout: (fn: () => void) => due.push(fn),
    clearTimeout: () => undefined,
    random: () => 0,
  };
  const codec = { encode: () => new Uint8Array(), decode: () => null };
  const transport = new NatsTransport({ connection: bus, codec, env });
  let sequence = 1;
  const { ada } = setting(
    { transport, refetch: () => Promise.resolve(at(sequence)) },
    { env: { random: () => 0 } },
  );
  const seen = names(ada);
  await ada.ready();
  expect(seen.at(-1)).toBe('v1');
  // Published while nobody here could hear of it.
  sequence = 2;
  permits = true;
  due.shift()?.();
  await expect.poll(() => seen.at(-1)).toBe('v2');
  expect(ada.state.get().status).toBe('ok');
});

test('a record whose stream is open again, which is all that an EventSource tells, is asked for again, and no other', async () => {
  const opens = new Map<string, () => void>();
  const transport = streamTransport({
    open: (each) => ({ listen: () => {}, onOpen: (hear) => void opens.set(each, hear) }),
  });
  const asked: string[] = [];
  const { client, ada } = setting(
    { transport, refetch: (each) => (asked.push(each), Promise.resolve(at(asked.length))) },
    { env: { random: () => 0 } },
  );
  const other = client.record(User, { id: '2' });
  const seen = names(ada);
  names(other);
  for (const begin of opens.values()) begin();
  await Promise.all([ada.ready(), other.ready()]);
  expect(asked).toEqual([key, User.key({ id: '2' })]);
  opens.get(key)?.();
  await expect.poll(() => seen.at(-1)).toBe('v3');
  expect(asked.slice(2)).toEqual([key]);
});

test('a transport that is back by an event, which it hands on, is back for each key', async () => {
  const reconnects: (() => void)[] = [];
  const transport = reconnecting(new InProcessTransport(), reconnects);
  let sequence = 0;
  const { ada } = setting(
    { transport, refetch: () => Promise.resolve(at((sequence += 1))) },
    { env: { random: () => 0 } },
  );
  const seen = names(ada);
  await ada.ready();
  for (const run of reconnects) Reflect.apply(run, null, [new Event('open')]);
  await expect.poll(() => seen.at(-1)).toBe('v2');
});

test('everything ends', async () => {
  await Promise.all(open.map((client) => client.close()));
  expect(open.map((client) => client.status.get().connection)).toEqual(open.map(() => 'closed'));
});
