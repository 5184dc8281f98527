import { refuse, type Request } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Desk, path } from './desk.ts';

const ten = Array.from({ length: 10 }, (_, index) => `w${index + 1}`);

function deskWithTen(): Desk {
  const desk = new Desk().live();
  for (const [index, id] of ten.entries()) desk.set(id, `k${index + 1}`, index + 1);
  return desk;
}

test('writes wait for a channel, then go out in order, each once per channel', () => {
  const desk = new Desk();
  desk.set('a', 'k', 1);
  desk.set('b', 'k', 2);
  expect(desk.takePushed()).toEqual([]);
  desk.live();
  expect(desk.takePushed()).toEqual(['a', 'b']);
  desk.step({ type: 'tick' });
  expect(desk.takePushed()).toEqual([]);
  desk.step({ type: 'lost' });
  expect(desk.outbox()).toEqual(['a queued', 'b queued']);
  desk.live();
  expect(desk.takePushed()).toEqual(['a', 'b']);
});

test('a push carries the request, its id, and nothing that was not asked', () => {
  const desk = new Desk().live();
  desk.ask('a', { op: 'set', path: path('k'), value: 1, ifMatch: 3 });
  expect(desk.pushes).toEqual([
    {
      type: 'push',
      id: 'a',
      event: 'write',
      payload: { op: 'set', path: 'k', value: 1, if_match: 3, client_op_id: 'a' },
    },
  ]);
});

test('S65 a write whose reply was lost settles with its seq: by its echo, or by the repeated answer', () => {
  const seen = new Desk().live();
  seen.set('a', 'k', 1);
  seen.events([[1, 'set', 'k', 1, 'me', 'a']]);
  expect(seen.outcome('a')).toBeUndefined();
  expect([seen.replica.stateOf('a'), seen.replica.stateOf('b')]).toEqual(['answered', null]);
  seen.step({ type: 'lost' });
  expect(seen.outcome('a')).toEqual({
    status: 'committed',
    reply: { store_seq: 1 },
    rebasedOver: [],
    rebasedAt: [],
  });
  seen.live();
  expect(seen.takePushed()).toEqual(['a']);

  const unseen = new Desk().live();
  unseen.set('a', 'k', 1);
  unseen.step({ type: 'lost' });
  unseen.join({ store_seq: 1 });
  unseen.events([[1, 'set', 'k', 1, 'me', 'a']]);
  expect(unseen.outbox()).toEqual([]);
  unseen.ok('a', { store_seq: 1 });
  expect(unseen.settled.get('a')).toHaveLength(1);
  expect(unseen.outcome('a')).toMatchObject({ reply: { store_seq: 1 } });
});

test.each([
  { of: 'another path', row: ['set', 'theirs', 1] },
  { of: 'another op', row: ['delete', 'k', null] },
  { of: 'another value where nothing may be', row: ['set', 'k', 2] },
] as const)(
  'P20 given a write without an answer, when others commit $of under its id, then it is still to be sent',
  ({ row: [op, at, value] }) => {
    const desk = new Desk().live();
    desk.ask('a', { op: 'set', path: path('k'), value: 1, ifAbsent: true });
    desk.events([[1, op, at, value, 'me', 'a']]);
    desk.step({ type: 'lost' });
    expect(desk.outcome('a')).toBeUndefined();
    expect(desk.outbox()).toEqual(['a queued']);
    desk.takePushed();
    desk.live();
    expect(desk.takePushed()).toEqual(['a']);
  },
);

test('S67 after a refusal for now nothing is sent before all is answered; then the earliest unblocks', () => {
  const behind = { client_op_id: 'w3', retry_after_ms: 400 };
  const desk = deskWithTen();
  expect(desk.takePushed()).toEqual(ten);
  desk.ok('w1', { store_seq: 1 });
  desk.ok('w2', { store_seq: 2 });
  desk.refuse('w3', 'rate_limited', { retry_after_ms: 400 });
  desk.set('w11', 'k11', 11);
  for (const id of ten.slice(3, 9)) desk.refuse(id, 'blocked', behind);
  desk.now += 1000;
  desk.step({ type: 'tick' });
  // w10 is still on its way.
  expect(desk.takePushed()).toEqual([]);
  desk.refuse('w10', 'blocked', behind);
  expect(desk.pushes.map(({ id, payload }) => [id, 'unblock' in payload])).toEqual([
    ['w3', true],
    ...[...ten.slice(3), 'w11'].map((id) => [id, false]),
  ]);
});

