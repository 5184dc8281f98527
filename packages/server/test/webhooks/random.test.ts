import { asPath, asStoreName, defaultLimits, isObject, type Seq } from '@holdfast/protocol';
import type { Storage, WebhookRow } from '@holdfast/server/storage';
import { memory } from '@holdfast/server/storage/memory';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Courier } from '../../src/webhooks/courier.ts';
import { VirtualClock } from '../conversation/clock.ts';

const store = asStoreName('demo/main');
const DAY = 24 * 3_600_000;

/** What can happen to a webhook. */
type Step =
  | { readonly kind: 'write'; readonly path: string }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'restart' | 'compact' | 'ping' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      path: fc.constantFrom('a/1', 'b/1'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(1000, 60_000, 600_000, 7_200_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('restart' as const, 'compact' as const, 'ping' as const),
    }),
  },
);

/** What a receiver took: one op, or a gap. */
type Taken = { readonly from: Seq; readonly to: Seq };

/** One webhook of one store, its receiver, and what both have seen. */
class Life {
  readonly clock = new VirtualClock();
  readonly storage: Storage = memory({ now: this.clock.wall });
  readonly taken: Taken[] = [];
  /** What it was to be told. */
  readonly matching: Seq[] = [];
  readonly failures: unknown[] = [];
  readonly #answers: boolean[];
  #head = 0;
  #sending = 0;
  #courier: Courier | null = null;

  constructor(answers: readonly boolean[]) {
    this.#answers = [...answers];
  }

  async begin(): Promise<void> {
    await this.storage.stores.create({ id: 's', name: store, incarnation: 'i', expiresAt: null });
    const insertedAt = this.clock.wall();
    const rest = { url: 'https://example.org/', secret: 'whsec_0', ops: null, insertedAt };
    await this.storage.webhooks.create({ id: 'w', store: 's', patterns: ['a/**'], ...rest }, 20);
    await this.#start();
  }

  async step(each: Step): Promise<void> {
    if (each.kind === 'write') await this.#write(each.path);
    if (each.kind === 'wait') await this.clock.pass(each.ms);
    if (each.kind === 'compact') await this.storage.compact('s', this.#head, 3);
    if (each.kind === 'ping') await this.#ping();
    if (each.kind === 'restart') {
      await this.#stop();
      await this.#start();
    }
    await settle();
  }

  /** From now on everything is taken. */
  async finish(): Promise<void> {
    this.#answers.length = 0;
    await this.#ping();
    await settle();
    await this.clock.pass(DAY);
    // Each delivery takes a few turns; what is not told after this many is stuck.
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    for (let turns = 0; turns < 100 && (this.#courier?.lag ?? 0) > 0; turns += 1) await settle();
    await this.#stop();
  }

  async #start(): Promise<void> {
    const row = await this.storage.webhooks.get('w');
    if (row === null || row.inactiveReason !== null) return;
    const { clock, storage } = this;
    const room = {
      storage,
      clock,
      limits: defaultLimits,
      send: (_: WebhookRow, body: object) => this.#send(body),
      report: (_: string, error: unknown) => void this.failures.push(error),
      attempted: () => undefined,
    };
    this.#courier = new Courier(room, row, { name: store, incarnation: 'i' });
  }

  async #stop(): Promise<void> {
    this.#courier?.stop();
    await this.#courier?.ended;
  }

  /** What a ping that is answered does. */
  async #ping(): Promise<void> {
    const row = await this.storage.webhooks.get('w');
    if (row === null || row.inactiveReason === null) return;
    await this.#courier?.ended;
    const fresh = { cursor: row.cursor, inactiveReason: null, failures: 0, retryAt: null };
    await this.storage.webhooks.note('w', fresh, null);
    await this.#start();
  }

  async #write(path: string): Promise<void> {
    const seq = this.#head + 1;
    const op = {
      seq,
      op: 'set' as const,
      path: asPath(path),
      value: seq,
      arg: null,
      deviceId: 'd',
      clientOpId: `${seq}`,
      tx: null,
      at: this.clock.wall(),
      principal: null,
      removed: [],
    };
    await this.storage.append('s', this.#head, { ops: [op], entries: [], maps: [], answers: [] });
    this.#head = seq;
    if (path === 'a/1') this.matching.push(seq);
    this.#courier?.hint(seq);
  }

  async #send(body: object) {
    this.#sending += 1;
    if (this.#sending > 1) this.failures.push('two at a time');
    await settle();
    this.#sending -= 1;
    const isTaken = this.#answers.shift() ?? true;
    if (isTaken) this.taken.push(rangeOf(body));
    return { statusCode: isTaken ? 200 : 500, responseMs: 1, error: isTaken ? null : 'no' };
  }
}

function rangeOf(body: object): Taken {
  const { store_seq: seq, from_seq: from = seq, to_seq: to = seq } = isObject(body) ? body : {};
  return { from: Number(from), to: Number(to) };
}

/** Lets everything happen that needs no time to pass. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 8; turns += 1) {
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

test('S108 whatever fails, restarts and is forgotten, everything is told once, in order, or lies in a gap', async () => {
  const answers = fc.array(fc.boolean(), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), answers, async (steps, given) => {
      const life = new Life(given);
      await life.begin();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      for (const each of steps) await life.step(each);
      await life.finish();
      expect(life.failures).toEqual([]);
      for (const [index, { from, to }] of life.taken.entries()) {
        expect(from).toBeGreaterThan(life.taken[index - 1]?.to ?? 0);
        expect(to).toBeGreaterThanOrEqual(from);
      }
      const isTold = (seq: Seq): boolean =>
        life.taken.some(({ from, to }) => from <= seq && seq <= to);
      expect(life.matching.filter((seq) => !isTold(seq))).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
