import {
  ConflictError,
  HoldfastError,
  isReason,
  isRefusal,
  RejectedError,
  refusals,
  refuse,
} from '@holdfast/protocol';
import { expect, test, vi } from 'vitest';

const by = (retry: string): string[] =>
  Object.entries(refusals)
    .filter(([, row]) => row.retry === retry)
    .map(([reason]) => reason)
    .toSorted();

test('exactly the transient reasons are retried later, and only those about the token after a new one', () => {
  expect(by('later')).toEqual([
    'blocked',
    'over_capacity',
    'overloaded',
    'rate_limited',
    'timeout',
    'transport_failed',
    'unavailable',
  ]);
  expect(by('after_auth')).toEqual(['denied', 'unauthorized']);
});

test('every reason says what happened in a sentence, and has a status that HTTP knows', () => {
  for (const row of Object.values(refusals)) {
    expect(row.says).toMatch(/^[A-Z*_a-z].*\.$/);
    expect(row.http === null || (row.http >= 400 && row.http < 600)).toBe(true);
  }
});

test('every retryable reason of HTTP says when to come back', () => {
  for (const row of Object.values(refusals)) {
    const timed = row.retry === 'later' && row.http !== null;
    expect(row.fields.includes('retry_after_ms')).toBe(timed);
  }
});

test('a refusal becomes the response of an error reply, whatever its details claim', () => {
  const refusal = refuse('conflict', { current_revision: 3, reason: 'x' }).with({ op_index: 1 });
  expect(refusal.toResponse()).toEqual({ reason: 'conflict', current_revision: 3, op_index: 1 });
  expect(isRefusal(refusal)).toBe(true);
  expect(isRefusal({ code: 'conflict', details: {} })).toBe(false);
});

test('a reason is a key of the table, never one of its prototype', () => {
  expect(isReason('invalid op')).toBe(true);
  expect(isReason('constructor')).toBe(false);
  expect(isReason('__proto__')).toBe(false);
});

test('conflict and exists become a ConflictError that carries the current revision', () => {
  const error = RejectedError.from(refuse('exists', { current_revision: 12 }));
  expect(error).toBeInstanceOf(ConflictError);
  expect(error).toBeInstanceOf(HoldfastError);
  expect(error).toMatchObject({
    code: 'exists',
    retry: 'never',
    currentRevision: 12,
    name: 'ConflictError',
  });
  expect(RejectedError.from(refuse('conflict', { current_revision: null }))).toMatchObject({
    currentRevision: null,
  });
  expect(RejectedError.from(refuse('held'))).not.toBeInstanceOf(ConflictError);
});

test('an error says what it is though a minifier has renamed its class', () => {
  const renamed = { value: 'l', configurable: true };
  const known = Object.getOwnPropertyDescriptor(RejectedError, 'name') ?? {};
  Object.defineProperty(RejectedError, 'name', renamed);
  try {
    expect(String(new RejectedError('held', {}, 'taken'))).toBe('RejectedError: taken');
  } finally {
    Object.defineProperty(RejectedError, 'name', known);
  }
});

test('errors of another copy of the package are told apart as those of this one are', async () => {
  vi.resetModules();
  const other = await import('@holdfast/protocol');
  expect(other.RejectedError).not.toBe(RejectedError);
  const no = new other.RejectedError('denied');
  const conflict = other.RejectedError.from(refuse('conflict', { current_revision: 3 }));
  const fault = new other.HoldfastError('closed');
  const classes = [HoldfastError, RejectedError, ConflictError];
  const kindsOf = (error: unknown) => classes.map((kind) => error instanceof kind);
  expect(kindsOf(no)).toEqual([true, true, false]);
  expect(kindsOf(conflict)).toEqual([true, true, true]);
  expect(kindsOf(fault)).toEqual([true, false, false]);
  for (const thing of [new TypeError(), { code: 'denied' }, null, 'denied']) {
    expect(kindsOf(thing)).toEqual([false, false, false]);
  }
});

test('a class that an application makes of one of these takes only what it has made', () => {
  class Overdrawn extends RejectedError {}
  expect(new Overdrawn('denied')).toBeInstanceOf(Overdrawn);
  expect(new Overdrawn('denied')).toBeInstanceOf(RejectedError);
  expect(new Overdrawn('denied')).not.toBeInstanceOf(ConflictError);
  expect(new RejectedError('denied')).not.toBeInstanceOf(Overdrawn);
  expect(Object.keys(new Overdrawn('denied'))).toEqual(Object.keys(new RejectedError('denied')));
});
