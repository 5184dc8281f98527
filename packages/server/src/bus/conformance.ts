import assert from 'node:assert/strict';
import type { Bus, BusOptions } from './port.ts';

/** The driver under test, on a network that loses nothing while the law is tried. */
export type BusSubject = {
  /** Opens a bus that no other case uses. */
  readonly open: (options: BusOptions) => Promise<Bus>;
};

/** One sentence of the law, and how to see that it holds. `run` rejects if it does not. */
export type BusCase = { readonly name: string; readonly run: () => Promise<void> };

type Trial = { readonly bus: Bus; readonly errors: unknown[] };

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Collects what a topic carries, as text. */
function listen(bus: Bus, topic: string): { readonly heard: string[]; readonly leave: () => void } {
  const heard: string[] = [];
  const leave = bus.subscribe(topic, (bytes) => heard.push(new TextDecoder().decode(bytes)));
  return { heard, leave };
}

/** Resolves when what was published on the bus before has been delivered. */
function delivered(bus: Bus): Promise<void> {
  return new Promise((resolve) => {
    const leave = bus.subscribe('the end', () => {
      leave();
      resolve();
    });
    bus.publish('the end', bytesOf('.'));
  });
}

const cases: readonly { readonly name: string; readonly run: (trial: Trial) => Promise<void> }[] = [
  {
    name: 'a message reaches every subscriber of its topic, and those of no other',
    async run({ bus }) {
      const [a, b, c] = [listen(bus, 'x.y'), listen(bus, 'x.y'), listen(bus, 'x')];
      const wild = listen(bus, 'x.*');
      bus.publish('x.y', bytesOf('hello'));
      await delivered(bus);
      assert.deepEqual([a.heard, b.heard, c.heard, wild.heard], [['hello'], ['hello'], [], []]);
    },
  },
  {
    name: 'bytes arrive as they were sent, none and many of them too, on topics of any text',
    async run({ bus }) {
      const got: Uint8Array[] = [];
      const topic = 'acme/ü 😀 > *';
      bus.subscribe(topic, (bytes) => got.push(bytes));
      const sent = [
        new Uint8Array(0),
        new Uint8Array([0, 255, 128]),
        new Uint8Array(500_000).fill(7),
      ];
      for (const bytes of sent) bus.publish(topic, bytes);
      await delivered(bus);
      const bySize = got.toSorted((x, y) => x.length - y.length);
      assert.deepEqual(bySize.map(hex), sent.map(hex));
    },
  },
  {
    name: 'a message to nobody is lost, and is not kept for who subscribes later',
    async run({ bus }) {
      bus.publish('topic', bytesOf('early'));
      await delivered(bus);
      const { heard } = listen(bus, 'topic');
      await delivered(bus);
      assert.deepEqual(heard, []);
    },
  },
  {
    name: 'a handler never runs inside publish, so a handler may publish',
    async run({ bus }) {
      let inside = true;
      const seen: boolean[] = [];
      bus.subscribe('ping', () => {
        seen.push(inside);
        bus.publish('pong', bytesOf(''));
      });
      const pong = new Promise<void>((resolve) => {
        bus.subscribe('pong', () => resolve());
      });
      bus.publish('ping', bytesOf(''));
      inside = false;
      await pong;
      assert.deepEqual(seen, [false]);
    },
  },
  {
    name: 'who has left hears nothing more, even of what was sent before; leaving twice is harmless',
    async run({ bus }) {
      const stays = listen(bus, 'topic');
      const leaves = listen(bus, 'topic');
      bus.publish('topic', bytesOf('sent before'));
      leaves.leave();
      leaves.leave();
      bus.publish('topic', bytesOf('sent after'));
      await delivered(bus);
      assert.deepEqual(leaves.heard, []);
      assert.deepEqual(stays.heard.toSorted(), ['sent after', 'sent before']);
    },
  },
  {
    name: 'one handler subscribed twice is two subscribers',
    async run({ bus }) {
      let calls = 0;
      const handler = (): void => {
        calls += 1;
      };
      const leave = bus.subscribe('topic', handler);
      bus.subscribe('topic', handler);
      bus.publish('topic', bytesOf(''));
      await delivered(bus);
      leave();
      bus.publish('topic', bytesOf(''));
      await delivered(bus);
      assert.equal(calls, 3);
    },
  },
  {
    name: 'a topic can be subscribed again after its last subscriber has left',
    async run({ bus }) {
      listen(bus, 'topic').leave();
      const { heard } = listen(bus, 'topic');
      bus.publish('topic', bytesOf('again'));
      await delivered(bus);
      assert.deepEqual(heard, ['again']);
    },
  },
  {
    name: 'a handler that throws is reported and keeps the message from nobody',
    async run({ bus, errors }) {
      const error = new Error('a handler fails');
      const before = listen(bus, 'topic');
      bus.subscribe('topic', () => {
        throw error;
      });
      const after = listen(bus, 'topic');
      bus.publish('topic', bytesOf('x'));
      await delivered(bus);
      assert.deepEqual([before.heard, after.heard, errors], [['x'], ['x'], [error]]);
    },
  },
  {
    name: 'a closed bus delivers nothing, and its methods do nothing',
    async run({ bus }) {
      const { heard, leave } = listen(bus, 'topic');
      bus.publish('topic', bytesOf('before'));
      await bus.close();
      bus.publish('topic', bytesOf('after'));
      leave();
      await bus.close();
      const late = listen(bus, 'topic');
      bus.publish('topic', bytesOf('late'));
      // Whatever could still come has its turn.
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(
        heard.filter((text) => text !== 'before'),
        [],
      );
      assert.deepEqual(late.heard, []);
    },
  },
];

/** The law of the bus port: what every driver must do, for any test runner. Make each case a test. */
export function busConformance(subject: BusSubject): readonly BusCase[] {
  return cases.map(({ name, run }) => ({ name, run: () => onBus(subject, run) }));
}

async function onBus(subject: BusSubject, run: (trial: Trial) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  const bus = await subject.open({ onError: (error) => errors.push(error) });
  try {
    await run({ bus, errors });
  } finally {
    await bus.close();
  }
}
