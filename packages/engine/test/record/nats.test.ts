import {
  envelopeCodec,
  type EnvelopeStream,
  natsBus,
  type NatsConnectionLike,
  NatsTransport,
  streamTransport,
  type TransportProblem,
} from '@holdfast/engine/record';
import type { Envelope } from '@holdfast/protocol/record';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../virtual-clock.ts';
import { jsonBytes, settled, TestBus } from './bus.ts';

const envelope = (sequence: number): Envelope => ({
  value: { n: sequence },
  schema_version: '1.0',
  sequence,
});

const collect = (into: number[]) => (message: unknown) => {
  into.push((message as Envelope).sequence);
};

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
    for (const key of ['a b', '*', 'a.>']) {
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
    other();
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

describe('from streams', () => {
  test('R81 R84 R91 a stream is opened and listened to once for a key, and closed once with the last subscriber', () => {
    const log: string[] = [];
    const tells: ((each: Envelope) => void)[] = [];
    const transport = streamTransport({
      open: (key) => {
        log.push(`open ${key}`);
        return {
          listen: (hear) => {
            log.push('listen');
            tells.push(hear);
          },
          close: () => log.push(`close ${key}`),
        };
      },
    });
    const seen: number[] = [];
    const [one, two] = [
      transport.subscribe('a', collect(seen)),
      transport.subscribe('a', collect(seen)),
    ];
    tells[0]?.(envelope(1));
    one();
    two();
    two();
    tells[0]?.(envelope(2));
    expect(seen).toEqual([1, 1]);
    expect(log).toEqual(['open a', 'listen', 'close a']);
  });

  test('R96 where the stream cannot be opened nothing stays subscribed', () => {
    const transport = streamTransport({
      open: () => {
        throw new Error('no stream');
      },
    });
    expect(() => transport.subscribe('a', () => {})).toThrow('no stream');
    expect(transport.keyCount()).toBe(0);
  });

  test('R245 it can only be read', () => {
    const transport = streamTransport({ open: () => ({ listen: () => {} }) });
    expect(() => transport.publish('a', envelope(1))).toThrow(
      expect.objectContaining({ code: 'read_only' }),
    );
  });

  test('R69 failures are told, and a stream that is open again is a reconnect', () => {
    const problems: TransportProblem[] = [];
    const hears: { error?: (error: unknown) => void; open?: () => void; close?: () => void } = {};
    const stream: EnvelopeStream = {
      listen: () => {},
      onError: (hear) => (hears.error = hear),
      onOpen: (hear) => (hears.open = hear),
      onClose: (hear) => (hears.close = hear),
    };
    const transport = streamTransport({
      open: () => stream,
      onError: (each) => problems.push(each),
    });
    let reconnects = 0;
    transport.onReconnect(() => (reconnects += 1));
    transport.subscribe('a', () => {});
    hears.open?.();
    hears.close?.();
    hears.open?.();
    hears.error?.('broken');
    expect(reconnects).toBe(1);
    expect(problems).toEqual([{ phase: 'stream', key: 'a', error: 'broken' }]);
  });
});
