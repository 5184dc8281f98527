import type { Json } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { brief, Desk, path } from './desk.ts';

test('S75 each mode hears of own and foreign writes as it says', () => {
  const desk = new Desk().live();
  const [all, committed, optimistic] = (['all', 'committed', 'optimistic'] as const).map((mode) =>
    desk.watch('k', { mode }),
  );
  desk.set('a', 'k', 1);
  desk.events([[1, 'set', 'k', 1, 'me', 'a']]);
  desk.ok('a', { store_seq: 1 });
  desk.events([[2, 'set', 'k', 2]]);
  desk.set('b', 'k', 3);
  desk.refuse('b', 'limit_exceeded');
  desk.deliver();
  const heard = (id = 0): unknown =>
    desk.heard.get(id)?.map(({ value, op, seq, own }) => [value, op, seq, own]);
  expect(heard(all)).toEqual([
    [1, 'set', null, true],
    [2, 'set', 2, false],
    [3, 'set', null, true],
    [2, 'refused', null, true],
  ]);
  expect(heard(committed)).toEqual([
    [1, 'set', 1, true],
    [2, 'set', 2, false],
  ]);
  expect(heard(optimistic)).toEqual([
    [1, 'set', null, true],
    [3, 'set', null, true],
    [2, 'refused', null, true],
  ]);
});

test('S75 a foreign op that a pending write hides gives `all` nothing until it shows', () => {
  const desk = new Desk().live();
  const all = desk.watch('k');
  const committed = desk.watch('k', { mode: 'committed' });
  desk.set('a', 'k', 'mine');
  desk.deliver();
  desk.events([[1, 'set', 'k', 'theirs']]);
  desk.deliver();
  expect(desk.heard.get(all)).toBeUndefined();
  expect(desk.heard.get(committed)?.map(brief)).toEqual([['k', 'theirs', undefined, 'set', 1]]);
  desk.refuse('a', 'path_not_allowed');
  expect(desk.deliver(all).map(brief)).toEqual([['k', 'theirs', 'mine', 'refused', null]]);
});

test('S76 an event that comes while another subscription is told of all there is, is delivered once', () => {
  const desk = new Desk().live();
  const leaves = Array.from(
    { length: 6000 },
    (_, at) => [`a/${String(at).padStart(5, '0')}`, at] as const,
  );
  desk.events([
    [1, 'set', 'a', Object.fromEntries(leaves.map(([at, value]) => [at.slice(2), value]))],
  ]);
  desk.deliver();
  const all = desk.watch('**', { includeCurrent: true });
  const one = desk.watch('k');
  desk.events([[2, 'set', 'k', 'once']]);
  desk.deliver();
  expect(desk.heard.get(one)?.map(brief)).toEqual([['k', 'once', undefined, 'set', 2]]);
  expect(desk.heard.get(all)?.length).toBeGreaterThanOrEqual(6000);
});

test('S76 includeCurrent delivers all of 5 000 matches once, before anything live', () => {
  const desk = new Desk().live();
  const value = Object.fromEntries(
    Array.from({ length: 5000 }, (_, index) => [`k${index}`, index]),
  );
  desk.events([
    [1, 'set', 'all', value],
    [2, 'set', 'other/x', 1],
  ]);
  desk.watch('all/*', { includeCurrent: true, maxQueue: 10 });
  desk.events([[3, 'set', 'all/k7', 'live']]);
  const events = desk.deliver();
  expect(events).toHaveLength(5001);
  expect(new Set(events.map(({ path: at }) => at)).size).toBe(5000);
  expect(events.slice(0, 5000).every(({ op, seq }) => op === 'present' && seq === 1)).toBe(true);
  expect(events.find(({ path: at }) => at === 'all/k7')?.value).toBe(7);
  expect(events.slice(5000).map(brief)).toEqual([['all/k7', 'live', 7, 'set', 3]]);
});

