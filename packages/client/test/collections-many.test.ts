import { records } from '@holdfast/client/records';
import { Replica } from '@holdfast/engine/replica';
import { collection, passthrough, record } from '@holdfast/protocol';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openWorld, type World } from './world.ts';

type Card = { readonly at: number; readonly title?: string };

const Card = record({
  name: 'card',
  store: 'acme/app',
  path: 'cards/:id',
  version: '1',
  schema: passthrough<Card>(),
});

const ordered = collection(Card, { orderBy: 'at', limit: 1000 });
const count = 200;
const cards = Object.fromEntries(
  Array.from({ length: count }, (_, at) => [`c${String(at).padStart(3, '0')}`, { at }] as const),
);

/** All cards, in order, as they are found at a place. */
async function filled(world: World, place: 'server' | 'client') {
  if (place === 'server') world.server.record(Card);
  await (await world.store()).put('cards', cards).committed;
  const client = world.client({ records: records([Card]) });
  const board = client.collection(ordered);
  onTestFinished(board.retain());
  await board.ready();
  return { client, board };
}

test.for(['server', 'client'] as const)(
  'with hundreds of own writes that wait, one more has what it touches looked at and not all rows, which stay in order and the same objects (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { client, board } = await filled(world, place);
    const { rows } = board.state.get();
    expect(rows).toHaveLength(count);
    const looked = vi.spyOn(Replica.prototype, 'entry');
    onTestFinished(() => looked.mockRestore());
    // The first has them all looked at once.
    const [first = ''] = board.keys();
    board.row(first)?.patch({ title: 'first' });
    expect(looked.mock.calls.length).toBeGreaterThan(0);
    looked.mockClear();
    const keys = board.keys().slice(1, count / 2);
    for (const key of keys) board.row(key)?.patch({ at: 2 * count, title: key });
    expect(looked.mock.calls.length).toBeLessThan(12 * keys.length);
    const after = board.state.get().rows;
    const stayed = rows.filter(({ key }) => !keys.includes(key));
    expect(after.map(({ key }) => key)).toEqual([...stayed.map(({ key }) => key), ...keys]);
    expect(after.filter(({ pending }) => pending === 1)).toHaveLength(count / 2);
    expect(after.slice(1, count / 2 + 1)).toEqual(rows.slice(count / 2));
    for (const [at, row] of rows.slice(count / 2).entries()) expect(after[at + 1]).toBe(row);
    await client.flush();
    await expect
      .poll(() => board.state.get().rows.filter(({ pending }) => pending > 0), { timeout: 20_000 })
      .toEqual([]);
    expect(board.keys()).toEqual(after.map(({ key }) => key));
  },
);

test.for(['server', 'client'] as const)(
  'a transaction of hundreds of rows takes each path apart some times, and not once for each other row (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { client, board } = await filled(world, place);
    // The first has them all looked at once.
    board.row(board.keys()[0] ?? '')?.patch({ title: 'first' });
    const apart = vi.spyOn(String.prototype, 'split');
    onTestFinished(() => apart.mockRestore());
    const { committed } = client.transact((tx) => {
      for (const id of Object.keys(cards)) tx.record(Card.ref({ id })).patch({ title: id });
    });
    expect(board.get().map(({ title }) => title)).toEqual(Object.keys(cards));
    expect(apart.mock.calls.length).toBeLessThan(50 * count);
    apart.mockRestore();
    await committed;
  },
);

test.for(['server', 'client'] as const)(
  'a row counts an own write that changes nothing, and one above it, for as long as it waits (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    if (place === 'server') world.server.record(Card);
    await (await world.store()).put('cards', { a: { at: 1 }, b: { at: 2 } }).committed;
    const client = world.client({ records: records([Card]) });
    const board = client.collection(ordered);
    onTestFinished(board.retain());
    await board.ready();
    const store = client.store('acme/app', { scope: [] });
    const pending = (): readonly number[] => board.state.get().rows.map((row) => row.pending);
    const told = (of: readonly number[]): Promise<void> =>
      expect.poll(pending, { timeout: 20_000 }).toEqual(of);
    const same = store.put('cards/a/at', 1);
    await Promise.resolve();
    expect(pending()).toEqual([1, 0]);
    await same.committed;
    await told([0, 0]);
    const above = store.merge('cards', { b: { at: 2 } });
    await Promise.resolve();
    expect(pending()).toEqual([1, 1]);
    await above.committed;
    await told([0, 0]);
    const refused = store.put('cards/b/at', 3, { fence: { key: 'locks/x', token: 9 } });
    await Promise.resolve();
    expect(pending()).toEqual([0, 1]);
    await expect(refused.committed).rejects.toThrow();
    await told([0, 0]);
    expect(board.get()).toEqual([{ at: 1 }, { at: 2 }]);
  },
);
