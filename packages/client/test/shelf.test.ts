import { Shelf, type Opened } from '@holdfast/client/shelf';
import type { Client } from '@holdfast/client';
import { deferred } from '@holdfast/engine/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openWorld, type World } from './world.ts';

type Timer = { readonly due: number; readonly ring: () => void };

/** A clock that moves when a test says so. */
class Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();
  readonly now = () => this.#now as never;
  readonly setTimeout = (ring: () => void, ms: number): Timer => {
    const timer = { due: this.#now + ms, ring };
    this.#timers.add(timer);
    return timer;
  };
  readonly clearTimeout = (handle: unknown): void => {
    this.#timers.delete(handle as Timer);
  };

  async advance(ms: number): Promise<void> {
    this.#now += ms;
    for (;;) {
      await new Promise(setImmediate);
      const next = [...this.#timers].find(({ due }) => due <= this.#now);
      if (next === undefined) return;
      this.#timers.delete(next);
      next.ring();
    }
  }
}

/** A thing that is opened, made ready or broken, and closed by a test. */
type Thing = {
  readonly key: string;
  isOpen: boolean;
  ready(): void;
  fail(error: unknown): void;
  ends(error?: unknown): void;
};

let world: World;
let clock: Clock;
let client: Client;
let things: Thing[];
let shelf: Shelf<Thing, { readonly key: string; readonly sync?: boolean }>;

beforeEach(async () => {
  world = await openWorld();
  clock = new Clock();
  const { now, setTimeout, clearTimeout } = clock;
  client = world.client({ env: { now, setTimeout, clearTimeout } });
  things = [];
  shelf = new Shelf(client, { ttlMs: 50, max: 2, open });
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

function open(
  { key, sync }: { readonly key: string; readonly sync?: boolean },
  closed: (error?: unknown) => void,
): Opened<Thing> {
  const { promise, resolve, reject } = deferred<void>();
  const thing: Thing = { key, isOpen: true, ready: resolve, fail: reject, ends: closed };
  things.push(thing);
  return {
    value: thing,
    ready: sync === true ? null : promise,
    close: () => {
      expect(thing.isOpen).toBe(true);
      thing.isOpen = false;
    },
  };
}

const get = (key: string, ttl?: number): Thing | Promise<Thing> => shelf.get(key, { key }, ttl);
const state = (key: string): string => shelf.place(key, { key }).getState().status;
const last = (): Thing => {
  const thing = things.at(-1);
  if (thing === undefined) throw new Error('nothing was opened');
  return thing;
};

describe('a shelf', () => {
  it('G72 opens once for all who ask at once, and gives them the one promise, then the value', async () => {
    const first = get('a');
    expect(get('a')).toBe(first);
    expect(things.length).toBe(1);
    last().ready();
    expect(await first).toBe(last());
    expect(get('a')).toBe(last());
  });

  it('what can be used at once is given at once', () => {
    expect(shelf.get('a', { key: 'a', sync: true })).toBe(last());
    expect(state('a')).toBe('ready');
  });

  it('keeps what was asked for while it loads, for five seconds after that, and closes it then (G32)', async () => {
    const asked = get('a', 0);
    await clock.advance(20_000);
    last().ready();
    await asked;
    await clock.advance(4999);
    expect(get('a', 0)).toBe(last());
    await clock.advance(4999);
    expect(last().isOpen).toBe(true);
    await clock.advance(1);
    expect(last().isOpen).toBe(false);
    void get('a');
    expect(things.length).toBe(2);
  });

  it('keeps what is held, and the longest that was asked for after that', async () => {
    const [short, long] = [
      shelf.retain('a', { key: 'a' }, 10),
      shelf.retain('a', { key: 'a' }, 9000),
    ];
    last().ready();
    await clock.advance(20_000);
    long();
    short();
    short();
    await clock.advance(8999);
    expect(last().isOpen).toBe(true);
    await clock.advance(1);
    expect(last().isOpen).toBe(false);
  });

  it('an error is one and the same for five seconds, and then it is tried again', async () => {
    const asked = get('a');
    const error = new Error('no');
    last().fail(error);
    await expect(asked).rejects.toBe(error);
    expect(last().isOpen).toBe(false);
    expect(() => get('a')).toThrow(error);
    await clock.advance(4999);
    expect(() => get('a')).toThrow(error);
    await clock.advance(1);
    const again = get('a');
    last().ready();
    expect(await again).toBe(last());
    expect(things.length).toBe(2);
  });

  it('what does not become ready in 30 seconds has failed', async () => {
    const asked = get('a');
    await clock.advance(30_000);
    // It says how far it had come.
    const details = { key: 'a', step: client.status.get().connection };
    await expect(asked).rejects.toMatchObject({ code: 'timeout', details });
    last().ready();
    await clock.advance(0);
    expect(state('a')).toBe('failed');
  });

  it('what is held and timed out without a connection is opened anew once there is one; what nobody holds, or failed otherwise, is not', async () => {
    const { promise: token, resolve: arrives } = deferred<string>();
    const { now, setTimeout, clearTimeout } = clock;
    const waiting = world.client({
      token: () => token,
      env: { now, setTimeout, clearTimeout },
    });
    shelf = new Shelf(waiting, { ttlMs: Infinity, max: 4, open });
    const release = shelf.retain('held', { key: 'held' });
    shelf.retain('let go', { key: 'let go' })();
    shelf.retain('refused', { key: 'refused' });
    last().fail(new Error('no'));
    await clock.advance(30_000);
    expect(['held', 'let go', 'refused'].map(state)).toEqual(['failed', 'failed', 'failed']);
    arrives(world.token);
    const line = async (): Promise<string> => {
      await clock.advance(100);
      return waiting.status.get().connection;
    };
    await expect.poll(line).toBe('connected');
    expect(['held', 'let go', 'refused'].map(state)).toEqual(['loading', 'failed', 'failed']);
    last().ready();
    await clock.advance(0);
    expect(state('held')).toBe('ready');
    release();
  });

  it('a reset closes what is there, opens anew what is held, and forgets what failed', async () => {
    const states: string[] = [];
    const attempts: number[] = [];
    const release = shelf.retain('a', { key: 'a' });
    const place = shelf.place('a', { key: 'a' });
    place.subscribe(() => {
      const now = place.getState();
      states.push(now.status);
      if (now.status === 'loading') attempts.push(now.attempt);
    });
    const [first] = things;
    last().ready();
    await clock.advance(0);
    shelf.reset('a');
    expect([first?.isOpen, things.length]).toEqual([false, 2]);
    last().fail(new Error('no'));
    await clock.advance(0);
    shelf.reset();
    last().ready();
    await clock.advance(0);
    expect(states).toEqual(['loading', 'ready', 'loading', 'failed', 'loading', 'ready']);
    // Counted from when it was ready.
    expect(attempts).toEqual([1, 1, 2]);
    expect(first?.isOpen).toBe(false);
    release();
  });

  it('whoever waits while it is reset goes on waiting, for the new one', async () => {
    const asked = get('a');
    const [first] = things;
    shelf.reset('a');
    first?.ready();
    last().ready();
    expect(await asked).toBe(last());
    expect(things.length).toBe(2);
  });

  it('what closes itself is not given to anybody any more (G34)', async () => {
    void get('a');
    last().ready();
    await clock.advance(0);
    last().ends();
    expect(state('a')).toBe('closed');
    void get('a');
    expect(things.length).toBe(2);
    last().ready();
    await clock.advance(0);
    last().ends(new Error('broken'));
    expect(() => get('a')).toThrow('broken');
  });

  it('above its limit those go first that were let go of first, but none that a page may be about to show (G46)', async () => {
    for (const key of ['a', 'b', 'c', 'd']) {
      shelf.retain(key, { key }, 60_000)();
      last().ready();
    }
    void get('a');
    await clock.advance(1);
    expect(things.filter(({ isOpen }) => isOpen).map(({ key }) => key)).toEqual(['a', 'd']);
  });

  it('ends with its client: everything is closed, nobody waits any more; what was shown is no other', async () => {
    const [asked] = [get('a'), shelf.retain('b', { key: 'b' })];
    last().ready();
    const place = shelf.place('b', { key: 'b' });
    await new Promise(setImmediate);
    const shown = place.getState();
    expect(shown.status).toBe('ready');
    await client.close();
    await expect(asked).rejects.toMatchObject({ code: 'load_aborted' });
    expect(things.every(({ isOpen }) => !isOpen)).toBe(true);
    // Whoever comes to listen only now is told of no change either.
    expect(place.getState()).toBe(shown);
  });
});
