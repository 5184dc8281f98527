import { expect, test } from 'vitest';
import { Desk, path } from './desk.ts';
import {
  Ledger,
  type PendingRequest,
  type ReplicaChange,
  type ReplicaEffect,
} from '@holdfast/engine/replica';

function saved(
  effects: readonly ReplicaEffect[],
): { batch: number; change: ReplicaChange } | undefined {
  return effects.findLast((effect) => effect.type === 'persist');
}

const requests = (change: ReplicaChange | undefined): unknown =>
  change?.requests.map(([id, request]) => [id, request && request.firstSentAt !== null]);

test('C2 a request is sent only when the cache knows that it is about to be', () => {
  const desk = new Desk({ ledger: new Ledger() }).live();
  const joined = saved(desk.effects);
  desk.step({ type: 'persisted', batch: joined?.batch ?? 0 });
  desk.set('a', 'k', 1);
  expect(desk.value('k')).toBe(1);
  const asked = saved(desk.effects);
  expect(requests(asked?.change)).toEqual([['a', true]]);
  expect([...(asked?.change.entries ?? [])]).toEqual([]);
  expect(desk.takePushed()).toEqual([]);
  desk.step({ type: 'persisted', batch: asked?.batch ?? 0 });
  expect(desk.takePushed()).toEqual(['a']);
});

test('C2 what was asked offline is stored as unsent, and again before it is sent', () => {
  const desk = new Desk({ ledger: new Ledger() });
  desk.set('a', 'k', 1);
  const first = saved(desk.effects);
  expect(requests(first?.change)).toEqual([['a', false]]);
  desk.join();
  // The first batch says nothing of the sending.
  const effects = desk.step({ type: 'persisted', batch: first?.batch ?? 0 });
  expect(desk.takePushed()).toEqual([]);
  const second = saved(effects);
  expect(requests(second?.change)).toEqual([['a', true]]);
  desk.step({ type: 'persisted', batch: second?.batch ?? 0 });
  expect(desk.takePushed()).toEqual(['a']);
});

test('given a write that waits and one behind it, when the first is taken back, then the second is sent only when the cache knows that: the next life would send the first after it (C2)', () => {
  const desk = new Desk({ ledger: new Ledger() }).live();
  const persisted = (): void => {
    for (let batch = saved(desk.effects); batch !== undefined; batch = saved(desk.effects)) {
      desk.effects.length = 0;
      desk.step({ type: 'persisted', batch: batch.batch });
    }
  };
  for (const id of ['a', 'b', 'c']) desk.set(id, id, 1);
  persisted();
  expect(desk.takePushed()).toEqual(['a', 'b', 'c']);
  desk.refuse('a', 'rate_limited', { retry_after_ms: 5000 });
  for (const id of ['b', 'c']) desk.refuse(id, 'blocked', { client_op_id: 'a' });
  persisted();
  expect(desk.takePushed()).toEqual([]);
  desk.step({ type: 'cancel', opId: 'a' });
  expect(desk.refusalOf('a')).toBe('cancelled');
  expect(desk.takePushed()).toEqual([]);
  expect(requests(saved(desk.effects)?.change)).toEqual([['a', null]]);
  persisted();
  expect(desk.takePushed()).toContain('b');
});

test('given a write that is being stored, when one behind it is taken back for the next meanwhile, then it is sent once it is stored, and the next once the cache knows of both (C2)', () => {
  const desk = new Desk({ ledger: new Ledger() }).live();
  desk.step({ type: 'persisted', batch: saved(desk.effects)?.batch ?? 0 });
  desk.set('a', 'at', 1);
  const first = saved(desk.effects);
  desk.set('b', 'at', 2);
  desk.set('c', 'at', 3);
  desk.step({ type: 'cancel', opId: 'b' });
  desk.step({ type: 'persisted', batch: first?.batch ?? 0 });
  expect(desk.takePushed()).toEqual(['a']);
  const second = saved(desk.effects);
  expect(requests(second?.change)).toEqual([
    ['b', null],
    ['c', true],
  ]);
  desk.step({ type: 'persisted', batch: second?.batch ?? 0 });
  expect(desk.takePushed()).toEqual(['c']);
});

test('S80 cursor, entries, map revisions and outbox are stored together, one batch at a time (P3)', () => {
  const desk = new Desk({ ledger: new Ledger() }).live();
  desk.events([[1, 'set', 'm', { a: 1, b: 1 }]]);
  desk.events([
    [2, 'delete', 'm/a', null],
    [3, 'set', 'n', 1],
  ]);
  const batches = desk.effects.filter((effect) => effect.type === 'persist');
  expect(batches).toHaveLength(1);
  const { change } = saved(desk.step({ type: 'persisted', batch: 1 })) ?? {};
  expect(change).toMatchObject({ seq: 3, incarnation: 'first', scope: 'whole', replaces: false });
  expect(new Map(change?.entries)).toEqual(
    new Map([
      ['m/a', null],
      ['m/b', { value: 1, type: 'integer', revision: 1 }],
      ['n', { value: 1, type: 'integer', revision: 3 }],
    ]),
  );
  expect(change?.maps).toEqual([['m', 2]]);
});

