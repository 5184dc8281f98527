import { asGlob } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Desk, glob, joined, row } from './query-desk.ts';

type Opened = { readonly desk: Desk; readonly sub: string };

function opened(): Opened {
  const desk = new Desk();
  desk.join(4);
  const sub = desk.open();
  expect(desk.last('query_open')).toEqual({ sub, record: 'task', spec: {}, have: {} });
  desk.delta(sub, 4, { reset: true, rows: ['tasks/a'], entries: [row('a', 'A', 3)] });
  expect(desk.queries.sight(sub)).toMatchObject({ rows: ['tasks/a'], isAsked: false });
  return { desk, sub };
}

test('R184 a delta is applied with the events that reach it, after what came before and before what comes later', () => {
  const { desk, sub } = opened();
  desk.delta(sub, 6, { ops: [['ins', 'tasks/b', 'tasks/a']], entries: [row('b', 'B', 6)] });
  expect(desk.queries.sight(sub).rows).toEqual(['tasks/a']);
  desk.events(4, 5, [[5, 'tasks/a/title', 'A5']]);
  expect([desk.queries.sight(sub).rows, desk.value('tasks/b')]).toEqual([['tasks/a'], undefined]);
  // One frame with the commit that the delta is of, and one after it.
  desk.events(5, 7, [
    [6, 'tasks/b/title', 'B'],
    [7, 'tasks/b/title', 'B7'],
  ]);
  expect(desk.queries.sight(sub).rows).toEqual(['tasks/a', 'tasks/b']);
  expect(desk.value('tasks/b')).toEqual({ title: 'B7' });
  desk.delta(sub, 8, { ops: [['del', 'tasks/a']] });
  desk.events(7, 8, []);
  expect([desk.value('tasks/a'), desk.replica.describe().leaves]).toEqual([undefined, 1]);
});

test('R184 a snapshot in place has the rows as they are then; a delta on the way does not set them back', () => {
  const { desk, sub } = opened();
  desk.delta(sub, 6, { ops: [['ins', 'tasks/b', null]], entries: [row('b', 'B', 6)] });
  const at = { id: 'x', seq: 8 };
  desk.say('snapshot_begin', { ...at, incarnation: 'i1', entries: 2, within: null });
  const entries = [row('a', 'A', 3), row('b', 'B8', 8)];
  desk.say('snapshot_chunk', { id: 'x', index: 0, entries, maps: [] });
  desk.say('snapshot_end', { ...at, chunks: 1, entries: 2 });
  expect(desk.queries.sight(sub).rows).toEqual(['tasks/b', 'tasks/a']);
  expect(desk.value('tasks/b')).toEqual({ title: 'B8' });
});

test('R184 a row that leaves the window and comes back before a snapshot in place has what that says of it', () => {
  const { desk, sub } = opened();
  desk.delta(sub, 5, { ops: [['del', 'tasks/a']] });
  desk.delta(sub, 6, { ops: [['ins', 'tasks/a', null]], entries: [row('a', 'A6', 6)] });
  desk.delta(sub, 7, { ops: [['ins', 'tasks/b', null]], entries: [row('b', 'B7', 7)] });
  desk.delta(sub, 8, { ops: [['del', 'tasks/b']] });
  const at = { id: 'x', seq: 8 };
  desk.say('snapshot_begin', { ...at, incarnation: 'i1', entries: 1, within: null });
  desk.say('snapshot_chunk', { id: 'x', index: 0, entries: [row('a', 'A8', 8)], maps: [] });
  desk.say('snapshot_end', { ...at, chunks: 1, entries: 1 });
  expect(desk.queries.sight(sub).rows).toEqual(['tasks/a']);
  expect([desk.value('tasks/a'), desk.replica.describe().leaves]).toEqual([{ title: 'A8' }, 1]);
});

