import fc from 'fast-check';
import {
  asPath,
  defaultLimits,
  decodeRequest,
  encodeRequest,
  isRefusal,
  jsonCodec,
  parsePutFile,
  parseTransact,
  parseWrite,
  readJoin,
  readOpId,
  readOpStatus,
  readRollback,
  readScope,
  type Request,
  unreadable,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { codeOf, jsonArbitrary } from './arbitraries.ts';

const limits = defaultLimits;
const now = (payload: unknown): unknown => parseWrite(payload, { dialect: 4, limits });
const legacy = (payload: unknown): unknown => parseWrite(payload, { dialect: 3, limits });

test('each op is read with what it takes', () => {
  expect(now({ op: 'set', path: 'a', value: { b: 1 } })).toEqual({
    op: 'set',
    path: 'a',
    value: { b: 1 },
  });
  expect(now({ op: 'delete', path: 'a', value: 7 })).toEqual({ op: 'delete', path: 'a' });
  expect(now({ op: 'merge', path: 'a', value: {} })).toEqual({ op: 'merge', path: 'a', value: {} });
  expect(now({ op: 'increment', path: 'a', value: -3 })).toEqual({
    op: 'increment',
    path: 'a',
    value: -3,
  });
  expect(now({ op: 'add', path: 'a', value: [1] })).toEqual({ op: 'add', path: 'a', value: [1] });
  expect(now({ op: 'lease', path: 'a' })).toEqual({
    op: 'lease',
    path: 'a',
    ttlMs: 30_000,
    holder: null,
  });
  expect(now({ op: 'renew', path: 'a', token: 4, ttl_ms: 1 })).toEqual({
    op: 'renew',
    path: 'a',
    token: 4,
    ttlMs: 1,
  });
  expect(now({ op: 'release', path: 'a', token: 4 })).toEqual({
    op: 'release',
    path: 'a',
    token: 4,
  });
});

test('a mutation is read on capver 4, alone and in a transaction, with all that it names', () => {
  const mutation = { op: 'mutate', path: 'users/1', record: 'user', name: 'rename', value: 'Ada' };
  const fence = { key: 'locks/1', token: 7 };
  expect(now({ ...mutation, fence, if_match: null })).toEqual({ ...mutation, fence });
  expect(codeOf(now({ ...mutation, if_match: 3 }))).toBe('if_match_unsupported_op');
  expect(codeOf(now({ ...mutation, fence: 7 }))).toBe('invalid_precondition');
  expect(now({ ...mutation, value: undefined })).toEqual({ ...mutation, value: null });
  expect(codeOf(legacy(mutation))).toBe('invalid op');
  const { event, payload } = encodeRequest(now(mutation) as Request);
  expect([event, payload]).toEqual(['write', mutation]);
  const all = parseTransact({ ops: [mutation] }, { limits });
  expect(all).toEqual({ op: 'transact', ops: [mutation], preconditions: [] });
  expect(codeOf(now({ ...mutation, path: '_hf:schema/user' }))).toBe('reserved_path');
  expect(codeOf(now({ ...mutation, record: 7 }))).toBe('invalid_payload');
  expect(codeOf(now({ ...mutation, name: null }))).toBe('invalid_payload');
  expect(codeOf(now({ ...mutation, value: 2 ** 60 }))).toBe('number_out_of_range');
});

test('a set without a value sets null', () => {
  expect(now({ op: 'set', path: 'a' })).toEqual({ op: 'set', path: 'a', value: null });
});

test.each([
  [{ op: 'put_file', path: 'a' }, 'invalid op'],
  [{ op: 'mutate', path: 'a' }, 'invalid_payload'],
  [{ path: 'a' }, 'invalid op'],
  [{ op: 'toString', path: 'a' }, 'invalid op'],
  [{ op: 'set' }, 'missing_path'],
  [{ op: 'set', path: 7 }, 'invalid_path'],
  [{ op: 'set', path: '_dust:last_seq' }, 'reserved_path'],
  [{ op: 'delete', path: '_hf:schema/user' }, 'reserved_path'],
  [{ op: 'set', path: 'a', value: unreadable }, 'invalid_value'],
  [{ op: 'set', path: 'a', value: { '': 1 } }, 'empty_segment'],
  [{ op: 'merge', path: 'a', value: 7 }, 'merge_requires_map_value'],
  [{ op: 'merge', path: 'a' }, 'merge_requires_map_value'],
  [{ op: 'merge', path: 'a', value: [] }, 'merge_requires_map_value'],
  [{ op: 'merge', path: 'a', value: { _type: 'bytes', _typed: '' } }, 'merge_requires_map_value'],
  [{ op: 'increment', path: 'a', value: '1' }, 'increment_requires_number_value'],
  [{ op: 'increment', path: 'a' }, 'increment_requires_number_value'],
  [{ op: 'increment', path: 'a', value: 2 ** 53 }, 'number_out_of_range'],
  [{ op: 'add', path: 'a', value: null }, 'add_requires_value'],
  [{ op: 'remove', path: 'a' }, 'remove_requires_value'],
  [{ op: 'add', path: 'a', value: { _type: 'set' } }, 'reserved_type'],
  [[], 'invalid_payload'],
  [null, 'invalid_payload'],
])('the write %j is refused with %s', (payload, code) => {
  expect(codeOf(now(payload))).toBe(code);
});

test('the first failing check of §7.7 wins: op, path, value, guard shape, gates', () => {
  const all = { op: 'x', path: '', value: 1e300, if_match: 'x', if_absent: true };
  expect(codeOf(now(all))).toBe('invalid op');
  expect(codeOf(now({ ...all, op: 'delete' }))).toBe('empty_path');
  expect(codeOf(now({ ...all, op: 'increment', path: 'a' }))).toBe('number_out_of_range');
  expect(codeOf(now({ ...all, op: 'increment', path: 'a', value: 1 }))).toBe(
    'invalid_precondition',
  );
  const gated = { op: 'increment', path: 'a', value: 1, if_match: 1 };
  expect(codeOf(now(gated))).toBe('if_match_unsupported_op');
});

test.each([
  { if_match: '7' },
  { if_match: false },
  { if_match: -1 },
  { if_match: 1.5 },
  { if_absent: 1 },
  { if_absent: false },
  { if_match: 1, if_absent: true },
  { fence: { key: 'k', token: '5' } },
  { fence: { key: 7, token: 5 } },
  { fence: { key: '', token: 5 } },
  { fence: { token: 5 } },
  { fence: 'k' },
  { fence: [] },
])('S39 the guard %j is malformed', (guard) => {
  expect(codeOf(now({ op: 'set', path: 'a', value: 1, ...guard }))).toBe('invalid_precondition');
  expect(codeOf(legacy({ op: 'set', path: 'a', value: 1, ...guard }))).toBe('invalid_precondition');
});

test('a guard that is null is absent', () => {
  const payload = { op: 'set', path: 'a', value: 1, if_match: null, if_absent: null, fence: null };
  expect(now(payload)).toEqual({ op: 'set', path: 'a', value: 1 });
});

test('on capver 3 a guard is for one leaf, on capver 4 for anything', () => {
  const map = { op: 'set', path: 'a', value: { b: 1 } };
  expect(codeOf(legacy({ ...map, if_match: 1 }))).toBe('if_match_multi_leaf');
  expect(codeOf(legacy({ ...map, if_absent: true }))).toBe('if_absent_multi_leaf');
  expect(now({ ...map, if_match: 1 })).toEqual({ ...map, ifMatch: 1 });
  expect(now({ ...map, if_absent: true })).toEqual({ ...map, ifAbsent: true });
  const empty = { op: 'set', path: 'a', value: {} };
  expect(legacy({ ...empty, if_match: 1 })).toEqual({ ...empty, ifMatch: 1, leafOnly: true });
  expect(legacy({ ...empty, if_absent: true })).toEqual({ ...empty, ifAbsent: true });
  const price = { op: 'set', path: 'a', value: { _type: 'decimal', _typed: '1' } };
  expect(legacy({ ...price, if_match: 1 })).toEqual({ ...price, ifMatch: 1, leafOnly: true });
});

test.each(['merge', 'increment', 'add', 'remove', 'lease', 'renew', 'release'])(
  'the op %s takes no if_match and no if_absent, and says so with its name',
  (op) => {
    const value = op === 'merge' ? {} : 1;
    const refusal = now({ op, path: 'a', value, token: 1, if_match: 1 });
    expect(isRefusal(refusal) && refusal.toResponse()).toEqual({
      reason: 'if_match_unsupported_op',
      op,
    });
    const absent = now({ op, path: 'a', value, token: 1, if_absent: true });
    expect(codeOf(absent)).toBe('if_absent_unsupported_op');
  },
);

test('delete takes if_match but no if_absent', () => {
  expect(now({ op: 'delete', path: 'a', if_match: 0 })).toEqual({
    op: 'delete',
    path: 'a',
    ifMatch: 0,
  });
  expect(codeOf(now({ op: 'delete', path: 'a', if_absent: true }))).toBe(
    'if_absent_unsupported_op',
  );
});

test('any write but a lease op takes a fence, whose key is a path', () => {
  const fence = { key: 'jobs/nightly', token: 5 };
  expect(now({ op: 'merge', path: 'a', value: {}, fence })).toEqual({
    op: 'merge',
    path: 'a',
    value: {},
    fence,
  });
  expect(codeOf(now({ op: 'lease', path: 'a', fence }))).toBe('invalid_precondition');
});

test.each([0, -1, 'x', 1e12, 1.5, 86_400_001, true])('S49 ttl_ms %j is refused', (ttl) => {
  expect(codeOf(now({ op: 'lease', path: 'a', ttl_ms: ttl }))).toBe('invalid_ttl');
  expect(codeOf(now({ op: 'renew', path: 'a', token: 1, ttl_ms: ttl }))).toBe('invalid_ttl');
});

test('a lease needs a proper token and holder', () => {
  expect(codeOf(now({ op: 'renew', path: 'a' }))).toBe('invalid_lease_op');
  expect(codeOf(now({ op: 'release', path: 'a', token: '5' }))).toBe('invalid_lease_op');
  expect(codeOf(now({ op: 'lease', path: 'a', holder: 5 }))).toBe('invalid_lease_op');
  expect(codeOf(now({ op: 'lease', path: 'a', holder: 'é'.repeat(129) }))).toBe('invalid_lease_op');
  expect(now({ op: 'lease', path: 'a', holder: 'é'.repeat(128) })).toMatchObject({ op: 'lease' });
});

test.each([undefined, null, 7, '', 'x'.repeat(129), 'é'.repeat(65), '\ud800', unreadable])(
  'the client_op_id %# is refused',
  (id) => {
    expect(readOpId({ client_op_id: id })).toMatchObject({
      code: 'invalid_payload',
      details: { field: 'client_op_id' },
    });
  },
);

test('a client_op_id has 1 to 128 bytes', () => {
  expect(readOpId({ client_op_id: 'x' })).toBe('x');
  expect(readOpStatus({ client_op_id: 'é'.repeat(64) })).toBe('é'.repeat(64));
});

const transact = (payload: unknown): unknown => parseTransact(payload, { limits });

test('a transaction is read op by op and condition by condition', () => {
  const read = transact({
    client_op_id: 'x',
    ops: [{ op: 'set', path: 'a', value: { b: 1 }, if_match: 3 }],
    preconditions: [
      { path: 'a', if_match: 0 },
      { path: 'b', if_absent: true },
      { path_segments: ['c/d'], exists: true },
      { path: 'd', equals: null },
      { fence: { key: 'k', token: 1 } },
    ],
  });
  expect(read).toEqual({
    op: 'transact',
    ops: [{ op: 'set', path: 'a', value: { b: 1 }, ifMatch: 3 }],
    preconditions: [
      { kind: 'if_match', path: 'a', revision: 0 },
      { kind: 'if_absent', path: 'b' },
      { kind: 'exists', path: 'c~1d' },
      { kind: 'equals', path: 'd', value: null },
      { kind: 'fence', fence: { key: 'k', token: 1 } },
    ],
  });
});

test('a refused transaction says which op or precondition it is about', () => {
  const good = { op: 'set', path: 'a', value: 1 };
  const refusal = transact({ ops: [good, { op: 'put_file', path: 'a' }] });
  expect(isRefusal(refusal) && refusal.toResponse()).toEqual({ reason: 'invalid op', op_index: 1 });
  const bad: readonly [unknown, string][] = [
    [{ path: 'a' }, 'invalid_precondition'],
    [{ path: 'a', if_match: '1' }, 'invalid_precondition'],
    [{ path: 'a', exists: false }, 'invalid_precondition'],
    [{ path: 'a', exists: true, if_match: 1 }, 'invalid_precondition'],
    [{ path: 'a//b', exists: true }, 'empty_segment'],
    [{ fence: {} }, 'invalid_precondition'],
    [7, 'invalid_precondition'],
  ];
  for (const [condition, code] of bad) {
    const preconditions = [{ path: 'a', exists: true }, condition];
    const refused = transact({ ops: [good], preconditions });
    expect(isRefusal(refused) && refused.toResponse()).toEqual({
      reason: code,
      precondition_index: 1,
    });
  }
});

test('a transaction holds 1 to 1000 ops and at most 1000 preconditions', () => {
  const ops = Array.from({ length: 1001 }, () => ({ op: 'delete', path: 'a' }));
  const preconditions = Array.from({ length: 1001 }, () => ({ path: 'a', exists: true }));
  expect(
    codeOf(transact({ ops: ops.slice(1), preconditions: preconditions.slice(1) })),
  ).toMatchObject({
    op: 'transact',
  });
  expect(transact({ ops })).toMatchObject({ code: 'too_many_ops', details: { limit: 1000 } });
  expect(codeOf(transact({ ops: ops.slice(1), preconditions }))).toBe('too_many_ops');
  expect(codeOf(transact({ ops: [] }))).toBe('invalid_payload');
  expect(codeOf(transact({}))).toBe('invalid_payload');
});

const requests: readonly Request[] = [
  {
    op: 'set',
    path: asPath('a~1b'),
    value: { x: [1] },
    ifMatch: 7,
    fence: { key: asPath('k'), token: 1 },
  },
  { op: 'set', path: asPath('a'), value: null, ifAbsent: true },
  { op: 'delete', path: asPath('a'), ifMatch: 0 },
  { op: 'merge', path: asPath('a'), value: {} },
  { op: 'increment', path: asPath('a'), value: -0.5 },
  { op: 'remove', path: asPath('a'), value: 'x' },
  { op: 'lease', path: asPath('a'), ttlMs: 1, holder: 'me' },
  { op: 'renew', path: asPath('a'), token: 3, ttlMs: 5 },
  { op: 'release', path: asPath('a'), token: 3 },
];

test('what a client encodes is what the server reads, and what it decodes itself', () => {
  for (const request of requests) {
    const { event, payload } = encodeRequest(request);
    expect(event).toBe('write');
    expect(decodeRequest({ event, payload }, limits)).toEqual(request);
    expect(now(jsonCodec.decode(jsonCodec.encode(payload)))).toEqual(request);
  }
  const whole: Request = {
    op: 'transact',
    ops: requests.filter((request) => request.op !== 'transact'),
    preconditions: [
      { kind: 'if_match', path: asPath('a'), revision: 3 },
      { kind: 'if_absent', path: asPath('a') },
      { kind: 'exists', path: asPath('a') },
      { kind: 'equals', path: asPath('a'), value: { x: null } },
      { kind: 'fence', fence: { key: asPath('k'), token: 1 } },
    ],
  };
  const { event, payload } = encodeRequest(whole);
  expect(event).toBe('transact');
  expect(decodeRequest({ event, payload }, limits)).toEqual(whole);
  expect(transact(jsonCodec.decode(jsonCodec.encode(payload)))).toEqual(whole);
});

test('no reader throws, whatever JSON it is given', () => {
  const field = fc.constantFrom(
    'op',
    'path',
    'path_segments',
    'value',
    'if_match',
    'if_absent',
    'fence',
    'token',
    'ttl_ms',
    'holder',
    'ops',
    'preconditions',
    'content',
    'to_seq',
    'patterns',
    'snapshot',
    'last_store_seq',
    'add',
  );
  const op = fc.constantFrom('set', 'delete', 'merge', 'increment', 'add', 'lease', 'renew');
  const noise = fc.dictionary(field, jsonArbitrary);
  fc.assert(
    fc.property(noise, op, fc.boolean(), (fields, name, bare) => {
      const payload = bare ? fields : { ...fields, op: name };
      now(payload);
      legacy(payload);
      transact({ ...payload, ops: [payload] });
      const kept = decodeRequest({ event: bare ? 'transact' : 'write', payload }, limits);
      // What can be decoded can be sent.
      if (!isRefusal(kept)) expect(isRefusal(bare ? transact(payload) : now(payload))).toBe(false);
      parsePutFile(payload, { dialect: 3, limits });
      readRollback(payload, limits);
      readJoin({ last_store_seq: 0, ...payload }, 4, limits);
      readScope(payload, limits);
      readOpId(payload);
    }),
  );
});
