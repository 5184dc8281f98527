import { asPath, type Fence, type Json, type Path, refuse, type Write } from '@holdfast/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { SmallStore } from './small-store.ts';

let store = new SmallStore();

beforeEach(() => {
  store = new SmallStore();
});

const at = (path: string): Path => asPath(path);
const set = (path: string, value: Json, more: object = {}): Write => ({
  op: 'set',
  path: at(path),
  value,
  ...more,
});

describe('Guards', () => {
  test('S35 if_match holds for the current revision only, and tells the current one (P14)', () => {
    store.set('p', 1);
    expect(store.write(set('p', 2, { ifMatch: 1 }))).toEqual({ store_seq: 2 });
    const stale = store.write(set('p', 3, { ifMatch: 1 }));
    expect(stale).toEqual(refuse('conflict', { current_revision: 2 }));
    const absent = store.write(set('q', 3, { ifMatch: 2 }));
    expect(absent).toEqual(refuse('conflict', { current_revision: null }));
    expect(store.write({ op: 'delete', path: at('p'), ifMatch: 2 })).toEqual({ store_seq: 3 });
  });

  test('S35 0 never matches, not even absence', () => {
    expect(store.write(set('p', 1, { ifMatch: 0 }))).toMatchObject({ code: 'conflict' });
  });

  test('S35 a map never matches a guard of capver 3', () => {
    store.set('m/x', 1);
    const conflict = refuse('conflict', { current_revision: null });
    const write: Write = { op: 'delete', path: at('m'), ifMatch: 1 };
    expect(store.write(write, { dialect: 3 })).toEqual(conflict);
    expect(store.write({ ...write, leafOnly: true })).toEqual(conflict);
    expect(store.write({ ...write, path: at('m/x') }, { dialect: 3 })).toEqual({ store_seq: 2 });
  });

  test('S37 if_absent holds once', () => {
    expect(store.write(set('p', 1, { ifAbsent: true }))).toEqual({ store_seq: 1 });
    const again = store.write(set('p', 1, { ifAbsent: true }));
    expect(again).toEqual(refuse('exists', { current_revision: 1 }));
  });

  test('S37 of 50 claims one wins', () => {
    const claims = Array.from({ length: 50 }, (_, i) =>
      store.write(set('c', i, { ifAbsent: true })),
    );
    expect(claims.filter((claim) => 'store_seq' in claim)).toHaveLength(1);
    expect(store.get('c')).toBe(0);
  });

  test('S38 what is below a path makes it exist; what is above does not', () => {
    store.set('p/x/y', 1);
    const refused = store.write(set('p', 1, { ifAbsent: true }));
    expect(refused).toEqual(refuse('exists', { current_revision: 1 }));
    expect(store.write(set('p/x/y/z', 1, { ifAbsent: true }))).toEqual({ store_seq: 3 });
  });

  test('S38 an expired lease exists', () => {
    store.lease('p', 10);
    store.at += 1000;
    expect(store.write(set('p', 1, { ifAbsent: true }))).toMatchObject({ code: 'exists' });
  });

  test('S43 a removal anywhere below makes the former revision of a map conflict (P12)', () => {
    store.set('m', { a: { x: 1, y: 1 }, b: 1 });
    store.delete('m/a/x');
    const stale = store.write(set('m', { c: 1 }, { ifMatch: 1 }));
    expect(stale).toEqual(refuse('conflict', { current_revision: 2 }));
    expect(store.tree.maps()).toEqual([
      ['m', 2],
      ['m/a', 2],
    ]);
    expect(store.write(set('m', { c: 1 }, { ifMatch: 2 }))).toEqual({ store_seq: 3 });
  });
});

