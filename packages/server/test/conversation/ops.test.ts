import { expect, test } from 'vitest';
import { legacyStateOf, LegacyReplica, readSnapshot, stateOf, valuesOf } from './replica.ts';
import {
  ask,
  brief,
  dialects,
  hear,
  logOf,
  opsIn,
  put,
  reasonOf,
  seqOf,
  tongues,
  write,
} from './talk.ts';
import { set, topic, world } from './world.ts';

test.each(tongues)(
  'S11 in %s the event of a write reaches the writer before the reply, both with seq 1 (P6)',
  async (_name, knock) => {
    const { joined } = await world();
    const peer = await joined(knock);
    const ref = peer.push(topic, 'write', set('a/b', 'x', 'mine'));
    const event = await peer.next();
    expect(opsIn([event])).toEqual([
      { seq: 1, op: 'set', path: 'a/b', value: 'x', device: 'd1', id: 'mine' },
    ]);
    expect(await peer.next()).toEqual([
      peer.joinRef,
      ref,
      topic,
      'phx_reply',
      { status: 'ok', response: { store_seq: 1 } },
    ]);
  },
);

test('S11 a capver-3 event has exactly the seven fields of old', async () => {
  const { joined } = await world();
  const peer = await joined({ capver: '3' });
  peer.push(topic, 'write', set('a/b~1c', 'x', 'mine'));
  expect(await peer.next()).toEqual([
    null,
    null,
    topic,
    'event',
    {
      store_seq: 1,
      op: 'set',
      path: 'a/b~1c',
      path_segments: ['a', 'b/c'],
      value: 'x',
      device_id: 'd1',
      client_op_id: 'mine',
    },
  ]);
});

test('S12 a map set at a path becomes leaves of one revision, and the event carries it whole (P45)', async () => {
  const home = await world();
  const [old, peer] = [await home.joined({ capver: '3', device: 'd2' }), await home.joined()];
  const value = { title: 'Hi', meta: { author: 'Ann', draft: true } };
  const seq = await put(peer, 'post', value);
  expect((await hear(old, seq))[0]?.value).toEqual(value);
  const { leaves, maps } = await stateOf(home);
  expect([...leaves]).toEqual([
    ['post/meta/author', { value: 'Ann', type: 'string', revision: seq }],
    ['post/meta/draft', { value: true, type: 'boolean', revision: seq }],
    ['post/title', { value: 'Hi', type: 'string', revision: seq }],
  ]);
  expect([...maps]).toEqual([]);
});

test.each(dialects)(
  'S13 on %s a map set over leaves replaces them in one op',
  async (_n, knock) => {
    const home = await world();
    const peer = await home.joined(knock);
    await put(peer, 'posts/hello/title', 'old');
    await put(peer, 'posts/hello/body', 'old');
    await put(peer, 'posts/hello', { new: 1 });
    expect((await logOf(home)).map(({ op }) => op)).toEqual(['set', 'set', 'set']);
    expect(await valuesOf(home)).toEqual({ 'posts/hello/new': 1 });
  },
);

test.each(dialects)(
  'S14 on %s a scalar set over descendants logs their delete first, so exact-path replicas converge',
  async (_name, knock) => {
    const home = await world();
    const peer = await home.joined(knock);
    const old = await home.joined({ capver: '3', device: 'd2' });
    await put(peer, 'c/foo/hits', 3);
    expect(await put(peer, 'c/foo', 0)).toBe(3);
    const log = await logOf(home);
    expect(brief(log)).toEqual([
      [1, 'set', 'c/foo/hits', 3],
      [2, 'delete', 'c/foo', null],
      [3, 'set', 'c/foo', 0],
    ]);
    const replica = new LegacyReplica();
    for (const op of await hear(old, 3)) replica.apply(op);
    expect([...replica.leaves]).toEqual([['c/foo', 0]]);
    expect(await valuesOf(home)).toEqual({ 'c/foo': 0 });
    expect([...(await legacyStateOf(home))]).toEqual([['c/foo', 0]]);
  },
);

