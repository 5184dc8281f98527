import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  decimal,
  fromEnvelope,
  memoryCache,
  type Native,
  type Page,
  type RejectedWrite,
  toEnvelope,
} from '@holdfast/client';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

const later: () => unknown = () => Promise.reject(new Error('later'));

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

describe('writes', () => {
  it('are shown at once and say later what they came to', async () => {
    const store = await world.store();
    const write = store.put(['posts', 'hello'], { title: 'Hi' });
    expect(store.get('posts/hello')).toEqual({ title: 'Hi' });
    expect(store.entry('posts/hello/title')).toMatchObject({ revision: 0, pending: true });
    expect(write.state).toBe('sent');
    expect(await write.committed).toEqual({ seq: 1, rebasedOver: [] });
    expect(write.state).toBe('committed');
    expect(write.outcome).toEqual({ status: 'committed', seq: 1, rebasedOver: [] });
    expect(store.entry('posts/hello/title')).toMatchObject({ revision: 1, pending: false });
    expect(write.opId).toMatch(/^[\w-]+:[\w-]+:1$/);
    await expect(write.durable).resolves.toBeUndefined();
  });

  it('G57 that cannot hold are refused at once, with reason and path, and the store works on', async () => {
    const store = await world.store();
    const refused = [
      [store.put('', 1), 'empty_path', null],
      [store.put('a//b', 1), 'empty_segment', null],
      [store.put('_dust:last_seq', 1), 'reserved_path', '_dust:last_seq'],
      [store.put('n', { deep: Number.NaN }), 'number_out_of_range', 'n/deep'],
      [store.put('f', (() => 1) as never), 'invalid_value', 'f'],
      [store.put('d', new Date('nonsense')), 'invalid_typed_value', 'd'],
      [store.merge('m', [] as never), 'merge_requires_map_value', 'm'],
      [store.put('k', 1, { fence: { key: '', token: 1 } }), 'invalid_precondition', 'k'],
      [store.add('s', null), 'add_requires_value', 's'],
      [store.put('k', 1, { ifMatch: 0.5 }), 'invalid_precondition', 'k'],
    ] as const;
    for (const [write, reason, path] of refused) {
      expect(write.state).toBe('refused');
      expect(write.outcome).toMatchObject({ reason });
      if (path !== null) expect(write.outcome).toMatchObject({ path });
      await expect(write.committed).rejects.toMatchObject({ code: reason });
    }
    expect(() => store.put('k', undefined as never)).toThrow(TypeError);
    expect(() => store.put('k', 1, { ifmatch: 1 } as never)).toThrow(
      /^put has no option "ifmatch"/,
    );
    expect(await store.put('k', 1).committed).toMatchObject({ seq: 1 });
  });

  it('a path that is none at all, as JavaScript may pass it, is refused by its reason (§2.1.2, C8)', async () => {
    const store = await world.store();
    const invalid = { code: 'invalid_path' };
    for (const path of [undefined, null, 5, {}, true] as unknown as string[]) {
      const writes = [
        store.put(path, 1),
        store.delete(path),
        store.transact((tx) => tx.put(path, 1)),
      ];
      const refused = writes.map(({ committed }) =>
        expect(committed).rejects.toMatchObject(invalid),
      );
      // oxlint-disable-next-line no-await-in-loop -- a path at a time
      await Promise.all([...refused, expect(store.lease(path)).rejects.toMatchObject(invalid)]);
      const reads = [() => store.get(path), () => store.entry(path), () => store.getMany([path])];
      for (const read of reads) expect(read).toThrow(expect.objectContaining(invalid));
    }
    expect(await store.put('k', 1).committed).toMatchObject({ seq: 1 });
  });

  it('a cycle is refused, and a value that the caller changes later is not', async () => {
    const store = await world.store();
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(store.put('c', cycle as never).outcome).toMatchObject({ reason: 'too_deep' });
    const list = [1];
    const write = store.put('list', list);
    list.push(2);
    await write.committed;
    expect(store.get('list')).toEqual([1]);
    list.push(3);
  });

  it('a refusal reaches onRejected once where nobody awaits the receipt, and only there', async () => {
    const rejected: RejectedWrite[] = [];
    const store = await world.store({ onRejected: (rejection) => rejected.push(rejection) });
    const dead = { fence: { key: 'no/lease', token: 1 } };
    const ignored = store.put('k', 1, dead);
    await store.put('k', 2, dead).committed.catch(() => undefined);
    const local = store.put('', 3);
    await expect.poll(() => rejected.length).toBe(2);
    await store.put('k', 4).committed;
    expect(rejected.map(({ opId, error }) => [opId, error.code])).toEqual(
      [
        [local.opId, 'empty_path'],
        [ignored.opId, 'fenced'],
      ].toSorted(() => (rejected[0]?.opId === local.opId ? 0 : -1)),
    );
    await expect(ignored.committed).rejects.toMatchObject({ code: 'fenced' });
  });

  it('that were never sent can be cancelled, and others cannot', async () => {
    const valve = new Valve();
    const client = world.client({ link: valve });
    valve.holdOut();
    const store = client.store('acme/app');
    const [first, second] = [store.put('a', 1), store.put('b', 2)];
    expect(store.outbox.list().map(({ opId, state }) => [opId, state])).toEqual([
      [first.opId, 'queued'],
      [second.opId, 'queued'],
    ]);
    expect(first.cancel()).toBe(true);
    expect(store.get('a')).toBeUndefined();
    await expect(first.committed).rejects.toMatchObject({ code: 'cancelled' });
    valve.letOut();
    await second.committed;
    expect(second.cancel()).toBe(false);
  });

  it('the outbox lists what is not decided, tells of changes, and lets go of what was never sent', async () => {
    const valve = new Valve();
    valve.holdOut();
    const store = world.client({ link: valve }).store('acme/app');
    let changes = 0;
    store.outbox.subscribe(() => (changes += 1));
    const write = store.put('k', 1);
    const other = store.put('j', 1);
    const [entry] = store.outbox.list();
    expect(entry).toMatchObject({ opId: write.opId, state: 'queued', reason: null, attempts: 0 });
    expect(store.outbox.list()).toBe(store.outbox.list());
    expect(JSON.parse(store.outbox.export())).toMatchObject({ writes: [{}, {}], deadLetters: [] });
    expect(store.outbox.discard(other.opId)).toBe(true);
    expect(store.outbox.discard(other.opId)).toBe(false);
    valve.letOut();
    await store.settled();
    expect(store.outbox.list()).toEqual([]);
    expect(changes).toBeGreaterThan(1);
  });

  it('the outbox is the same list, and tells of nothing, while only others write', async () => {
    const [store, other] = await Promise.all([world.store(), world.store()]);
    let changes = 0;
    store.outbox.subscribe(() => (changes += 1));
    const before = store.outbox.list();
    await other.put('k', 1).committed;
    await expect.poll(() => store.get('k')).toBe(1);
    expect(store.outbox.list()).toBe(before);
    expect(changes).toBe(0);
    const write = store.put('k', 2);
    expect(store.outbox.list()).toMatchObject([{ opId: write.opId, state: 'sent' }]);
    await write.committed;
    expect([store.outbox.list(), changes > 0]).toEqual([[], true]);
  });

  it('a transaction is all or nothing, and its conditions are on the state before it', async () => {
    const store = await world.store();
    const { seq, results } = await store.transact((tx) => {
      tx.put('a', 1);
      tx.increment('a');
      tx.put('b', { c: 1 });
      tx.ifAbsent('a');
    }).committed;
    expect([seq, results?.length, store.get('a')]).toEqual([3, 3, 2]);
    const refused = store.transact((tx) => {
      tx.put('a', 100);
      tx.exists('nothing');
    });
    await expect(refused.committed).rejects.toMatchObject({ details: { precondition_index: 0 } });
    const bad = store.transact((tx) => {
      tx.put('x', 1);
      tx.put('a//b', 1);
    });
    expect(bad.outcome).toMatchObject({ reason: 'empty_segment', details: { op_index: 1 } });
    await store.transact((tx) => {
      tx.equals('b', { c: 1 });
      tx.ifMatch('a', 2);
      tx.delete('b');
    }).committed;
    expect(store.entries().items.map(({ path }) => path)).toEqual(['a']);
    expect(() => store.transact(later)).toThrow(TypeError);
    const failure = new Error('mine');
    const failing = (): unknown =>
      store.transact((tx) => {
        tx.put('never', 1);
        throw failure;
      });
    expect(failing).toThrow(failure);
    expect(store.get('never')).toBeUndefined();
  });

  it('S64 writes made offline outlive their client in its cache, in order, each once', async () => {
    const [cache, deviceId] = [memoryCache(), 'laptop'];
    const valve = new Valve();
    const first = world.client({ cache, deviceId, link: valve });
    const before = first.store('acme/app');
    await before.put('base', 1).committed;
    valve.holdOut();
    const writes = [before.put('k', 1), before.put('k', 2)];
    for (let n = 0; n < 3; n++) writes.push(before.increment('c'));
    await Promise.all(writes.map(({ durable }) => durable));
    await first.close();
    await expect(writes[0]?.committed).rejects.toMatchObject({ code: 'closed' });
    const store = world.client({ cache, deviceId }).store('acme/app');
    expect([store.get('base'), store.get('k'), store.get('c')]).toEqual([1, 2, 3]);
    await store.settled();
    const other = await world.store();
    expect(other.entries().items.map(({ path, value }) => [path, value])).toEqual([
      ['base', 1],
      ['c', 3],
      ['k', 2],
    ]);
    expect(other.status.get().seq).toBe(6);
  });

  it('G53 a cache whose content is spoilt is reported, and the client goes on without it', async () => {
    const spoilt = new Error('spoilt');
    const entries = {
      [Symbol.iterator]: (): never => {
        throw spoilt;
      },
    };
    const image = { seq: 7, incarnation: null, scope: null, patterns: [], maps: [], outbox: [] };
    for (const wait of [true, false]) {
      const kept = { ...image, entries };
      const load = (): never => (wait ? Promise.resolve(kept) : kept) as never;
      const store = world.client({ cache: { ...memoryCache(), load } }).store('acme/app');
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await store.put('k', 1).committed;
      expect(store.get('k')).toBe(1);
    }
    expect(world.errors).toEqual([spoilt, spoilt]);
  });

  it('G53 a cache that fails is reported once, and the client goes on in memory', async () => {
    const failure = new Error('quota');
    const cache = {
      keeping: memoryCache().keeping,
      load: () => Promise.reject(failure),
      commit: () => Promise.reject(failure),
      clear: () => undefined,
    };
    const store = world.client({ cache }).store('acme/app');
    await store.put('k', 1).committed;
    await store.put('k', 2).committed;
    expect(store.get('k')).toBe(2);
    expect(world.errors).toEqual([failure]);
  });
});