test('C14 who falls behind while a query is closed, which is between two steps, hears of it with the next', () => {
  const { desk, sub } = opened();
  desk.delta(sub, 5, { ops: [['ins', 'tasks/b', null]], entries: [row('b', 'B', 5)] });
  desk.events(4, 5, []);
  desk.step({ type: 'lost' });
  const how = { mode: 'all', includeCurrent: false, delivery: { policy: 'every' } } as const;
  const subscription = desk.replica.subscribe(glob('tasks/**'), { ...how, maxQueue: 1 });
  desk.queries.close(sub);
  const effects = desk.replica.step({ type: 'tick', now: 0, wall: 0 });
  expect(effects).toContainEqual({ type: 'dropped', subscription });
});

test('R197 rows that a snapshot does not have are gone, or come back with the events; the others of their query keep what they have', () => {
  const { desk, sub } = opened();
  desk.delta(sub, 5, { ops: [['ins', 'tasks/b', 'tasks/a']], entries: [row('b', 'B', 5)] });
  desk.events(4, 5, []);
  const at = { id: 'x', seq: 8 };
  desk.say('snapshot_begin', { ...at, incarnation: 'i1', entries: 1, within: null });
  desk.say('snapshot_chunk', { id: 'x', index: 0, entries: [row('b', 'B', 5)], maps: [] });
  desk.say('snapshot_end', { ...at, chunks: 1, entries: 1 });
  expect([desk.value('tasks/a'), desk.value('tasks/b')]).toEqual([undefined, { title: 'B' }]);
  // The window is what it was: nothing is told of it.
  desk.events(8, 9, [[9, 'tasks/a/title', 'A9']]);
  expect(desk.queries.sight(sub).rows).toEqual(['tasks/a', 'tasks/b']);
  expect(desk.value('tasks/a')).toEqual({ title: 'A9' });
  // It is another one: what is still in it is not sent again.
  desk.delta(sub, 9, { reset: true, rows: ['tasks/b'] });
  expect(desk.value('tasks/b')).toEqual({ title: 'B' });
  expect([desk.value('tasks/a'), desk.replica.describe().leaves]).toEqual([undefined, 1]);
  expect(desk.pushed.filter(({ event }) => event === 'query_open')).toHaveLength(1);
});

test('R197 rows stay until the server knows that their query is closed: what it has told of, it does not send for another', () => {
  const { desk, sub } = opened();
  const other = desk.open('tasks/*/*');
  desk.queries.close(sub);
  desk.step({ type: 'tick' });
  // All of this was on its way before the server heard of it.
  desk.delta(other, 4, { reset: true, rows: ['tasks/a'] });
  desk.delta(sub, 5, { ops: [['ins', 'tasks/b', 'tasks/a']], entries: [row('b', 'B', 5)] });
  desk.delta(other, 5, { ops: [['ins', 'tasks/b', 'tasks/a']] });
  desk.events(4, 5, []);
  const { id } = desk.pushed.findLast(({ event }) => event === 'query_close') ?? { id: '' };
  desk.step({ type: 'reply', id, status: 'ok', response: {} });
  expect(desk.queries.sight(other).rows).toEqual(['tasks/a', 'tasks/b']);
  expect([desk.value('tasks/a'), desk.value('tasks/b')]).toEqual([{ title: 'A' }, { title: 'B' }]);
  desk.delta(other, 6, { ops: [['del', 'tasks/a']] });
  desk.events(5, 6, []);
  expect([desk.value('tasks/a'), desk.replica.describe().leaves]).toEqual([undefined, 1]);
});

test('R197 the rows of a query that was closed leave with the answer, or with the channel', () => {
  for (const isLost of [true, false]) {
    const { desk, sub } = opened();
    desk.queries.close(sub);
    desk.step({ type: 'tick' });
    expect([desk.value('tasks/a'), desk.queries.image()]).toMatchObject([
      { title: 'A' },
      [{ rows: ['tasks/a'] }],
    ]);
    const { id } = desk.pushed.findLast(({ event }) => event === 'query_close') ?? { id: '' };
    desk.step(isLost ? { type: 'lost' } : { type: 'reply', id, status: 'ok', response: {} });
    expect([desk.replica.describe().leaves, desk.queries.image()]).toEqual([0, []]);
  }
});