describe('Leases', () => {
  test('S44 a lease is acquired with its seq as token, and held until it expires', () => {
    store.set('before', 1);
    expect(store.lease('l', 100, 'ada')).toEqual({
      store_seq: 2,
      token: 2,
      expires_at: 1100,
      holder: 'ada',
    });
    expect(store.tree.read(at('l'))).toEqual({
      value: { _type: 'lease', holder: 'ada', token: 2, expires_at: 1100 },
      type: 'lease',
      revision: 2,
    });
    const held = refuse('held', { holder: 'ada', expires_at: 1100 });
    store.at = 1099;
    expect(store.lease('l')).toEqual(held);
    store.at = 1100;
    expect(store.lease('l')).toMatchObject({ token: 3, holder: null });
  });

  test('S44 a lease takes neither a leaf nor a map, and removes nothing', () => {
    store.set('leaf', 1);
    store.set('map/x', 1);
    store.lease('locks/a');
    expect(store.lease('leaf')).toEqual(refuse('occupied'));
    expect(store.lease('map')).toEqual(refuse('occupied'));
    expect(store.lease('locks')).toEqual(refuse('occupied'));
    expect(store.log).toHaveLength(3);
  });

  test('S44 a lease below a leaf removes it first, and its token is its own seq', () => {
    store.set('a', 1);
    expect(store.lease('a/b')).toMatchObject({ store_seq: 3, token: 3 });
    expect(store.last(2)).toEqual(['delete a', 'lease a/b']);
  });

  test('S45 renew extends from now and keeps token and holder; it needs a live lease', () => {
    store.lease('l', 100, 'ada');
    store.at = 1050;
    const renew = (token: number, path = 'l'): unknown =>
      store.write({ op: 'renew', path: at(path), token, ttlMs: 100 });
    expect(renew(1)).toEqual({ store_seq: 2, token: 1, expires_at: 1150, holder: 'ada' });
    expect(renew(2)).toEqual(refuse('not_held'));
    store.at = 1150;
    expect(renew(1)).toEqual(refuse('not_held'));
    store.set('leaf', 1);
    for (const path of ['none', 'leaf']) expect(renew(1, path)).toEqual(refuse('not_held'));
  });

  test('S45 release removes by its token, live or expired, and otherwise does nothing', () => {
    const release = (path: string, token: number): unknown =>
      store.write({ op: 'release', path: at(path), token });
    store.lease('l', 100);
    expect(release('l', 7)).toEqual({ released: false });
    expect(release('none', 7)).toEqual({ released: false });
    expect(store.log).toHaveLength(1);
    expect(release('l', 1)).toEqual({ store_seq: 2 });
    expect(store.log[1]).toMatchObject({ op: 'release', value: null });
    expect(store.get('l')).toBeUndefined();
    store.lease('l', 100);
    store.at += 1000;
    expect(release('l', 3)).toEqual({ store_seq: 4 });
  });

  test('S46 a fence passes with the live token only', () => {
    store.lease('lock', 100);
    const write = (fence: Fence): unknown => store.write(set('p', 1, { fence }));
    expect(write({ key: at('lock'), token: 1 })).toEqual({ store_seq: 2 });
    const fenced = refuse('fenced');
    expect(write({ key: at('lock'), token: 2 })).toEqual(fenced);
    expect(write({ key: at('p'), token: 1 })).toEqual(fenced);
    expect(write({ key: at('none'), token: 1 })).toEqual(fenced);
    store.at = 1100;
    expect(write({ key: at('lock'), token: 1 })).toEqual(fenced);
  });

  const fence = { key: at('jobs/lock'), token: 1 };
  test.each<[string, Write]>([
    ['set', { op: 'set', path: at('jobs/lock'), value: 1 }],
    ['set of an ancestor', { op: 'set', path: at('jobs'), value: { a: 1 } }],
    ['scalar set of an ancestor', { op: 'set', path: at('jobs'), value: 1 }],
    ['delete', { op: 'delete', path: at('jobs/lock') }],
    ['delete of an ancestor', { op: 'delete', path: at('jobs') }],
    ['merge', { op: 'merge', path: at('jobs'), value: { lock: 1 } }],
    ['merge into it', { op: 'merge', path: at('jobs/lock'), value: { x: 1 } }],
    ['write below', { op: 'set', path: at('jobs/lock/x'), value: 1 }],
    ['increment of an ancestor', { op: 'increment', path: at('jobs'), value: 1 }],
    ['add below', { op: 'add', path: at('jobs/lock/x'), value: 1 }],
  ])('S48 an unfenced %s does not remove a live lease', (_name, write) => {
    store.lease('jobs/lock', 100, 'ada');
    expect(store.write(write)).toEqual(refuse('held', { holder: 'ada', expires_at: 1100 }));
    expect(store.log).toHaveLength(1);
    const other = { key: at('other'), token: 2 };
    store.lease('other', 100);
    expect(store.write({ ...write, fence: other } as Write)).toMatchObject({ code: 'held' });
    expect(store.write({ ...write, fence } as Write)).toHaveProperty('store_seq');
  });

  test('S48 a forced or late delete passes; an increment of a live lease is held, of an expired one mistyped', () => {
    const remove: Write = { op: 'delete', path: at('l') };
    store.lease('l', 100);
    expect(store.increment('l', 1)).toMatchObject({ code: 'held' });
    expect(store.write(remove, { forced: true })).toEqual({ store_seq: 2 });
    store.lease('l', 100);
    store.at = 1100;
    expect(store.increment('l', 1)).toEqual(refuse('type_mismatch', { type: 'lease' }));
    expect(store.write(remove)).toEqual({ store_seq: 4 });
  });

  test('S48 what leaves a lease where it is does not need its fence', () => {
    store.lease('jobs/lock', 100);
    expect(store.merge('jobs', { other: 1 })).toEqual({ store_seq: 2 });
    expect(store.merge('jobs/lock', {})).toEqual({ store_seq: 3 });
    expect(store.lease('jobs/lock/x')).toMatchObject({ code: 'held' });
  });

  test('S49 what was decided on an expired lease steals it under a greater token', () => {
    store.lease('l', 1);
    store.at += 1;
    expect(store.lease('l', 1)).toMatchObject({ token: 2 });
    expect(store.get('l')).toMatchObject({ token: 2 });
  });
});

