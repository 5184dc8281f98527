import { asPath, type JsonObject, refuse, type Write } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Desk, increment, reasonOf, set, transact } from './desk.ts';

describe('an answer', () => {
  test('comes only when what it rests on is stored, after the facts, in order of arrival', () => {
    const desk = new Desk();
    desk.weather = (effect) => (effect.type === 'append' ? 'late' : null);
    const tickets = [
      desk.submit(set('a', 1)),
      desk.submit(set('a', 2, { ifAbsent: true })),
      desk.submit(set('b', 3)),
    ];
    desk.flush();
    expect(desk.answered).toEqual([]);
    expect(desk.value('a')).toBeUndefined();
    expect(desk.authority.view().tree.size).toBe(0);

    const effects = desk.step({ type: 'stored', batch: 1 });
    expect(effects.map(({ type }) => type)).toEqual(['committed', 'reply', 'reply', 'reply']);
    expect(desk.answered).toEqual(tickets);
    expect(desk.replies.get(1)).toEqual({ store_seq: 1 });
    expect(desk.replies.get(2)).toMatchObject({
      code: 'exists',
      details: { current_revision: 1 },
    });
    expect(desk.replies.get(3)).toEqual({ store_seq: 2 });
    expect(desk.value('a')).toBe(1);
  });

  test('goes out at once where nothing is to be stored', () => {
    const desk = new Desk();
    const ticket = desk.submit(refuse('empty_path'), { opId: 'd1:s1:1' });
    desk.flush();
    expect(reasonOf(desk.reply(ticket))).toBe('empty_path');
    expect(desk.effects.some(({ type }) => type === 'append')).toBe(false);
  });

  test('of a request with implied deletes names its own op, and the commit carries one tx', () => {
    const desk = new Desk();
    desk.ask(set('x/a', 1));
    expect(desk.ask(set('x/a/b', 2))).toEqual({ store_seq: 3 });
    expect(desk.committed.map(({ op, clientOpId, tx }) => [op, clientOpId, tx])).toEqual([
      ['set', 'd1:s1:1', null],
      ['delete', 'd1:s1:2#1', 3],
      ['set', 'd1:s1:2', 3],
    ]);
    expect(desk.committed[1]?.removed).toEqual([
      { path: 'x/a', value: 1, type: 'integer', revision: 1 },
    ]);
  });

  test('names the checks in their order', () => {
    const desk = new Desk({ archived: true });
    const rate = refuse('rate_limited', { retry_after_ms: 20 });
    const ask = (code: 'invalid op' | 'empty_path', limited: boolean) =>
      reasonOf(desk.ask(refuse(code), { blocks: false, rate: limited ? () => rate : null }));
    expect(ask('invalid op', true)).toBe('rate_limited');
    expect(ask('invalid op', false)).toBe('invalid op');
    expect(ask('empty_path', false)).toBe('store_archived');
    expect(reasonOf(desk.ask(set('a', 1)))).toBe('store_archived');
    desk.run({ type: 'archived', archived: false });
    expect(ask('empty_path', false)).toBe('empty_path');
    expect(desk.ask(set('a', 1))).toEqual({ store_seq: 1 });
  });

  test('is internal_error for the request that hits a bug, and for no other', () => {
    const desk = new Desk();
    const before = desk.submit(set('a', 1));
    const broken = desk.submit(set('b', { a: 1, b: [trap()] }), {
      channel: 2,
      fingerprint: 2,
    });
    const after = desk.submit(increment('a'));
    desk.flush();
    expect(desk.reply(before)).toEqual({ store_seq: 1 });
    expect(desk.reply(broken)).toMatchObject({
      code: 'internal_error',
      details: { error_id: '0.2' },
    });
    expect(desk.reply(after)).toEqual({ store_seq: 2 });
    expect(desk.effects).toContainEqual(expect.objectContaining({ type: 'fault', errorId: '0.2' }));
    expect([...desk.log.load().entries()].map(({ path }) => path)).toEqual(['a']);
  });

  test('S81 of a transaction tells of all its ops, which are one commit', () => {
    const desk = new Desk();
    desk.ask(set('n', 1));
    const ops: readonly Write[] = [increment('n'), set('m', 1), increment('m', 2)];
    const reply = {
      store_seq: 4,
      first_seq: 2,
      results: [{ store_seq: 2 }, { store_seq: 3 }, { store_seq: 4 }],
    };
    const given = { opId: 'd1:s1:9' };
    expect(desk.ask(transact(ops), given)).toEqual(reply);
    expect(desk.ask(transact(ops), given)).toEqual(reply);
    expect(desk.committed.map(({ tx }) => tx)).toEqual([null, 4, 4, 4]);
    expect([desk.value('n'), desk.value('m')]).toEqual([2, 3]);
  });

  test('S81 of a transaction whose precondition fails names it, and nothing is written', () => {
    const desk = new Desk();
    desk.ask(set('n', 1));
    const refusal = desk.ask(
      transact(
        [set('n', 2), set('m', 2)],
        [
          { kind: 'exists', path: asPath('n') },
          { kind: 'equals', path: asPath('n'), value: 2 },
        ],
      ),
    );
    expect(refusal).toMatchObject({ code: 'conflict', details: { precondition_index: 1 } });
    expect(desk.log.head).toBe(1);
  });

  test('S21 of a hundred clients that increment together counts every one of them (P13)', () => {
    const desk = new Desk();
    const tickets = Array.from({ length: 100 }, (_, i) =>
      desk.submit(increment('n'), { channel: i, deviceId: `d${i}`, opId: `d${i}:s:1` }),
    );
    desk.flush();
    expect(tickets.map((ticket) => desk.reply(ticket))).toEqual(
      tickets.map((_, i) => ({ store_seq: i + 1 })),
    );
    expect(desk.value('n')).toBe(100);
    expect(desk.committed.map(({ value }) => value)).toEqual(tickets.map((_, i) => i + 1));
  });

  test('S37 of fifty claims is yes for one (P14)', () => {
    const desk = new Desk();
    const tickets = Array.from({ length: 50 }, (_, i) =>
      desk.submit(set('seat', i, { ifAbsent: true }), { channel: i, opId: `d${i}:s:1` }),
    );
    desk.flush();
    expect(tickets.map((ticket) => reasonOf(desk.reply(ticket)))).toEqual([
      null,
      ...Array.from({ length: 49 }, () => 'exists'),
    ]);
    expect(desk.value('seat')).toBe(0);
  });
});

