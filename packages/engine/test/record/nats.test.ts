import {
  type BusConnection,
  envelopeCodec,
  natsBus,
  type NatsConnectionLike,
  NatsTransport,
  type TransportProblem,
} from '@holdfast/engine/record';
import { type Deferred, deferred } from '@holdfast/engine/registry';
import type { HoldfastError } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../virtual-clock.ts';
import { collect, envelope, jsonBytes, settled, TestBus } from './bus.ts';

type NatsCallback = Parameters<NatsConnectionLike['subscribe']>[1]['callback'];

const none = { data: new Uint8Array() };

const open = (
  over: Partial<ConstructorParameters<typeof NatsTransport>[0]> = {},
): {
  bus: TestBus;
  clock: VirtualClock;
  transport: NatsTransport;
  problems: TransportProblem[];
} => {
  const [bus, clock] = [new TestBus(), new VirtualClock()];
  const problems: TransportProblem[] = [];
  const transport = new NatsTransport({
    connection: bus,
    codec: jsonBytes,
    env: clock,
    onError: (each) => problems.push(each),
    ...over,
  });
  return { bus, clock, transport, problems };
};

describe('over a bus', () => {
  test('R26 it requires a connection, and a codec', () => {
    expect(() => new NatsTransport({ codec: jsonBytes } as never)).toThrow('requires a connection');
    expect(() => new NatsTransport({ connection: new TestBus() } as never)).toThrow('codec');
  });

  test('R20 R22 R25 local subscribers share one subscription and one decoding; transports of one bus reach each other', async () => {
    let decoded = 0;
    const codec = {
      ...jsonBytes,
      decode: (bytes: Uint8Array) => {
        decoded += 1;
        return jsonBytes.decode(bytes);
      },
    };
    const { bus, transport } = open({ codec });
    const seen: number[] = [];
    for (const _ of [1, 2]) transport.subscribe('user:1', collect(seen));
    await settled();
    new NatsTransport({ connection: bus, codec: jsonBytes }).publish('user:1', envelope(7));
    await settled();
    expect(seen).toEqual([7, 7]);
    expect([bus.subscriptions, decoded]).toEqual([1, 1]);
    expect(bus.published[0]?.data).toBeInstanceOf(Uint8Array);
    expect(bus.published[0]?.subject).toBe('holdfast.sync.user%3A1');
  });

  test('R21 a subject of one’s own is checked', () => {
    const { bus, transport } = open({ subjectOf: (key) => `mine.${key}` });
    transport.subscribe('a', () => {});
    expect(bus.subjects).toEqual(['mine.a']);
    for (const key of ['a b', '*', 'a.>', 'a..b', 'a.', '']) {
      expect(() => transport.subscribe(key, () => {})).toThrow(TypeError);
    }
  });

  test('R24 the last release ends the bus subscription', async () => {
    const { bus, transport } = open();
    const [one, two] = [transport.subscribe('k', () => {}), transport.subscribe('k', () => {})];
    await settled();
    one();
    expect(bus.subscriptions).toBe(1);
    two();
    expect(bus.subscriptions).toBe(0);
  });

  test('R28 what cannot be decoded is counted, and the next message comes', async () => {
    const { bus, transport, problems } = open();
    const seen: number[] = [];
    transport.subscribe('k', collect(seen));
    await settled();
    await bus.publish('holdfast.sync.k', new Uint8Array([255]));
    transport.publish('k', envelope(1));
    await settled();
    expect(seen).toEqual([1]);
    expect(transport.stats().decodeErrors).toBe(1);
    expect(problems[0]?.phase).toBe('decode');
  });

  test('R29 a bus subscription that fails is told of and made again; released meanwhile, nothing is left', async () => {
    const { bus, clock, transport } = open();
    bus.failures = 1;
    const seen: number[] = [];
    const subscribed = transport.subscribe('k', collect(seen));
    await expect(subscribed.ready).rejects.toThrow('no subscription now');
    await clock.advance(300);
    await settled();
    transport.publish('k', envelope(1));
    await settled();
    expect(seen).toEqual([1]);
    subscribed();
    bus.failures = 1;
    const other = transport.subscribe('other', () => {});
    await expect(other.ready).rejects.toThrow();
    expect(clock.armed).toBe(1);
    other();
    expect(clock.armed).toBe(0);
    const late = transport.subscribe('late', () => {});
    late();
    await clock.advance(60_000);
    await settled();
    expect(bus.subscriptions).toBe(0);
  });

  test('a subscription that the server does not permit, at once or later, is told of and made again', async () => {
    const callbacks: NatsCallback[] = [];
    let permits = false;
    const clock = new VirtualClock();
    const connection: NatsConnectionLike = {
      publish: () => {},
      subscribe: (_, { callback }) => {
        callbacks.push(callback);
        return { unsubscribe: () => {} };
      },
      // What is not permitted is told before the flush is answered.
      flush: async () => {
        if (!permits) callbacks.at(-1)?.(new Error('permissions violation'), none);
      },
      status: async function* () {},
    };
    const { transport, problems } = open({ connection: natsBus(connection), env: clock });
    const seen: number[] = [];
    const reconnects: unknown[] = [];
    transport.onReconnect((key) => reconnects.push(key));
    await expect(transport.subscribe('k', collect(seen)).ready).rejects.toThrow('permissions');
    permits = true;
    await clock.advance(300);
    await settled();
    callbacks.at(-1)?.(null, { data: jsonBytes.encode(envelope(1)) });
    expect([seen, callbacks.length, reconnects]).toEqual([[1], 2, ['k']]);
    callbacks.at(-1)?.(new Error('permissions violation'), none);
    expect(problems.map(({ phase, key }) => [phase, key])).toEqual([
      ['subscribe', 'k'],
      ['subscribe', 'k'],
    ]);
    await clock.advance(3000);
    await settled();
    callbacks.at(-1)?.(null, { data: jsonBytes.encode(envelope(2)) });
    expect([seen, callbacks.length, reconnects]).toEqual([[1, 2], 3, ['k', 'k']]);
    await transport.close();
  });

  test('R29 a subscription that is lost is made again once, and after the first wait, however often it has failed before', async () => {
    const lost: ((error: unknown) => void)[] = [];
    let isDown = true;
    const connection: BusConnection = {
      publish: () => {},
      subscribe: (_subject, _hear, tell) => {
        if (isDown) throw new Error('down');
        if (tell !== undefined) lost.push(tell);
        return () => {};
      },
    };
    const { clock, transport } = open({ connection });
    await expect(transport.subscribe('k', () => {}).ready).rejects.toThrow('down');
    await clock.advance(120_000);
    isDown = false;
    await clock.advance(30_000);
    expect(lost).toHaveLength(1);
    lost[0]?.(new Error('lost'));
    lost[0]?.(new Error('lost'));
    await clock.advance(250);
    expect([lost.length, clock.armed]).toEqual([2, 0]);
    await transport.close();
    lost[1]?.(new Error('lost'));
    expect(clock.armed).toBe(0);
  });

  test('R30 keys that a bus would take for patterns have subjects of their own', async () => {
    const { bus, transport } = open();
    const keys = ['a.b', 'a *', 'a>', 'a%2Eb'];
    const seen: string[] = [];
    for (const key of keys) transport.subscribe(key, () => seen.push(key));
    await settled();
    expect(new Set(bus.subjects).size).toBe(4);
    for (const subject of bus.subjects) expect(subject).toMatch(/^holdfast\.sync\.[\w%-]+$/);
    for (const key of keys) transport.publish(key, envelope(1));
    await settled();
    expect(seen).toEqual(keys);
  });

  test('R18 flush resolves when all is handed over, and rejects when the bus has failed', async () => {
    const { bus, transport, problems } = open();
    transport.publish('k', envelope(1));
    await transport.flush();
    bus.fault = new Error('down');
    transport.publish('k', envelope(2));
    await expect(transport.flush()).rejects.toMatchObject({ code: 'transport_failed' });
    expect(problems[0]?.phase).toBe('publish');
    bus.fault = null;
    await transport.flush();
    await transport.close();
  });

  test('R18 flush waits for what the bus is still taking, and tells what it has not taken', async () => {
    const taken: Deferred<void>[] = [];
    const connection: BusConnection = {
      publish: (subject) => {
        if (subject.endsWith('bad')) throw new Error('refused');
        const taking = deferred<void>();
        taken.push(taking);
        return taking.promise;
      },
      subscribe: () => () => {},
    };
    const { transport } = open({ connection });
    const log: string[] = [];
    const flush = async (): Promise<void> => {
      await transport.flush().catch((error: HoldfastError) => log.push(error.code));
      log.push('flushed');
    };
    transport.publish('k', envelope(1));
    const first = flush();
    await settled();
    expect(log).toEqual([]);
    taken[0]?.resolve();
    await first;
    transport.publish('k', envelope(2));
    const second = flush();
    await settled();
    taken[1]?.reject(new Error('down'));
    await second;
    transport.publish('bad', envelope(3));
    await flush();
    expect(log).toEqual(['flushed', 'transport_failed', 'flushed', 'transport_failed', 'flushed']);
  });

  test('R18 flush tells what the server has refused before its first answer, though that is heard of later', async () => {
    const refused = deferred<void>();
    let flushes = 0;
    const connection: NatsConnectionLike = {
      publish: () => {},
      subscribe: () => ({ unsubscribe: () => {} }),
      flush: async () => {
        flushes += 1;
        if (flushes === 1) refused.resolve();
        else await settled();
      },
      status: async function* () {
        await refused.promise;
        const error = { operation: 'publish', subject: 'holdfast.sync.k' };
        yield await Promise.resolve().then(() => ({ type: 'error', error }));
      },
    };
    const { transport } = open({ connection: natsBus(connection) });
    transport.publish('k', envelope(1));
    await expect(transport.flush()).rejects.toMatchObject({ code: 'transport_failed' });
  });

  test('R17 after close no timer and no bus subscription is left', async () => {
    const { bus, clock, transport } = open();
    bus.failures = 1;
    transport.subscribe('a', () => {});
    transport.subscribe('b', () => {});
    await settled();
    await transport.close();
    await clock.advance(60_000);
    await settled();
    expect(bus.subscriptions).toBe(0);
    expect(bus.subjects).toHaveLength(2);
  });

  test('R31 a reconnect of the bus is told', () => {
    const { bus, transport } = open();
    let told = 0;
    const release = transport.onReconnect(() => (told += 1));
    bus.reconnect();
    release();
    bus.reconnect();
    expect(told).toBe(1);
  });

  test('R19 R104 the codec for a bus carries every value that there is, and bigints where they are', async () => {
    const { transport } = open({ codec: envelopeCodec() });
    const value = {
      big: 2n ** 70n,
      when: new Date(7),
      bytes: new Uint8Array([0, 200]),
      price: { _type: 'decimal', _typed: '1.50' },
      odd: [NaN, -Infinity, undefined],
      like: { _type: 'number', _typed: 'NaN' },
      empty: {},
    };
    const seen: unknown[] = [];
    transport.subscribe('k', (message) => seen.push(message));
    await settled();
    transport.publish('k', { value, schema_version: '1.0', sequence: 1 });
    await settled();
    expect(seen).toEqual([{ value, schema_version: '1.0', sequence: 1 }]);
  });

  test('R19 a message that cannot be encoded is counted, and nobody is harmed', () => {
    const { transport, problems } = open();
    transport.publish('k', { ...envelope(1), value: 1n });
    expect(transport.stats()).toMatchObject({ encodeErrors: 1, published: 1 });
    expect(problems[0]?.phase).toBe('encode');
  });
});