describe('reads', () => {
  it('give the identical frozen value until it changes', async () => {
    const store = await world.store();
    await store.put('posts', { a: { x: [1, 2] }, b: 1 }).committed;
    const [posts, a] = [store.get('posts'), store.get('posts/a')];
    expect(Object.isFrozen(posts)).toBe(true);
    await store.put('posts/b', 2).committed;
    expect(store.get('posts')).not.toBe(posts);
    expect(store.get('posts/a')).toBe(a);
    expect(store.get('nothing')).toBeUndefined();
    expect(() => store.get('')).toThrow(expect.objectContaining({ code: 'empty_path' }));
  });

  it('page through entries, ranges, keys and prefixes in the order of paths', async () => {
    const store = await world.store();
    await store.put('t', { a: 1, 'a-b': 2, b: { x: 1, y: { z: 1 } }, 'b.c': 3, é: 4 }).committed;
    await store.put('u', 1).committed;
    const all = store.entries('t/**', { select: 'keys' });
    expect(all).toEqual({
      items: ['t/a', 't/a-b', 't/b.c', 't/b/x', 't/b/y/z', 't/é'],
      next: null,
    });
    const page = store.entries('t/**', { limit: 4, select: 'keys' });
    expect(page.next).toBe('t/b/x');
    expect(store.entries('t/**', { after: page.next ?? '', select: 'keys' }).items).toEqual([
      't/b/y/z',
      't/é',
    ]);
    expect(store.entries('t/**', { order: 'desc', limit: 1 }).items[0]?.path).toBe('t/é');
    expect(store.range('t/a', 't/b').items.map(({ path }) => path)).toEqual(['t/a', 't/a-b']);
    expect(store.getMany(['t/a', 'x', ['t', 'b', 'x']])).toEqual([1, undefined, 1]);
    const level = ['t/a', 't/a-b', 't/b', 't/b.c', 't/é'];
    expect(store.entries('t/**', { select: 'prefixes' })).toEqual({ items: level, next: null });
    expect(store.entries('t/**', { select: 'prefixes', order: 'desc' }).items).toEqual(
      level.toReversed(),
    );
    for (let limit = 1; limit < 5; limit++) {
      const found: string[] = [];
      let after: string | null = null;
      do {
        const options = { limit, select: 'prefixes' as const };
        const at: Page<string> = store.entries(
          't/**',
          after === null ? options : { ...options, after },
        );
        expect(at.items.length).toBeGreaterThan(0);
        found.push(...at.items);
        after = at.next;
      } while (after !== null);
      expect(found).toEqual(level);
    }
    expect(store.entries('**', { select: 'prefixes' }).items).toEqual(['t', 'u']);
    expect(() => store.entries('*/x/**', { select: 'prefixes' })).toThrow(/invalid_pattern/);
    expect(() => store.entries('**', { limit: 0 })).toThrow(RangeError);
  });

  it('S30 native values become envelopes on the way in, and come back by fromEnvelope', async () => {
    const store = await world.store();
    const value = {
      at: new Date('2026-03-31T12:00:00.250Z'),
      big: 123_456_789_012_345_678_901_234_567_890n,
      bytes: Uint8Array.from({ length: 300 }, (_, n) => n % 256),
      list: [1n, { at: new Date(0) }],
    };
    await store.put('v', { ...value, price: decimal('29.90') }).committed;
    const other = await world.store();
    const read = other.get('v') ?? null;
    expect(read).toMatchObject({ big: { _type: 'bigint' }, price: { _typed: '29.90' } });
    const native: Native = { ...value, price: '29.90' };
    expect(fromEnvelope(read)).toEqual(native);
    expect(other.entry('v/at')?.type).toBe('datetime');
    expect(fromEnvelope(toEnvelope({ __proto__: null, _type: 'animal', _typed: 1 }))).toEqual({
      _type: 'animal',
      _typed: 1,
    });
  });
});

