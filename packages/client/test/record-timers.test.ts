import { createClient } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { passthrough, record } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { platformEnv } from '../src/env.ts';

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<{ readonly n: number }>(),
});

/** Timers that ring a little before their time, as those of Node.js do: they count from when the turn of the loop began. */
class EarlyTimers {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();
  readonly env = {
    ...platformEnv,
    random: () => 0.5,
    now: () => this.#now,
    setTimeout: (run: () => void, ms: number) => {
      const timer = { at: this.#now + ms, run };
      this.#timers.add(timer);
      return timer;
    },
    clearTimeout: (timer: unknown) => this.#timers.delete(timer as never),
  };

  /** Has the next one ring. */
  ring(): void {
    const [next] = [...this.#timers].toSorted((a, b) => a.at - b.at);
    if (next === undefined) return;
    this.#timers.delete(next);
    this.#now = Math.max(this.#now, next.at - 0.5);
    next.run();
  }
}

test('R65 R66 a record whose request failed is asked for again, though the timer rang a little early', async () => {
  const timers = new EarlyTimers();
  let asked = 0;
  const refetch = async () => {
    asked += 1;
    if (asked === 1) throw new Error('nobody is there');
    return { value: { n: 1 }, schema_version: '1.0', sequence: 1, incarnation: 'e1' };
  };
  const client = createClient({
    url: 'ws://nowhere.test',
    token: 'none',
    link: memoryLink(() => null),
    env: timers.env,
    records: records([Item], {
      delivery: byTransport({ transport: new InProcessTransport(), refetch }),
    }),
  });
  onTestFinished(() => client.close());
  const item = client.record(Item, { id: '1' });
  const release = item.retain();
  for (let rings = 0; rings < 50 && item.get() === undefined; rings += 1) {
    // oxlint-disable-next-line no-await-in-loop -- what a ring causes comes before the next one
    await new Promise((resolve) => setImmediate(resolve));
    timers.ring();
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect([asked, item.get(), item.state.get().status]).toEqual([2, { n: 1 }, 'ok']);
  release();
});
