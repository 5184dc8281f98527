import type { Client } from '@holdfast/client';
import { type RecordHandle, records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { app } from '@holdfast/server';
import { converged } from '../records/checks.ts';
import { Item, Stranger } from '../records/item.ts';
import { ids, itemsStored } from '../records/script.ts';
import type { Device } from '../src/device.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';

const rounds = 4;
/** Longer than it takes to learn that one may not read any more, and to ask again with another token. */
const quietMs = 12_000;

const readers = ['reader', 'stranger'] as const;

/** Tokens of those who read records by events are revoked, while records come and go: who has another is denied nothing. */
const denials: Simulation = {
  faults: { cut: 4, slow: 6 },
  lengthMs: rounds * quietMs,
  server: { app: app({ records: [Item] }) },
  program: async (world) => {
    const writer = world.device('writer', { records: records([Item]) });
    const all = readers.map((name) => reader(world, name));
    for (let round = 0; round < rounds; round++) {
      for (const id of ids) change(writer.client, id, world);
      await world.sleep(world.dice.below(2000));
      world.device(world.dice.pick(readers)).revoke();
      await world.sleep(world.dice.below(2000));
      change(writer.client, world.dice.pick(ids), world);
      await world.sleep(quietMs);
      const stored = await itemsStored(world);
      for (const each of all) look(world, each, stored);
    }
  },
};

type Reader = { readonly device: Device; readonly handles: readonly RecordHandle<typeof Item>[] };

function reader(world: World, name: (typeof readers)[number]): Reader {
  const def = name === 'stranger' ? (Stranger as typeof Item) : Item;
  const fetch = (url: string, init: RequestInit): Promise<Response> =>
    world.device(name).fetch(url, init);
  const device = world.device(name, { records: records([def], { delivery: bySse({ fetch }) }) });
  const handles = ids.map((id) => device.client.record(def, { id }));
  for (const handle of handles) handle.retain();
  return { device, handles };
}

function change(client: Client, id: (typeof ids)[number], { dice }: World): void {
  const handle = client.record(Item, { id });
  const { committed } = dice.chance(0.4) ? handle.remove() : handle.set({ n: 1, owner: id });
  committed.catch(() => undefined);
}

function look(
  world: World,
  { device, handles }: Reader,
  stored: Awaited<ReturnType<typeof itemsStored>>,
): void {
  for (const [at, handle] of handles.entries()) {
    const isThere = stored.has(ids[at] ?? '');
    // Nobody can read what is of a major that is not known.
    const there = device.name === 'stranger' ? 'skew' : 'ok';
    const { status } = handle.state.get();
    const who = `${device.name}, ${handle.key}`;
    for (const problem of converged(who, status, isThere ? there : 'gone')) world.problem(problem);
  }
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runDenials(seeds: Seeds): Promise<{ readonly failure: Failure | null }> {
  return { failure: await simulate(denials, seeds) };
}