describe('where a server allows longer paths', () => {
  it('S29 they are written, read, watched and held in parts; beyond its limits they are refused here', async () => {
    await using wide = await openWorld(undefined, {
      limits: { max_segment_bytes: 1000, max_path_bytes: 2000, max_depth: 40 },
    });
    const [store, other] = [await wide.store(), await wide.store()];
    const long = 'x'.repeat(500);
    const deep = 'd/'.repeat(38);
    const heard: unknown[] = [];
    other.on(`${long}/**`, ({ value }) => heard.push(value));
    await store.put(`${long}/a`, 1).committed;
    await store.transact((tx) => {
      tx.put([long, 'b'], 2);
      tx.ifAbsent(`${deep}e`);
      tx.put(`${deep}e`, 3);
    }).committed;
    await expect.poll(() => heard).toEqual([1, 2]);
    expect([other.get(`${long}/b`), other.get(`${deep}e`)]).toEqual([2, 3]);
    const part = wide.client().store('acme/app', { scope: [`${long}/*`] });
    await expect.poll(() => part.get(`${long}/a`)).toBe(1);
    const beyond = store.put('x'.repeat(1001), 1).committed;
    await expect(beyond).rejects.toMatchObject({
      code: 'segment_too_long',
      details: { limit: 1000 },
    });
    expect(store.get('x'.repeat(1001))).toBeUndefined();
  });
});