test('S64 a replica from a cache shows what was there, offline, and sends its outbox in order', () => {
  const first = new Desk().live();
  first.events([
    [1, 'increment', 'c', 5],
    [2, 'set', 'm', { a: 1, b: 2 }],
    [3, 'delete', 'm/a', null],
  ]);
  first.step({ type: 'lost' });
  first.set('1', 'k', 1);
  first.set('2', 'k', 2);
  for (const id of ['3', '4', '5']) first.ask(id, { op: 'increment', path: path('c'), value: 1 });

  const image = first.replica.image();
  const second = new Desk({ image: { ...image, entries: [...image.entries] } });
  expect(second.replica.entries({}).items).toEqual(first.replica.entries({}).items);
  expect([second.value('k'), second.value('c')]).toEqual([2, 8]);
  expect(second.replica.entry(path('m'))).toMatchObject({ revision: 3 });
  expect(second.replica.joinPayload()).toMatchObject({
    last_store_seq: 3,
    incarnation: 'first',
    scope: 'whole',
  });
  second.watch('c', { includeCurrent: true });
  second.live();
  expect(second.takePushed()).toEqual(['1', '2', '3', '4', '5']);
  second.events([
    [4, 'set', 'k', 1, 'me', '1'],
    [5, 'set', 'k', 2, 'me', '2'],
    [6, 'increment', 'c', 6, 'me', '3'],
    [7, 'increment', 'c', 7, 'me', '4'],
    [8, 'increment', 'c', 8, 'me', '5'],
  ]);
  expect([second.value('k'), second.value('c')]).toEqual([2, 8]);
  expect(second.outbox()).toEqual([]);
  expect(second.deliver().map(({ value, op }) => [value, op])).toEqual([[8, 'present']]);
});

test('a resync from a cache tells only how the store differs from it', () => {
  const first = new Desk().live();
  first.events([
    [1, 'set', 'a', 1],
    [2, 'set', 'b', 2],
  ]);
  const second = new Desk({ image: first.replica.image(), ledger: new Ledger() });
  second.watch('*');
  second.join({ sync: 'snapshot', why: 'behind', store_seq: 9 });
  second.message('snapshot_begin', {
    id: 's',
    seq: 9,
    incarnation: 'first',
    entries: 2,
    within: null,
  });
  second.message('snapshot_chunk', {
    id: 's',
    index: 0,
    entries: [
      ['a', 1, 'integer', 1],
      ['b', 3, 'integer', 8],
    ],
    maps: [],
  });
  second.message('snapshot_end', { id: 's', seq: 9, chunks: 1, entries: 2 });
  expect(
    second.deliver().map(({ path: at, value, previous, op }) => [at, value, previous, op]),
  ).toEqual([['b', 3, 2, 'resync']]);
  const { change } = saved(second.effects) ?? {};
  expect(change).toMatchObject({ seq: 9, replaces: true });
  expect([...(change?.entries ?? [])].map(([at]) => at)).toEqual(['a', 'b']);
});

test('C7 what a former life was about to send may have been sent, and cannot be cancelled', () => {
  const former = new Desk({ ledger: new Ledger() }).live();
  former.step({ type: 'persisted', batch: saved(former.effects)?.batch ?? 0 });
  former.set('a', 'k', 1);
  const request = saved(former.effects)?.change.requests[0]?.[1];
  expect(request).toMatchObject({ opId: 'a', attempts: 0 });
  const outbox = request === undefined || request === null ? [] : [request];
  const desk = new Desk({ ledger: new Ledger(), image: { ...former.replica.image(), outbox } });
  desk.step({ type: 'cancel', opId: 'a' });
  expect(desk.outcome('a')).toBeUndefined();
  expect(desk.outbox()).toEqual(['a queued']);
});

test('C2 C7 of a long outbox only what may be on its way soon is stored as such: a restart knows the rest as unsent', () => {
  const stored = new Map<string, PendingRequest>();
  const desk = new Desk({ ledger: new Ledger() });
  let batch = 0;
  const store = (): void => {
    for (let next = saved(desk.effects); next !== undefined && next.batch > batch;) {
      ({ batch } = next);
      for (const [id, request] of next.change.requests) {
        if (request === null) stored.delete(id);
        else stored.set(id, request);
      }
      desk.step({ type: 'persisted', batch });
      next = saved(desk.effects);
    }
  };
  for (let at = 0; at < 2000; at++) desk.set(`w${at}`, `k${at}`, at);
  store();
  desk.live();
  store();
  expect(desk.takePushed()).toHaveLength(256);
  const begun = (): number =>
    [...stored.values()].filter(({ firstSentAt }) => firstSentAt !== null).length;
  expect(begun()).toBe(512);
  // As one is answered the next is sent, and another one prepared.
  for (let at = 0; at < 100; at++) {
    desk.ok(`w${at}`, { store_seq: at + 1 });
    store();
  }
  expect(desk.takePushed()).toHaveLength(100);
  expect(begun()).toBe(612);

  const outbox = [...stored.values()].toSorted((a, b) => a.order - b.order);
  const image = { ...desk.replica.image(), outbox };
  const next = new Desk({ ledger: new Ledger(), image: { ...image, entries: [...image.entries] } });
  next.now += 100_000_000;
  next.step({ type: 'cancel', opId: 'w1999' });
  expect(next.refusalOf('w1999')).toBe('cancelled');
  next.join({ server_time: next.now, dedupe_since: next.now - 1000 });
  expect([next.refusalOf('w600'), next.refusalOf('w612')]).toEqual(['outcome_unknown', null]);
});
