import { asPath, type Json, type Request } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Desk, reasonOf, set } from './desk.ts';

/** The value of a file with this content. */
function file(digit: string, size: number): Json {
  const hash = `sha256:${digit.repeat(64)}`;
  const at = '2026-01-01T00:00:00Z';
  return { _type: 'file', hash, size, content_type: 'text/plain', filename: null, uploaded_at: at };
}

const remove = (path: string): Request => ({ op: 'delete', path: asPath(path) });

describe('the quota of keys', () => {
  test('S104 refuses the leaf that is one too many, and says where the store stands', () => {
    const desk = new Desk({ quotas: { keys: 2 } });
    desk.ask(set('a', 1));
    desk.ask(set('b', { c: 1 }));
    const refusal = desk.ask(set('d', 1));
    expect(refusal).toMatchObject({
      code: 'limit_exceeded',
      details: { dimension: 'keys', current: 2, limit: 2 },
    });
    expect(desk.log.head).toBe(2);
    expect(reasonOf(desk.ask(set('b', { c: 1, e: 1 })))).toBe('limit_exceeded');
  });

  test('S104 lets pass what frees as many as it adds, updates, and what is within it after all', () => {
    const desk = new Desk({ quotas: { keys: 2 } });
    desk.ask(set('m', { a: 1, b: 1 }));
    expect(desk.ask(set('m', { c: 1, d: 1 }))).toEqual({ store_seq: 2 });
    expect(desk.ask(set('m/c', 2))).toEqual({ store_seq: 3 });
    expect(desk.ask(set('m', 'one'))).toMatchObject({ store_seq: 5 });
    expect(desk.ask(set('n', 1))).toEqual({ store_seq: 6 });
    const swap: Request = {
      op: 'transact',
      ops: [
        { op: 'delete', path: asPath('n') },
        { op: 'set', path: asPath('o'), value: 1 },
      ],
      preconditions: [],
    };
    expect(desk.ask(swap)).toMatchObject({ store_seq: 8 });
  });

  test('S104 of a store that is beyond it already, lets pass what does not take it further', () => {
    const before = new Desk();
    before.ask(set('m', { a: 1, b: 1, c: 1 }), { opId: 'before' });
    const desk = new Desk({ quotas: { keys: 1 } }, before.log);
    expect(desk.ask(set('m', { a: 2, b: 2, c: 2 }))).toEqual({ store_seq: 2 });
    expect(reasonOf(desk.ask(set('x', 1)))).toBe('limit_exceeded');
    expect(desk.ask(remove('m/a'))).toEqual({ store_seq: 3 });
  });

  test('requests of one batch are judged one on the result of the other', () => {
    const desk = new Desk({ quotas: { keys: 2 } });
    const tickets = ['a', 'b', 'c'].map((path) => desk.submit(set(path, 1)));
    const freed = desk.submit(remove('a'));
    const again = desk.submit(set('d', 1));
    desk.flush();
    const replies = [...tickets, freed, again].map((ticket) => desk.reply(ticket));
    expect(replies.map((reply) => ('code' in reply ? reply.code : 'ok'))).toEqual([
      'ok',
      'ok',
      'limit_exceeded',
      'ok',
      'ok',
    ]);
  });
});

describe('the quota of files', () => {
  test('S104 counts each content once, as long as an entry names it', () => {
    const desk = new Desk({ quotas: { file_storage: 10 } });
    expect(desk.ask(set('a', file('1', 6)))).toEqual({ store_seq: 1 });
    expect(desk.ask(set('b', { c: file('1', 6), d: file('2', 4) }))).toEqual({ store_seq: 2 });
    expect(desk.ask(set('e', file('3', 1)))).toMatchObject({
      code: 'limit_exceeded',
      details: { dimension: 'file_storage', current: 10, limit: 10 },
    });
    desk.ask(remove('a'));
    expect(reasonOf(desk.ask(set('e', file('3', 1))))).toBe('limit_exceeded');
    expect(desk.ask(set('b/c', file('4', 6)))).toEqual({ store_seq: 4 });
    expect(desk.ask(remove('b'))).toEqual({ store_seq: 5 });
    expect(desk.ask(set('e', file('5', 10)))).toEqual({ store_seq: 6 });
    expect(desk.ask(set('e', 'no file'))).toEqual({ store_seq: 7 });
    expect(desk.ask(set('f', file('6', 10)))).toEqual({ store_seq: 8 });
  });

  test('S104 counts what was there before, and what came by the log of another', () => {
    const before = new Desk();
    before.ask(set('a', file('1', 6)), { opId: 'before' });
    const one = new Desk({ quotas: { file_storage: 10 } }, before.log);
    const other = new Desk({ quotas: { file_storage: 10 } }, before.log);
    expect(reasonOf(one.ask(set('b', file('2', 5))))).toBe('limit_exceeded');
    expect(other.ask(set('b', file('3', 4)), { opId: 'other' })).toEqual({ store_seq: 2 });
    one.run({ type: 'grew', head: 2 });
    expect(reasonOf(one.ask(set('c', file('4', 1))))).toBe('limit_exceeded');
    expect(one.ask(set('c', file('3', 4)))).toEqual({ store_seq: 3 });
  });

  test('S98 a refused write charges nothing, nor does one that could not be stored', () => {
    const desk = new Desk({ quotas: { file_storage: 10 } });
    desk.weather = (effect) =>
      effect.type === 'append' ? { type: 'failed', batch: effect.batch } : null;
    expect(reasonOf(desk.ask(set('a', file('1', 8))))).toBe('unavailable');
    desk.weather = () => null;
    const next = { unblock: true };
    expect(reasonOf(desk.ask(set('a', file('2', 11)), next))).toBe('limit_exceeded');
    expect(desk.ask(set('a', file('3', 10)))).toEqual({ store_seq: 1 });
  });
});
