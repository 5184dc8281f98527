import { apply, Tree } from '@holdfast/engine/data';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { World } from './world.ts';

const perMille = (max: number) => fc.integer({ min: 0, max });

const plans = fc.record({
  seed: fc.integer(),
  nodes: fc.integer({ min: 1, max: 3 }),
  clients: fc.integer({ min: 1, max: 5 }),
  intents: fc.integer({ min: 1, max: 25 }),
  faults: fc.record({
    unknown: perMille(300),
    failed: perMille(200),
    unreadable: perMille(300),
    crash: perMille(10),
    reconnect: perMille(20),
    limited: perMille(150),
    asked: perMille(500),
  }),
});

test('S62 S65 S67 S68 S69 through any weather every request has one outcome, once, in order', () => {
  fc.assert(
    fc.property(plans, (plan) => {
      const world = new World(plan);
      world.run(600);
      expect(world.problems).toEqual([]);
      checkOutcomes(world);
      checkOrder(world);
      checkLeases(world);
      checkState(world);
    }),
    { numRuns: 300 },
  );
});

/** What was told to have happened is in the log once, what was refused for good is not. */
function checkOutcomes({ log, clients }: World): void {
  const seqs = new Map<string, number>();
  for (const { clientOpId, seq } of log.ops) {
    expect(seqs.has(clientOpId), `${clientOpId} is in the log twice`).toBe(false);
    seqs.set(clientOpId, seq);
  }
  for (const client of clients) {
    for (const [counter, outcome] of client.outcomes) {
      if (client.isLoose(counter)) continue;
      const told = 'store_seq' in outcome ? outcome.store_seq : undefined;
      expect(seqs.get(client.opId(counter)), client.opId(counter)).toBe(told);
    }
  }
}

/** The writes of one client were applied in the order in which it made them. */
function checkOrder({ log, clients }: World): void {
  for (const client of clients) {
    const counters = log.ops
      .filter(({ deviceId, clientOpId }) => deviceId === client.id && !clientOpId.includes('#'))
      .map(({ clientOpId }) => Number(clientOpId.slice(clientOpId.lastIndexOf(':') + 1)))
      .filter((counter) => !client.roaming.has(counter));
    expect(counters).toEqual(counters.toSorted((a, b) => a - b));
  }
}

/** Nobody acquires a lease, or removes it otherwise, while another one holds it. */
function checkLeases({ log }: World): void {
  const expiries = new Map<string, number>();
  for (const { op, path, value, at } of log.ops) {
    if (op === 'release') expiries.delete(path);
    if (op !== 'lease') continue;
    expect(expiries.get(path) ?? 0, `a second lease at ${path}`).toBeLessThanOrEqual(at);
    if (value !== null && typeof value === 'object' && 'expires_at' in value) {
      expiries.set(path, Number(value['expires_at']));
    }
  }
}

/** Every node, and what a new one would load, is the fold of the log. */
function checkState(world: World): void {
  const folded = Tree.empty();
  for (const op of world.log.ops) apply(folded, op);
  const loaded = world.log.load();
  expect([...loaded.entries()]).toEqual([...folded.entries()]);
  expect(loaded.maps()).toEqual(folded.maps());
  for (const { authority, seen } of world.nodes()) {
    const { tree, seq } = authority.view();
    expect([seq, seen]).toEqual([world.log.head, world.log.head]);
    expect([...tree.entries()]).toEqual([...folded.entries()]);
    expect(tree.maps()).toEqual(folded.maps());
  }
}