test('S15 a delete takes the subtree and nothing beside it, and one of nothing takes a seq and is heard', async () => {
  const home = await world();
  const [peer, other] = [await home.joined(), await home.joined({ device: 'd2', capver: '3' })];
  for (const path of ['posts/a', 'posts/b/c', 'posts2/x', 'post', 'posts-/y']) {
    await put(peer, path, 1);
  }
  expect(seqOf(await write(peer, 'delete', 'posts'))).toBe(6);
  expect(Object.keys(await valuesOf(home))).toEqual(['post', 'posts-/y', 'posts2/x']);
  expect(seqOf(await write(peer, 'delete', 'nothing/here'))).toBe(7);
  expect(brief(await hear(other, 7)).at(-1)).toEqual([7, 'delete', 'nothing/here', null]);
  expect(await put(peer, 'z', 1)).toBe(8);
});

test('S16 a merge replaces the children it names and keeps the others', async () => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'settings', { locale: 'de', theme: 'light' });
  await write(peer, 'merge', 'settings', { value: { theme: 'dark' } });
  await put(peer, 'post', { meta: { author: 'Ann', draft: true } });
  await write(peer, 'merge', 'post', { value: { meta: { draft: false } } });
  await put(peer, 'm/k/z', 1);
  await write(peer, 'merge', 'm', { value: { k: 5 } });
  expect(await valuesOf(home)).toEqual({
    'settings/locale': 'de',
    'settings/theme': 'dark',
    'post/meta/draft': false,
    'm/k': 5,
  });
  const replica = new LegacyReplica();
  for (const op of await logOf(home)) replica.apply(op);
  expect(Object.fromEntries(replica.leaves)).toEqual(await valuesOf(home));
});

test('S17 a set after a merge drops merged keys, a merge after a set adds some, and an empty one only takes a seq', async () => {
  const home = await world();
  const peer = await home.joined();
  await write(peer, 'merge', 'p', { value: { a: 1, b: 2 } });
  await put(peer, 'p', { c: 3 });
  expect(await valuesOf(home)).toEqual({ 'p/c': 3 });
  await write(peer, 'merge', 'p', { value: { d: 4 } });
  const before = await stateOf(home);
  expect(seqOf(await write(peer, 'merge', 'p', { value: {} }))).toBe(4);
  expect(seqOf(await write(peer, 'merge', 'p/c', { value: {} }))).toBe(5);
  expect(await stateOf(home)).toEqual(before);
  expect(await valuesOf(home)).toEqual({ 'p/c': 3, 'p/d': 4 });
});

test.each(dialects)('S18 on %s segments with special characters stay whole', async (_n, knock) => {
  const home = await world();
  const peer = await home.joined(knock);
  const segments = ['hello.world', 'image/file', 'a~b', 'a%b', 'foo_bar', '*', '**', '..', ' '];
  for (const segment of segments) {
    await write(peer, 'set', 'ignored', { path_segments: [segment, 'child'], value: segment });
  }
  for (const path of ['axb/child', 'fooxbar/child', 'hello/world', 'image']) {
    await put(peer, path, 1);
  }
  const heard = (await logOf(home)).map(({ path }) => path);
  expect(heard.slice(0, 3)).toEqual(['hello.world/child', 'image~1file/child', 'a~0b/child']);
  for (const path of ['a%b', 'foo_bar', '*', '**']) await write(peer, 'delete', path);
  expect(Object.keys(await valuesOf(home))).toEqual(
    [' /child', '../child', 'a~0b/child', 'axb/child', 'fooxbar/child']
      .concat(['hello.world/child', 'hello/world', 'image', 'image~1file/child'])
      .toSorted(),
  );
});

test('S19 paths that differ in case are different', async () => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'Users/a', 1);
  await put(peer, 'users/a', 2);
  await write(peer, 'delete', 'Users');
  expect(await valuesOf(home)).toEqual({ 'users/a': 2 });
});