test('S67 what waits is sent again when its time has come, jittered, in order', () => {
  const desk = new Desk({ random: () => 1 }).live();
  desk.set('a', 'k', 1);
  desk.refuse('a', 'overloaded', { retry_after_ms: 800 });
  desk.set('b', 'k', 2);
  desk.takePushed();
  expect(desk.wakeAt).toBe(desk.now + 900);
  desk.now += 899;
  desk.step({ type: 'tick' });
  expect(desk.takePushed()).toEqual([]);
  desk.now += 1;
  desk.step({ type: 'tick' });
  expect(desk.takePushed()).toEqual(['a', 'b']);
});

test.each([0, -1, '5'])(
  'what is to wait for %j milliseconds waits as if nothing had been said',
  (ms) => {
    const desk = new Desk({ random: () => 0 }).live();
    desk.set('a', 'k', 1);
    desk.takePushed();
    desk.refuse('a', 'overloaded', { retry_after_ms: ms });
    expect(desk.takePushed()).toEqual([]);
    expect(desk.wakeAt).toBe(desk.now + 1000);
  },
);

test.each([1e300, Infinity])(
  'what is to wait for %d milliseconds waits for five minutes: a write that waited for ever would be lost',
  (ms) => {
    const desk = new Desk({ random: () => 0 }).live();
    desk.set('a', 'k', 1);
    desk.takePushed();
    desk.refuse('a', 'overloaded', { retry_after_ms: ms });
    for (const pushed of [[], ['a']]) {
      desk.now += pushed.length === 0 ? 299_999 : 1;
      desk.step({ type: 'tick' });
      expect(desk.takePushed()).toEqual(pushed);
    }
  },
);

test('a new channel is not blocked, and the order is kept there too', () => {
  const desk = deskWithTen();
  desk.refuse('w1', 'unavailable', { retry_after_ms: 5000 });
  desk.step({ type: 'lost' });
  desk.takePushed();
  desk.live();
  // The first still waits, so nothing overtakes it.
  expect(desk.takePushed()).toEqual([]);
  desk.step({ type: 'retry', opId: 'w1' });
  expect(desk.pushes.some(({ payload }) => 'unblock' in payload)).toBe(false);
  expect(desk.takePushed()).toEqual(ten);
});

test('internal_error is tried three times more, then it is final and the next one unblocks', () => {
  const desk = new Desk().live();
  desk.set('a', 'k', 1);
  desk.set('b', 'k', 2);
  for (let times = 0; times < 4; times++) {
    expect(desk.outcome('a')).toBeUndefined();
    desk.takePushed();
    desk.refuse('a', 'internal_error', { error_id: 'e' });
    desk.refuse('b', 'blocked', { client_op_id: 'a', retry_after_ms: 10_000 });
    desk.now += 10_000;
    if (times < 3) desk.step({ type: 'tick' });
  }
  expect(desk.refusalOf('a')).toBe('internal_error');
  expect(desk.pushes).toMatchObject([{ id: 'b', payload: { unblock: true } }]);
  expect(desk.value('k')).toBe(2);
});

test('only what is certain not to be committed can be cancelled', () => {
  const desk = new Desk();
  desk.set('unsent', 'a', 1);
  desk.step({ type: 'cancel', opId: 'unsent' });
  expect(desk.refusalOf('unsent')).toBe('cancelled');
  expect(desk.value('a')).toBeUndefined();
  desk.live();
  desk.set('sent', 'a', 1);
  desk.step({ type: 'cancel', opId: 'sent' });
  desk.step({ type: 'lost' });
  desk.step({ type: 'cancel', opId: 'sent' });
  expect(desk.outcome('sent')).toBeUndefined();
  desk.live();
  desk.refuse('sent', 'rate_limited', { retry_after_ms: 100 });
  desk.step({ type: 'cancel', opId: 'sent' });
  expect(desk.refusalOf('sent')).toBe('cancelled');
  desk.takePushed();
  desk.set('next', 'a', 2);
  expect(desk.pushes).toMatchObject([{ id: 'next', payload: { unblock: true } }]);
});