test('R196 steps that do not fit what is here, as one was missed, have the query opened again with what is here', () => {
  const { desk, sub } = opened();
  desk.delta(sub, 5, { ops: [['del', 'tasks/z']] });
  desk.events(4, 5, []);
  expect(desk.last('query_open')).toMatchObject({ have: { 'tasks/a': 3 } });
  expect(desk.queries.sight(sub)).toMatchObject({ rows: ['tasks/a'], isAsked: true });
  desk.delta(sub, 5, { reset: true, rows: ['tasks/b'], entries: [row('b', 'B', 5)] });
  expect(desk.queries.sight(sub)).toMatchObject({ rows: ['tasks/b'], isAsked: false });
  expect(desk.value('tasks/a')).toBeUndefined();
});

test("R196 a rejoin keeps the rows, and names them; what may be another's view of the store does not count", () => {
  const { desk, sub } = opened();
  desk.step({ type: 'lost' });
  expect(desk.queries.sight(sub).rows).toEqual(['tasks/a']);
  desk.join(4);
  expect(desk.last('query_open')).toMatchObject({ sub, have: { 'tasks/a': 3 } });
  desk.delta(sub, 4, { reset: true, rows: ['tasks/a'] });
  expect(desk.value('tasks/a')).toEqual({ title: 'A' });
  desk.step({ type: 'lost' });
  const at = { id: 'y', seq: 4 };
  desk.step({
    type: 'joined',
    response: { ...joined, scope: 's2', sync: 'snapshot', why: 'scope' },
  });
  desk.say('snapshot_begin', { ...at, incarnation: 'i1', entries: 0, within: null });
  desk.say('snapshot_end', { ...at, chunks: 0, entries: 0 });
  desk.say('catch_up_complete', { through_seq: 4 });
  expect(desk.value('tasks/a')).toBeUndefined();
  expect(desk.last('query_open')).toEqual({ sub, record: 'task', spec: {}, have: {} });
});

const done = (seq: number, is: boolean): readonly unknown[] => ['tasks/a/done', is, 'boolean', seq];

test('R196 given a row of which a pattern covers a part, when a catch-up brings that part, then the row is asked for anew: its revision does not tell of the rest', () => {
  const patterns = ['meta/**', 'tasks/*/title'];
  const desk = new Desk(patterns);
  desk.join(4, { patterns });
  const sub = desk.open();
  const entries = [row('a', 'A', 3), done(3, false)];
  desk.delta(sub, 4, { reset: true, rows: ['tasks/a'], entries });
  desk.step({ type: 'lost' });
  desk.step({ type: 'joined', response: { ...joined, store_seq: 5, patterns } });
  // Of a commit of both fields.
  desk.events(4, 5, [[5, 'tasks/a/title', 'A5']]);
  desk.say('catch_up_complete', { through_seq: 5 });
  expect(desk.last('query_open')).toEqual({ sub, record: 'task', spec: {}, have: {} });
  const fresh = [row('a', 'A5', 5), done(5, true)];
  desk.delta(sub, 5, { reset: true, rows: ['tasks/a'], entries: fresh });
  expect(desk.value('tasks/a')).toEqual({ title: 'A5', done: true });
});

test('R196 what a query that is being opened has said to have stays, whatever state comes before the answer', () => {
  const { desk, sub } = opened();
  desk.step({ type: 'lost' });
  desk.join(4);
  expect(desk.last('query_open')).toMatchObject({ sub, have: { 'tasks/a': 3 } });
  // A commit too large for a frame; the query is not open yet, so that its rows are not in the scope.
  const at = { id: 'x', seq: 8 };
  desk.say('snapshot_begin', { ...at, incarnation: 'i1', entries: 0, within: null });
  desk.say('snapshot_end', { ...at, chunks: 0, entries: 0 });
  desk.delta(sub, 8, { reset: true, rows: ['tasks/a'] });
  expect(desk.value('tasks/a')).toEqual({ title: 'A' });
  // From now on they are.
  const next = { id: 'y', seq: 9 };
  desk.say('snapshot_begin', { ...next, incarnation: 'i1', entries: 1, within: null });
  const entries = [['tasks/a/done', true, 'boolean', 9]];
  desk.say('snapshot_chunk', { id: 'y', index: 0, entries, maps: [] });
  desk.say('snapshot_end', { ...next, chunks: 1, entries: 1 });
  expect(desk.value('tasks/a')).toEqual({ done: true });
});

