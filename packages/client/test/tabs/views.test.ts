import type { Client } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { tabs, type TabsPlatform } from '@holdfast/client/tabs';
import { views, waitFor } from '@holdfast/client/views';
import { app, type ServerOptions, upload, view } from '@holdfast/server';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Clock } from '../../../react/test/clock.ts';
import { platformTabs } from '../../src/tabs/platform.ts';
import { openWorld, type World } from '../world.ts';
import { mayDie, opened, Profile } from './profile.ts';

const ended: string[] = [];

const board = view({
  name: 'Board',
  params: z.object({ room: z.string() }),
  events: { toast: z.object({ msg: z.string() }) },
  uploads: { note: upload({ accept: ['.txt'], chunkSize: 4 }) },
  mount: (ctx) => {
    ctx.signal.addEventListener('abort', () => ended.push(ctx.params.room));
    return { filter: 'all', text: '' };
  },
  render: ({ filter, text }, h, { params }) => ({
    room: params.room,
    filter,
    text,
    note: h.upload('note'),
  }),
  commands: {
    setFilter: {
      input: z.object({ to: z.string() }),
      reply: z.object({ was: z.string() }),
      run: (ctx, { to }) => {
        const { filter: was } = ctx.state;
        ctx.update((s) => void (s.filter = to));
        ctx.send('toast', { msg: to });
        return { was };
      },
    },
    take: {
      run: async (ctx) => {
        const parts: Uint8Array[] = [];
        await ctx.uploads.consume('note', async (_entry, file) => {
          for await (const part of file?.stream() ?? []) parts.push(part);
        });
        ctx.update((s) => void (s.text = Buffer.concat(parts).toString()));
      },
    },
  },
});
const boards = app({ views: [board] });
type Boards = typeof boards;
type Mounted = Awaited<ReturnType<typeof mount>>;

function openBoards(more: Partial<ServerOptions> = {}): Promise<World> {
  ended.length = 0;
  return openWorld(undefined, { app: boards, ...more });
}

/** Three tabs; the first leads. */
async function threeTabs(world: World) {
  const profile = new Profile(world);
  const open = () => profile.open({ views: views() });
  return [await open(), await open(), await open()] as const;
}

async function mount({ client }: { readonly client: Client }, room: string, id?: string) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the server serves only its type tells
  const handle = (client as Client<Boards>).view('Board', {
    params: { room },
    ...(id !== undefined && { id }),
  });
  const root = await handle.ready;
  return { handle, root, health: () => handle.health.get() };
}

const filters = (all: readonly Mounted[]): readonly unknown[] =>
  all.map(({ root }) => root.$snapshot()?.filter);

/** So many roots of a tab, in the order of their numbers. */
function many(tab: { readonly client: Client }, from: number, count: number) {
  return Array.from({ length: count }, (_, n) => mount(tab, 'r', `${from + n}`));
}

