import fc from 'fast-check';
import {
  asPath,
  closeFrame,
  entryTuple,
  errorFrame,
  eventPayload,
  frameTuple,
  heartbeatFrame,
  isBadFrame,
  joinPayload,
  type Op,
  opTuple,
  pushFrame,
  readCatchUpComplete,
  readEvents,
  readFrame,
  readJoin,
  defaultLimits,
  readJoinReply,
  readOpStatusReply,
  readRefusal,
  readReply,
  readScopeReply,
  readSnapshotBegin,
  readSnapshotChunk,
  readSnapshotEnd,
  readWriteReply,
  refusalFrame,
  refuse,
  replyFrame,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { codeOf, jsonArbitrary } from './arbitraries.ts';

const to = { joinRef: '1', ref: '5', topic: 'store:a/b' };

test('the frames of §7.3 are literal', () => {
  expect(frameTuple(heartbeatFrame('7'))).toEqual([null, '7', 'phoenix', 'heartbeat', {}]);
  expect(frameTuple(replyFrame({ joinRef: null, ref: '7', topic: 'phoenix' }, 'ok', {}))).toEqual([
    null,
    '7',
    'phoenix',
    'phx_reply',
    { status: 'ok', response: {} },
  ]);
  expect(frameTuple(refusalFrame(to, refuse('rate_limited', { retry_after_ms: 5 })))).toEqual([
    '1',
    '5',
    'store:a/b',
    'phx_reply',
    { status: 'error', response: { reason: 'rate_limited', retry_after_ms: 5 } },
  ]);
  expect(frameTuple(pushFrame('store:a/b', 'event', { a: 1 }))).toEqual([
    null,
    null,
    'store:a/b',
    'event',
    { a: 1 },
  ]);
  expect(frameTuple(closeFrame('t', '3'))).toEqual(['3', '3', 't', 'phx_close', {}]);
  expect(frameTuple(errorFrame('t', '3'))).toEqual([
    '3',
    '3',
    't',
    'phx_error',
    { reason: 'channel_crash' },
  ]);
});

test('a frame is read back as it was written', () => {
  const frame = { ...to, event: 'write', payload: { a: 1 } };
  expect(readFrame(frameTuple(frame))).toEqual(frame);
  expect(readFrame([null, null, 't', 'e', {}])).toMatchObject({ joinRef: null, ref: null });
});

test.each([
  [[7, '2', 't', 'e', {}], 'join_ref'],
  [['1', '2', 't', null, {}], 'event'],
  [['1', '2', 't', 'e', []], 'payload'],
  [['1', '2', 't', 'e'], 'payload'],
  [['1', '2', 't', 'e', {}, 6], 'payload'],
  [['1', '2', 't'], 'event'],
])('the frame %j is bad, and whom to answer is known', (decoded, field) => {
  expect(readFrame(decoded)).toMatchObject({
    kind: 'bad',
    ref: '2',
    topic: 't',
    refusal: { code: 'invalid_payload', details: { field } },
  });
});

test.each([[null], [7], ['x'], [{}], [[]], [['1', 2, 't', 'e', {}]], [['1', '2', 7, 'e', {}]]])(
  'nobody can be answered for %j',
  (decoded) => {
    expect(readFrame(decoded)).toEqual({ kind: 'unreadable' });
  },
);

test('reading a frame is total', () => {
  fc.assert(
    fc.property(fc.oneof(jsonArbitrary, fc.anything()), (decoded) => {
      expect(typeof isBadFrame(readFrame(decoded))).toBe('boolean');
    }),
  );
});

test('a reply is an ok response or a refusal, also of a reason that is unknown here', () => {
  expect(readReply({ status: 'ok', response: { a: 1 } })).toEqual({
    status: 'ok',
    response: { a: 1 },
  });
  const error = readReply({
    status: 'error',
    response: { reason: 'conflict', current_revision: 4 },
  });
  expect(error).toMatchObject({
    status: 'error',
    refusal: { code: 'conflict', details: { current_revision: 4 }, retry: 'never' },
  });
  expect(readRefusal({ reason: 'brand_new', hint: 1 })).toMatchObject({
    code: 'brand_new',
    details: { hint: 1 },
    retry: 'never',
  });
  expect(readRefusal({ reason: 'constructor' })).toMatchObject({ retry: 'never' });
  expect(codeOf(readRefusal({ reason: 7 }))).toBe('unknown_reason');
  expect(codeOf(readRefusal(null))).toBe('unknown_reason');
  expect(codeOf(readReply({ status: 'maybe', response: {} }))).toBe('invalid_payload');
  expect(codeOf(readReply({ status: 'ok' }))).toBe('invalid_payload');
});

const op: Op = {
  seq: 7,
  op: 'set',
  path: asPath('a/b~1c'),
  value: { x: 1 },
  arg: null,
  deviceId: 'd',
  clientOpId: 'c',
  tx: null,
  at: 1,
  principal: null,
};

test('an event of capver 3 has exactly its seven fields', () => {
  expect(eventPayload(op)).toEqual({
    store_seq: 7,
    op: 'set',
    path: 'a/b~1c',
    path_segments: ['a', 'b/c'],
    value: { x: 1 },
    device_id: 'd',
    client_op_id: 'c',
  });
});

test('events carry ops as tuples, tx only within transactions', () => {
  expect(opTuple(op)).toEqual([7, 'set', 'a/b~1c', { x: 1 }, 'd', 'c']);
  expect(opTuple({ ...op, tx: 9 })).toHaveLength(7);
  const payload = { from_seq: 5, to_seq: 9, ops: [opTuple(op), opTuple({ ...op, seq: 9, tx: 9 })] };
  const { arg: _, at: __, principal: ___, ...wire } = op;
  expect(readEvents(payload)).toEqual({
    fromSeq: 5,
    toSeq: 9,
    ops: [wire, { ...wire, seq: 9, tx: 9 }],
  });
});

test.each([
  null,
  { from_seq: 5, to_seq: 4, ops: [] },
  { from_seq: 5, to_seq: 7, ops: {} },
  { from_seq: 7, to_seq: 9, ops: [opTuple(op)] },
  { from_seq: 5, to_seq: 6, ops: [opTuple(op)] },
  { from_seq: 5, to_seq: 9, ops: [opTuple({ ...op, seq: 8 }), opTuple(op)] },
  { from_seq: 5, to_seq: 9, ops: [[7, 'explode', 'a', 1, 'd', 'c']] },
  { from_seq: 5, to_seq: 9, ops: [[7, 'set', 'a//b', 1, 'd', 'c']] },
  { from_seq: 5, to_seq: 9, ops: [[7, 'set', 'a', undefined, 'd', 'c']] },
  { from_seq: 5, to_seq: 9, ops: [[7, 'merge', 'a', 1, 'd', 'c']] },
  { from_seq: 5, to_seq: 9, ops: [[7, 'set', 'a', 1, 'd']] },
  { from_seq: 5, to_seq: 9, ops: [[7, 'set', 'a', 1, 'd', 'c', 'x']] },
  { from_seq: 5, to_seq: 9, ops: [7] },
])('events that cannot be applied are refused (%#)', (payload) => {
  expect(codeOf(readEvents(payload))).toBe('invalid_payload');
});

test('a snapshot is read frame by frame', () => {
  const begin = { id: 's', seq: 9, incarnation: 'i', entries: null, within: ['a/**'] };
  expect(readSnapshotBegin(begin)).toEqual(begin);
  const entry = entryTuple({ path: asPath('a'), value: null, type: 'null', revision: 3 });
  const chunk = { id: 's', index: 0, entries: [entry], maps: [['m', 4]] };
  expect(readSnapshotChunk(chunk)).toEqual(chunk);
  const end = { id: 's', seq: 9, chunks: 1, entries: 1 };
  expect(readSnapshotEnd(end)).toEqual(end);
  expect(readCatchUpComplete({ through_seq: 9 })).toEqual({ through_seq: 9 });
});

test('a bad snapshot frame names its bad field', () => {
  const chunk = { id: 's', index: 0, entries: [], maps: [] };
  const bad: readonly [unknown, string][] = [
    [{ ...chunk, entries: [['a', 1, 'integer']] }, 'entries'],
    [{ ...chunk, entries: [['a', 1, 'number', 1]] }, 'entries'],
    [{ ...chunk, entries: [['', 1, 'integer', 1]] }, 'entries'],
    [{ ...chunk, maps: [['a', -1]] }, 'maps'],
    [{ ...chunk, index: '0' }, 'index'],
    [{ index: 0 }, 'id'],
    [7, 'payload'],
  ];
  for (const [payload, field] of bad) {
    expect(readSnapshotChunk(payload)).toMatchObject({
      code: 'invalid_payload',
      details: { field },
    });
  }
});

test('a join is answered with all that a replica needs', () => {
  const reply = {
    store_seq: 9,
    capver: 4,
    capver_min: 3,
    permissions: { read: true, write: false },
    scopes: ['entries:read'],
    store_access: { mode: 'selected', store_ids: ['x'] },
    incarnation: 'i',
    scope: 's',
    patterns: null,
    rights: 'all',
    denied: ['secret/**'],
    sync: 'snapshot',
    why: 'fresh',
    oldest_seq: 1,
    dedupe_since: 0,
    server_time: 5,
    expires_at: null,
    limits: { max_depth: 32 },
  };
  expect(readJoinReply({ ...reply, unknown: 1 })).toEqual(reply);
  // A later server may have more reasons for a snapshot; what to do about it is told by `sync`.
  expect(readJoinReply({ ...reply, why: 'of late' })).toMatchObject({ why: 'of late' });
  for (const field of Object.keys(reply)) {
    const read = readJoinReply({ ...reply, [field]: Symbol('unreadable') });
    expect(read).toMatchObject({ code: 'invalid_payload', details: { field } });
  }
});

test('a join is read by the server as the client wrote it', () => {
  const request = {
    lastSeq: 4,
    incarnation: 'i',
    scope: null,
    patterns: null,
    snapshot: { id: 'x', next: 1 },
    seed: 'digest.signature',
  };
  expect(readJoin(joinPayload(request), 4, defaultLimits)).toEqual(request);
});

test('the replies to writes are read in each of their forms', () => {
  expect(readWriteReply({ store_seq: 3 })).toEqual({ store_seq: 3 });
  expect(readWriteReply({ released: false })).toEqual({ released: false });
  const lease = { store_seq: 3, token: 3, expires_at: 99, holder: null };
  expect(readWriteReply(lease)).toEqual(lease);
  const whole = { store_seq: 4, first_seq: 3, results: [lease, { store_seq: 4 }] };
  expect(readWriteReply(whole)).toEqual(whole);
  expect(readOpStatusReply({ state: 'committed', ...whole })).toEqual(whole);
  expect(readOpStatusReply({ state: 'unknown' })).toBeNull();
  for (const bad of [
    {},
    { store_seq: '3' },
    { ...lease, holder: 7 },
    { ...whole, results: [{}] },
    { ...whole, results: 7 },
  ]) {
    expect(codeOf(readWriteReply(bad))).toBe('invalid_payload');
  }
  expect(codeOf(readOpStatusReply({ state: 'perhaps' }))).toBe('invalid_payload');
});

test('the reply to a scope push is read', () => {
  const reply = { patterns: ['a/**'], scope: 's', seq: 3, denied: [] };
  expect(readScopeReply(reply)).toEqual(reply);
  expect(readScopeReply({ ...reply, denied: [7] })).toMatchObject({ details: { field: 'denied' } });
});

test('no reader of server frames throws, whatever JSON it is given', () => {
  const readers = [
    readEvents,
    readSnapshotBegin,
    readSnapshotChunk,
    readSnapshotEnd,
    readCatchUpComplete,
    readJoinReply,
    readScopeReply,
    readWriteReply,
    readOpStatusReply,
    readReply,
    readRefusal,
  ];
  const field = fc.constantFrom(
    'ops',
    'entries',
    'maps',
    'from_seq',
    'to_seq',
    'id',
    'store_seq',
    'results',
    'response',
  );
  fc.assert(
    fc.property(fc.oneof(jsonArbitrary, fc.dictionary(field, jsonArbitrary)), (payload) => {
      for (const read of readers) read(payload);
    }),
  );
});
