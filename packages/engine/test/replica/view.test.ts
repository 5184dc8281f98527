import { asPath } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { brief, Desk, path } from './desk.ts';

test('S70 two refusals of stacked puts leave the confirmed value, with no phantom event', () => {
  const desk = new Desk().live();
  desk.events([[1, 'set', 'k', 0]]);
  desk.watch('k');
  desk.set('a', 'k', 1);
  desk.set('b', 'k', 2);
  desk.refuse('a', 'limit_exceeded');
  expect(desk.value('k')).toBe(2);
  desk.refuse('b', 'limit_exceeded');
  expect(desk.value('k')).toBe(0);
  expect(desk.deliver().map(brief)).toEqual([
    ['k', 1, 0, 'set', null],
    ['k', 2, 1, 'set', null],
    ['k', 0, 2, 'refused', null],
  ]);
  expect([desk.refusalOf('a'), desk.refusalOf('b')]).toEqual(['limit_exceeded', 'limit_exceeded']);
});

test.each([
  ['delete', { op: 'delete', path: path('doc') }],
  ['merge', { op: 'merge', path: path('doc'), value: { deep: { c: 1 }, a: { z: 1 } } }],
  ['increment', { op: 'increment', path: path('hits'), value: 3 }],
  ['add', { op: 'add', path: path('tags'), value: 'u' }],
  ['map put', { op: 'set', path: path('doc'), value: { only: true } }],
  ['scalar put', { op: 'set', path: path('doc/deep'), value: 0 }],
] as const)(
  'S71 a refused %s leaves values, types and revisions as if it had never been',
  (_, request) => {
    const desk = new Desk().live();
    desk.events([
      [1, 'merge', 'doc', { a: 1, deep: { b: 'x' } }],
      [2, 'increment', 'hits', 5],
      [3, 'add', 'tags', ['t']],
    ]);
    const look = (): unknown => [
      desk.replica.entries({}).items,
      desk.replica.entry(path('doc')),
      desk.replica.entry(path('doc/deep')),
    ];
    const shown = look();
    desk.ask('a', request);
    expect(look()).not.toEqual(shown);
    desk.refuse('a', 'path_not_allowed');
    expect(look()).toEqual(shown);
    expect(desk.value('doc')).toEqual({ a: 1, deep: { b: 'x' } });
  },
);

test('S72 a pending write stands over a foreign one until it is answered', () => {
  const refused = new Desk().live();
  refused.set('a', 'k', 'A');
  refused.events([[1, 'set', 'k', 'B']]);
  expect(refused.value('k')).toBe('A');
  refused.refuse('a', 'limit_exceeded');
  expect(refused.value('k')).toBe('B');

  const accepted = new Desk().live();
  accepted.set('a', 'k', 'A');
  accepted.events([[1, 'set', 'k', 'B']]);
  accepted.events([[2, 'set', 'k', 'A', 'me', 'a']]);
  accepted.ok('a', { store_seq: 2 });
  expect(accepted.value('k')).toBe('A');
  expect(accepted.outcome('a')).toEqual({
    status: 'committed',
    reply: { store_seq: 2 },
    rebasedOver: [1],
    rebasedAt: ['k'],
  });
});

test('S73 a pending increment is rebased on a foreign total and counted once', () => {
  const desk = new Desk().live();
  desk.events([[1, 'increment', 'c', 5]]);
  desk.watch('c');
  const seen: unknown[] = [];
  const look = (): void => void seen.push(desk.value('c'));
  desk.ask('a', { op: 'increment', path: path('c'), value: 1 });
  look();
  desk.events([[2, 'increment', 'c', 10]]);
  look();
  desk.events([[3, 'increment', 'c', 11, 'me', 'a']]);
  look();
  desk.ok('a', { store_seq: 3 });
  look();
  expect(seen).toEqual([6, 11, 11, 11]);
  expect(desk.deliver().map(brief)).toEqual([
    ['c', 6, 5, 'increment', null],
    ['c', 11, 6, 'increment', 2],
  ]);
});

