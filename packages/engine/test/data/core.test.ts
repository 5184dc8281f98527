import { asPath, defaultLimits, isRefusal, type Json, type Path, refuse } from '@holdfast/protocol';
import { apply, decide, leaseRules, touches, Tree } from '@holdfast/engine/data';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { SmallStore } from './small-store.ts';

let store = new SmallStore();

beforeEach(() => {
  store = new SmallStore();
});

const at = (path: string): Path => asPath(path);
const typed = (type: string, text: string): Json => ({ _type: type, _typed: text });

describe('Ops and canonical form', () => {
  test('S12 a map becomes leaves, and its record keeps it whole', () => {
    const value = { title: 'Hi', meta: { author: 'ada', draft: true } };
    expect(store.set('post', value)).toEqual({ store_seq: 1 });
    expect(store.paths).toEqual(['post/meta/author', 'post/meta/draft', 'post/title']);
    expect(store.tree.leaf(at('post'))).toBeUndefined();
    expect(store.tree.read(at('post'))).toEqual({ value, type: 'map', revision: 1 });
    expect(store.log).toEqual([
      {
        seq: 1,
        op: 'set',
        path: 'post',
        value,
        arg: null,
        deviceId: 'device',
        clientOpId: 'id',
        tx: null,
        at: 1000,
        principal: 'someone',
      },
    ]);
  });

  test('S13 a map replaces what was below its path in one op', () => {
    store.set('posts/hello/title', 'a');
    store.set('posts/hello/body', 'b');
    store.set('posts', { new: 1 });
    expect(store.log).toHaveLength(3);
    expect(store.paths).toEqual(['posts/new']);
  });

  test('S14 a scalar over a map is preceded by a delete of it (P8)', () => {
    store.set('c/foo/hits', 3);
    expect(store.set('c/foo', 0)).toEqual({ store_seq: 3 });
    expect(store.last(3)).toEqual(['set c/foo/hits', 'delete c/foo', 'set c/foo']);
    expect(store.paths).toEqual(['c/foo']);
  });

  test('S15 a delete takes everything below and nothing beside, and takes a seq for nothing (P11)', () => {
    store.set('posts/a', 1);
    store.set('posts/b/c', 2);
    store.set('posts2/x', 3);
    expect(store.delete('posts')).toEqual({ store_seq: 4 });
    expect(store.paths).toEqual(['posts2/x']);
    expect(store.delete('posts')).toEqual({ store_seq: 5 });
  });

  test('S16 a merge replaces each named child and keeps the others', () => {
    store.set('settings', { locale: 'en', theme: 'light' });
    store.merge('settings', { theme: 'dark' });
    expect(store.get('settings')).toEqual({ locale: 'en', theme: 'dark' });
    store.set('post/meta', { author: 'ada', draft: true });
    store.merge('post', { meta: { draft: false } });
    expect(store.get('post')).toEqual({ meta: { draft: false } });
    expect(store.last(2)).toEqual(['delete post/meta', 'merge post']);
    store.set('m/k/z', 1);
    store.merge('m', { k: 5 });
    expect(store.get('m')).toEqual({ k: 5 });
    expect(store.last(2)).toEqual(['delete m/k', 'merge m']);
  });

  test('S17 merges and sets follow each other; an empty merge only takes a seq', () => {
    store.merge('s', { a: 1, b: 2 });
    store.set('s', { c: 3 });
    expect(store.get('s')).toEqual({ c: 3 });
    store.merge('s', { d: 4 });
    expect(store.get('s')).toEqual({ c: 3, d: 4 });
    const before = [...store.tree.entries()];
    expect(store.merge('s', {})).toEqual({ store_seq: 4 });
    expect([...store.tree.entries()]).toEqual(before);
    expect(store.revision('s')).toBe(3);
    store.set('leaf', 1);
    expect(store.merge('leaf', {})).toEqual({ store_seq: 6 });
    expect(store.get('leaf')).toBe(1);
  });

  test('S18 no character of a segment is a pattern', () => {
    store.set('hello.world', 1);
    store.set('image~1file', 2);
    store.set('a~0b', 3);
    store.set('a%b/child', 4);
    store.set('axb/child', 5);
    store.set('foo_bar/child', 6);
    store.set('fooxbar/child', 7);
    store.delete('a%b');
    store.delete('foo_bar');
    expect(store.paths).toEqual([
      'axb/child',
      'a~0b',
      'fooxbar/child',
      'hello.world',
      'image~1file',
    ]);
    store.set('m', { 'image/file': { 'a~b': 1, '~1': 2 } });
    expect(store.get('m')).toEqual({ 'image/file': { 'a~b': 1, '~1': 2 } });
    expect(store.get('m/image~1file/~01')).toBe(2);
  });

  test('S19 case matters', () => {
    store.set('Users/a', 1);
    store.set('users/a', 2);
    store.delete('Users');
    expect(store.get('Users')).toBeUndefined();
    expect(store.get('users/a')).toBe(2);
  });

  test('S20 a leaf gives way to what is written below it, and the other way round', () => {
    store.set('x/a', 1);
    expect(store.set('x/a/b', 2)).toEqual({ store_seq: 3 });
    expect(store.last(2)).toEqual(['delete x/a', 'set x/a/b']);
    expect(store.get('x')).toEqual({ a: { b: 2 } });
    expect(store.log.slice(1)).toMatchObject([
      { seq: 2, clientOpId: 'id#1', deviceId: 'device', tx: 3, value: null },
      { seq: 3, clientOpId: 'id', tx: 3 },
    ]);
    store.set('x/a', 3);
    expect(store.paths).toEqual(['x/a']);
  });

  test('implied deletes of a merge come in path order, numbered, and only for what stands there', () => {
    store.set('m', { b: { x: 1 }, 'a-': { x: 1 }, a: { x: { y: 1 } }, c: 5, d: 6 });
    store.merge('m', { b: 1, a: { x: 2 }, 'a-': {}, c: { z: 1 }, d: 7, e: { f: 1 } });
    const ops = store.log.slice(1).map(({ op, path, clientOpId }) => [op, path, clientOpId]);
    expect(ops).toEqual([
      ['delete', 'm/a', 'id#1'],
      ['delete', 'm/a-', 'id#2'],
      ['delete', 'm/b', 'id#3'],
      ['delete', 'm/c', 'id#4'],
      ['merge', 'm', 'id'],
    ]);
    expect(store.get('m')).toEqual({ b: 1, a: { x: 2 }, 'a-': {}, c: { z: 1 }, d: 7, e: { f: 1 } });
    store.merge('m/d', { x: 1 });
    store.merge('m/e/f/g', { h: 1 });
    expect(store.last(4)).toEqual(['delete m/d', 'merge m/d', 'delete m/e/f', 'merge m/e/f/g']);
  });

  test('S21 increments carry totals and start from what is there', () => {
    expect([5, 3, -3].map((by) => (store.increment('c', by), store.get('c')))).toEqual([5, 8, 5]);
    expect(store.log.map(({ value, arg }) => [value, arg])).toEqual([
      [5, 5],
      [8, 3],
      [5, -3],
    ]);
    store.set('n', 0);
    store.increment('n', 1);
    expect([store.get('n'), store.type('n')]).toEqual([1, 'counter']);
    for (let i = 0; i < 100; i++) store.increment('hundred', 1);
    expect(store.get('hundred')).toBe(100);
    store.set('map/x', 1);
    store.increment('map', 2);
    expect(store.get('map')).toBe(2);
    expect(store.last(2)).toEqual(['delete map', 'increment map']);
  });

  test.each<[string, Json, string]>([
    ['a string', 'x', 'string'],
    ['null', null, 'null'],
    ['a list', [1], 'list'],
    ['an empty map', {}, 'map'],
  ])('S22 an increment of %s is refused', (_name, value, type) => {
    store.set('c', value);
    expect(store.increment('c', 1)).toEqual(refuse('type_mismatch', { type }));
    expect(store.log).toHaveLength(1);
  });

  test('S22 a total beyond 2^53-1 is refused, one at it is not', () => {
    store.set('c', Number.MAX_SAFE_INTEGER - 1);
    expect(store.increment('c', 1)).toEqual({ store_seq: 2 });
    expect(store.increment('c', 1)).toEqual(refuse('number_out_of_range', { path: 'c' }));
    expect(store.get('c')).toBe(Number.MAX_SAFE_INTEGER);
  });

  test('a total is never -0', () => {
    store.increment('c', -0);
    expect(Object.is(store.get('c'), 0)).toBe(true);
  });

  test('S23 a set holds each member once, the newest first', () => {
    for (const member of ['elixir', 'rust', 'elixir']) store.add('s', member);
    expect(store.get('s')).toEqual(['elixir', 'rust']);
    expect(store.log[2]).toMatchObject({ value: ['elixir', 'rust'], arg: 'elixir' });
    store.remove('s', 'elixir');
    expect([store.get('s'), store.type('s')]).toEqual([['rust'], 'set']);
    store.remove('none', 'x');
    expect(store.get('none')).toEqual([]);
    store.set('text', 'x');
    expect(store.add('text', 1)).toEqual(refuse('type_mismatch', { type: 'string' }));
    store.set('map/x', 1);
    expect(store.remove('map', 1)).toEqual(refuse('type_mismatch', { type: 'map' }));
    store.add('map', 1);
    expect(store.get('map')).toEqual([1]);
  });

  test('a list becomes a set: twins go with the next member, one goes with each removal', () => {
    store.set('s', [1, 2, 1, 2]);
    store.remove('s', 1);
    expect(store.get('s')).toEqual([2, 1, 2]);
    store.add('s', 3);
    expect(store.get('s')).toEqual([3, 2, 1]);
    store.set('s', [['a', 1], { a: 1 }, [['a', 1]], '1']);
    store.add('s', 1);
    expect(store.get('s')).toEqual([1, ['a', 1], { a: 1 }, [['a', 1]], '1']);
  });

  test('S24 the order of keys does not make another member', () => {
    store.add('s', { a: 1, b: { c: 2, d: [3] } });
    store.add('s', { b: { d: [3], c: 2 }, a: 1 });
    expect(store.get('s')).toEqual([{ b: { d: [3], c: 2 }, a: 1 }]);
    store.remove('s', { a: 1, b: { c: 2, d: [3] } });
    expect(store.get('s')).toEqual([]);
  });

  test('who adds to a set of many members writes out none of them', () => {
    const stringify = vi.spyOn(JSON, 'stringify');
    onTestFinished(() => stringify.mockRestore());
    for (let id = 0; id < 200; id += 1) store.add('s', { id, tags: ['a'] });
    store.add('s', { tags: ['a'], id: 7 });
    // Once a member, as it comes in; not each of all for each.
    expect(stringify.mock.calls.length).toBeLessThan(1000);
    const ids = [
      7,
      ...Array.from({ length: 200 }, (_, back) => 199 - back).filter((id) => id !== 7),
    ];
    expect(store.get('s')).toEqual(ids.map((id) => ({ id, tags: ['a'] })));
  });

  test('S25 null is a value (P10)', () => {
    store.set('p', null);
    expect(store.tree.read(at('p'))).toEqual({ value: null, type: 'null', revision: 1 });
  });

  test('S26 an empty map is a leaf where it was written, and only there', () => {
    store.set('p', {});
    store.set('q', { a: {} });
    expect([...store.tree.entries()]).toEqual([
      { path: 'p', value: {}, type: 'map', revision: 1 },
      { path: 'q/a', value: {}, type: 'map', revision: 2 },
    ]);
    store.set('p/x', 1);
    expect(store.last(2)).toEqual(['delete p', 'set p/x']);
    store.delete('p/x');
    expect(store.get('p')).toBeUndefined();
    store.set('q', {});
    expect([store.get('q'), store.last(1)]).toEqual([{}, ['set q']]);
  });

  test('S29 a set that outgrows a value, or nests too deep, is refused with the limit (P38)', () => {
    const limits = { ...defaultLimits, max_value_bytes: 10, max_depth: 3 };
    const add = (value: Json): unknown =>
      store.write({ op: 'add', path: at('s'), value }, { limits });
    expect(add('abc')).toEqual({ store_seq: 1 });
    expect(add(12)).toEqual({ store_seq: 2 });
    expect(add(3)).toMatchObject({ code: 'value_too_large', details: { limit: 10 } });
    store.delete('s');
    expect(add([[]])).toEqual({ store_seq: 4 });
    expect(add([[[]]])).toMatchObject({ code: 'too_deep', details: { limit: 3 } });
    expect(store.get('s')).toEqual([[[]]]);
  });

  test('leaves of all types are known by op and value', () => {
    store.set('t', {
      a: true,
      b: 'x',
      c: 1,
      d: 1.5,
      e: [],
      f: typed('decimal', '1'),
      g: typed('bytes', ''),
      h: { _type: 'animal', _typed: 1 },
    });
    const types = [...store.tree.entries()].map(({ path, type }) => `${path} ${type}`);
    expect(types).toEqual([
      't/a boolean',
      't/b string',
      't/c integer',
      't/d float',
      't/e list',
      't/f decimal',
      't/g bytes',
      't/h/_type string',
      't/h/_typed integer',
    ]);
  });

  test('a file is written by its envelope, over a map as well', () => {
    const value = { _type: 'file', hash: `sha256:${'0'.repeat(64)}`, size: 1 };
    store.set('f/x', 1);
    const context = {
      head: 1,
      deviceId: 'd',
      opId: 'id',
      principal: null,
      at: 1,
      leases: leaseRules(() => true),
      limits: defaultLimits,
    };
    const request = { op: 'put_file', path: at('f'), value } as const;
    const decision = decide(store.tree, request, context);
    if (isRefusal(decision)) throw new TypeError(decision.code);
    for (const op of decision.ops) apply(store.tree, op);
    expect(decision.ops.map(({ op, path }) => [op, path])).toEqual([
      ['delete', 'f'],
      ['put_file', 'f'],
    ]);
    expect(store.tree.read(at('f'))).toEqual({ value, type: 'file', revision: 3 });
    expect(decide(store.tree, { ...request, ifAbsent: true }, context)).toEqual(
      refuse('exists', { current_revision: 3 }),
    );
  });
});