describe('Transactions', () => {
  test('S81 a thousand ops are one commit with one tx and one reply', () => {
    const ops = Array.from({ length: 1000 }, (_, i): Write => set(`p/${i % 300}`, i));
    const reply = store.transact(ops);
    expect(reply).toMatchObject({ store_seq: 1000, first_seq: 1 });
    expect(reply).toHaveProperty('results.length', 1000);
    expect(store.log.every(({ tx, clientOpId }) => tx === 1000 && clientOpId === 'id')).toBe(true);
  });

  test('S81 an op sees what those before it did, guards see the state before', () => {
    store.set('x', 1);
    const reply = store.transact(
      [
        { op: 'increment', path: at('c'), value: 2 },
        { op: 'increment', path: at('c'), value: 3 },
        set('x', 2, { ifMatch: 1 }),
        { op: 'delete', path: at('x'), ifMatch: 1 },
        set('c', 0, { ifAbsent: true }),
      ],
      [{ kind: 'equals', path: at('x'), value: 1 }],
    );
    expect(reply).toEqual({
      store_seq: 6,
      first_seq: 2,
      results: [2, 3, 4, 5, 6].map((seq) => ({ store_seq: seq })),
    });
    expect(store.log.slice(1).map(({ value }) => value)).toEqual([2, 5, 2, null, 0]);
  });

  test('S81 implied deletes are numbered through the whole and share the tx', () => {
    store.set('a/x', 1);
    store.set('b/x', 1);
    const reply = store.transact([set('a', 1), set('a/y', 2), set('b', 3)]);
    expect(reply).toMatchObject({
      results: [{ store_seq: 4 }, { store_seq: 6 }, { store_seq: 8 }],
    });
    expect(store.log.slice(2).map(({ clientOpId, tx }) => [clientOpId, tx])).toEqual([
      ['id#1', 8],
      ['id', 8],
      ['id#2', 8],
      ['id', 8],
      ['id#3', 8],
      ['id', 8],
    ]);
  });

  test('S81 a transaction of one op is an op without tx', () => {
    expect(store.transact([set('a', 1)])).toEqual({
      store_seq: 1,
      first_seq: 1,
      results: [{ store_seq: 1 }],
    });
    expect(store.log[0]).toMatchObject({ tx: null });
  });

  test('S81 a precondition that fails tells its index and path, and nothing is written', () => {
    store.set('m/x', 1);
    const good = { kind: 'exists', path: at('m') } as const;
    const check = (condition: Parameters<SmallStore['transact']>[1]): unknown =>
      store.transact([set('y', 1)], [good, ...(condition ?? [])]);
    const where = { precondition_index: 1, path: 'm' };
    const there = { current_revision: 1, ...where };
    expect(check([{ kind: 'if_match', path: at('m'), revision: 2 }])).toEqual(
      refuse('conflict', there),
    );
    expect(check([{ kind: 'if_absent', path: at('m') }])).toEqual(refuse('exists', there));
    expect(check([{ kind: 'equals', path: at('m'), value: { x: 2 } }])).toEqual(
      refuse('conflict', there),
    );
    expect(check([{ kind: 'exists', path: at('z') }])).toEqual(
      refuse('conflict', { current_revision: null, precondition_index: 1, path: 'z' }),
    );
    expect(check([{ kind: 'equals', path: at('z'), value: null }])).toMatchObject({
      code: 'conflict',
    });
    expect(check([{ kind: 'fence', fence: { key: at('m'), token: 1 } }])).toEqual(
      refuse('fenced', { precondition_index: 1 }),
    );
    expect(store.log).toHaveLength(1);
    expect(
      check([
        { kind: 'if_match', path: at('m'), revision: 1 },
        { kind: 'if_absent', path: at('z') },
        { kind: 'equals', path: at('m'), value: { x: 1 } },
      ]),
    ).toMatchObject({ store_seq: 2 });
  });

  test('S81 an op that fails tells its index, and nothing is written', () => {
    store.set('text', 'x');
    const ops: Write[] = [set('a', 1), set('a/b', 1)];
    expect(store.transact([...ops, { op: 'increment', path: at('text'), value: 1 }])).toEqual(
      refuse('type_mismatch', { type: 'string', op_index: 2 }),
    );
    expect(store.transact([...ops, set('text', 1, { ifMatch: 9 })])).toEqual(
      refuse('conflict', { current_revision: 1, op_index: 2, path: 'text' }),
    );
    expect(store.transact([...ops, { op: 'release', path: at('none'), token: 1 }])).toEqual(
      refuse('not_held', { op_index: 2 }),
    );
    expect(store.paths).toEqual(['text']);
    expect(store.log).toHaveLength(1);
  });

  test('a precondition that has less in it than is there fails without that being put together', () => {
    const all = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, index]));
    const value = { ...all, in: { 'a/b~': { c: [1], d: {} } }, ['__proto__']: 1 };
    store.set('m', value);
    const check = (asked: Json) =>
      'code' in store.transact([set('y', 1)], [{ kind: 'equals', path: at('m'), value: asked }]);
    const without = Object.fromEntries(Object.entries(value).filter(([key]) => key !== 'k7'));
    const fewer: readonly Json[] = [null, 7, 'x'.repeat(9999), Object.keys(all), {}, all];
    expect(fewer.filter((other) => !check(other))).toEqual([]);
    expect(store.tree.map(at('m'))?.value).toBeNull();
    const others: readonly Json[] = [
      without,
      { ...value, k7: 8 },
      { ...value, k7: { x: 7 } },
      { ...without, k300: 7 },
      { ...without, '': 7 },
      { ...value, in: 1 },
      { ...value, in: {} },
      { ...value, in: { 'a/b~': { c: [1], d: { e: 1 } } } },
      { ...value, in: { 'a~1b~0': { c: [1], d: {} } } },
    ];
    expect(others.filter((other) => !check(other))).toEqual([]);
    expect(check(Object.fromEntries(Object.entries(value).toReversed()))).toBe(false);
  });

  test('S81 a lease may be acquired, fenced by and released in transactions', () => {
    expect(
      store.transact([set('a', 1), { op: 'lease', path: at('l'), ttlMs: 5, holder: 'h' }]),
    ).toEqual({
      store_seq: 2,
      first_seq: 1,
      results: [{ store_seq: 1 }, { store_seq: 2, token: 2, expires_at: 1005, holder: 'h' }],
    });
    const fenced = { kind: 'fence', fence: { key: at('l'), token: 2 } } as const;
    expect(store.transact([set('l', 1)])).toMatchObject({ code: 'held', details: { op_index: 0 } });
    expect(
      store.transact([{ op: 'release', path: at('l'), token: 2 }, set('l', 1)], [fenced]),
    ).toMatchObject({
      store_seq: 4,
    });
  });
});
