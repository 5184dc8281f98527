import { presence } from '@holdfast/protocol';
import type { Client } from '@holdfast/client';
import { joinPresence, type Presence, presences } from '@holdfast/client/presence';
import type { Authenticate } from '@holdfast/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../engine/test/virtual-clock.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

type Cursor = { readonly x: number; readonly at: Date };

/** A schema as libraries make them: takes what has a number `x`, and an instant. */
const schema = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) => {
      const { x, at } = (value ?? {}) as { x?: unknown; at?: unknown };
      return typeof x === 'number' && at instanceof Date
        ? { value: { x, at } }
        : { issues: [{ message: 'no cursor' }] };
    },
  },
};
const Cursors = presence<Cursor>({
  name: 'cursors',
  store: 'acme/app',
  topic: 'rooms/:id',
  schema,
});
const at = new Date(0);
const plain = { store: 'acme/app', topic: 'rooms/1' };

const of = (one: World): Client => one.client({ presences: presences() });

const shown = <T>(room: Pick<Presence<T>, 'peers'>): unknown[] =>
  [...room.peers.get().values()]
    .map(({ value, self }) => [value, self])
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

describe('presence', () => {
  it('peers see each other, themselves at once, and the last that was set (S85)', async () => {
    const [a, b] = [1, 2].map(() => of(world).presence(Cursors, { id: '1' }));
    if (a === undefined || b === undefined) throw new Error('two');
    for (const each of [a, b]) each.retain();
    a.set({ x: 1, at });
    expect(shown(a)).toEqual([[{ x: 1, at }, true]]);
    await expect.poll(() => shown(b)).toEqual([[{ x: 1, at }, false]]);
    b.set({ x: 10, at });
    b.set({ x: 11, at });
    await expect
      .poll(() => shown(a))
      .toEqual([
        [{ x: 1, at }, true],
        [{ x: 11, at }, false],
      ]);
    const before = a.peers.get();
    const own = [...before.values()].find(({ self }) => self);
    b.set({ x: 12, at });
    await expect.poll(() => shown(a)).toContainEqual([{ x: 12, at }, false]);
    expect(a.peers.get()).not.toBe(before);
    expect([...a.peers.get().values()].find(({ self }) => self)).toBe(own);
    expect([...a.peers.get().keys()].every((name) => name.includes('/'))).toBe(true);
  });

  it('a late joiner sees everyone; who leaves is gone for the others, and sees nobody (S85)', async () => {
    const rooms = [1, 2].map((n) => {
      const room = joinPresence(world.client(), plain);
      room.set({ n });
      return room;
    });
    const watcher = joinPresence(world.client(), plain);
    await expect
      .poll(() => shown(watcher))
      .toEqual([
        [{ n: 1 }, false],
        [{ n: 2 }, false],
      ]);
    expect(watcher.status.get()).toEqual({ state: 'joined' });
    rooms[0]?.leave();
    expect(rooms[0]?.peers.get().size).toBe(0);
    rooms[0]?.set({ n: 'nothing to anybody' });
    await expect.poll(() => shown(watcher)).toEqual([[{ n: 2 }, false]]);
    expect(watcher.stats()).toEqual({ updates: 2, leaves: 1, parseErrors: 0 });
    rooms[1]?.clear();
    await expect.poll(() => shown(watcher)).toEqual([]);
    expect(rooms[1]?.status.get()).toEqual({ state: 'joined' });
  });

  it('what the schema refuses is not set, and not seen (S85)', async () => {
    const [good, bad] = [
      of(world).presence(Cursors, { id: '1' }),
      joinPresence(world.client(), plain),
    ];
    good.retain();
    expect(() => good.set({ x: 'no' } as never)).toThrow(TypeError);
    bad.set({ x: 'no cursor' });
    await expect.poll(() => good.stats().parseErrors).toBe(1);
    expect(shown(good)).toEqual([]);
  });

  it.each(['bigint', 'bytes'])(
    'who shows a %s that is none is not seen, and keeps nobody from seeing the others (S85)',
    async (type) => {
      const [a, b] = [1, 2].map(() => of(world).presence(Cursors, { id: '1' }));
      if (a === undefined || b === undefined) throw new Error('two');
      for (const each of [a, b]) each.retain();
      joinPresence(world.client(), plain).set({ x: 1, at: { _type: type, _typed: '!' } });
      await expect.poll(() => a.stats().parseErrors).toBe(1);
      a.set({ x: 1, at });
      b.set({ x: 2, at });
      const both = [
        [{ x: 1, at }, true],
        [{ x: 2, at }, false],
      ];
      await expect.poll(() => shown(a)).toEqual(both);
      expect(world.errors).toEqual([]);
    },
  );

  it('of 100 sets in a moment two are sent, the last of them the last (S85)', async () => {
    const valve = new Valve();
    // A machine may need longer than a moment for them.
    const clock = new VirtualClock();
    const { now, setTimeout, clearTimeout } = clock;
    const env = { now, setTimeout, clearTimeout };
    const room = joinPresence(world.client({ link: valve, env }), plain);
    const watcher = joinPresence(world.client(), plain);
    await expect.poll(() => room.status.get().state).toBe('joined');
    for (let n = 1; n <= 100; n++) room.set({ n });
    await clock.advance(50);
    await expect.poll(() => shown(watcher)).toEqual([[{ n: 100 }, false]]);
    expect(
      valve.sent.filter((data) => String(data).includes('presence_track')).length,
    ).toBeLessThan(3);
  });

  it('what is set all the time is sent all along (S85)', async () => {
    const valve = new Valve();
    const room = joinPresence(world.client({ link: valve }), plain);
    await expect.poll(() => room.status.get().state).toBe('joined');
    const sent = (): number =>
      valve.sent.filter((data) => String(data).includes('presence_track')).length;
    for (let n = 0; sent() < 5; n++) {
      room.set({ n });
      await new Promise(setImmediate);
    }
    expect(sent()).toBe(5);
  });

  it('after a lost connection it shows what it showed, and others see no leave (S85)', async () => {
    const valve = new Valve();
    const [room, watcher] = [
      joinPresence(world.client({ link: valve, env: { random: () => 0.01 } }), plain),
      joinPresence(world.client(), plain),
    ];
    room.set({ n: 1 });
    await expect.poll(() => shown(watcher)).toEqual([[{ n: 1 }, false]]);
    const opened = valve.opened;
    valve.cut();
    room.set({ n: 2 });
    await expect.poll(() => valve.opened).toBe(opened + 1);
    await expect.poll(() => shown(watcher)).toEqual([[{ n: 2 }, false]]);
    expect(watcher.stats().leaves).toBe(0);
    expect(shown(room)).toEqual([[{ n: 2 }, true]]);
  });

  it('two handles of one client share the topic, and what it shows; the last to leave leaves it (S85)', async () => {
    const client = world.client();
    const [one, two] = [joinPresence(client, plain), joinPresence(client, plain)];
    const watcher = joinPresence(world.client(), plain);
    one.set({ n: 1 });
    expect(shown(two)).toEqual([]);
    await expect.poll(() => shown(two)).toEqual([[{ n: 1 }, true]]);
    one.leave();
    await expect.poll(() => shown(watcher)).toEqual([[{ n: 1 }, false]]);
    two.leave();
    await expect.poll(() => shown(watcher)).toEqual([]);
    const again = joinPresence(client, plain);
    again.set({ n: 2 });
    await expect.poll(() => shown(watcher)).toEqual([[{ n: 2 }, false]]);
  });

  it('says why it cannot be joined, and what was not taken (S85)', async () => {
    const stranger = joinPresence(world.client(), { store: 'acme/none', topic: 'a' });
    await expect.poll(() => stranger.status.get().error?.code).toBe('unauthorized');
    const room = joinPresence(world.client(), plain);
    await expect.poll(() => room.status.get().state).toBe('joined');
    room.set({ text: 'x'.repeat(5000) });
    await expect.poll(() => room.status.get().error?.code).toBe('value_too_large');
    expect(() => joinPresence(world.client(), { store: 'none', topic: 'a' })).toThrow(TypeError);
    expect(() => joinPresence(world.client(), { store: 'acme/app', topic: '' })).toThrow(TypeError);
    expect(() => of(world).presence(Cursors, {})).toThrow(TypeError);
  });

  it('that may not be joined is told to the application, which sees nobody and would not know why', async () => {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const Elsewhere = presence<Cursor>({ name: 'x', store: 'acme/none', topic: 'r/:id', schema });
    world.client({ presences: presences(), onError }).presence(Elsewhere, { id: '1' }).retain();
    await expect.poll(() => errors.length).toBe(1);
    expect(errors).toMatchObject([
      { code: 'unauthorized', details: { topic: 'presence:acme/none:r/1' } },
    ]);
  });

  it('a state that is not taken keeps nobody from the topic: it is joined without (S85)', async () => {
    const room = joinPresence(world.client(), plain);
    // Before the join is sent, so that it goes with it.
    room.set({ text: 'x'.repeat(5000) });
    await expect.poll(() => room.status.get()).toMatchObject({ state: 'joined' });
    expect(room.status.get().error?.code).toBe('value_too_large');
    room.set({ n: 1 });
    const watcher = joinPresence(world.client(), plain);
    await expect.poll(() => shown(watcher)).toEqual([[{ n: 1 }, false]]);
    expect(room.status.get()).toEqual({ state: 'joined' });
  });

  it('a state that is not taken is told again after a lost connection, for it is sent again', async () => {
    const valve = new Valve();
    const room = joinPresence(world.client({ link: valve, env: { random: () => 0.01 } }), plain);
    room.set({ text: 'x'.repeat(5000) });
    const joined = { state: 'joined', error: { code: 'value_too_large' } };
    await expect.poll(() => room.status.get()).toMatchObject(joined);
    const opened = valve.opened;
    valve.cut();
    await expect.poll(() => valve.opened).toBe(opened + 1);
    await expect.poll(() => room.status.get()).toMatchObject(joined);
  });

  it('whoever may no longer take part when it comes back sees nobody any more, and is told why', async () => {
    let mayTakePart = true;
    const authenticate: Authenticate = async ({ token }) => ({
      subject: token,
      orgs: ['acme'],
      scopes: new Set(['entries:read']),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
      presence: token === 'ann' || mayTakePart,
    });
    await using own = await openWorld(authenticate);
    const valve = new Valve();
    const watcher = joinPresence(own.client({ token: 'bob', link: valve }), plain);
    joinPresence(own.client({ token: 'ann' }), plain).set({ n: 1 });
    await expect.poll(() => shown(watcher)).toEqual([[{ n: 1 }, false]]);
    mayTakePart = false;
    valve.cut();
    await expect.poll(() => watcher.status.get().error?.code).toBe('presence_not_allowed');
    expect(shown(watcher)).toEqual([]);
  });

  it('nobody is on the topic of a store that was purged, themselves included, until somebody asks for the topic of another one of its name', async () => {
    const { id = '' } = (await world.server.stores.create('acme/gone')) ?? {};
    const errors: unknown[] = [];
    const client = world.client({ onError: (error) => errors.push(error) });
    const there = { ...plain, store: 'acme/gone' };
    const room = joinPresence(client, there);
    room.set({ n: 1 });
    await expect.poll(() => room.status.get()).toEqual({ state: 'joined' });
    await world.server.stores.purge(id);
    await expect.poll(() => errors).toMatchObject([{ code: 'unauthorized' }]);
    expect(shown(room)).toEqual([]);
    room.set({ n: 2 });
    expect(shown(room)).toEqual([]);
    await world.server.stores.create('acme/gone');
    joinPresence(client, there);
    await expect.poll(() => room.status.get()).toEqual({ state: 'joined' });
    expect(shown(room)).toEqual([[{ n: 2 }, true]]);
    const other = joinPresence(world.client(), there);
    await expect.poll(() => shown(other)).toEqual([[{ n: 2 }, false]]);
  });

  it('opens no store, and ends with the client (S85)', async () => {
    const client = world.client();
    const [room, watcher] = [joinPresence(client, plain), joinPresence(world.client(), plain)];
    room.set({ n: 1 });
    await expect.poll(() => shown(watcher)).toEqual([[{ n: 1 }, false]]);
    expect(client.inspect()).toMatchObject({ stores: [] });
    room.set({ n: 2 });
    await client.close();
    expect([room.status.get(), room.peers.get().size]).toEqual([{ state: 'left' }, 0]);
    expect(() => joinPresence(client, plain)).toThrow(expect.objectContaining({ code: 'closed' }));
  });
});
