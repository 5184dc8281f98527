import { HoldfastError, isObject } from '@holdfast/protocol';
import type { Subscribed, SyncTransport, TransportProblem } from './port.ts';

/** The driver under test, with somebody who publishes to it, for one case. */
export type TransportSubject = {
  readonly transport: SyncTransport;
  /** A key that can be published to; other names are other keys. */
  readonly key: (name: string) => string;
  /** Has an envelope of the value `{n}` come for a key; without a subscriber nobody gets it. */
  readonly publish: (key: string, n: number) => unknown;
  /** Resolves when all that was published has been handed out. */
  readonly settled: () => Promise<unknown>;
  readonly problems: readonly TransportProblem[];
  /** Keys that the subject itself subscribes to. */
  readonly ownKeys?: number;
  readonly end: () => Promise<unknown>;
};

/** One sentence of the law, and how to see that it holds. `run` rejects if it does not. */
export type TransportCase = { readonly name: string; readonly run: () => Promise<void> };

type Trial = TransportSubject & {
  /** Subscribes, and resolves when it can be relied on. */
  readonly hear: (key: string, handler: (n: number) => void) => Promise<Subscribed>;
};

const cases: { readonly [sentence: string]: (trial: Trial) => Promise<void> } = {
  'R1 R3 R4 R23 a message reaches each subscriber of its key, in order, and no other': async (
    trial,
  ) => {
    const [a, b, order]: [number[], number[], number[]] = [[], [], []];
    await trial.hear('a', (n) => a.push(n));
    await trial.hear('b', (n) => b.push(n));
    for (const who of [1, 2, 3]) await trial.hear('c', () => order.push(who));
    await trial.publish(trial.key('a'), 1);
    await trial.publish(trial.key('b'), 2);
    await trial.publish(trial.key('a'), 3);
    await trial.publish(trial.key('c'), 4);
    await trial.settled();
    same([a, b, order], [[1, 3], [2], [1, 2, 3]]);
  },

  'R2 R5 R7 without a subscriber nothing happens; who comes later sees what comes later': async (
    trial,
  ) => {
    const seen: number[] = [];
    await trial.publish(trial.key('a'), 1);
    await trial.settled();
    const release = await trial.hear('a', (n) => seen.push(n));
    await trial.publish(trial.key('a'), 2);
    await trial.settled();
    release();
    await trial.publish(trial.key('a'), 3);
    await trial.settled();
    same(seen, [2]);
    same(trial.transport.keyCount() - (trial.ownKeys ?? 0), 0);
  },

  'R6 R13 each subscription is one of its own, and a release never touches a later one': async (
    trial,
  ) => {
    const seen: number[] = [];
    const hear = (n: number): number => seen.push(n);
    const [first, second] = [await trial.hear('a', hear), await trial.hear('a', hear)];
    await trial.publish(trial.key('a'), 1);
    await trial.settled();
    same(seen, [1, 1]);
    first();
    first();
    await trial.publish(trial.key('a'), 2);
    await trial.settled();
    same(seen, [1, 1, 2]);
    second();
    await trial.hear('a', hear);
    first();
    second();
    await trial.publish(trial.key('a'), 3);
    await trial.settled();
    same(seen, [1, 1, 2, 3]);
  },

  'R8 R9 who is removed meanwhile gets what is under way; who is added meanwhile does not': async (
    trial,
  ) => {
    const [removed, added]: [number[], number[]] = [[], []];
    const later: Promise<unknown>[] = [];
    await trial.hear('a', () => {
      release();
      if (later.length === 0) later.push(trial.hear('a', (n) => added.push(n)));
    });
    const release = await trial.hear('a', (n) => removed.push(n));
    await trial.publish(trial.key('a'), 1);
    await trial.settled();
    await Promise.all(later);
    await trial.publish(trial.key('a'), 2);
    await trial.settled();
    same([removed, added], [[1], [2]]);
  },

  'R10 R11 R24 keys are counted while somebody subscribes to them': async (trial) => {
    const own = trial.ownKeys ?? 0;
    const count = (): number => trial.transport.keyCount() - own;
    const [one, two] = [await trial.hear('k', () => {}), await trial.hear('k', () => {})];
    same(count(), 1);
    await trial.hear('other', () => {});
    same(count(), 2);
    one();
    one();
    same(count(), 2);
    two();
    same(count(), 1);
  },

  'R12 a handler that throws harms nobody, and is counted and told of': async (trial) => {
    const seen: number[] = [];
    const error = new Error('broken');
    await trial.hear('a', (n) => seen.push(n));
    await trial.hear('a', () => {
      throw error;
    });
    await trial.hear('a', (n) => seen.push(n));
    await trial.publish(trial.key('a'), 1);
    await trial.settled();
    same(seen, [1, 1]);
    same(trial.transport.stats().handlerErrors, 1);
    const told = trial.problems.filter(({ phase }) => phase === 'handler');
    same(
      told.map((each) => [each.key, each.error === error]),
      [[trial.key('a'), true]],
    );
  },

  'R14 what is published from within a handler comes after what is under way': async (trial) => {
    const seen: [number[], number[]] = [[], []];
    let published: unknown = null;
    await trial.hear('a', (n) => {
      seen[0].push(n);
      if (n === 1) published = trial.publish(trial.key('a'), 2);
    });
    await trial.hear('a', (n) => seen[1].push(n));
    await trial.publish(trial.key('a'), 1);
    await trial.settled();
    await published;
    await trial.settled();
    same(seen, [
      [1, 2],
      [1, 2],
    ]);
  },

  'R17 what is no key is none': async ({ transport }) => {
    for (const key of ['', 'x'.repeat(513), 'a\u0000b', 'a\n']) {
      throws('TypeError', () => transport.subscribe(key, () => {}));
      throws('TypeError', () => transport.publish(key, envelope));
    }
  },

  'R17 after close nothing can be published or subscribed to, and releases do nothing': async (
    trial,
  ) => {
    const { transport } = trial;
    const release = await trial.hear('a', () => {});
    await transport.close();
    await transport.close();
    throws('transport_closed', () => transport.subscribe(trial.key('a'), () => {}));
    throws('transport_closed', () => transport.publish(trial.key('a'), envelope));
    release();
    same(transport.keyCount(), 0);
    same(transport.status.get(), 'closed');
  },

  'R18 what was published has been handed over when a flush resolves': async ({ transport }) => {
    await transport.flush({ timeout: 10_000 });
    await transport.close();
  },
};

