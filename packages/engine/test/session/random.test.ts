import { Dialer, type DialerInput, Listener, type ListenerInput } from '@holdfast/engine/session';
import { type BadFrame, type Frame, readFrame } from '@holdfast/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { World } from './world.ts';

const topics = ['store:a/a', 'store:a/b', 'presence:a/a:x'];

const chance = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });
const weather = fc.record({
  refusedUpgrade: chance(0.5),
  refusedJoin: chance(0.5),
  cut: chance(0.1),
  silence: chance(0.05),
  shut: chance(0.1),
});
const action = fc.record({
  kind: fc.constantFrom(
    'push',
    'push',
    'push',
    'join',
    'leave',
    'rejoin',
    'woke',
    'online',
    'offline',
  ),
  topic: fc.constantFrom(...topics),
  afterMs: fc.oneof(fc.nat(100), fc.nat(5000), fc.constant(70_000)),
});
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

describe('a dialer and a listener over a wire that breaks', () => {
  test('S78 answer each push at most once per generation and in order, and in the end every topic is joined', () => {
    fc.assert(
      fc.property(fc.nat(), weather, fc.array(action, { maxLength: 80 }), (seed, bad, actions) => {
        const world = new World(seed, bad);
        for (const topic of topics) world.tell({ type: 'join', topic, payload: () => ({}) });
        world.tell({ type: 'start' });
        for (const each of actions) act(world, each);
        world.calmDown();
        world.tell({ type: 'online' });
        for (const topic of topics) world.tell({ type: 'join', topic, payload: () => ({}) });
        world.advance(200_000);
        expect(world.dialer.describe()).toMatchObject({ connection: 'connected', unanswered: 0 });
        for (const topic of topics) expect(world.client.isJoined(topic)).toBe(true);
        const { answered } = world.client;
        for (const topic of topics) world.push(topic);
        world.advance(5000);
        expect(world.client.answered).toBe(answered + topics.length);
        expect(world.client.unanswered).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('S78 leave nothing to wake for once stopped, wherever they were', () => {
    fc.assert(
      fc.property(fc.nat(), weather, fc.array(action, { maxLength: 20 }), (seed, bad, actions) => {
        const world = new World(seed, bad);
        world.tell({ type: 'start' });
        for (const each of actions) act(world, each);
        world.tell({ type: 'stop' });
        expect(world.wake).toBe(null);
        expect(world.dialer.describe()).toMatchObject({ phase: 'resting', unanswered: 0 });
        const { link } = world.dialer.describe();
        for (const type of ['tick', 'online', 'offline', 'woke'] as const) world.tell({ type });
        world.tell({ type: 'opened', link });
        world.tell({ type: 'closed', link, code: 1006 });
        world.advance(100_000);
        expect(world.wake).toBe(null);
        expect(world.dialer.describe()).toMatchObject({ phase: 'resting', link });
      }),
      { numRuns: 200 },
    );
  });
});

function act(world: World, { kind, topic, afterMs }: Action): void {
  world.advance(afterMs);
  switch (kind) {
    case 'push':
      world.push(topic);
      break;
    case 'join':
      world.tell({ type: 'join', topic, payload: () => ({}) });
      break;
    case 'leave':
      world.client.leave(topic);
      world.tell({ type: 'leave', topic });
      break;
    case 'rejoin':
      world.tell({ type: 'rejoin', topic });
      break;
    case 'woke':
    case 'online':
    case 'offline':
      world.tell({ type: kind });
      break;
  }
}

const ref = fc.constantFrom(null, '1', '2', '3', '4', '5');
const event = fc.constantFrom(
  'phx_join',
  'phx_leave',
  'phx_reply',
  'phx_close',
  'phx_error',
  'write',
  'heartbeat',
  'access_token',
  'retry_after',
);
const payload = fc.oneof(
  fc.constant({ status: 'ok', response: {} }),
  fc.constant({ status: 'error', response: { reason: 'unmatched topic' } }),
  fc.constant({ retry_after_ms: -1 }),
  fc.jsonValue(),
);
const topic = fc.constantFrom('phoenix', ...topics);
const frame: fc.Arbitrary<Frame | BadFrame> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(ref, ref, topic, event, payload).map(readFrame) },
  { weight: 1, arbitrary: fc.anything().map(readFrame) },
);
const small = fc.nat(6);
const status = fc.constantFrom('ok' as const, 'error' as const);
const response = fc.constant({ n: 1 });

const listenerInput: fc.Arbitrary<Untimed<ListenerInput>> = fc.oneof(
  fc.record({ type: fc.constant('received' as const), frame }),
  fc.record({
    type: fc.constantFrom('accept' as const, 'refuse' as const),
    channel: small,
    response,
  }),
  fc.record({
    type: fc.constant('answer' as const),
    channel: small,
    slot: small,
    status,
    response,
  }),
  fc.record({
    type: fc.constant('answerControl' as const),
    ref: fc.constant('1'),
    status,
    response,
  }),
  fc.record({ type: fc.constant('shut' as const), channel: small }),
  fc.constant({ type: 'tick' as const }),
);

// Which link it is about: the present one, or how many before.
const link = fc.constantFrom(0, 0, 0, 1, 2);
const dialerInput: fc.Arbitrary<Untimed<DialerInput>> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('received' as const), link, frame }) },
  fc.record({ type: fc.constant('opened' as const), link }),
  fc.record({
    type: fc.constant('closed' as const),
    link,
    code: fc.constantFrom(1001, 1006, 1013, 4001, 4002, 4003),
  }),
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('start' as const, 'tick' as const) }) },
  fc.constant({ type: 'stop' as const }),
  fc.record({ type: fc.constantFrom('online' as const, 'offline' as const, 'woke' as const) }),
  fc.record({
    type: fc.constant('join' as const),
    topic: fc.constantFrom(...topics),
    payload: fc.constant(() => ({})),
  }),
  fc.record({
    type: fc.constantFrom('leave' as const, 'rejoin' as const),
    topic: fc.constantFrom(...topics),
  }),
);