test('S76 the first sync is no news, but what includeCurrent asked for comes once', () => {
  const desk = new Desk();
  const plain = desk.watch('*');
  const current = desk.watch('*', { includeCurrent: true });
  desk.set('mine', 'mine', 1);
  desk.join({ sync: 'snapshot', why: 'fresh', store_seq: 2 });
  desk.message('snapshot_begin', {
    id: 's',
    seq: 2,
    incarnation: 'first',
    entries: 2,
    within: null,
  });
  desk.message('snapshot_chunk', {
    id: 's',
    index: 0,
    entries: [
      ['a', 1, 'integer', 1],
      ['b', 2, 'integer', 2],
    ],
    maps: [],
  });
  desk.message('snapshot_end', { id: 's', seq: 2, chunks: 1, entries: 2 });
  desk.message('catch_up_complete', { through_seq: 2 });
  desk.events([[3, 'set', 'a', 3]]);
  desk.deliver();
  expect(desk.heard.get(plain)?.map(brief)).toEqual([
    ['mine', 1, undefined, 'set', null],
    ['a', 3, 1, 'set', 3],
  ]);
  expect(desk.heard.get(current)?.map(brief)).toEqual([
    ['mine', 1, undefined, 'set', null],
    ['a', 1, undefined, 'present', 1],
    ['b', 2, undefined, 'present', 2],
    ['a', 3, 1, 'set', 3],
  ]);
});

test('S76 an op above fires for each watched leaf that it changed or removed, and for no other', () => {
  const desk = new Desk().live();
  desk.events([[1, 'set', 'posts', { hello: { title: 'a', body: 'b' }, gone: { title: 'c' } }]]);
  desk.watch('posts/hello');
  desk.watch('posts/*/title');
  desk.watch('posts');
  desk.events([[2, 'set', 'posts', { hello: { title: 'A', body: 'b' }, kept: { title: 'd' } }]]);
  desk.events([
    [3, 'set', 'posts/hello', 'flat', 'x', 'y', 4],
    [4, 'set', 'posts/kept', 1, 'x', 'z', 4],
  ]);
  desk.deliver();
  expect(desk.heard.get(1)?.map(brief)).toEqual([
    ['posts/hello', 'flat', { title: 'A', body: 'b' }, 'set', 3],
  ]);
  expect(desk.heard.get(2)?.map(brief)).toEqual([
    ['posts/hello/title', 'A', 'a', 'set', 2],
    ['posts/kept/title', 'd', undefined, 'set', 2],
    ['posts/gone/title', undefined, 'c', 'delete', 2],
    ['posts/hello/title', undefined, 'A', 'delete', 3],
    ['posts/kept/title', undefined, 'd', 'delete', 4],
  ]);
  expect(desk.heard.get(3)?.map(({ op, seq }) => [op, seq])).toEqual([['set', 2]]);
});

test('S76 previous is from before the commit, whatever its ops do to one another', () => {
  const desk = new Desk().live();
  desk.events([[1, 'set', 'doc', { a: { x: 1 }, b: 2 }]]);
  desk.watch('**', { mode: 'committed' });
  desk.events([
    [2, 'delete', 'doc/a', null, 'x', 'y#1', 3],
    [3, 'merge', 'doc', { a: 5 }, 'x', 'y', 3],
  ]);
  expect(desk.deliver().map(brief)).toEqual([
    ['doc/a', 5, { x: 1 }, 'set', 2],
    ['doc', { a: 5, b: 2 }, { a: { x: 1 }, b: 2 }, 'merge', 3],
  ]);
});

test('C4 of a frame that bears on a pending write, each path is told in the order of its ops', () => {
  const desk = new Desk().live();
  desk.set('a', 't/x', 'mine');
  desk.watch('**');
  desk.events([
    [1, 'delete', 't', null],
    [2, 'set', 't/y', 'theirs'],
    [3, 'set', 'u', 'theirs'],
  ]);
  const seqs = desk.deliver().flatMap(({ path: at, seq }) => (at.startsWith('t') ? [seq] : []));
  expect(seqs).toEqual(seqs.toSorted((a, b) => Number(a) - Number(b)));
  expect(seqs).toContain(2);
});

test('S77 a queue over its maximum drops that subscription once, and no other', () => {
  const desk = new Desk().live();
  const small = desk.watch('k', { maxQueue: 3 });
  const large = desk.watch('k');
  for (let seq = 1; seq <= 3; seq++) desk.events([[seq, 'set', 'k', seq]]);
  expect(desk.dropped).toEqual([]);
  for (let seq = 4; seq <= 9; seq++) desk.events([[seq, 'set', 'k', seq]]);
  expect(desk.dropped).toEqual([small]);
  desk.deliver();
  expect(desk.heard.get(small)).toBeUndefined();
  expect(desk.heard.get(large)).toHaveLength(9);
  const again = desk.watch('k', { includeCurrent: true });
  expect(desk.deliver(again).map(brief)).toEqual([['k', 9, undefined, 'present', 9]]);
});