test('a pending leaf shows the revision it had, and that it is pending', () => {
  const desk = new Desk().live();
  desk.events([
    [1, 'set', 'a/k', 1],
    [2, 'set', 'a/l', 1],
  ]);
  desk.set('x', 'a/k', 2);
  desk.set('y', 'a/new', 3);
  const entries = desk.replica
    .entries({})
    .items.map(({ path: at, value, revision, pending }) => [at, value, revision, pending]);
  expect(entries).toEqual([
    ['a/k', 2, 1, true],
    ['a/l', 1, 2, false],
    ['a/new', 3, 0, true],
  ]);
  expect(desk.replica.entry(path('a'))).toMatchObject({ type: 'map', revision: 2, pending: true });
  desk.events([
    [3, 'set', 'a/k', 2, 'me', 'x'],
    [4, 'set', 'a/new', 3, 'me', 'y'],
  ]);
  expect(desk.replica.entry(path('a'))).toMatchObject({ revision: 4, pending: false });
  expect(desk.replica.entry(path('a/k'))).toMatchObject({ revision: 3, pending: false });
});

test('a value is frozen and the same object until it changes, across its own echo too', () => {
  const desk = new Desk().live();
  const mine = { title: 'Hi', tags: ['a'] };
  desk.set('x', 'post', mine);
  const shown = desk.value('post');
  expect(Object.isFrozen(shown)).toBe(true);
  expect(Object.isFrozen(mine)).toBe(false);
  mine.tags.push('later');
  desk.events([[1, 'set', 'other', 1]]);
  desk.events([[2, 'set', 'post', { tags: ['a'], title: 'Hi' }, 'me', 'x']]);
  desk.ok('x', { store_seq: 2 });
  expect(desk.value('post')).toBe(shown);
  expect(shown).toEqual({ title: 'Hi', tags: ['a'] });
  desk.events([[3, 'set', 'post/title', 'Ho']]);
  expect(desk.value('post')).not.toBe(shown);
});

test('an ok before the echo settles the request and keeps its effect until the replica has caught up', () => {
  const desk = new Desk().live();
  desk.set('a', 'k', 1);
  desk.ok('a', { store_seq: 2 });
  expect(desk.outcome('a')?.status).toBe('committed');
  expect(desk.outbox()).toEqual(['a answered']);
  desk.events([[1, 'set', 'k', 0]]);
  expect(desk.value('k')).toBe(1);
  // Its own op lies out of scope; the cursor passes it all the same.
  desk.events([], [1, 2]);
  expect(desk.outbox()).toEqual([]);
  expect(desk.settled.get('a')).toHaveLength(1);
});

test('S81 a transaction is shown at once, as a whole, and its events come once per path', () => {
  const desk = new Desk().live();
  desk.watch('**', { mode: 'committed' });
  desk.ask('t', {
    op: 'transact',
    ops: [
      { op: 'set', path: path('a'), value: 1 },
      { op: 'increment', path: path('n'), value: 2 },
      { op: 'increment', path: path('n'), value: 3 },
    ],
    preconditions: [{ kind: 'if_absent', path: path('a') }],
  });
  expect([desk.value('a'), desk.value('n')]).toEqual([1, 5]);
  desk.events([
    [1, 'set', 'a', 1, 'me', 't', 3],
    [2, 'increment', 'n', 2, 'me', 't', 3],
    [3, 'increment', 'n', 5, 'me', 't', 3],
  ]);
  expect(desk.deliver().map(brief)).toEqual([
    ['a', 1, undefined, 'set', 1],
    ['n', 5, undefined, 'increment', 3],
  ]);
  desk.step({ type: 'lost' });
  expect(desk.outcome('t')).toMatchObject({
    reply: {
      store_seq: 3,
      first_seq: 1,
      results: [{ store_seq: 1 }, { store_seq: 2 }, { store_seq: 3 }],
    },
  });
});