test.each(dialects)('S20 on %s a write below a leaf deletes the leaf first', async (_n, knock) => {
  const home = await world();
  const peer = await home.joined(knock);
  await put(peer, 'x/a', 1);
  const reply = await peer.ask(topic, 'write', set('x/a/b', 2, 'below'));
  expect(reply.response).toEqual({ store_seq: 3 });
  expect(await valuesOf(home)).toEqual({ 'x/a/b': 2 });
  expect((await peer.ask(topic, 'write', set('x/a', 3, 'above'))).response).toEqual({
    store_seq: 5,
  });
  expect(await valuesOf(home)).toEqual({ 'x/a': 3 });
  const log = await logOf(home);
  expect(brief(log.slice(1))).toEqual([
    [2, 'delete', 'x/a', null],
    [3, 'set', 'x/a/b', 2],
    [4, 'delete', 'x/a', null],
    [5, 'set', 'x/a', 3],
  ]);
  expect(log.slice(1).map(({ id }) => id)).toEqual(['below#1', 'below', 'above#1', 'above']);
  expect(new Set(log.map(({ device }) => device))).toEqual(new Set(['d1']));
});

test('S21 increments add up, and their events carry totals', async () => {
  const home = await world();
  const peer = await home.joined();
  const totals: unknown[] = [];
  for (const value of [5, 3, -3]) await write(peer, 'increment', 'c', { value });
  await put(peer, 'd', 0);
  await write(peer, 'increment', 'd', { value: 1 });
  for (const { path, value } of await logOf(home)) if (path === 'c') totals.push(value);
  expect(totals).toEqual([5, 8, 5]);
  const { leaves } = await stateOf(home);
  expect(leaves.get('c')).toEqual({ value: 5, type: 'counter', revision: 3 });
  expect(leaves.get('d')).toEqual({ value: 1, type: 'counter', revision: 5 });
});

test('S21 a hundred clients that increment at once count to a hundred', async () => {
  const home = await world();
  const clients = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      home.joined({ device: `client-${i}`, capver: i % 2 === 0 ? '3' : '4' }),
    ),
  );
  await Promise.all(clients.map((client) => write(client, 'increment', 'c', { value: 1 })));
  expect(await valuesOf(home)).toEqual({ c: 100 });
  const totals = (await logOf(home)).map(({ value }) => value);
  expect(totals).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
});

test('S22 an increment of what is no number is a type mismatch, and totals stay exact', async () => {
  const home = await world();
  const peer = await home.joined();
  const others = { string: 'x', null: null, list: [1], boolean: true };
  for (const [type, value] of Object.entries(others)) {
    await put(peer, type, value);
    const { response } = await write(peer, 'increment', type, { value: 1 });
    expect(response).toEqual({ reason: 'type_mismatch', type });
  }
  await put(peer, 'big', Number.MAX_SAFE_INTEGER);
  const over = await write(peer, 'increment', 'big', { value: 1 });
  expect(over.response).toEqual({ reason: 'number_out_of_range', path: 'big' });
  for (const value of ['1', null, undefined, {}]) {
    expect(reasonOf(await write(peer, 'increment', 'c', { value }))).toBe(
      'increment_requires_number_value',
    );
  }
  expect(await put(peer, 'next', 1)).toBe(6);
});

test('S23 a set has its newest member first and each once', async () => {
  const home = await world();
  const peer = await home.joined();
  const tags = async (): Promise<unknown> => (await stateOf(home)).leaves.get('tags');
  await write(peer, 'add', 'tags', { value: 'rust' });
  await write(peer, 'add', 'tags', { value: 'elixir' });
  await write(peer, 'add', 'tags', { value: 'elixir' });
  expect(await tags()).toEqual({ value: ['elixir', 'rust'], type: 'set', revision: 3 });
  await write(peer, 'remove', 'tags', { value: 'elixir' });
  expect(await tags()).toEqual({ value: ['rust'], type: 'set', revision: 4 });
  await write(peer, 'remove', 'none', { value: 'x' });
  expect((await stateOf(home)).leaves.get('none')).toEqual({ value: [], type: 'set', revision: 5 });
  expect(reasonOf(await write(peer, 'add', 'tags', { value: null }))).toBe('add_requires_value');
  expect(reasonOf(await write(peer, 'add', 'tags'))).toBe('add_requires_value');
  expect(reasonOf(await write(peer, 'remove', 'tags'))).toBe('remove_requires_value');
  await put(peer, 'text', 'x');
  await put(peer, 'map/a', 1);
  for (const [op, path, type] of [
    ['add', 'text', 'string'],
    ['remove', 'text', 'string'],
    ['remove', 'map', 'map'],
  ] as const) {
    const { response } = await write(peer, op, path, { value: 1 });
    expect(response).toEqual({ reason: 'type_mismatch', type });
  }
});

