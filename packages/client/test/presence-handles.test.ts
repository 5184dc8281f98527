import { joinPresence, type Presence, presences } from '@holdfast/client/presence';
import { type JsonObject, presence } from '@holdfast/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const at = { store: 'acme/app', topic: 'rooms/1' };
const big = { text: 'x'.repeat(5000) };

const Rooms = presence<JsonObject>({
  name: 'rooms',
  store: 'acme/app',
  topic: 'rooms/:id',
  schema: {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => ({ value: value as JsonObject }),
    },
  },
});

const shown = (room: Pick<Presence<JsonObject>, 'peers'>): unknown[] =>
  Array.from(room.peers.get().values(), ({ value }) => value);

describe('a handle on a topic', () => {
  it('that another one of its client is on already shows at once who is there (S85)', async () => {
    const client = world.client();
    joinPresence(world.client(), at).set({ n: 1 });
    const one = joinPresence(client, at);
    await expect.poll(() => shown(one)).toEqual([{ n: 1 }]);
    expect(shown(joinPresence(client, at))).toEqual([{ n: 1 }]);
  });

  it('shows itself by the name that it has for others, and no more as soon as it is cleared (S85)', async () => {
    const [room, watcher] = [joinPresence(world.client(), at), joinPresence(world.client(), at)];
    room.set({ n: 1 });
    await expect.poll(() => shown(watcher)).toEqual([{ n: 1 }]);
    expect([...room.peers.get().keys()]).toEqual([...watcher.peers.get().keys()]);
    room.clear();
    expect(shown(room)).toEqual([]);
    await expect.poll(() => shown(watcher)).toEqual([]);
  });

  it('has all in the order in which they have changed last, itself too, as others see it (S85)', async () => {
    const [a, b] = [joinPresence(world.client(), at), joinPresence(world.client(), at)];
    a.set({ a: 1 });
    await expect.poll(() => shown(b)).toEqual([{ a: 1 }]);
    b.set({ b: 1 });
    await expect.poll(() => shown(a)).toEqual([{ a: 1 }, { b: 1 }]);
    a.set({ a: 2 });
    const all = [{ b: 1 }, { a: 2 }];
    await expect.poll(() => [shown(a), shown(b)]).toEqual([all, all]);
  });

  it('that has left shows nobody, and changes nothing for one that is there still (S85)', async () => {
    const client = world.client();
    const [one, two] = [joinPresence(client, at), joinPresence(client, at)];
    const watcher = joinPresence(world.client(), at);
    two.set({ n: 1 });
    await expect.poll(() => shown(watcher)).toEqual([{ n: 1 }]);
    one.leave();
    one.set({ n: 2 });
    one.clear();
    joinPresence(world.client(), at).set({ n: 3 });
    await expect.poll(() => shown(two)).toEqual([{ n: 1 }, { n: 3 }]);
    expect([shown(one), shown(watcher)]).toEqual([[], [{ n: 1 }, { n: 3 }]]);
  });

  it('leaves it at the end of its block, and sees nobody once its client is closed (S85)', async () => {
    const client = world.client();
    const watcher = joinPresence(client, at);
    const other = joinPresence(world.client(), at);
    other.set({ n: 1 });
    {
      using room = joinPresence(world.client(), at);
      room.set({ n: 2 });
      await expect.poll(() => shown(watcher)).toEqual([{ n: 1 }, { n: 2 }]);
    }
    await expect.poll(() => shown(watcher)).toEqual([{ n: 1 }]);
    await client.close();
    await expect.poll(() => shown(watcher)).toEqual([]);
    expect(watcher.status.get()).toEqual({ state: 'left' });
  });

  it('is joining while there is no connection (S85)', async () => {
    const valve = new Valve();
    const room = joinPresence(world.client({ link: valve }), at);
    await expect.poll(() => room.status.get().state).toBe('joined');
    valve.down();
    await expect.poll(() => room.status.get().state).toBe('joining');
    valve.up();
    await expect.poll(() => room.status.get().state).toBe('joined');
  });

  it('that has never had a connection shows itself as the principal of its client, and counts nobody as gone when the server says who it is (S85)', async () => {
    const link = new Valve();
    link.holdOut();
    const room = joinPresence(world.client({ link, principal: 'anna' }), at);
    const keys = (): unknown[] =>
      Array.from(room.peers.get().values(), ({ key, self }) => [key, self]);
    room.set({ n: 1 });
    expect(keys()).toEqual([['anna', true]]);
    link.letOut();
    await expect.poll(() => room.status.get().state).toBe('joined');
    expect(keys()).toEqual([[expect.not.stringMatching(/^(anna)?$/), true]]);
    expect(room.stats()).toEqual({ updates: 0, leaves: 0, parseErrors: 0 });
  });

  it('does not send again what went along with its join (S85)', async () => {
    const valve = new Valve();
    const [room, watcher] = [
      joinPresence(world.client({ link: valve }), at),
      joinPresence(world.client(), at),
    ];
    room.set({ n: 1 });
    await expect.poll(() => shown(watcher)).toEqual([{ n: 1 }]);
    room.set({ n: 2 });
    await expect.poll(() => shown(watcher)).toEqual([{ n: 2 }]);
    expect(String(valve.sent).match(/presence_track/g)).toHaveLength(1);
  });

  it('tells the application what is not taken of it, and shows what is set next (S85)', async () => {
    const errors: unknown[] = [];
    const client = world.client({ onError: (error) => void errors.push(error) });
    const watcher = joinPresence(world.client(), at);
    const room = joinPresence(client, at);
    room.set(big);
    // It is joined again without: what is set by then is no part of what was refused.
    const unsubscribe = room.status.subscribe(() => {
      unsubscribe();
      room.set({ n: 1 });
    });
    await expect.poll(() => shown(watcher)).toEqual([{ n: 1 }]);
    await expect.poll(() => room.status.get()).toEqual({ state: 'joined' });
    room.set(big);
    await expect.poll(() => errors.length).toBe(2);
    expect(errors).toMatchObject([{ code: 'value_too_large' }, { code: 'value_too_large' }]);
  });

  it.each([
    ['shows', { n: 1 }],
    ['clears', null],
  ] as const)(
    'is joined as it is by then, where it %s something before it hears that what it came with is not taken (S85)',
    async (_, next) => {
      const valve = new Valve();
      const other = joinPresence(world.client(), at);
      other.set({ n: 2 });
      const client = world.client({ link: valve });
      const room = joinPresence(client, at);
      room.set(big);
      // Nothing that is answered over its connection has come yet.
      client.status.subscribe(() => valve.holdIn());
      await expect.poll(() => String(valve.sent)).toContain(big.text);
      if (next === null) room.clear();
      else room.set(next);
      valve.letIn();
      const all = [{ n: 2 }, ...(next === null ? [] : [next])];
      await expect.poll(() => [shown(room), shown(other)]).toEqual([all, all]);
      expect(room.status.get()).toEqual({ state: 'joined' });
    },
  );

  it('of a definition is on it as long as anybody holds it, and calls nobody who listens no more (S85)', async () => {
    const room = world.client({ presences: presences() }).presence(Rooms, { id: '1' });
    const watcher = joinPresence(world.client(), at);
    let calls = 0;
    const [release, unsubscribe] = [room.retain(), room.peers.subscribe(() => calls++)];
    room.set({ n: 1 });
    await expect.poll(() => shown(watcher)).toEqual([{ n: 1 }]);
    unsubscribe();
    const called = calls;
    room.set({ n: 2 });
    await expect.poll(() => shown(watcher)).toEqual([{ n: 2 }]);
    room.clear();
    await expect.poll(() => shown(watcher)).toEqual([]);
    room.set({ n: 3 });
    await expect.poll(() => shown(watcher)).toEqual([{ n: 3 }]);
    expect([called > 0, calls]).toEqual([true, called]);
    release();
    await expect.poll(() => shown(watcher)).toEqual([]);
  });
});