test('what cannot hold is refused at once, and harms nothing else', () => {
  const desk = new Desk().live();
  desk.events([
    [1, 'set', 'text', 'x'],
    [2, 'set', 'text', 'y'],
  ]);
  desk.set('bad value', 'k', Number.NaN);
  desk.set('reserved', '_hf:schema/x', 1);
  desk.ask('wrong type', { op: 'increment', path: path('text'), value: 1 });
  desk.ask('stale guard', { op: 'set', path: path('text'), value: 1, ifMatch: 1 });
  desk.ask('taken', { op: 'set', path: path('text'), value: 1, ifAbsent: true });
  desk.set('too large', 'k', 'x'.repeat(70_000));
  desk.set('fine', 'k', 1);
  const codes = [
    'bad value',
    'reserved',
    'wrong type',
    'stale guard',
    'taken',
    'too large',
    'fine',
  ].map((id) => desk.refusalOf(id));
  expect(codes).toEqual([
    'number_out_of_range',
    'reserved_path',
    'type_mismatch',
    'conflict',
    'exists',
    'value_too_large',
    null,
  ]);
  expect(desk.takePushed()).toEqual(['fine']);
});

test('a guard that only the server can judge is shown and sent', () => {
  const desk = new Desk().live();
  desk.events([[1, 'set', 'k', 0]]);
  desk.set('first', 'k', 1);
  // The revision of the first write is not known yet; one newer than the replica's may be true.
  desk.ask('stacked', { op: 'set', path: path('k'), value: 2, ifMatch: 1 });
  desk.ask('ahead', { op: 'set', path: path('j'), value: 3, ifMatch: 7 });
  desk.ask('fenced', {
    op: 'set',
    path: path('l'),
    value: 4,
    fence: { key: path('lock'), token: 3 },
  });
  expect(desk.takePushed()).toEqual(['first', 'stacked', 'ahead', 'fenced']);
  expect([desk.value('k'), desk.value('j'), desk.value('l')]).toEqual([2, 3, 4]);
});

test('leases are not shown before they are committed, and fail when there is no channel', () => {
  const desk = new Desk();
  desk.ask('early', { op: 'lease', path: path('job'), ttlMs: 1000, holder: null });
  expect(desk.refusalOf('early')).toBe('unavailable');
  desk.live();
  desk.ask('lease', { op: 'lease', path: path('job'), ttlMs: 1000, holder: 'me' });
  expect(desk.value('job')).toBeUndefined();
  expect(desk.takePushed()).toEqual(['lease']);
  const value = { _type: 'lease', holder: 'me', token: 1, expires_at: 2000 };
  desk.events([[1, 'lease', 'job', value, 'me', 'lease']]);
  desk.ok('lease', { store_seq: 1, token: 1, expires_at: 2000, holder: 'me' });
  expect(desk.outcome('lease')).toMatchObject({ reply: { token: 1 } });
  expect(desk.replica.entry(asPath('job'))).toMatchObject({ type: 'lease', revision: 1 });
});

test('a request that cannot be decided after a foreign write shows nothing until the server answers', () => {
  const desk = new Desk().live();
  desk.ask('a', { op: 'increment', path: path('c'), value: 1 });
  desk.events([[1, 'set', 'c', 'text']]);
  expect(desk.value('c')).toBe('text');
  expect(desk.outbox()).toEqual(['a sent']);
  desk.refuse('a', 'type_mismatch', { type: 'string' });
  expect(desk.refusalOf('a')).toBe('type_mismatch');
});

test('S73 an own increment before which the server has added something is counted once, and rebased over nothing', () => {
  const desk = new Desk().live();
  desk.events([[1, 'increment', 'c', 5]]);
  desk.ask('a', { op: 'increment', path: path('c'), value: 1 });
  desk.events([
    [2, 'set', '_hf:schema/counts', '1.0', 'system:schema', 'schema:_hf:schema/counts', 3],
    [3, 'increment', 'c', 6, 'me', 'a', 3],
  ]);
  expect(desk.value('c')).toBe(6);
  desk.ok('a', { store_seq: 3 });
  expect(desk.outcome('a')).toEqual({
    status: 'committed',
    reply: { store_seq: 3 },
    rebasedOver: [],
    rebasedAt: [],
  });
});