const envelope = { value: { n: 1 }, schema_version: '1.0', sequence: 1 };

/** The law of transports (records.md §7.1, §20.1), for any test runner: each case with a subject of its own. */
export function transportLaw(
  open: () => TransportSubject | Promise<TransportSubject>,
): readonly TransportCase[] {
  return Object.entries(cases).map(([name, prove]) => ({
    name,
    run: async () => {
      const subject = await open();
      // One handler is one function for the transport too, however often it subscribes.
      const heard = new Map<unknown, (message: unknown) => void>();
      const hear: Trial['hear'] = async (key, handler) => {
        const run = heard.get(handler) ?? ((message: unknown): void => handler(numberOf(message)));
        heard.set(handler, run);
        const subscribed = subject.transport.subscribe(subject.key(key), run);
        await subscribed.ready;
        return subscribed;
      };
      try {
        await prove({ ...subject, hear });
      } finally {
        await subject.end();
      }
    },
  }));
}

function numberOf(message: unknown): number {
  const value = isObject(message) ? message['value'] : null;
  return isObject(value) ? Number(value['n']) : NaN;
}

function same(actual: unknown, wanted: unknown): void {
  const [found, expected] = [JSON.stringify(actual), JSON.stringify(wanted)];
  if (found !== expected) throw new Error(`${found} instead of ${expected}`);
}

/** That it throws an error of this name or code. */
function throws(what: string, deed: () => unknown): void {
  try {
    deed();
  } catch (error) {
    if (error instanceof HoldfastError && error.code === what) return;
    if (error instanceof Error && error.name === what) return;
    throw new Error(`${String(error)} instead of ${what}`, { cause: error });
  }
  throw new Error(`nothing was thrown instead of ${what}`);
}
