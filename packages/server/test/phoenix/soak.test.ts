import { memory } from '@holdfast/server/storage/memory';
import { expect, test, vi } from 'vitest';
import { stateOf } from '../conversation/replica.ts';
import { topic, world } from '../conversation/world.ts';
import { transports } from './client.ts';
import { DustClient, DustError } from './dust-client.ts';

/** A small generator, so that a failing run can be had again by its seed. */
function diceOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const paths = ['a', 'a/b', 'a/b/c', 'n', 'm', 'm/k', 's', 'x~1y', 'é', '__proto__'];
const values = [1, 'x', null, {}, { k: 1 }, { k: { deep: [1] } }, [1, 2], true];

function anyWrite(roll: (below: number) => number): [op: string, path: string, more: object] {
  const path = paths[roll(paths.length)] ?? 'a';
  const value = values[roll(values.length)];
  const kind = roll(10);
  if (kind < 4) return ['set', path, { value }];
  if (kind === 4) return ['merge', path, { value: { k: roll(9), l: { m: roll(9) } } }];
  if (kind === 5) return ['delete', path, {}];
  if (kind === 6) return ['increment', 'n', { value: 1 + roll(5) }];
  if (kind === 7) return ['add', 's', { value: roll(4) }];
  if (kind === 8) return ['set', path, { value: roll(9), if_absent: true }];
  return ['set', path, { value: roll(9), if_match: 1 + roll(50) }];
}

test.each(transports)(
  'S113 a soak of capver-3 clients over %s, cut again and again, loses nothing, doubles nothing and reorders nothing',
  { timeout: 120_000 },
  async (_name, opening) => {
    const seed = 113;
    const roll = diceOf(seed);
    const storage = memory();
    const here = await world({ storage });
    const clients = Array.from(
      { length: 3 },
      (_, at) => new DustClient(here.url, topic, { ...opening, device: `d${at}` }),
    );
    await Promise.all(clients.map(({ ready }) => ready));
    const heard = clients.map(() => new Map<string, number>());
    for (const [at, client] of clients.entries()) {
      client.watch(({ client_op_id: id, device_id: device, store_seq: seq }) => {
        if (device !== 'system:snapshot') heard[at]?.set(id, seq);
      });
    }
    const outcomes: Promise<number | null>[] = [];
    for (let step = 0; step < 300; step += 1) {
      const client = clients[roll(clients.length)];
      const outcome = client?.write(...anyWrite(roll)).then(
        (response) => Number(response['store_seq']),
        (error: unknown) => {
          if (error instanceof DustError) return null;
          throw error;
        },
      );
      if (outcome !== undefined) outcomes.push(outcome);
      const isCut = roll(40) === 0;
      // oxlint-disable-next-line no-await-in-loop -- some wait, most are pipelined; who has an answer has a socket
      if (isCut || roll(5) === 0) await outcome;
      // oxlint-disable-next-line no-await-in-loop -- until the loss is noticed
      if (isCut) await client?.drop();
    }
    const seqs = await Promise.all(outcomes);
    const log = await storage.read(here.storeId, 0, { ops: 100_000 });
    const committed = seqs.filter((seq) => seq !== null);
    // Every answer names a commit of its own: nothing is lost, and what was sent twice counts once.
    expect(new Set(committed).size).toBe(committed.length);
    const own = log.filter(({ clientOpId }) => !clientOpId.includes('#'));
    expect(new Set(own.map(({ seq }) => seq))).toEqual(new Set(committed));
    expect(new Set(own.map(({ clientOpId }) => clientOpId)).size).toBe(own.length);
    const { leaves } = await stateOf(here);
    for (const client of clients) {
      // oxlint-disable-next-line no-await-in-loop -- the last one cut may still be coming back
      await vi.waitFor(
        () => expect(Object.fromEntries(client.cache.rows)).toEqual(Object.fromEntries(leaves)),
        { timeout: 20_000 },
      );
      expect(client.pending.size).toBe(0);
    }
  },
);
