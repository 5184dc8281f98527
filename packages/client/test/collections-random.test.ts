import type { Client, Store } from '@holdfast/client';
import { type CollectionHandle, records } from '@holdfast/client/records';
import { collection, type CollectionSpec, passthrough, record } from '@holdfast/protocol';
import { memoryCache } from '@holdfast/client';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

type Item = { readonly a?: number; readonly b?: number; readonly t?: string };

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1',
  schema: passthrough<Item>(),
});

type Spec = CollectionSpec<typeof Item>;

const numbers = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined });
const ids = fc.integer({ min: 0, max: 11 });
const value = fc
  .record({ a: numbers, b: numbers, t: fc.constantFrom('x', 'y') }, { requiredKeys: ['t'] })
  .map((item) => JSON.parse(JSON.stringify(item)) as Item);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant('set' as const), ids, value) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('patch' as const), ids, value) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('remove' as const), ids, value) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('own' as const), ids, value) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('many' as const), ids, value) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('switch' as const), ids, value) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('cut' as const), ids, value) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('more' as const), ids, value) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('rest' as const), ids, value) },
);
const specs = fc.record({
  where: fc.constantFrom<NonNullable<Spec['where']>>(
    {},
    { a: { gte: 2 } },
    { a: { exists: true }, t: 'x' },
    { $not: { b: 1 } },
  ),
  orderBy: fc.constantFrom<NonNullable<Spec['orderBy']>>(
    [],
    [['a', 'asc']],
    [
      ['b', 'desc'],
      ['a', 'asc'],
    ],
  ),
  limit: fc.integer({ min: 1, max: 5 }),
});
const numRuns = Number(process.env['HOLDFAST_RUNS'] ?? 8);

/** A client with the whole store, which finds rows itself, and one that asks the server for them, until it is told to hold all. */
class Pair {
  readonly valve = new Valve();
  readonly reader: Client;
  readonly judge: Client;
  readonly held: CollectionHandle<typeof Item>;
  readonly asked: CollectionHandle<typeof Item>;
  /** Of the asked one: shown empty without being so. */
  readonly faults: string[] = [];
  #pattern: Store | null = null;
  readonly #releases: (() => void)[] = [];

  private constructor(world: World, spec: Spec) {
    const options = { records: records([Item]) };
    this.judge = world.client(options);
    this.reader = world.client({ ...options, link: this.valve, cache: memoryCache() });
    const whole = this.judge.store('acme/app');
    this.#releases.push(() => whole.close());
    this.held = this.judge.collection(collection(Item, spec));
    this.asked = this.reader.collection(collection(Item, spec));
  }

  static async open(world: World, spec: Spec): Promise<Pair> {
    const pair = new Pair(world, spec);
    pair.#releases.push(pair.held.retain(), pair.asked.retain());
    pair.#releases.push(pair.asked.state.subscribe(() => pair.#watch()));
    await Promise.all([pair.held.ready(), pair.asked.ready()]);
    return pair;
  }

  /** Every row is one of the record, and there is no state of not knowing once it was known. */
  #watch(): void {
    const { ready, rows, status } = this.asked.state.get();
    if (!ready) this.faults.push(`not ready: ${status}`);
    if (new Set(rows.map(({ key }) => key)).size < rows.length) this.faults.push('a row twice');
  }

  switch(): void {
    if (this.#pattern === null) {
      this.#pattern = this.reader.store('acme/app', { scope: ['items/**'] });
    } else {
      this.#pattern.close();
      this.#pattern = null;
    }
  }

  get isHolding(): boolean {
    return this.#pattern !== null;
  }

  shown(of: CollectionHandle<typeof Item>): unknown {
    const { rows, hasMore, endCursor } = of.state.get();
    return [rows.map(({ key, value: item, pending }) => [key, item, pending]), hasMore, endCursor];
  }

  /** Both have everything, and nothing is on its way. */
  async settle(head: number): Promise<void> {
    const isSo = (): boolean =>
      [this.judge, this.reader].every((client) => {
        const [store] = (client.inspect() as { stores: { seq: number; pending: number }[] }).stores;
        return store !== undefined && store.seq >= head && store.pending === 0;
      }) && [this.held, this.asked].every((each) => each.state.get().status === 'ok');
    await expect.poll(isSo, { timeout: 8000, interval: 2 }).toBe(true);
  }

  close(): void {
    for (const release of this.#releases) release();
  }
}

type Step = readonly [string, number, Item];

async function run(world: World, spec: Spec, steps: readonly Step[]): Promise<void> {
  const writer = await world.store();
  await writer.delete('items').committed.catch(() => undefined);
  await writer.put('items', { 0: { a: 1, t: 'x' }, 1: { b: 1, a: 3, t: 'y' } }).committed;
  const pair = await Pair.open(world, spec);
  for (const [kind, id, item] of steps) {
    const path = `items/${id}`;
    if (kind === 'set') await writer.put(path, item).committed;
    else if (kind === 'patch') await writer.merge(path, item).committed;
    else if (kind === 'remove') await writer.delete(path).committed.catch(() => undefined);
    else if (kind === 'own') pair.reader.record(Item, { id: String(id) }).set(item);
    else if (kind === 'many') {
      void writer.transact((tx) => {
        for (let at = id; at < id + 3; at++) tx.put(`items/${at}`, { ...item, b: at % 3 });
      });
    } else if (kind === 'switch') pair.switch();
    else if (kind === 'cut') pair.valve.cut();
    else if (kind === 'more') {
      void pair.asked.loadMore(2).catch(() => undefined);
      void pair.held.loadMore(2).catch(() => undefined);
    } else await new Promise((resolve) => setImmediate(resolve));
  }
  const { committed } = writer.put('end', steps.length);
  const reply = await committed;
  await pair.settle(Number(Object(reply).store_seq ?? Object(reply).seq));
  await expect.poll(() => pair.shown(pair.asked), { timeout: 5000 }).toEqual(pair.shown(pair.held));
  expect(pair.faults).toEqual([]);
  pair.close();
  await Promise.all([pair.reader.close(), pair.judge.close()]);
}

test(
  'R202 what the server finds and what the client finds agree on random data, specs and histories, through cuts and switches between the two, which show no empty state',
  { timeout: 60_000 + numRuns * 2000 },
  async () => {
    await using world = await openWorld();
    world.server.record(Item);
    await fc.assert(
      fc.asyncProperty(specs, fc.array(step, { maxLength: 25 }), (spec, steps) =>
        run(world, spec, steps),
      ),
      { numRuns },
    );
  },
);