describe('a batch', () => {
  test('stores the last state of each path, and what becomes of maps', () => {
    const desk = new Desk();
    for (const path of ['m/a', 'm/b', 'm/b', 'k/x']) desk.submit(increment(path));
    desk.submit({ op: 'delete', path: asPath('m/a') });
    desk.submit({ op: 'delete', path: asPath('k') });
    desk.flush();
    const [content] = desk.effects.flatMap((each) =>
      each.type === 'append' ? [each.content] : [],
    );
    expect(content?.entries).toEqual([
      ['m/a', null],
      ['m/b', { value: 2, type: 'counter', revision: 3 }],
      ['k/x', null],
    ]);
    expect(content?.maps).toEqual([['m', 5]]);
    expect(desk.log.load().mapRevision(asPath('m'))).toBe(5);
  });

  test('holds no more requests than it may; the next one collects meanwhile', () => {
    const desk = new Desk({ batchMax: 3 });
    for (let i = 0; i < 7; i++) desk.submit(increment('n'));
    desk.flush();
    const sizes = desk.effects.flatMap((each) =>
      each.type === 'append' ? [each.content.ops.length] : [],
    );
    expect(sizes).toEqual([3, 3, 1]);
    expect(desk.value('n')).toBe(7);
  });

  test('ends with the request that makes it too large', () => {
    const desk = new Desk();
    const leaves = Object.fromEntries(Array.from({ length: 7000 }, (_, i) => [`k${i}`, i]));
    for (let i = 0; i < 4; i++) desk.submit(set(`m${i}`, leaves));
    desk.flush();
    const sizes = desk.effects.flatMap((each) =>
      each.type === 'append' ? [each.content.entries.length] : [],
    );
    expect(sizes).toEqual([21_000, 7000]);
  });

  test('is asked for once, however much collects', () => {
    const desk = new Desk();
    for (let i = 0; i < 5; i++) desk.submit(increment('n'));
    expect(desk.effects).toEqual([{ type: 'collect' }]);
  });
});

/** A value that no parser lets through: it fails when the leaf before it is written. */
function trap(): JsonObject {
  return Object.defineProperty({}, 'x', {
    enumerable: true,
    get: () => {
      throw new Error('boom');
    },
  });
}
