import {
  InProcessTransport,
  NatsTransport,
  streamTransport,
  type SyncTransport,
  type TransportProblem,
} from '@holdfast/engine/record';
import type { Envelope } from '@holdfast/protocol/record';
import { describe, expect, test } from 'vitest';
import { jsonBytes, settled, TestBus } from './bus.ts';

type Subject = {
  readonly transport: SyncTransport;
  readonly publish: (key: string, envelope: Envelope) => void;
  readonly problems: readonly TransportProblem[];
};

const envelope = (sequence: number): Envelope => ({
  value: { n: sequence },
  schema_version: '1.0',
  sequence,
});

function inProcess(): Subject {
  const problems: TransportProblem[] = [];
  const transport = new InProcessTransport({ onError: (each) => problems.push(each) });
  return { transport, publish: (key, each) => transport.publish(key, each), problems };
}

function overBus(): Subject {
  const problems: TransportProblem[] = [];
  const options = { connection: new TestBus(), codec: jsonBytes };
  const transport = new NatsTransport({ ...options, onError: (each) => problems.push(each) });
  return { transport, publish: (key, each) => transport.publish(key, each), problems };
}

function streamed(): Subject {
  const problems: TransportProblem[] = [];
  const tells = new Map<string, (each: Envelope) => void>();
  const transport = streamTransport({
    onError: (each) => problems.push(each),
    open: (key) => ({ listen: (tell) => tells.set(key, tell), close: () => tells.delete(key) }),
  });
  return { transport, publish: (key, each) => tells.get(key)?.(each), problems };
}

const collect = (into: number[]) => (message: unknown) => {
  into.push((message as Envelope).sequence);
};

