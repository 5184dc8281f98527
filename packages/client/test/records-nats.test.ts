import { createClient } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { records } from '@holdfast/client/records';
import { transportLaw, type TransportSubject } from '@holdfast/client/records/conformance';
import {
  byTransport,
  envelopeCodec,
  natsBus,
  NatsTransport,
  type TransportProblem,
} from '@holdfast/client/records/transport';
import { passthrough, record } from '@holdfast/protocol';
import { type NatsConnection, connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type NatsServer, startNats, wantsNats } from '../../../tools/nats.ts';
import { platformEnv } from '../src/env.ts';
import { openWorld } from './world.ts';

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<{ readonly n: number; readonly big?: bigint }>(),
});

const numbered = (n: number) => ({ value: { n }, schema_version: '1.0', sequence: n });

/** A configuration in which one of two users may not use some subjects. */
const users = (denied: readonly string[]): string => `authorization { users = [
  { user: near, password: near, permissions: {
    publish: { allow: [">"], deny: ${JSON.stringify(denied)} }
    subscribe: { allow: [">"], deny: ${JSON.stringify(denied)} } } }
  { user: far, password: far }
] }`;

describe.skipIf(!wantsNats)('a real NATS server', () => {
  let nats: NatsServer;
  const connections: NatsConnection[] = [];

  beforeAll(async () => {
    nats = await startNats();
  });

  afterAll(async () => {
    await Promise.all(connections.map((each) => each.close()));
    await nats.stop();
  });

  const dial = async (): Promise<NatsConnection> => {
    const connection = await connect({ servers: nats.url, reconnectTimeWait: 20 });
    connections.push(connection);
    return connection;
  };

  /** A transport here, and another one, on a connection of its own, that publishes to it. */
  const open = async (): Promise<TransportSubject & { readonly far: NatsTransport }> => {
    const problems: TransportProblem[] = [];
    const codec = envelopeCodec();
    const [near, other] = [await dial(), await dial()];
    const transport = new NatsTransport({
      connection: natsBus(near),
      codec,
      onError: (problem) => problems.push(problem),
    });
    const far = new NatsTransport({ connection: natsBus(other), codec });
    return {
      transport,
      far,
      key: (name) => name,
      publish: (key, n) => far.publish(key, { value: { n }, schema_version: '1.0', sequence: n }),
      settled: async () => {
        await other.flush();
        await near.flush();
      },
      problems,
      end: async () => {
        await transport.close();
        await far.close();
      },
    };
  };

  describe('R1 R2 R3 R4 R5 R6 R7 R8 R9 R10 R11 R12 R13 R14 R17 R18 R23 R24 the law', () => {
    for (const { name, run } of transportLaw(open)) test(name, run);
  });

  test('R20 R25 R28 R30 bytes go between processes; keys like patterns stay apart; what is no message is counted', async () => {
    const { transport, far, settled } = await open();
    const keys = ['a.b', 'a *', 'a>', 'a%2Eb', 'rec/acme/app/items/ü'];
    const seen: unknown[] = [];
    for (const key of keys) {
      await transport.subscribe(key, (message) => seen.push([key, message])).ready;
    }
    const [near] = connections.slice(-2);
    near?.publish('holdfast.sync.a%252Eb', new Uint8Array([193]));
    const value = { n: 1, big: 2n ** 70n, when: new Date(7), bytes: new Uint8Array([0, 255]) };
    const envelope = { value, schema_version: '1.0', sequence: 1 };
    for (const key of keys) far.publish(key, envelope);
    await settled();
    expect(seen).toEqual(keys.map((key) => [key, envelope]));
    expect(transport.stats().decodeErrors).toBe(1);
  });

  test('what is not permitted is told of, harms no other key, and works when it is permitted again', async () => {
    const shut = users(['holdfast.sync.k']);
    const own = await startNats(-1, shut);
    onTestFinished(() => own.stop());
    const codec = envelopeCodec();
    const problems: TransportProblem[] = [];
    const transportOf = async (user: string): Promise<NatsTransport> => {
      const connection = await connect({ servers: own.url, user, pass: user });
      onTestFinished(() => connection.close());
      return new NatsTransport({
        connection: natsBus(connection),
        codec,
        env: { ...platformEnv, random: () => 0.05 },
        onError: (problem) => problems.push(problem),
      });
    };
    const [near, far] = [await transportOf('near'), await transportOf('far')];
    const seen: unknown[] = [];
    let reconnects = 0;
    near.onReconnect(() => (reconnects += 1));
    const hear = (message: unknown): unknown =>
      seen.push((message as { sequence: number }).sequence);
    const refused = near.subscribe('k', hear);
    await expect(refused.ready).rejects.toThrow(/permissions/i);
    expect(problems[0]).toMatchObject({ phase: 'subscribe', key: 'k' });
    await near.subscribe('other', hear).ready;
    far.publish('other', numbered(1));
    await expect.poll(() => seen).toEqual([1]);

    problems.length = 0;
    near.publish('k', numbered(0));
    await expect(near.flush({ timeout: 5000 })).rejects.toMatchObject({ code: 'transport_failed' });
    expect(problems).toContainEqual(expect.objectContaining({ phase: 'publish', key: 'k' }));
    near.publish('free', numbered(0));
    await near.flush({ timeout: 5000 });

    await own.reload(users([]));
    const told = async (n: number): Promise<boolean> => {
      far.publish('k', numbered(n));
      await far.flush({ timeout: 5000 });
      return seen.includes(n);
    };
    await expect.poll(() => told(2), { timeout: 10_000 }).toBe(true);
    const heard: unknown[] = [];
    await far.subscribe('k', (message) => heard.push(message)).ready;
    near.publish('k', numbered(3));
    await near.flush({ timeout: 5000 });
    await expect.poll(() => heard).toEqual([numbered(3)]);

    problems.length = 0;
    const before = reconnects;
    await own.reload(shut);
    await expect
      .poll(() => problems.map(({ phase, key }) => [phase, key]))
      .toContainEqual(['subscribe', 'k']);
    await own.reload(users([]));
    await expect.poll(() => told(4), { timeout: 10_000 }).toBe(true);
    expect(reconnects).toBeGreaterThan(before);
    await Promise.all([near.close(), far.close()]);
  });

  test('R27 R31 a record follows what a server publishes, over a lost connection too', async () => {
    await using world = await openWorld();
    const own = await startNats();
    onTestFinished(() => own.stop());
    const servers = { servers: own.url, reconnectTimeWait: 20, maxReconnectAttempts: -1 };
    const [near, far] = [await connect(servers), await connect(servers)];
    const codec = envelopeCodec();
    const items = world.server.record(Item);
    const stop = world.server.publish(Item, new NatsTransport({ connection: natsBus(far), codec }));
    const transport = new NatsTransport({ connection: natsBus(near), codec, env: platformEnv });
    let reconnects = 0;
    transport.onReconnect(() => (reconnects += 1));
    const client = createClient({
      url: 'ws://nowhere.test',
      token: 'none',
      // What is asked for after a reconnect is spread over two seconds; this client draws the first moment.
      env: { ...platformEnv, random: () => 0 },
      link: memoryLink(() => null),
      records: records([Item], {
        delivery: byTransport({
          transport,
          refetch: async () => items.get({ id: '1' }),
        }),
      }),
    });
    const item = client.record(Item, { id: '1' });
    const release = item.retain();
    await expect
      .poll(() => near.stats().outMsgs + Number(transport.keyCount() === 1))
      .toBeGreaterThan(0);
    await near.flush();
    await expect
      .poll(async () => {
        await items.write({ id: '1' }, { set: { n: 1 } });
        return item.get();
      })
      .toEqual({ n: 1 });
    await own.stop();
    await expect.poll(() => transport.status.get()).toBe('reconnecting');
    expect(item.state.get().connected).toBe(false);
    await items.write({ id: '1' }, { set: { n: 2, big: 2n ** 70n } });
    const again = await startNats(own.port);
    onTestFinished(() => again.stop());
    await expect.poll(() => reconnects, { timeout: 10_000 }).toBe(1);
    // What went by while there was no connection is asked for.
    await expect.poll(() => item.get()).toEqual({ n: 2, big: 2n ** 70n });
    expect(item.state.get()).toMatchObject({ connected: true, status: 'ok' });
    // The other connection comes back in its own time.
    let n = 2;
    const isThere = async (): Promise<boolean> => {
      n += 1;
      await items.write({ id: '1' }, { set: { n } });
      return (item.get()?.n ?? 0) > 2;
    };
    await expect.poll(isThere, { timeout: 20_000 }).toBe(true);
    release();
    stop();
    await client.close();
    expect(transport.keyCount()).toBe(0);
    await Promise.all([near.close(), far.close()]);
  });
});