test.each([
  ['add', 'x', ['x']],
  ['increment', 2, 2],
])('S23 %s at a map replaces it, its delete logged first', async (op, value, result) => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'map/a', 1);
  expect(seqOf(await write(peer, op, 'map', { value }))).toBe(3);
  expect((await logOf(home)).map((each) => each.op)).toEqual(['set', 'delete', op]);
  expect(await valuesOf(home)).toEqual({ map: result });
});

test('S24 members that differ in the order of their keys alone are one', async () => {
  const home = await world();
  const peer = await home.joined();
  await write(peer, 'add', 's', { value: { a: 1, b: { c: 2, d: 3 } } });
  await write(peer, 'add', 's', { value: { b: { d: 3, c: 2 }, a: 1 } });
  expect(await valuesOf(home)).toEqual({ s: [{ a: 1, b: { c: 2, d: 3 } }] });
  await write(peer, 'remove', 's', { value: { b: { d: 3, c: 2 }, a: 1 } });
  expect(await valuesOf(home)).toEqual({ s: [] });
});

test.each(tongues)('S25 in %s a set of null, or of no value, stores null', async (_n, knock) => {
  const home = await world();
  const peer = await home.joined(knock);
  await put(peer, 'given', null);
  await write(peer, 'set', 'missing');
  const { leaves } = await stateOf(home);
  expect(leaves.get('given')).toEqual({ value: null, type: 'null', revision: 1 });
  expect(leaves.get('missing')).toEqual({ value: null, type: 'null', revision: 2 });
  const old = await legacyStateOf(home);
  expect([...old]).toEqual([
    ['given', null],
    ['missing', null],
  ]);
});

test.each(tongues)('S26 in %s an empty map is a leaf on every surface', async (_name, knock) => {
  const home = await world();
  const [peer, other] = [await home.joined(knock), await home.joined({ ...knock, device: 'd2' })];
  await put(peer, 'p', {});
  await put(peer, 'q', { a: {} });
  expect(brief(await hear(other, 2))).toEqual([
    [1, 'set', 'p', {}],
    [2, 'set', 'q', { a: {} }],
  ]);
  const { leaves } = await stateOf(home, { vsn: knock.vsn ?? null });
  expect([...leaves]).toEqual([
    ['p', { value: {}, type: 'map', revision: 1 }],
    ['q/a', { value: {}, type: 'map', revision: 2 }],
  ]);
  expect([...(await legacyStateOf(home, knock))]).toEqual([
    ['p', {}],
    ['q/a', {}],
  ]);
});

test('S26 a write below an empty map logs its delete first, and the last child gone leaves nothing', async () => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'p', {});
  expect(await put(peer, 'p/x', 1)).toBe(3);
  expect(brief((await logOf(home)).slice(1))).toEqual([
    [2, 'delete', 'p', null],
    [3, 'set', 'p/x', 1],
  ]);
  await write(peer, 'delete', 'p/x');
  const fresh = await home.connect({ device: 'd3' });
  await fresh.join(topic);
  const { leaves, maps } = readSnapshot(await fresh.caughtUp());
  expect([leaves.size, maps.size]).toEqual([0, 0]);
  // Nothing is there any more that could conflict.
  expect(
    (await peer.ask(topic, 'write', ask('set', 'p', { value: 1, if_absent: true }))).status,
  ).toBe('ok');
});
