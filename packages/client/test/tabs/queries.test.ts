import type { Client } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { records } from '@holdfast/client/records';
import { tabs, type TabsPlatform } from '@holdfast/client/tabs';
import { collection } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { seed } from '../../../../tools/seed.ts';
import { rooms } from '../../src/doors.ts';
import { platformTabs } from '../../src/tabs/platform.ts';
import { openWorld } from '../world.ts';
import { opened, type Tab } from './profile.ts';
import {
  Anywhere,
  ranked,
  ranks,
  setting,
  type Shown,
  shown,
  shownOf,
  sit,
  Task,
  titles,
  Unheard,
} from './tasks.ts';

const anywhere = collection(Anywhere, { params: { place: 'app' }, orderBy: 'rank', limit: 2 });
const undone = collection(Task, { where: { done: false }, orderBy: 'rank' });

const whole = 'T0 T1 T2 T3 T4 T5';

const raise = (): never => {
  throw new Error('There is no way to the server.');
};

/** The leaves that a client has of the store. */
const leaves = ({ client }: { readonly client: Client }): number =>
  (client.inspect() as { stores: { leaves: number }[] }).stores[0]?.leaves ?? 0;

describe('the queries of tabs', () => {
  test('go over one connection, each tab with its own windows and no more', async () => {
    await using world = await openWorld();
    const { writer, all } = await setting(world);
    const [a, b, c] = all as [Tab, Tab, Tab];
    const [inA, inB] = [await shown(a, ranked(1)), await shown(b, ranked(3))];
    const [alike, other] = [await shown(c, ranked(3)), await shown(c, undone)];
    expect(titles(inA, inB, alike, other)).toEqual(['T0', 'T0 T1 T2', 'T0 T1 T2', 'T0 T1 T2 T3']);
    // Three leaves each, and the version of the record.
    expect([leaves(b), leaves(c)]).toEqual([10, 13]);
    await writer.put('tasks/t1/rank', 10).committed;
    const next = ['T0', 'T0 T2 T3', 'T0 T2 T3', 'T0 T2 T3 T1'];
    await expect.poll(() => titles(inA, inB, alike, other)).toEqual(next);
    expect([leaves(b), leaves(c)]).toEqual([10, 13]);
    await writer.transact((tx) => {
      tx.put('tasks/t9', { title: 'T9', done: false, rank: 2.5 });
      tx.delete('tasks/t0');
      tx.put('tasks/t3/title', 'three');
    }).committed;
    const then = ['T2', 'T2 T9 three', 'T2 T9 three', 'T2 T9 three T1'];
    await expect.poll(() => titles(inA, inB, alike, other)).toEqual(then);
    b.client.record(Task, { id: 't2' }).patch({ title: 'mine' });
    await expect.poll(() => titles(inA, alike)).toEqual(['mine', 'mine T9 three']);
    await inB.loadMore(2);
    expect(titles(inB)).toEqual(['mine T9 three T4 T5']);
    expect(opened(...all)).toEqual([1, 0, 0]);
    expect(world.errors).toEqual([]);
  });

  test('are served where the leading tab has all objects itself, and where it has none', async () => {
    await using world = await openWorld();
    const { writer, all } = await setting(world, [['**'], []]);
    const [a, b] = all as [Tab, Tab];
    const inB = await shown(b, ranked(2));
    expect([titles(inB), leaves(b)]).toEqual([['T0 T1'], 7]);
    await writer.put('tasks/t0/rank', 9).committed;
    await expect.poll(() => titles(inB)).toEqual(['T1 T2']);
    expect(titles(await shown(a, ranked(2)))).toEqual(['T1 T2']);
    expect([opened(a, b), leaves(b)]).toEqual([[1, 0], 7]);
  });

  test('stay as they are when another tab leads, and go on', async () => {
    await using world = await openWorld();
    const { writer, all } = await setting(world);
    const [a, b, c] = all as [Tab, Tab, Tab];
    const [, inB, inC] = [
      await shown(a, undone),
      await shown(b, ranked(2)),
      await shown(c, undone),
    ];
    const seen = new Set<number>();
    for (const handle of [inB, inC]) {
      handle.state.subscribe(() => seen.add(handle.get().length));
    }
    await a.client.close();
    await writer.put('tasks/t0/title', 'zero').committed;
    await expect.poll(() => titles(inB, inC)).toEqual(['zero T1', 'zero T1 T2 T3']);
    expect(seen).toEqual(new Set([2, 4]));
    expect(opened(...all).reduce((sum, count) => sum + count)).toBe(2);
  });

  test('are in the shared cache, so that a tab that is loaded again shows them without a server', async () => {
    await using world = await openWorld();
    const { all, profile } = await setting(world);
    const [, b] = all as [Tab, Tab];
    const inB = await shown(b, ranked(3));
    expect(titles(inB)).toEqual(['T0 T1 T2']);
    // The leading tab has stored it by then.
    await new Promise(setImmediate);
    for (const { client } of all) await client.close();
    const options = { records: records([Task]), link: memoryLink(() => null) };
    const { client } = profile.sit(options, { scope: [] });
    const again = client.collection(ranked(3));
    again.retain();
    await expect.poll(() => titles(again)).toEqual(['T0 T1 T2']);
  });

  test('that the server refuses are refused, or found otherwise, as over a connection of their own', async () => {
    await using world = await openWorld();
    const { all, writer } = await setting(world);
    const [, { client }] = all as [Tab, Tab];
    await writer.put('others/o', { title: 'O', done: true, rank: 1 }).committed;
    const odd = client.collection(collection(Task, { orderBy: 'rank', after: 'nothing' }));
    odd.retain();
    await expect.poll(() => odd.state.get().error).toMatchObject({ code: 'invalid_cursor' });
    const unheard = client.collection(collection(Unheard, { orderBy: 'rank', limit: 2 }));
    unheard.retain();
    await expect.poll(() => unheard.get().map(({ title }) => title)).toEqual(['O']);
    expect(opened(...all)).toEqual([1, 0, 0]);
  });

  test('that are more than a server keeps on one connection have one of their tab, but for those that nobody looks at', async () => {
    await using world = await openWorld();
    const { all, profile } = await setting(world);
    const [a, b, c] = all as [Tab, Tab, Tab];
    const few = await shown(a, ranked(1));
    await Promise.all(ranks(301, 9).map((limit) => shown(a, ranked(limit))));
    await Promise.all(ranks(101, 20).map((limit) => shown(c, ranked(limit))));
    await c.client.close();
    const many = await Promise.all(ranks(1, 80).map((limit) => shown(b, ranked(limit))));
    expect(opened(a, b)).toEqual([1, 0]);
    // Those of one tab take no place from those of another.
    const d = await sit(profile, []);
    const last = await Promise.all(ranks(201, 15).map((limit) => shown(d, ranked(limit))));
    expect(titles(few, ...many.slice(-1), ...last.slice(-1))).toEqual(['T0', whole, whole]);
    expect(opened(a, b, d)).toEqual([1, 0, 1]);
  });

  test('take no place from those of the leading tab itself: one that has none has that of another tab', async () => {
    await using world = await openWorld();
    const { all } = await setting(world, [[], []]);
    const [a, b] = all as [Tab, Tab];
    const inB = await Promise.all(ranks(1, 30).map((limit) => shown(b, ranked(limit))));
    expect(opened(a, b)).toEqual([1, 0]);
    const failed: unknown[] = [];
    const inA = ranks(101, 100).map(async (limit) => {
      const handle = a.client.collection(ranked(limit));
      handle.state.subscribe(() => failed.push(...[handle.state.get().error ?? []].flat()));
      handle.retain();
      await handle.ready();
      return handle;
    });
    const own = await Promise.all(inA);
    expect(new Set(titles(...own))).toEqual(new Set(['T0 T1 T2 T3 T4 T5']));
    await expect.poll(() => opened(a, b)).toEqual([1, 1]);
    await expect.poll(() => inB.every(({ state }) => state.get().status === 'ok')).toBe(true);
    expect(titles(...inB.slice(0, 2))).toEqual(['T0', 'T0 T1']);
    expect([failed, world.errors]).toEqual([[], []]);
    // All places are its own now.
    const more = a.client.collection(ranked(1000));
    more.retain();
    await expect.poll(() => more.state.get().error).toMatchObject({ code: 'invalid_query' });
  });

  test('that a tab had which does not lead are there offline, also of a record whose store has a parameter', async () => {
    await using world = await openWorld();
    world.server.record(Anywhere);
    const { profile } = await setting(world, []);
    const a = await sit(profile, []);
    const b = await sit(profile, []);
    await shownOf(b, anywhere).ready();
    expect(opened(a, b)).toEqual([1, 0]);
    await b.client.close();
    await a.client.close();
    const away = { open: (): never => raise() };
    const again = profile.sit({ records: records([Task, Anywhere]), link: away }, { scope: [] });
    const rows = shownOf(again, anywhere);
    await expect.poll(() => rows.state.get().ready).toBe(true);
    expect(rows.keys().length).toBe(2);
  });

  test('are let go of by a tab that leads no more', async () => {
    await using world = await openWorld();
    const { profile } = await setting(world, []);
    const real = platformTabs();
    if (real === null) throw new Error('there are no locks here');
    const robberies: (() => void)[] = [];
    const platform: TabsPlatform = {
      ...real,
      lock: (name, how, events) => {
        const release = real.lock(name, how, events);
        if (name.endsWith('/leader')) robberies.push(() => (release(), events.lost()));
        return release;
      },
    };
    const a = await sit(profile, [], { tabs: tabs({ name: profile.name, platform }) });
    const [b, c] = [await sit(profile, []), await sit(profile, [])];
    await shown(c, ranked(3));
    await c.client.close();
    await shown(a, ranked(1));
    expect(String(a.valve.sent)).toContain('"limit":3');
    robberies.at(-1)?.();
    await expect.poll(() => String(b.valve.sent)).toContain('"limit":1');
    expect(String(b.valve.sent)).not.toContain('"limit":3');
    expect(opened(a, b)).toEqual([1, 1]);
  });

  test('that are closed before they are answered hold up nothing that comes after them', async () => {
    await using world = await openWorld();
    const { all } = await setting(world, [[], []]);
    const [a, b] = all as [Tab, Tab];
    const { query } = ranked(2);
    const push = (event: string, payload: object): void =>
      rooms.get(b.client)?.uplink.push('store:acme/app', { id: event, event, payload });
    a.valve.holdIn();
    push('query_open', { sub: 'x', record: 'task', spec: query });
    await expect.poll(() => String(a.valve.sent)).toContain('query_open');
    push('query_close', { sub: 'x' });
    const write = b.store.put('late/one', 1, { blind: true });
    await expect.poll(() => String(a.valve.sent)).toContain('late/one');
    a.valve.letIn();
    await expect.poll(() => write.state).toBe('committed');
    expect(opened(a, b)).toEqual([1, 0]);
  });

  test('show what a client of its own shows, whatever is written, opened and closed, and whoever leads meanwhile', async () => {
    await using world = await openWorld();
    const { writer, all, profile } = await setting(world);
    let lot = seed;
    const below = (max: number): number => {
      lot = (Math.imul(lot, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((lot / 2 ** 32) * max);
    };
    const defs = [ranked(2), ranked(4), undone];
    let crew = [...all];
    let open: { readonly tab: Tab; readonly def: number; readonly handle: Shown; end(): void }[] =
      [];
    const write = (round: number): void => {
      const task = `tasks/t${below(9)}`;
      const roll = below(10);
      if (roll < 6) writer.put(task, { title: `${round}`, done: below(2) > 0, rank: below(9) });
      else if (roll < 9) writer.put(`${task}/rank`, below(9));
      else writer.delete(task);
    };
    const look = (tab: Tab): void => {
      const def = below(defs.length);
      const handle = tab.client.collection(defs[def] ?? undone);
      open.push({ tab, def, handle, end: handle.retain() });
    };
    const replace = async (tab: Tab): Promise<void> => {
      await tab.client.close();
      open = open.filter((each) => each.tab !== tab);
      const next = profile.sit({ records: records([Task]) }, { scope: [] });
      crew = [next, ...crew.filter((each) => each !== tab)];
    };
    for (let round = 0; round < 80; round++) {
      const roll = below(20);
      const tab = crew[below(crew.length)];
      if (tab === undefined) continue;
      if (roll < 10) write(round);
      else if (roll < 15) look(tab);
      else if (roll < 18) open.splice(below(open.length), 1)[0]?.end();
      else if (roll < 19) tab.valve.cut();
      // One deed after the other.
      // oxlint-disable-next-line no-await-in-loop -- as above
      else await replace(tab);
      if (below(3) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await writer.settled();
    const apart = world.client({ records: records([Task]) });
    const truth = await Promise.all(
      defs.map(async (def) => {
        const handle = apart.collection(def);
        handle.retain();
        await handle.ready();
        return handle;
      }),
    );
    for (const { def, handle } of open) {
      const right = truth[def];
      if (right === undefined) continue;
      await expect.poll(() => handle.get(), { timeout: 5000 }).toEqual(right.get());
    }
    expect(world.errors).toEqual([]);
  });
});