/** A query of two rows that is not open any more, as the channel is another; what the replica is to hold is wider. */
function wider(wanted: string, patterns: readonly string[]): Opened {
  const { desk, sub } = opened();
  desk.delta(sub, 4, { reset: true, rows: ['tasks/a', 'tasks/b'], entries: [row('b', 'B', 4)] });
  desk.step({ type: 'lost' });
  desk.step({ type: 'want', patterns: ['meta/**', wanted].map(asGlob) });
  desk.join(4);
  const gone = [5, 'delete', 'tasks/a', null, 'x', 'x:s:5'];
  desk.say('events', { from_seq: 4, to_seq: 5, ops: [gone] });
  const response = { patterns, scope: 's2', seq: 5, denied: [] };
  desk.step({ type: 'reply', id: 'scope', status: 'ok', response });
  return { desk, sub };
}

/** The part of the store that a wider scope adds. */
function addition(desk: Desk, added: string, entries: readonly unknown[]): void {
  const at = { id: 'x', seq: 5 };
  const count = entries.length;
  desk.say('snapshot_begin', { ...at, incarnation: 'i1', entries: count, within: [added] });
  if (count > 0) desk.say('snapshot_chunk', { id: 'x', index: 0, entries, maps: [] });
  desk.say('snapshot_end', { ...at, chunks: Math.min(count, 1), entries: count });
}

test('R197 rows that come with patterns stay, though the query that had them misses another of its rows', () => {
  const { desk, sub } = wider('**', ['meta/**', '**']);
  expect(desk.last('query_open')).toEqual({ sub, record: 'task', spec: {}, have: {} });
  addition(desk, '**', [row('b', 'B', 4)]);
  expect(desk.queries.sight(sub)).toMatchObject({ isLocal: true, rows: null });
  expect([desk.value('tasks/a'), desk.value('tasks/b')]).toEqual([undefined, { title: 'B' }]);
});

test('R196 rows that a query has said to have stay when a part of the store comes before the answer, and one of them is gone', () => {
  const { desk, sub } = wider('own/**', ['meta/**', 'own/**']);
  expect(desk.last('query_open')).toMatchObject({ have: { 'tasks/a': 3, 'tasks/b': 4 } });
  addition(desk, 'own/**', []);
  desk.delta(sub, 5, { reset: true, rows: ['tasks/b'] });
  expect(desk.queries.sight(sub)).toMatchObject({ rows: ['tasks/b'], isAsked: false });
  expect([desk.value('tasks/a'), desk.value('tasks/b')]).toEqual([undefined, { title: 'B' }]);
});

test('R197 no pattern is let go of before the server has told the rows of a query that it served', () => {
  const desk = new Desk(['meta/**', 'tasks/**']);
  desk.join(4, { patterns: ['meta/**', 'tasks/**'] });
  const sub = desk.open();
  expect([desk.queries.sight(sub).isLocal, desk.last('query_open')]).toEqual([true, undefined]);
  desk.step({ type: 'want', patterns: ['meta/**'].map(asGlob) });
  expect(desk.last('query_open')).toMatchObject({ sub });
  expect(desk.last('scope')).toBeUndefined();
  desk.delta(sub, 4, { reset: true, rows: [] });
  expect(desk.last('scope')).toEqual({ remove: ['tasks/**'] });
});