type Untimed<Input> = Input extends unknown ? Omit<Input, 'now'> : never;

describe('whatever arrives', () => {
  test('a listener never throws, gives no channel twice, and falls silent after it has closed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(20_000), listenerInput), { maxLength: 60 }),
        (inputs) => {
          const listener = new Listener({ now: 0, maxChannels: 2, idleTimeoutMs: 60_000 });
          const joined = new Set<number>();
          let now = 0;
          let isClosed = false;
          for (const [afterMs, input] of inputs) {
            now += afterMs;
            const effects = listener.step({ now, ...input });
            if (isClosed) expect(effects).toEqual([]);
            for (const effect of effects) {
              if (effect.type === 'close') isClosed = true;
              if (effect.type !== 'join') continue;
              expect(joined.has(effect.channel)).toBe(false);
              joined.add(effect.channel);
            }
          }
          expect(listener.describe().closed).toBe(isClosed);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('a dialer never throws, has one link at most, and sends over an open one only', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20_000), dialerInput), { maxLength: 60 }), (inputs) => {
        const dialer = new Dialer({ random: () => 0.5, renewable: true });
        let now = 0;
        let pending: number | null = null;
        let open: number | null = null;
        for (const [afterMs, drawn] of inputs) {
          now += afterMs;
          const back = 'link' in drawn ? drawn.link : 0;
          const input = { ...drawn, link: dialer.describe().link - back };
          if (input.type === 'opened' && input.link === pending) open = pending;
          if (input.type === 'closed' && input.link === pending) pending = open = null;
          for (const effect of dialer.step({ now, ...input })) {
            if (effect.type === 'send') expect(effect.link).toBe(open);
            if (effect.type === 'close') {
              expect(effect.link).toBe(pending);
              pending = open = null;
            }
            if (effect.type !== 'open') continue;
            expect(pending).toBe(null);
            pending = effect.link;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('a push to a topic that is not joined is dropped, as no generation can answer it', () => {
    const dialer = new Dialer({ random: () => 0.5, renewable: true });
    const push = {
      type: 'push',
      topic: 'store:a/b',
      id: '1',
      event: 'write',
      payload: {},
    } as const;
    expect(dialer.step({ now: 0, ...push })).toEqual([]);
    expect(dialer.describe().unanswered).toBe(0);
  });
});