test.each(['overloaded', 'blocked', 'unavailable'])(
  'P20 given a write whose answer was lost, when its repeat is turned away as %s, then it may be committed: it cannot be cancelled, nor be sent again when that is forgotten',
  (code) => {
    const desk = new Desk().live();
    desk.set('a', 'k', 1);
    desk.step({ type: 'lost' });
    desk.live();
    desk.now = 5000;
    desk.refuse('a', code, { client_op_id: 'a', retry_after_ms: 10 });
    desk.step({ type: 'cancel', opId: 'a' });
    expect(desk.outbox()).toEqual(['a waiting']);
    desk.step({ type: 'lost' });
    desk.join({ dedupe_since: 4000 });
    expect(desk.refusalOf('a')).toBe('outcome_unknown');
  },
);

test.each(['overloaded', 'blocked', 'unavailable'])(
  'C7 a write that was turned away as %s when it was first sent is as if it had not been',
  (code) => {
    const desk = new Desk().live();
    desk.set('a', 'k', 1);
    desk.refuse('a', code, { client_op_id: 'a', retry_after_ms: 10 });
    desk.step({ type: 'cancel', opId: 'a' });
    expect(desk.refusalOf('a')).toBe('cancelled');
  },
);

test('C7 given writes whose answers were lost, when one is refused for its rate and the next because of that one, then neither is committed', () => {
  const desk = new Desk().live();
  desk.set('a', 'a', 1);
  desk.set('b', 'b', 1);
  desk.step({ type: 'lost' });
  desk.live();
  desk.refuse('a', 'rate_limited', { retry_after_ms: 10 });
  desk.refuse('b', 'blocked', { client_op_id: 'a', retry_after_ms: 10 });
  for (const opId of ['b', 'a']) desk.step({ type: 'cancel', opId });
  expect([desk.refusalOf('a'), desk.refusalOf('b')]).toEqual(['cancelled', 'cancelled']);
});

test('P20 given a request that somebody else may have sent, when it is turned away, then it may be committed and cannot be cancelled', () => {
  const desk = new Desk().live();
  const request: Request = { op: 'set', path: path('k'), value: 1 };
  desk.step({ type: 'request', opId: 'a', request, wasSent: true });
  desk.refuse('a', 'overloaded', { retry_after_ms: 10 });
  desk.step({ type: 'cancel', opId: 'a' });
  expect(desk.outbox()).toEqual(['a waiting']);
});

test('P20 given a request that somebody else may have sent, when it is turned away because of one that is not committed, then it may be committed all the same', () => {
  const desk = new Desk().live();
  desk.set('a', 'a', 1);
  const request: Request = { op: 'set', path: path('b'), value: 1 };
  desk.step({ type: 'request', opId: 'b', request, wasSent: true });
  desk.refuse('a', 'rate_limited', { retry_after_ms: 10 });
  desk.refuse('b', 'blocked', { client_op_id: 'a', retry_after_ms: 10 });
  desk.step({ type: 'cancel', opId: 'b' });
  expect(desk.outbox()).toEqual(['a waiting', 'b queued']);
});

test('P20 given a write whose answer was lost, when its maker may not write any more, then it is not known what became of it', () => {
  const desk = new Desk().live();
  desk.set('a', 'k', 1);
  desk.step({ type: 'lost' });
  desk.live();
  desk.set('b', 'k', 2);
  for (const id of ['a', 'b']) desk.refuse(id, 'missing_scope', { scope: 'entries:write' });
  expect(desk.outcome('a')).toMatchObject({
    refusal: { code: 'outcome_unknown', details: { cause: 'missing_scope' } },
  });
  expect(desk.refusalOf('b')).toBe('missing_scope');
});

test('P20 given a write whose answer was lost, when its maker may not join any more, then it is not known what became of it', () => {
  const desk = new Desk().live();
  desk.set('a', 'k', 1);
  desk.step({ type: 'lost' });
  desk.set('b', 'k', 2);
  desk.step({ type: 'refused', refusal: refuse('store_not_allowed') });
  expect([desk.refusalOf('a'), desk.refusalOf('b')]).toEqual([
    'outcome_unknown',
    'store_not_allowed',
  ]);
});

test('a window bounds what is in flight', () => {
  const desk = new Desk().live();
  for (let i = 0; i < 300; i++) desk.set(`w${i}`, `k${i}`, i);
  expect(desk.takePushed()).toHaveLength(256);
  desk.ok('w0', { store_seq: 1 });
  expect(desk.takePushed()).toEqual(['w256']);
});

test('without an answer for 30 s the channel is given up', () => {
  const desk = new Desk().live();
  desk.set('a', 'k', 1);
  expect(desk.wakeAt).toBe(desk.now + 30_000);
  desk.now += 30_000;
  desk.step({ type: 'tick' });
  expect(desk.rejoins).toBe(1);
  desk.live();
  expect(desk.takePushed()).toEqual(['a', 'a']);
});