describe('Applying records of others', () => {
  test('S14 scalar sets at their exact path bring a replica to the same state', () => {
    store.set('c/foo/hits', 3);
    store.set('c/foo', 0);
    store.set('c/foo/a/b', 1);
    store.merge('c', { foo: { z: 1 } });
    const replica = new Map<string, Json>();
    const removeUnder = (path: string): void => {
      for (const key of replica.keys()) if (`${key}/`.startsWith(`${path}/`)) replica.delete(key);
    };
    for (const { op, path, value } of store.log) {
      if (op === 'delete') removeUnder(path);
      if (op === 'set') replica.set(path, value);
      if (op === 'merge') replica.set('c/foo/z', 1);
    }
    expect([...replica]).toEqual([...store.tree.entries()].map((leaf) => [leaf.path, leaf.value]));
  });

  test('S34 no record, in whatever order, leaves a leaf above another (P9)', () => {
    const tree = Tree.empty();
    const rest = { arg: null, deviceId: 'd', clientOpId: 'x', tx: null, at: 0, principal: null };
    apply(tree, { seq: 1, op: 'set', path: at('a/b/c'), value: 1, ...rest });
    apply(tree, { seq: 2, op: 'increment', path: at('a/b'), value: 1, ...rest });
    expect([...tree.entries()].map(({ path }) => path)).toEqual(['a/b']);
    apply(tree, { seq: 3, op: 'add', path: at('a/b/c/d'), value: [1], ...rest });
    expect([...tree.entries()].map(({ path }) => path)).toEqual(['a/b/c/d']);
    apply(tree, { seq: 4, op: 'merge', path: at('a'), value: 'not a map', ...rest });
    expect(tree.size).toBe(1);
  });
});

describe('What a request touches', () => {
  test('is what it writes and what it is guarded by', () => {
    const fence = { key: at('lock'), token: 1 };
    const merge = { op: 'merge', path: at('m'), value: { a: 1, 'b/c': 2 }, fence } as const;
    expect(touches(merge)).toEqual(['m/a', 'm/b~1c', 'lock']);
    expect(
      touches({
        op: 'transact',
        ops: [{ op: 'delete', path: at('x') }, merge],
        preconditions: [
          { kind: 'exists', path: at('y') },
          { kind: 'fence', fence },
        ],
      }),
    ).toEqual(['x', 'm/a', 'm/b~1c', 'lock', 'y', 'lock']);
  });
});
