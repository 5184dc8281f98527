import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Fencing, Store, WatchEvent } from '@holdfast/client';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

/** A lease that nobody holds: only the server knows, so what it fences is shown, sent and refused. */
const dead: Fencing = { key: 'no/lease', token: 1 };

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

function recordOf(store: Store, pattern = '**'): WatchEvent[] {
  const events: WatchEvent[] = [];
  store.on(pattern, (event) => events.push(event));
  return events;
}

/** Whole numbers below a limit, the same at every run. */
function dice(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

describe('the view of a client', () => {
  it('S70 two refusals give back what was committed, step by step, with no phantom event (P29)', async () => {
    const valve = new Valve();
    const store = await world.store({ link: valve });
    await store.put('k', 0).committed;
    const events = recordOf(store);
    valve.holdOut();
    const first = store.put('k', 1, { fence: dead });
    const second = store.put('k', 2, { fence: dead });
    expect(store.get('k')).toBe(2);
    valve.letOut();
    await expect(first.committed).rejects.toMatchObject({ code: 'fenced' });
    await expect(second.committed).rejects.toMatchObject({ code: 'fenced' });
    expect(store.get('k')).toBe(0);
    await expect.poll(() => events.length).toBe(3);
    expect(events.map(({ value, op }) => [value, op])).toEqual([
      [1, 'set'],
      [2, 'set'],
      [0, 'refused'],
    ]);
  });

  it('S71 a refused write of any kind leaves the view as it was, types and revisions too', async () => {
    const store = await world.store();
    store.put('map', { a: 1, b: { c: 'x' } });
    store.increment('n', 5);
    store.add('tags', 'one');
    await store.settled();
    const before = store.entries('**');
    const fence = { fence: dead };
    const refused = [
      store.delete('map', fence),
      store.merge('map', { a: 2, d: 3 }, fence),
      store.increment('n', 1, fence),
      store.add('tags', 'two', fence),
      store.put('map', { z: 1 }, fence),
      store.put('map/a', { deep: true }, fence),
    ];
    expect(store.entries('**')).not.toEqual(before);
    for (const { committed } of refused) {
      await expect(committed).rejects.toMatchObject({ code: 'fenced' });
    }
    expect(store.entries('**')).toEqual(before);
    expect(store.get('map')).toEqual({ a: 1, b: { c: 'x' } });
  });

  it('S72 a foreign write does not hide an own pending one, and shows when that is refused (P28)', async () => {
    const valve = new Valve();
    const [store, other] = await Promise.all([world.store({ link: valve }), world.store()]);
    for (const fence of [dead, undefined]) {
      valve.holdOut();
      const mine = store.put('k', 'A', fence === undefined ? {} : { fence });
      const { seq } = await other.put('k', 'B').committed;
      await expect.poll(() => store.status.get().seq).toBe(seq);
      expect(store.get('k')).toBe('A');
      valve.letOut();
      if (fence === undefined) {
        expect(await mine.committed).toEqual({ seq: seq + 1, rebasedOver: [seq] });
        expect(store.get('k')).toBe('A');
      } else {
        await expect(mine.committed).rejects.toMatchObject({ code: 'fenced' });
        expect(store.get('k')).toBe('B');
      }
    }
  });

  it('S73 a pending increment is added to a foreign total once, before and after its echo', async () => {
    const valve = new Valve();
    const [store, other] = await Promise.all([world.store({ link: valve }), world.store()]);
    await store.increment('n', 5).committed;
    await expect.poll(() => other.get('n')).toBe(5);
    const seen: unknown[] = [];
    store.on('n', ({ value }) => seen.push(value));
    valve.holdOut();
    const mine = store.increment('n');
    expect(store.get('n')).toBe(6);
    await other.increment('n', 5).committed;
    await expect.poll(() => store.get('n')).toBe(11);
    valve.letOut();
    await mine.committed;
    expect(store.get('n')).toBe(11);
    expect(seen).toEqual([6, 11]);
  });

  it('S74 three clients with refusals and broken sockets show the same at rest, and what the server has', async () => {
    const valves = [new Valve(), new Valve(), new Valve()];
    const stores = await Promise.all(
      valves.map((link) => world.store({ link, env: { random: () => 0.01 } })),
    );
    const below = dice(12_345);
    for (let round = 0; round < 300; round++) {
      const who = below(3);
      const store = stores[who];
      const path = `p/${below(4)}${below(3) === 0 ? `/q${below(2)}` : ''}`;
      const fence = below(5) === 0 ? { fence: dead } : {};
      const writes = [
        () => store?.put(path, below(100), fence),
        () => store?.put(path, { a: below(9), b: { c: round } }, fence),
        () => store?.merge(path, { m: round }, fence),
        () => store?.delete(path, fence),
        () => store?.increment(`n/${below(2)}`, 1, fence),
        () => store?.add('tags', `t${below(5)}`, fence),
      ];
      writes[below(writes.length)]?.();
      if (below(40) === 0) valves[who]?.cut();
      if (below(4) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(stores.map((store) => store.settled()));
    const seq = Math.max(...stores.map((store) => store.status.get().seq));
    await expect.poll(() => stores.every((store) => store.status.get().seq >= seq)).toBe(true);
    const fresh = await world.store();
    const truth = fresh.entries('**');
    expect(truth.items.length).toBeGreaterThan(3);
    for (const store of stores) expect(store.entries('**')).toEqual(truth);
    expect(valves.some(({ opened }) => opened > 1)).toBe(true);
    expect(world.errors).toEqual([]);
  });

  it('S36 a conflict says which revision is there now, and what to do is up to the caller', async () => {
    const valve = new Valve();
    const [store, other] = await Promise.all([world.store({ link: valve }), world.store()]);
    const { seq } = await store.put('doc', 'v1').committed;
    valve.holdIn();
    const theirs = await other.put('doc', 'v2').committed;
    const mine = store.put('doc', 'mine', { ifMatch: seq });
    valve.letIn();
    await expect(mine.committed).rejects.toMatchObject({
      name: 'ConflictError',
      code: 'conflict',
      currentRevision: theirs.seq,
    });
    expect(mine.outcome).toMatchObject({ status: 'refused', reason: 'conflict', path: 'doc' });
    expect(store.get('doc')).toBe('v2');
  });
});