describe('the views of tabs', () => {
  test('are mounted over one connection, each of them of its own tab', async () => {
    await using world = await openBoards();
    const all = await threeTabs(world);
    const [a, b, c] = all;
    const roots = [await mount(a, 'r'), await mount(b, 'r'), await mount(c, 'other')] as const;
    expect(roots.map(({ root }) => root.$snapshot()?.room)).toEqual(['r', 'r', 'other']);
    const heard: string[] = [];
    for (const [at, { root }] of roots.entries()) {
      root.$on('toast', ({ msg }) => heard.push(`${at} ${msg}`));
    }
    expect(await roots[1].root.$dispatch('setFilter', { to: 'mine' })).toEqual({ was: 'all' });
    await waitFor(roots[1].root, ({ filter }) => filter === 'mine');
    await roots[2].root.$dispatch('setFilter', { to: 'theirs' });
    await waitFor(roots[2].root, ({ filter }) => filter === 'theirs');
    expect(filters(roots)).toEqual(['all', 'mine', 'theirs']);
    expect(heard).toEqual(['1 mine', '2 theirs']);
    expect(opened(...all)).toEqual([1, 0, 0]);
    expect(world.errors).toEqual([]);
  });

  test('show their own changes at once, and go on showing them when they are confirmed', async () => {
    await using world = await openBoards();
    const [, b] = await threeTabs(world);
    const { root } = await mount(b, 'b');
    const seen: unknown[] = [];
    root.$subscribe(() => seen.push(root.filter));
    await root.$dispatch(
      'setFilter',
      { to: 'mine' },
      { optimistic: (draft) => void (draft.filter = 'mine') },
    );
    await root.$dispatch('setFilter', { to: 'other' });
    await waitFor(root, ({ filter }) => filter === 'other');
    expect([...new Set(seen)]).toEqual(['mine', 'other']);
    expect(opened(b)).toEqual([0]);
  });

  test('go on where they were when another tab leads, and show what they showed meanwhile', async () => {
    await using world = await openBoards();
    const all = await threeTabs(world);
    const [a, b, c] = all;
    const [, inB, inC] = [await mount(a, 'a'), await mount(b, 'b'), await mount(c, 'c')];
    await inB.root.$dispatch('setFilter', { to: 'mine' });
    await waitFor(inB.root, ({ filter }) => filter === 'mine');
    // What reads about uploads is loaded when there are some, and shows what it read.
    for (const { root } of [inB, inC]) await waitFor(root, ({ note }) => note.config !== null);
    const seen: unknown[] = [];
    let remounts = 0;
    for (const { root, handle } of [inB, inC]) {
      root.$subscribe(() => seen.push(root.$snapshot()));
      handle.onRemount(() => (remounts += 1));
    }
    const states = [inB, inC].map(({ handle, health }) => {
      const each: string[] = [];
      handle.health.subscribe(() => each.push(health().state));
      return each;
    });
    await a.client.close();
    await expect.poll(() => states.every((each) => each.includes('stale'))).toBe(true);
    await expect.poll(() => states.map((each) => each.at(-1))).toEqual(['live', 'live']);
    expect([seen, remounts, filters([inB, inC])]).toEqual([[], 0, ['mine', 'all']]);
    await inC.root.$dispatch('setFilter', { to: 'late' });
    await waitFor(inC.root, ({ filter }) => filter === 'late');
    expect(opened(...all).reduce((sum, count) => sum + count)).toBe(2);
    expect(ended).toEqual(['a']);
  });

  test('end on the server when their tab lets go of them, or is closed, and those of the others stay', async () => {
    await using world = await openBoards();
    const all = await threeTabs(world);
    const [a, b, c] = all;
    const [inA] = [await mount(a, 'a')];
    const inB = await mount(b, 'b');
    await mount(c, 'c');
    inB.handle.unmount();
    await expect.poll(() => ended).toEqual(['b']);
    await c.client.close();
    await expect.poll(() => ended).toEqual(['b', 'c']);
    expect(inA.health().state).toBe('live');
    expect(opened(...all)).toEqual([1, 0, 0]);
  });

  test('end on the server soon when their tab ends without a word: it does not come back for them', async () => {
    await using world = await openBoards();
    const profile = new Profile(world);
    const clock = new Clock();
    const a = await profile.open({ views: views(), env: clock.env });
    const { platform, die } = mayDie();
    const plug = tabs({ name: profile.name, platform });
    const link = memoryLink(() => null);
    const b = await profile.open({ views: views(), tabs: plug, link });
    await mount(b, 'b');
    die();
    const left = (): boolean => a.valve.sent.some((data) => String(data).includes('phx_leave'));
    await expect.poll(() => clock.skip(1000).then(left)).toBe(true);
    expect(a.valve.sent.join()).not.toContain('"keep":true');
    await expect.poll(() => ended).toEqual(['b']);
  });

  test('take files, too, over the connection of the tab that leads', async () => {
    await using world = await openBoards();
    const all = await threeTabs(world);
    const { root } = await mount(all[1], 'b');
    await root.note.select([new File(['0123456789'], 'a.txt')]);
    expect(await root.note.start()).toMatchObject([{ status: 'success' }]);
    await root.$dispatch('take');
    await waitFor(root, ({ text }) => text === '0123456789');
    expect(opened(...all)).toEqual([1, 0, 0]);
  });

  test('go on where they were when something is lost between tabs', async () => {
    await using world = await openBoards();
    const profile = new Profile(world);
    const real = platformTabs();
    if (real === null) throw new Error('there are no locks here');
    let isLossy = false;
    const platform: TabsPlatform = {
      ...real,
      channel: (name, hear) =>
        real.channel(name, (message) => {
          const isLost = isLossy && JSON.stringify(message).includes('"data"');
          if (isLost) isLossy = false;
          else hear?.(message);
        }),
    };
    const a = await profile.open({ views: views() });
    const b = await profile.open({
      views: views(),
      tabs: tabs({ name: profile.name, platform }),
    });
    const inB = await mount(b, 'b');
    await inB.root.$dispatch('setFilter', { to: 'mine' });
    await waitFor(inB.root, ({ filter }) => filter === 'mine');
    let remounts = 0;
    inB.handle.onRemount(() => (remounts += 1));
    isLossy = true;
    // Its answer is lost; it is asked again, and answered as it was.
    expect(await inB.root.$dispatch('setFilter', { to: 'again' })).toEqual({ was: 'mine' });
    await waitFor(inB.root, ({ filter }) => filter === 'again');
    expect([isLossy, remounts, ended, opened(a, b)]).toEqual([false, 0, [], [1, 0]]);
  });

  test('are mounted again where they fail on the server', async () => {
    await using world = await openBoards();
    const [a, b] = await threeTabs(world);
    const { root, handle, health } = await mount(b, 'b');
    const seen = new Set<string>();
    handle.health.subscribe(() => seen.add(health().state));
    const [joinRef, , topic] = z
      .tuple([z.string(), z.string(), z.string()], z.unknown())
      .parse(JSON.parse(String(a.valve.sent.find((data) => String(data).includes('musubi')))));
    a.valve.forge(JSON.stringify([joinRef, joinRef, topic, 'phx_error', {}]));
    await expect.poll(() => seen.size).toBeGreaterThan(1);
    await expect.poll(() => health().state).toBe('live');
    expect(await root.$dispatch('setFilter', { to: 'mine' })).toEqual({ was: 'all' });
    expect(opened(a, b)).toEqual([1, 0]);
  });

  test('bring a file to its end when another tab leads meanwhile', async () => {
    await using world = await openBoards();
    const all = await threeTabs(world);
    const [a, b] = all;
    const { root } = await mount(b, 'b');
    await root.note.select([new File(['0123456789'], 'a.txt')]);
    a.valve.holdOut();
    const done = root.note.start();
    // The first part is on its way, and lost with the connection.
    await expect.poll(() => root.note.status).toBe('uploading');
    await a.client.close();
    expect(await done).toMatchObject([{ status: 'success' }]);
    await root.$dispatch('take');
    await waitFor(root, ({ text }) => text === '0123456789');
  });

  test('that are too many for one connection have one of their tab', async () => {
    await using world = await openBoards({ viewLimits: { roots: 2 } });
    const all = await threeTabs(world);
    const [a, b, c] = all;
    const roots = [await mount(a, 'a'), await mount(b, 'b'), await mount(c, 'c')];
    expect(filters(roots)).toEqual(['all', 'all', 'all']);
    expect(opened(...all)).toEqual([1, 0, 1]);
  });

  test('are as many as the server lets a connection have, those of the tab that leads before all others, and beyond that refused as on a connection of their own', async () => {
    await using world = await openBoards({ viewLimits: { roots: 60 } });
    const all = await threeTabs(world);
    const [a, b, c] = all;
    const roots: Mounted[] = [];
    for (const [tab, count] of [[b, 57] as const, [c, 2] as const, [a, 1] as const]) {
      roots.push(...(await Promise.all(many(tab, 0, count))));
    }
    expect(opened(...all)).toEqual([1, 0, 0]);
    let remounts = 0;
    for (const { handle } of roots) handle.onRemount(() => (remounts += 1));
    // The one that came last makes room, and goes on where it was.
    roots.push(...(await Promise.all(many(a, 1, 1))));
    const states = (): readonly string[] => [...new Set(roots.map(({ health }) => health().state))];
    await expect.poll(() => [states(), opened(...all)]).toEqual([['live'], [1, 0, 1]]);
    // The last for whom there is room there: who comes in one breath may come in another order.
    roots.push(await mount(b, 'r', '57'));
    const beyond = await Promise.allSettled(many(b, 58, 3));
    const wrong = beyond.filter(({ status }) => status === 'rejected');
    expect(wrong).toMatchObject([{ reason: { code: 'over_capacity' } }]);
    await expect.poll(() => [states(), opened(...all)]).toEqual([['live'], [1, 1, 1]]);
    expect([remounts, ended]).toEqual([0, []]);
  });

  test('are of their own tab whatever its name is', async () => {
    await using world = await openBoards();
    const profile = new Profile(world);
    let drawn = 0;
    const randomId = (): string => `tab:${(drawn += 1)}`;
    const open = () => profile.open({ views: views(), env: { randomId } });
    const [a, b, c] = [await open(), await open(), await open()];
    const roots = [await mount(b, 'r'), await mount(c, 'r')] as const;
    await roots[0].root.$dispatch('setFilter', { to: 'mine' });
    await waitFor(roots[0].root, ({ filter }) => filter === 'mine');
    expect([filters(roots), opened(a, b, c)]).toEqual([
      ['mine', 'all'],
      [1, 0, 0],
    ]);
    expect(world.errors).toEqual([]);
  });

  test('that are refused are refused as if the tab had a connection of its own', async () => {
    await using world = await openBoards();
    const [, b] = await threeTabs(world);
    await expect(b.client.view('Nowhere').ready).rejects.toMatchObject({ code: 'unknown root' });
    const wrong = b.client.view('Board', { params: { room: 1 } });
    await expect(wrong.ready).rejects.toMatchObject({ code: 'invalid_params' });
    expect(opened(b)).toEqual([0]);
  });
});
