import {
  InProcessTransport,
  NatsTransport,
  streamTransport,
  type SyncTransport,
  type TransportProblem,
} from '@holdfast/engine/record';
import { transportLaw, type TransportSubject } from '@holdfast/engine/record/conformance';
import type { Envelope } from '@holdfast/protocol/record';
import { describe, expect, test } from 'vitest';
import { jsonBytes, settled, TestBus } from './bus.ts';

const envelope = (sequence: number): Envelope => ({
  value: { n: sequence },
  schema_version: '1.0',
  sequence,
});

const subjectOf = (
  make: (onError: (problem: TransportProblem) => void) => {
    readonly transport: SyncTransport;
    readonly publish?: (key: string, each: Envelope) => void;
  },
): TransportSubject => {
  const problems: TransportProblem[] = [];
  const { transport, publish = (key, each) => transport.publish(key, each) } = make((problem) =>
    problems.push(problem),
  );
  return {
    transport,
    key: (name) => name,
    publish: (key, n) => publish(key, envelope(n)),
    settled,
    problems,
    end: () => transport.close(),
  };
};

const inProcess = (): TransportSubject =>
  subjectOf((onError) => ({ transport: new InProcessTransport({ onError }) }));

const overBus = (): TransportSubject =>
  subjectOf((onError) => ({
    transport: new NatsTransport({ connection: new TestBus(), codec: jsonBytes, onError }),
  }));

const streamed = (): TransportSubject =>
  subjectOf((onError) => {
    const tells = new Map<string, (each: Envelope) => void>();
    const transport = streamTransport({
      onError,
      open: (key) => ({ listen: (tell) => tells.set(key, tell), close: () => tells.delete(key) }),
    });
    return { transport, publish: (key, each) => tells.get(key)?.(each) };
  });

describe.each([
  ['in process', inProcess],
  ['over a bus', overBus],
  ['from streams', streamed],
])('a transport %s', (_, open) => {
  for (const { name, run } of transportLaw(open)) test(name, run);
});

test.each([
  ['in process', inProcess],
  ['over a bus', overBus],
])(
  'R16 R63 a receiver %s sees what was published, whatever becomes of the object',
  async (_, open) => {
    const { transport } = open();
    const seen: unknown[] = [];
    await transport.subscribe('a', (message) => seen.push((message as Envelope).value)).ready;
    const reused = { value: { n: 1, when: [1] }, schema_version: '1', sequence: 1 };
    transport.publish('a', reused);
    reused.value.n = 2;
    transport.publish('a', reused);
    await settled();
    expect(seen).toEqual([
      { n: 1, when: [1] },
      { n: 2, when: [1] },
    ]);
  },
);

const collect = (into: number[]) => (message: unknown) => {
  into.push((message as Envelope).sequence);
};

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
    const half = Object.freeze({ value: { list: [1] }, schema_version: '1', sequence: 2 });
    transport.publish('a', half);
    expect(() => half.value.list.push(2)).toThrow(TypeError);
    const heard: { value: { when: Date; bytes: Uint8Array } }[] = [];
    transport.subscribe('b', (each) => heard.push(each as never));
    transport.publish('b', message);
    message.value.when.setTime(9);
    message.value.bytes[0] = 9;
    expect(heard[0]?.value).toMatchObject({ when: new Date(1), bytes: new Uint8Array([1]) });
    const copying = new InProcessTransport();
    const seen: { value: { when: Date; bytes: Uint8Array } }[] = [];
    copying.subscribe('a', (each) => seen.push(each as never));
    const other = {
      ...message,
      value: { list: [1], when: new Date(1), bytes: new Uint8Array([1]) },
    };
    copying.publish('a', other);
    other.value.list.push(9);
    other.value.when.setTime(9);
    other.value.bytes[0] = 9;
    expect(seen[0]?.value).toEqual({ list: [1], when: new Date(1), bytes: new Uint8Array([1]) });
  });
});