test('R200 what is refused for now is asked for again in time; what is refused is not, until it is another query', () => {
  const desk = new Desk();
  desk.join(4);
  const sub = desk.open();
  const refuse = (reason: string, more: object = {}): void => {
    const { id } = desk.pushed.findLast(({ event }) => event === 'query_open') ?? { id: '' };
    desk.step({ type: 'reply', id, status: 'error', response: { reason, ...more } });
  };
  const count = (): number => desk.pushed.filter(({ event }) => event === 'query_open').length;
  refuse('rate_limited', { retry_after_ms: 500 });
  expect([desk.wakes.at(-1), count()]).toEqual([500, 1]);
  desk.now = 500;
  desk.step({ type: 'tick' });
  expect(count()).toBe(2);
  refuse('rate_limited', { retry_after_ms: 0 });
  expect([desk.wakes.at(-1), count()]).toEqual([1500, 2]);
  desk.now = 1500;
  desk.step({ type: 'tick' });
  expect(count()).toBe(3);
  refuse('rate_limited', { retry_after_ms: 1e300 });
  expect(desk.wakes.at(-1)).toBe(301_500);
  desk.now = 301_500;
  desk.step({ type: 'tick' });
  expect(count()).toBe(4);
  refuse('forbidden_field', { fields: ['x'] });
  desk.now = 400_000;
  desk.step({ type: 'tick' });
  expect(desk.queries.sight(sub)).toMatchObject({ rows: null, isAsked: false });
  expect([desk.queries.sight(sub).refusal?.code, count()]).toEqual(['forbidden_field', 4]);
  const within = glob('tasks/*/**');
  desk.queries.change(sub, { key: 'k', record: 'task', spec: { limit: 1 }, within });
  desk.step({ type: 'tick' });
  expect(desk.last('query_open')).toMatchObject({ sub, spec: { limit: 1 } });
});

test('R200 what is refused for now is not asked for again where a pattern is on its way that has it', () => {
  const desk = new Desk();
  desk.join(4);
  const sub = desk.open();
  const { id } = desk.pushed.findLast(({ event }) => event === 'query_open') ?? { id: '' };
  const response = { reason: 'rate_limited', retry_after_ms: 500 };
  desk.step({ type: 'reply', id, status: 'error', response });
  desk.step({ type: 'want', patterns: ['meta/**', 'tasks/**'].map(asGlob) });
  desk.now = 500;
  desk.wakes.length = 0;
  desk.step({ type: 'tick' });
  expect(desk.wakes).toEqual([]);
  expect(desk.queries.sight(sub)).toMatchObject({ isLocal: false, refusal: null });
});

test('a query that the server has no place for is asked for again when another has been closed for it, and else refused', () => {
  const desk = new Desk();
  desk.join(4);
  const other = desk.open();
  desk.delta(other, 4, { reset: true, rows: [] });
  const sub = desk.open();
  const ids = (event: string): readonly string[] =>
    desk.pushed.flatMap((push) => (push.event === event ? [push.id] : []));
  const answer = (event: string, how: object): void => {
    const id = ids(event).at(-1) ?? '';
    desk.step({ type: 'reply', id, status: 'error', response: {}, ...how });
  };
  const full = { status: 'error', response: { reason: 'invalid_query', limit: 2 } };
  desk.queries.makeRoom = (of) => {
    desk.queries.close(other);
    return of === sub;
  };
  answer('query_open', full);
  expect(desk.last('query_close')).toEqual({ sub: other });
  expect(desk.queries.sight(sub)).toMatchObject({ isAsked: true, refusal: null });
  expect(ids('query_open')).toHaveLength(2);
  answer('query_close', { status: 'ok' });
  expect(ids('query_open')).toHaveLength(3);
  desk.queries.makeRoom = () => false;
  answer('query_open', full);
  expect(desk.queries.sight(sub)).toMatchObject({
    isAsked: false,
    refusal: { code: 'invalid_query' },
  });
});

test('a query that is open when a seed comes shows what the page had of it, before the server is asked', () => {
  const page = new Desk();
  page.join(5);
  page.delta(page.open(), 5, { reset: true, rows: ['tasks/a'], entries: [row('a', 'A', 5)] });
  const { entries, maps, ...rest } = page.replica.image();
  const desk = new Desk();
  const sub = desk.open();
  expect(desk.queries.sight(sub).rows).toBeNull();
  const image = { ...rest, entries: [...entries], maps: [...maps] };
  const kept = { seq: 0, incarnation: null, scope: null, patterns: [] };
  desk.step({ type: 'adopt', image, seed: { proof: 'digest.signature', kept } });
  expect(desk.queries.sight(sub).rows).toEqual(['tasks/a']);
  expect(desk.value('tasks/a/title')).toBe('A');
});