test('S69 a request too old to be sent again safely fails; one never sent, or refused since, does not', () => {
  const desk = new Desk().live();
  desk.set('refused since', 'k1', 1);
  desk.now = 3999;
  desk.set('old', 'k2', 2);
  desk.now = 4000;
  desk.set('not too old', 'k4', 4);
  desk.now = 5000;
  desk.refuse('refused since', 'rate_limited', { retry_after_ms: 1 });
  desk.now += 2;
  desk.step({ type: 'lost' });
  desk.set('never sent', 'k3', 3);
  desk.takePushed();
  // The server's clock is an hour ahead; it forgets what was committed before 4000 of ours.
  desk.join({ server_time: desk.now + 3_600_000, dedupe_since: 3_604_000 });
  expect(desk.refusalOf('old')).toBe('outcome_unknown');
  expect(desk.takePushed()).toEqual(['refused since', 'not too old', 'never sent']);
  expect(desk.value('k2')).toBeUndefined();
});

test('S69 what waits behind the window when the line is lost was never sent, however long the silence', () => {
  const desk = new Desk();
  const names = Array.from({ length: 300 }, (_, at) => `w${at}`);
  for (const name of names) desk.set(name, `k/${name}`, 1);
  desk.live();
  const sent = new Set(desk.takePushed());
  const unsent = names.filter((name) => !sent.has(name));
  expect(unsent.length).toBeGreaterThan(0);
  desk.step({ type: 'lost' });
  desk.now += 100_000_000;
  desk.join({ server_time: desk.now, dedupe_since: desk.now - 1000 });
  expect([...sent].map((name) => desk.refusalOf(name))).toEqual(
    [...sent].map(() => 'outcome_unknown'),
  );
  expect(desk.takePushed()).toEqual(unsent);
});

test('a lost channel ends lease requests that were not sent, and keeps those that were', () => {
  const desk = new Desk().live();
  desk.set('first', 'k', 1);
  desk.refuse('first', 'rate_limited', { retry_after_ms: 1000 });
  desk.ask('unsent', { op: 'renew', path: path('job'), token: 1, ttlMs: 1000 });
  desk.step({ type: 'lost' });
  expect(desk.refusalOf('unsent')).toBe('unavailable');

  const other = new Desk().live();
  other.ask('sent', { op: 'lease', path: path('job'), ttlMs: 1000, holder: null });
  other.step({ type: 'lost' });
  expect(other.outbox()).toEqual(['sent queued']);
});

test('with patterns [] a request leaves at its ok', () => {
  const desk = new Desk({ patterns: [] });
  expect(desk.replica.joinPayload()).toMatchObject({ last_store_seq: 0, patterns: [] });
  desk.join({ store_seq: 40, patterns: [] });
  expect(desk.replica.status().phase).toBe('live');
  desk.set('a', 'k', 1);
  expect(desk.value('k')).toBeUndefined();
  desk.ok('a', { store_seq: 41 });
  expect(desk.outbox()).toEqual([]);
  expect(desk.outcome('a')).toMatchObject({ status: 'committed', reply: { store_seq: 41 } });
});

test('an id is asked once, and after the end nothing is', () => {
  const desk = new Desk().live();
  desk.set('a', 'k', 1);
  desk.set('a', 'k', 2);
  expect(desk.refusalOf('a')).toBe('duplicate_op_id');
  desk.step({ type: 'lost' });
  desk.set('b', 'k', 3);
  desk.settled.clear();
  desk.step({ type: 'close' });
  expect([desk.refusalOf('a'), desk.refusalOf('b')]).toEqual(['outcome_unknown', 'closed']);
  desk.set('c', 'k', 4);
  expect(desk.refusalOf('c')).toBe('closed');
});

test('a retry whose time has come, but which waits for the answer to another, does not wake its host over and over', () => {
  const desk = new Desk().live();
  desk.set('a', 'a', 1);
  desk.set('b', 'b', 1);
  desk.refuse('a', 'rate_limited', { retry_after_ms: 100 });
  desk.now += 200;
  expect(desk.step({ type: 'tick' }).filter(({ type }) => type === 'wake')).toEqual([
    { type: 'wake', at: 1000 + 30_000 },
  ]);
  desk.takePushed();
  desk.refuse('b', 'blocked', { client_op_id: 'a', retry_after_ms: 100 });
  expect(desk.takePushed()).toEqual(['a', 'b']);
});
