import {
  defaultLimits as limits,
  parsePutFile,
  readAckSeq,
  readJoin,
  readRollback,
  readScope,
} from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { codeOf } from './arbitraries.ts';

const put = (payload: unknown): unknown => parsePutFile(payload, { dialect: 4, limits });

test('a put_file is read with its guards, and needs canonical base64', () => {
  expect(put({ path: 'a', content: 'AAE=', if_absent: true })).toEqual({
    op: 'put_file',
    path: 'a',
    content: 'AAE=',
    filename: null,
    contentType: null,
    ifAbsent: true,
  });
  expect(codeOf(put({ path: 'a', content: 'AAF=' }))).toBe('invalid_base64');
  expect(put({ path: 'a' })).toMatchObject({
    code: 'invalid_payload',
    details: { field: 'content' },
  });
  expect(put({ path: 'a', content: '', filename: 7 })).toMatchObject({
    details: { field: 'filename' },
  });
  expect(codeOf(put({ path: '_dust:last_seq', content: '' }))).toBe('reserved_path');
  expect(codeOf(put({ path: 'a', content: '', if_match: 'x' }))).toBe('invalid_precondition');
});

test('a rollback is of a path or of the store', () => {
  expect(readRollback({ to_seq: 0 }, limits)).toEqual({ path: null, toSeq: 0 });
  expect(readRollback({ to_seq: 4, path: 'a/b' }, limits)).toEqual({ path: 'a/b', toSeq: 4 });
  expect(readRollback({ path: 'a' }, limits)).toMatchObject({ details: { field: 'to_seq' } });
  expect(readRollback({ to_seq: -1 }, limits)).toEqual({ path: null, toSeq: -1 });
  expect(codeOf(readRollback({ to_seq: 1.5 }, limits))).toBe('invalid_seq');
  expect(codeOf(readRollback({ to_seq: 2 ** 53 }, limits))).toBe('invalid_seq');
  expect(codeOf(readRollback({ to_seq: 1, path: '' }, limits))).toBe('empty_path');
});

test('a rollback takes no guards: one that is given is refused, for it would be relied on (stores.md §7.5)', () => {
  const guards = [
    { fence: { key: 'a', token: 1 } },
    { if_match: 0 },
    { if_absent: true },
    { preconditions: [{ path: 'a', if_absent: true }] },
  ];
  const read = guards.map((guard) => readRollback({ to_seq: 0, ...guard }, limits));
  expect(read.map(codeOf)).toEqual(guards.map(() => 'invalid_precondition'));
  const none = { fence: null, if_match: null, preconditions: null };
  expect(readRollback({ to_seq: 0, ...none }, limits)).toEqual({ path: null, toSeq: 0 });
});

test('an ack_seq names a seq', () => {
  expect(readAckSeq({ seq: 5 })).toBe(5);
  expect(codeOf(readAckSeq({ seq: '5' }))).toBe('invalid_payload');
  expect(codeOf(readAckSeq(null))).toBe('invalid_payload');
});

test('a join of capver 3 needs a cursor and nothing else', () => {
  expect(readJoin({ last_store_seq: 3, patterns: 7 }, 3, limits)).toEqual({
    lastSeq: 3,
    incarnation: null,
    scope: null,
    patterns: null,
    snapshot: null,
    seed: null,
  });
  for (const cursor of [undefined, null, -1, 1.5, '0']) {
    expect(readJoin({ last_store_seq: cursor }, 3, limits)).toMatchObject({
      code: 'invalid_payload',
      details: { field: 'last_store_seq' },
    });
  }
});

test('a join of capver 4 says under what its replica was built', () => {
  const join = {
    last_store_seq: 9,
    incarnation: 'i',
    scope: 's',
    patterns: ['a/**', 'b/*'],
    snapshot: { id: 'x', next: 2 },
    seed: 'digest.signature',
  };
  const { last_store_seq: lastSeq, ...rest } = join;
  expect(readJoin(join, 4, limits)).toEqual({ lastSeq, ...rest });
  expect(readJoin({ last_store_seq: 0, patterns: [] }, 4, limits)).toMatchObject({ patterns: [] });
  expect(readJoin({ ...join, patterns: ['a/**/b'] }, 4, limits)).toMatchObject({
    code: 'invalid_pattern',
    details: { pattern: 'a/**/b', error: 'wildcard_many_not_tail' },
  });
  for (const field of ['incarnation', 'scope', 'patterns', 'snapshot', 'seed']) {
    expect(readJoin({ ...join, [field]: 7 }, 4, limits)).toMatchObject({
      code: 'invalid_payload',
      details: { field },
    });
  }
});

test('a scope push adds and removes patterns, as many as a channel may hold', () => {
  expect(readScope({ add: ['a'], remove: ['**'] }, limits)).toEqual({ add: ['a'], remove: ['**'] });
  expect(readScope({}, limits)).toEqual({ add: [], remove: [] });
  const few = { ...limits, max_patterns: 2 };
  expect(readScope({ add: ['a', 'b', 'c'] }, few)).toMatchObject({
    code: 'too_many_patterns',
    details: { limit: 2 },
  });
  expect(codeOf(readScope({ remove: 'a' }, limits))).toBe('invalid_payload');
  expect(codeOf(readScope({ remove: [7] }, limits))).toBe('invalid_payload');
});
