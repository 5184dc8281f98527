import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cache, type Client, memoryCache, type Store } from '@holdfast/client';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;
let writer: Store;

beforeEach(async () => {
  world = await openWorld();
  writer = await world.store();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const outside = expect.objectContaining({ code: 'out_of_scope' });

/** What a handle shows of a part. */
function shown(store: Store, pattern: string): object {
  return Object.fromEntries(store.entries(pattern).items.map(({ path, value }) => [path, value]));
}

function pushes(valve: Valve, event: string): readonly unknown[] {
  return valve.sent
    .map((data) => JSON.parse(String(data)) as unknown[])
    .filter((frame) => frame[3] === event)
    .map((frame) => frame[4]);
}

function heard(valve: Valve): string {
  return valve.received.map(String).join('\n');
}

async function open(client: Client, ...scope: string[]): Promise<Store> {
  const store = client.store('acme/app', { scope });
  await store.ready;
  return store;
}

describe('a handle on a part', () => {
  it('says why a part is not to be had where the server has a limit on them', async () => {
    await using small = await openWorld(undefined, { limits: { max_patterns: 2 } });
    const client = small.client();
    await open(client, 'a/**', 'b/**');
    const beyond = client.store('acme/app', { scope: ['c/**'] });
    await expect(beyond.ready).rejects.toMatchObject({
      code: 'too_many_patterns',
      details: { limit: 2 },
    });
  });

  it('S83 has what is in its patterns, and no frame holds anything else (P59)', async () => {
    await writer.transact((tx) => {
      tx.put('tenants/1/name', 'one');
      tx.put('tenants/2/name', 'secret-two');
      tx.put('other', 'secret-other');
    }).committed;
    const valve = new Valve();
    const store = await open(world.client({ link: valve }), 'tenants/1/**');
    expect(shown(store, 'tenants/1/**')).toEqual({ 'tenants/1/name': 'one' });
    await writer.put('tenants', { 1: { name: 'uno' }, 2: { name: 'secret-dos' } }).committed;
    await expect.poll(() => store.get('tenants/1')).toEqual({ name: 'uno' });
    await writer.put('other', 'secret-again').committed;
    // The cursor passes over what is not here.
    await expect.poll(() => store.status.get().seq).toBe(writer.status.get().seq);
    await writer.delete('tenants').committed;
    await expect.poll(() => store.get('tenants/1')).toBeUndefined();
    expect(heard(valve)).not.toMatch(/secret|tenants\/2/);
  });

  it('S83 reads, listings and watchers outside of it are refused as `out_of_scope` (P74)', async () => {
    await writer.put('a/x', { deep: 1 }).committed;
    const store = await open(world.client(), 'a/**', 'b/leaf', 'c/*');
    expect(store.get('a')).toEqual({ x: { deep: 1 } });
    expect([store.get('b/leaf'), store.get('c/1')]).toEqual([undefined, undefined]);
    for (const path of ['b', 'c', 'd', 'b/leaf/x', 'c/1/x']) {
      expect(() => store.get(path)).toThrow(outside);
      expect(() => store.entry(path)).toThrow(outside);
    }
    for (const pattern of ['**', 'b/**', 'c/**', '*', 'd']) {
      expect(() => store.entries(pattern)).toThrow(outside);
      expect(() => store.on(pattern, () => undefined)).toThrow(outside);
      expect(() => store.watch(pattern)).toThrow(outside);
    }
    for (const pattern of ['a', 'a/*', 'a/**', 'a/x/**', 'b/leaf', 'c/*', 'c/1']) {
      store.on(pattern, () => undefined)();
      expect(store.entries(pattern).next).toBeNull();
    }
    expect(store.range('a/', 'a0').items).toHaveLength(1);
    expect(store.range('a/x', 'a/y').items).toHaveLength(1);
    for (const [from, to] of [
      ['a', 'b'],
      ['a/x', 'z'],
      ['c/1', 'c/2'],
    ] as const) {
      expect(() => store.range(from, to)).toThrow(outside);
    }
  });

  it('of which only a leaf is in scope reads the leaf, and not what may be below', async () => {
    await writer.put('b/leaf', { below: 1 }).committed;
    const client = world.client();
    const all = await open(client, '**');
    const store = await open(client, 'b/leaf');
    expect(all.get('b/leaf')).toEqual({ below: 1 });
    expect(store.get('b/leaf')).toBeUndefined();
    await writer.put('b/leaf', 2).committed;
    await expect.poll(() => store.get('b/leaf')).toBe(2);
  });

  it('S83 writes what it can show, and the rest blindly, if asked to', async () => {
    const store = await open(world.client(), 'a/**', 'b/leaf');
    const refused = { code: 'out_of_scope' };
    await expect(store.put('c', 1).committed).rejects.toMatchObject(refused);
    await expect(store.delete('b/leaf').committed).rejects.toMatchObject(refused);
    await expect(store.merge('b/leaf', { x: 1 }).committed).rejects.toMatchObject(refused);
    await expect(store.put('b/leaf', { x: 1 }).committed).rejects.toMatchObject(refused);
    await expect(
      store.transact((tx) => {
        tx.ifAbsent('c');
        tx.put('a/x', 1);
      }).committed,
    ).rejects.toMatchObject({ ...refused, details: { path: 'c' } });
    await store.put('b/leaf', 1, { ifAbsent: true }).committed;
    await store.put('a', { x: { y: 2 } }).committed;
    const blind = store.put('a/blind', 3, { blind: true });
    expect(store.get('a/blind')).toBeUndefined();
    await blind.committed;
    expect(store.get('a/blind')).toBe(3);
    await store.increment('c', 4, { blind: true }).committed;
    await store.transact((tx) => tx.put('d', 5), { blind: true }).committed;
    await expect
      .poll(() => shown(writer, '**'))
      .toEqual({
        'a/blind': 3,
        'a/x/y': 2,
        'b/leaf': 1,
        c: 4,
        d: 5,
      });
    expect(store.status.get().pending).toBe(0);
  });

  it('is opened with patterns that are some', async () => {
    const client = world.client();
    expect(() => client.store('acme/app', { scope: ['a/**/b'] })).toThrow(
      expect.objectContaining({ code: 'invalid_pattern' }),
    );
    expect(() => client.store('acme/app', { scope: 'a/**' as never })).toThrow(TypeError);
    expect(() => client.store('acme/app', { scope: [7] as never })).toThrow(TypeError);
  });
});

describe('handles of one store', () => {
  it('S83 share one channel, and each has its own part', async () => {
    await writer.transact((tx) => {
      tx.put('a/1', 1);
      tx.put('b/1', 2);
      tx.put('c/1', 3);
    }).committed;
    const valve = new Valve();
    const client = world.client({ link: valve });
    const a = await open(client, 'a/**');
    const b = await open(client, 'b/**');
    expect(pushes(valve, 'phx_join').filter((each) => 'patterns' in (each as object))).toHaveLength(
      1,
    );
    expect(pushes(valve, 'scope')).toEqual([{ add: ['b/**'] }]);
    expect([a.get('a/1'), b.get('b/1')]).toEqual([1, 2]);
    expect(() => a.get('b/1')).toThrow(outside);
    expect(heard(valve)).not.toContain('c/1');
    // What is held already need not be asked for.
    await open(client, 'b/x', 'a/1');
    expect(valve.opened).toBe(1);
  });

  it('S83 opened in one turn ask once', async () => {
    const valve = new Valve();
    const client = world.client({ link: valve });
    await open(client, 'a/**');
    await Promise.all(['b', 'c', 'd'].map((name) => open(client, `${name}/**`)));
    expect(pushes(valve, 'scope')).toEqual([{ add: ['b/**', 'c/**', 'd/**'] }]);
  });

  it('an own write stays shown while the part that it is in is on its way, committed or not (C4, C5)', async () => {
    await writer.put('b/n', 5).committed;
    const valve = new Valve();
    const client = world.client({ link: valve });
    await open(client, 'a/**');
    valve.loses = (data) => String(data).includes('"snapshot_end"');
    const b = client.store('acme/app', { scope: ['b/**'] });
    const events: unknown[] = [];
    b.on('b/own', ({ value, op, seq }) => events.push([value, op, seq]));
    const writes = [b.put('b/own', 1), b.increment('b/n')];
    await Promise.all(writes.map(({ committed }) => committed));
    expect(b.get('b/own')).toBe(1);
    expect(events).toEqual([[1, 'set', null]]);
    // The part did not come: the next connection brings it, and nothing is counted twice.
    valve.loses = () => false;
    valve.cut();
    await b.ready;
    expect([b.get('b/own'), b.get('b/n')]).toEqual([1, 6]);
    await expect.poll(() => b.status.get().pending).toBe(0);
    expect(b.get('b/n')).toBe(6);
    expect(events.map((each) => (each as unknown[])[0])).not.toContain(undefined);
  });

  it('S83 a part that is added under writes arrives once, with nothing missing or twice (P60)', async () => {
    const client = world.client();
    const a = await open(client, 'a/**');
    await writer.put('b/n', 0).committed;
    const written = (async () => {
      for (let at = 1; at <= 200; at++) {
        writer.put(`b/${at % 20}`, at);
        // oxlint-disable-next-line no-await-in-loop -- a stream of writes
        await writer.increment('b/n').committed;
      }
    })();
    const b = client.store('acme/app', { scope: ['b/**'] });
    const counts: unknown[] = [];
    b.on('b/n', ({ value }) => counts.push(value), { includeCurrent: true });
    await b.ready;
    await written;
    await writer.settled();
    await expect.poll(() => counts.at(-1)).toBe(200);
    const [first = 0] = counts as number[];
    expect(counts).toEqual(Array.from({ length: 201 - first }, (_, at) => first + at));
    expect(shown(b, 'b/**')).toEqual(shown(writer, 'b/**'));
    expect(a.entries('a/**').items).toEqual([]);
  });

  it('a part that a listener watches stays, though the handle is closed; what nobody holds goes after a while', async () => {
    const valve = new Valve();
    let now = 0;
    const env = { now: () => performance.now() + now };
    const client = world.client({ link: valve, env });
    const a = await open(client, 'a/**');
    const b = await open(client, 'b/**');
    const seen: unknown[] = [];
    const off = b.on('b/**', ({ value }) => seen.push(value));
    b.close();
    await writer.put('b/1', 1).committed;
    await expect.poll(() => seen).toEqual([1]);
    off();
    now += 61_000;
    // Something has to ring the clock.
    const c = await open(client, 'c/**');
    await expect.poll(() => pushes(valve, 'scope').at(-1)).toEqual({ remove: ['b/**'] });
    await expect.poll(() => heard(valve)).toContain('"patterns":["a/**","c/**"]');
    await writer.put('b/1', 'gone').committed;
    await writer.put('a/1', 1).committed;
    await expect.poll(() => a.get('a/1')).toBe(1);
    expect(heard(valve)).not.toContain('gone');
    c.close();
  });
});

describe('resuming', () => {
  it('S83 a client that was away gets a tail of its parts, also of those added later', async () => {
    const valve = new Valve();
    const client = world.client({ link: valve });
    const a = await open(client, 'a/**');
    const b = await open(client, 'b/**');
    await writer.put('a/1', 1).committed;
    await writer.put('b/1', 1).committed;
    await expect.poll(() => b.get('b/1')).toBe(1);
    valve.cut();
    await writer.put('a/2', 2).committed;
    await writer.put('c/2', 2).committed;
    await expect.poll(() => a.get('a/2')).toBe(2);
    const joins = valve.received.map(String).filter((frame) => frame.includes('"why"'));
    expect(joins.at(-1)).toContain('"sync":"tail"');
    expect(pushes(valve, 'scope')).toHaveLength(1);
  });

  it('S83 a restart with a cache goes on with what it has, and asks for what else is wanted', async () => {
    await writer.transact((tx) => {
      tx.put('a/1', 1);
      tx.put('b/1', 2);
    }).committed;
    const cache = memoryCache();
    const first = world.client({ cache });
    await open(first, 'a/**');
    await open(first, 'b/**');
    await first.close();
    const kept = await cache.load('acme/app' as never);
    expect(kept).toMatchObject({ patterns: ['a/**', 'b/**'], scope: expect.any(String) });
    const valve = new Valve();
    const again = world.client({ cache, link: valve });
    const b = again.store('acme/app', { scope: ['b/**'] });
    const c = again.store('acme/app', { scope: ['c/**'] });
    await Promise.all([b.ready, c.ready]);
    expect(b.get('b/1')).toBe(2);
    expect(pushes(valve, 'scope')).toEqual([{ add: ['c/**'] }]);
    expect(heard(valve)).toContain('"sync":"tail"');
  });
});

/** What each handle may be of, and the patterns that it is listed by. */
const parts = [['a/**'], ['b/**', 'c/*'], ['c/1'], ['a/x/**', 'b/1'], ['**']] as const;

type Writing = { readonly write: string } | { readonly remove: string };

let written = 0;

function write(deed: Writing): void {
  if ('write' in deed) writer.put(deed.write, (written += 1));
  else writer.delete(deed.remove);
}

/** A cache holds nothing but what is committed as of a seq. */
async function expectKept(cache: Cache, seq: number): Promise<void> {
  const image = await cache.load('acme/app' as never);
  expect(image?.seq).toBe(seq);
  for (const { path, value: kept } of image?.entries ?? []) {
    expect([path, kept]).toEqual([path, writer.get(path)]);
  }
}

describe('many handles', () => {
  it(
    'S83 that come and go under writes and cuts show, each, its part, and the cache holds what they want (P74)',
    { timeout: 60_000 },
    async () => {
      const deeds = fc.array(
        fc.oneof(
          fc.record({ open: fc.nat(parts.length - 1) }),
          fc.record({ close: fc.nat(5) }),
          fc.record({ write: fc.constantFrom('a/1', 'a/x/y', 'b/1', 'c/1', 'c/2', 'd') }),
          fc.record({ remove: fc.constantFrom('a', 'a/x', 'b', 'c/1') }),
          fc.record({ cut: fc.constant(true) }),
        ),
        { minLength: 5, maxLength: 25 },
      );
      await fc.assert(
        fc.asyncProperty(deeds, async (plan) => {
          const cache = memoryCache();
          const valve = new Valve();
          const client = world.client({ link: valve, cache, env: { random: () => 0 } });
          const handles: { readonly store: Store; readonly scope: readonly string[] }[] = [];
          for (const deed of plan) {
            if ('open' in deed) {
              const scope = parts[deed.open] ?? ['**'];
              handles.push({ store: client.store('acme/app', { scope }), scope });
            } else if ('close' in deed) handles.splice(deed.close, 1)[0]?.store.close();
            else if ('cut' in deed) valve.cut();
            else write(deed);
            // oxlint-disable-next-line no-await-in-loop -- one after the other
            await new Promise(setImmediate);
          }
          await writer.settled();
          await Promise.all(handles.map(({ store }) => store.ready));
          const { seq } = writer.status.get();
          for (const { store, scope } of handles) {
            // oxlint-disable-next-line no-await-in-loop -- one after the other
            await expect.poll(() => store.status.get().seq).toBe(seq);
            for (const pattern of scope) {
              expect(shown(store, pattern)).toEqual(shown(writer, pattern));
            }
          }
          await client.close();
          // Where nobody is left to wait for, the cache is of any seq.
          if (handles.length > 0) await expectKept(cache, seq);
        }),
        { numRuns: 25 },
      );
    },
  );
});