describe.each([
  ['in process', inProcess],
  ['over a bus', overBus],
  ['from streams', streamed],
])('a transport %s', (_, open) => {
  test('R1 R3 R4 a message reaches each subscriber of its key, in order, and no other', async () => {
    const { transport, publish } = open();
    const [a, b, order]: number[][] = [[], [], []];
    transport.subscribe('a', collect(a ?? []));
    transport.subscribe('b', collect(b ?? []));
    for (const who of [1, 2, 3]) transport.subscribe('c', () => order?.push(who));
    await settled();
    publish('a', envelope(1));
    publish('b', envelope(2));
    publish('a', envelope(3));
    publish('c', envelope(4));
    await settled();
    expect([a, b, order]).toEqual([[1, 3], [2], [1, 2, 3]]);
  });

  test('R2 R5 R7 without a subscriber nothing happens; who comes later sees what comes later', async () => {
    const { transport, publish } = open();
    const seen: number[] = [];
    publish('a', envelope(1));
    const release = transport.subscribe('a', collect(seen));
    await settled();
    publish('a', envelope(2));
    await settled();
    release();
    publish('a', envelope(3));
    await settled();
    expect(seen).toEqual([2]);
    expect(transport.keyCount()).toBe(0);
  });

  test('R6 R13 each subscription is one of its own, and a release never touches a later one', async () => {
    const { transport, publish } = open();
    const seen: number[] = [];
    const hear = collect(seen);
    const [first, second] = [transport.subscribe('a', hear), transport.subscribe('a', hear)];
    await settled();
    publish('a', envelope(1));
    await settled();
    expect(seen).toEqual([1, 1]);
    first();
    first();
    publish('a', envelope(2));
    await settled();
    expect(seen).toEqual([1, 1, 2]);
    second();
    transport.subscribe('a', hear);
    first();
    second();
    await settled();
    publish('a', envelope(3));
    await settled();
    expect(seen).toEqual([1, 1, 2, 3]);
  });

  test('R8 R9 who is removed meanwhile gets what is under way; who is added meanwhile does not', async () => {
    const { transport, publish } = open();
    const [removed, added]: [number[], number[]] = [[], []];
    transport.subscribe('a', () => {
      release();
      if (added.length === 0) transport.subscribe('a', collect(added));
    });
    const release = transport.subscribe('a', collect(removed));
    await settled();
    publish('a', envelope(1));
    await settled();
    publish('a', envelope(2));
    await settled();
    expect([removed, added[0]]).toEqual([[1], 2]);
  });

  test('R10 R11 R24 keys are counted while somebody subscribes to them', () => {
    const { transport } = open();
    const [one, two] = [transport.subscribe('k', () => {}), transport.subscribe('k', () => {})];
    transport.subscribe('other', () => {});
    expect(transport.keyCount()).toBe(2);
    one();
    one();
    expect(transport.keyCount()).toBe(2);
    two();
    expect(transport.keyCount()).toBe(1);
  });

  test('R12 a handler that throws harms nobody, and is counted and told of', async () => {
    const { transport, publish, problems } = open();
    const seen: number[] = [];
    const error = new Error('broken');
    transport.subscribe('a', collect(seen));
    transport.subscribe('a', () => {
      throw error;
    });
    transport.subscribe('a', collect(seen));
    await settled();
    publish('a', envelope(1));
    await settled();
    expect(seen).toEqual([1, 1]);
    expect(transport.stats()).toMatchObject({ handlerErrors: 1, delivered: 3 });
    expect(problems).toEqual([{ phase: 'handler', key: 'a', error }]);
  });

  test('R14 what is published from within a handler comes after what is under way', async () => {
    const { transport, publish } = open();
    const seen: [number[], number[]] = [[], []];
    transport.subscribe('a', (message) => {
      collect(seen[0])(message);
      if (seen[0].length === 1) publish('a', envelope(2));
    });
    transport.subscribe('a', collect(seen[1]));
    await settled();
    publish('a', envelope(1));
    await settled();
    expect(seen).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  test.each(['', 'x'.repeat(513), 'a\u0000b', 'a\n', 7])('R17 %j is no key', (key) => {
    const { transport } = open();
    expect(() => transport.subscribe(key as string, () => {})).toThrow(TypeError);
    expect(() => transport.publish(key as string, envelope(1))).toThrow(TypeError);
  });

  test('R17 after close nothing can be published or subscribed to, and releases do nothing', async () => {
    const { transport } = open();
    const release = transport.subscribe('a', () => {});
    await transport.close();
    await transport.close();
    const closed = expect.objectContaining({ code: 'transport_closed' });
    expect(() => transport.subscribe('a', () => {})).toThrow(closed);
    expect(() => transport.publish('a', envelope(1))).toThrow(closed);
    release();
    expect(transport.keyCount()).toBe(0);
    expect(transport.status.get()).toBe('closed');
  });

  test('R63 a receiver sees what was published, whatever becomes of the object', async () => {
    const { transport, publish } = open();
    if (transport.stats().published === 0 && open === streamed) return;
    const seen: unknown[] = [];
    transport.subscribe('a', (message) => seen.push((message as Envelope).value));
    await settled();
    const reused = { value: { n: 1, when: [1] }, schema_version: '1', sequence: 1 };
    publish('a', reused);
    reused.value.n = 2;
    publish('a', reused);
    await settled();
    expect(seen).toEqual([
      { n: 1, when: [1] },
      { n: 2, when: [1] },
    ]);
  });
});

describe('in process', () => {
  test('R15 what waits is bounded: the oldest goes, and is counted', () => {
    const transport = new InProcessTransport({ maxQueue: 10 });
    const seen: number[] = [];
    transport.subscribe('a', (message) => {
      collect(seen)(message);
      if (seen.length > 1) return;
      for (let sequence = 2; sequence <= 31; sequence++) transport.publish('a', envelope(sequence));
    });
    transport.publish('a', envelope(1));
    expect(seen).toEqual([1, ...Array.from({ length: 10 }, (_, index) => index + 22)]);
    expect(transport.stats()).toMatchObject({ dropped: 20, published: 31 });
  });

  test('R16 for developers a change of what was published throws; a copy is deep', () => {
    const transport = new InProcessTransport({ dev: true });
    const message = {
      value: { list: [1], when: new Date(1), bytes: new Uint8Array([1]) },
      schema_version: '1',
      sequence: 1,
    };
    transport.publish('a', message);
    expect(() => message.value.list.push(2)).toThrow(TypeError);
    const copying = new InProcessTransport();
    const seen: { value: { when: Date; bytes: Uint8Array } }[] = [];
    copying.subscribe('a', (each) => seen.push(each as never));
    const other = { ...message, value: { when: new Date(1), bytes: new Uint8Array([1]) } };
    copying.publish('a', other);
    other.value.when.setTime(9);
    other.value.bytes[0] = 9;
    expect(seen[0]?.value).toEqual({ when: new Date(1), bytes: new Uint8Array([1]) });
  });
});
