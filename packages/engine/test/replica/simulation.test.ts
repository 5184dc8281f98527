import { parentOf } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { World } from './world.ts';

const perMille = (max: number) => fc.integer({ min: 0, max });

const unhurried = { timeout: 120_000 };

const plans = fc.record({
  seed: fc.integer(),
  steps: fc.integer({ min: 10, max: 400 }),
  faults: fc.record({
    transient: perMille(200),
    internal: perMille(60),
    final: perMille(150),
    twice: perMille(200),
    lost: perMille(40),
    cheaper: perMille(400),
  }),
  cut: perMille(30),
  restart: perMille(15),
});

test(
  'S54 S62 S74 through any weather three replicas end equal, each write happens once, and subscribers believe what is shown',
  unhurried,
  () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const world = new World({ ...plan, restore: 0 });
        world.run();
        expect(world.problems).toEqual([]);
        checkStates(world);
        checkOutcomes(world);
      }),
      { numRuns: 200 },
    );
  },
);

test(
  'S57 S84 the same holds of the state when the store goes back to a backup (P24)',
  unhurried,
  () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const world = new World({ ...plan, restore: 10 });
        world.run();
        expect(world.problems).toEqual([]);
        checkStates(world);
      }),
      { numRuns: 120 },
    );
  },
);

// A refusal whose reply is lost may be another one the next time, so this is said of one channel only.
test(
  'S67 on one channel the writes of a client are applied in the order in which it made them',
  unhurried,
  () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const faults = { ...plan.faults, lost: 0 };
        const world = new World({
          ...plan,
          faults,
          cut: 0,
          restart: 0,
          restore: 0,
          staysJoined: true,
        });
        world.run();
        expect(world.problems).toEqual([]);
        checkOrder(world);
      }),
      { numRuns: 120 },
    );
  },
);

/** Leaves, types, revisions and the revisions of maps are the server's, everywhere. */
function checkStates({ server, clients }: World): void {
  const leaves = [...server.tree.entries()];
  for (const { replica } of clients) {
    expect(replica.outbox()).toEqual([]);
    const shown = replica.entries({}).items;
    expect(shown).toEqual(leaves.map((leaf) => Object.assign({ pending: false }, leaf)));
    expect([...replica.image().maps]).toEqual(server.tree.maps());
    for (const { path } of leaves) {
      const map = parentOf(path);
      if (map === null) continue;
      expect(replica.entry(map)).toMatchObject({ pending: false, ...server.tree.read(map) });
    }
  }
}

/** What was told to be committed is in the log once, what was refused is not; nothing was left open. */
function checkOutcomes({ server, clients }: World): void {
  const commits = new Map<string, Set<number>>();
  for (const { deviceId, clientOpId, seq, tx } of server.log) {
    const id = `${deviceId} ${clientOpId}`;
    commits.set(id, (commits.get(id) ?? new Set()).add(tx ?? seq));
  }
  for (const { deviceId, outcomes, asked, untold } of clients) {
    for (let counter = 1; counter <= asked; counter++) {
      const opId = `${deviceId}:${counter}`;
      const times = commits.get(`${deviceId} ${opId}`)?.size ?? 0;
      const outcome = untold.has(opId) ? 'committed' : outcomes.get(opId);
      expect([opId, outcome === undefined ? 'open' : outcome === 'committed' ? 1 : 0]).toEqual([
        opId,
        times,
      ]);
    }
  }
}

/** The writes of one client were applied in the order in which it made them. */
function checkOrder({ server, clients }: World): void {
  for (const { deviceId } of clients) {
    const counters = server.log
      .filter((op) => op.deviceId === deviceId && !op.clientOpId.includes('#'))
      .map(({ clientOpId }) => Number(clientOpId.slice(2)));
    expect(counters).toEqual(counters.toSorted((a, b) => a - b));
  }
}