test('one is told once that there is something to deliver, and nothing after an unsubscribe', () => {
  const desk = new Desk().live();
  const id = desk.watch('k');
  desk.events([[1, 'set', 'k', 1]]);
  desk.events([[2, 'set', 'k', 2]]);
  expect(desk.effects.filter(({ type }) => type === 'deliverable')).toHaveLength(1);
  desk.replica.unsubscribe(id);
  expect(desk.deliver(id)).toEqual([]);
  desk.events([[3, 'set', 'k', 3]]);
  expect(desk.effects.filter(({ type }) => type === 'deliverable')).toHaveLength(1);
});

test('`latest` hands out the newest value of each path, and says how many it stands for (P34)', () => {
  const desk = new Desk().live();
  desk.watch('*', { delivery: { policy: 'latest' }, maxQueue: 2 });
  desk.events([
    [1, 'set', 'a', 1],
    [2, 'set', 'b', 1],
    [3, 'set', 'a', 2],
    [4, 'set', 'a', 3],
  ]);
  expect(desk.deliver()).toMatchObject([
    { path: 'b', value: 1, previous: undefined, seq: 2 },
    { path: 'a', value: 3, previous: undefined, seq: 4, conflated: 2 },
  ]);
  expect(desk.heard.get(1)?.[0]).not.toHaveProperty('conflated');
  desk.events([[5, 'delete', 'a', null]]);
  expect(desk.deliver()).toMatchObject([{ path: 'a', value: undefined, previous: 3 }]);
});

test('`sample` keeps its interval between rounds, and ends with the last value', () => {
  const desk = new Desk().live();
  desk.watch('k', { delivery: { policy: 'sample', intervalMs: 100 } });
  const start = desk.now;
  const rounds: (readonly [number, Json | undefined, number | undefined])[] = [];
  const note = (): void => {
    for (const { value, conflated } of desk.deliver()) {
      rounds.push([desk.now - start, value, conflated]);
    }
  };
  for (let seq = 1; seq <= 25; seq++) {
    desk.events([[seq, 'set', 'k', seq]]);
    note();
    desk.now += 10;
    if (desk.now >= (desk.wakeAt ?? Infinity)) desk.step({ type: 'tick' });
  }
  expect(desk.wakeAt).toBe(start + 300);
  desk.now = start + 300;
  expect(desk.step({ type: 'tick' })).toContainEqual({ type: 'deliverable' });
  note();
  expect(rounds).toEqual([
    [0, 1, undefined],
    [100, 11, 9],
    [200, 21, 9],
    [300, 25, 3],
  ]);
});

test('`sample` does not wait between the pieces of what is there, nor lets what is new wait for them', () => {
  const desk = new Desk().live();
  const leaves = Object.fromEntries(Array.from({ length: 12_000 }, (_, n) => [`k${n}`, n]));
  desk.events([[1, 'set', 'm', leaves]]);
  const delivery = { policy: 'sample', intervalMs: 60_000 } as const;
  const id = desk.watch('**', { includeCurrent: true, delivery });
  desk.events([[2, 'set', 'n', 1]]);
  const heard = desk.deliver(id);
  expect(heard).toHaveLength(12_001);
  expect(heard.at(-1)).toMatchObject({ path: 'n', seq: 2 });
  desk.events([[3, 'set', 'n', 2]]);
  expect(desk.deliver(id)).toEqual([]);
  desk.now += 60_000;
  expect(desk.deliver(id)).toMatchObject([{ path: 'n', seq: 3 }]);
});

test('`sample` lets no interval pass after a look in which nothing was told', () => {
  const desk = new Desk().live();
  const delivery = { policy: 'sample', intervalMs: 60_000 } as const;
  const id = desk.watch('**', { includeCurrent: true, delivery });
  expect(desk.deliver(id)).toEqual([]);
  desk.events([[1, 'set', 'n', 1]]);
  expect(desk.deliver(id)).toMatchObject([{ path: 'n', seq: 1 }]);
});

test('a write that merges delivers the whole value at its path', () => {
  const desk = new Desk().live();
  desk.events([[1, 'set', 'settings', { theme: 'light', locale: 'en' }]]);
  desk.watch('settings');
  desk.ask('a', { op: 'merge', path: path('settings'), value: { theme: 'dark' } });
  desk.events([[2, 'merge', 'settings', { theme: 'dark' }, 'me', 'a']]);
  expect(desk.deliver().map(brief)).toEqual([
    ['settings', { theme: 'dark', locale: 'en' }, { theme: 'light', locale: 'en' }, 'merge', null],
  ]);
});
