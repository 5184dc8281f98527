import { defaultLimits, refuse } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Desk, increment, reasonOf, set } from './desk.ts';

const rate = refuse('rate_limited', { retry_after_ms: 300 });
const id = (counter: number) => ({ opId: `d1:s1:${counter}` });

describe('a channel that blocks', () => {
  test('S67 refuses all that follows a transient refusal, until the first comes again', () => {
    const desk = new Desk();
    const write = (counter: number, more = {}) =>
      desk.submit(set('a', counter), { ...id(counter), ...more });
    const first = Array.from({ length: 10 }, (_, i) =>
      write(i + 1, i === 2 ? { rate: () => rate } : {}),
    );
    desk.flush();
    expect(first.map((ticket) => reasonOf(desk.reply(ticket)))).toEqual([
      null,
      null,
      'rate_limited',
      ...Array.from({ length: 7 }, () => 'blocked'),
    ]);
    expect(desk.reply(10)).toMatchObject({
      details: { client_op_id: 'd1:s1:3', retry_after_ms: 300 },
    });
    expect(desk.authority.describe().blocked).toBe(1);
    desk.now += 100;
    expect(desk.ask(set('a', 11), id(11))).toMatchObject({
      code: 'blocked',
      details: { retry_after_ms: 200 },
    });
    for (let i = 3; i <= 10; i++) write(i, { unblock: i === 3 });
    desk.flush();
    expect(desk.committed.map(({ value }) => value)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(desk.authority.describe().blocked).toBe(0);
  });

  test('S67 refuses what is already in the queue, too', () => {
    const desk = new Desk({ batchMax: 1 });
    const tickets = [1, 2, 3].map((i) =>
      desk.submit(increment('n'), { ...id(i), rate: i === 1 ? () => rate : null }),
    );
    desk.flush();
    expect(tickets.map((ticket) => reasonOf(desk.reply(ticket)))).toEqual([
      'rate_limited',
      'blocked',
      'blocked',
    ]);
  });

  test('S67 lets nothing pass what was turned away behind a retry that was still in the queue (P7)', () => {
    const desk = new Desk({ limits: { ...defaultLimits, write_queue: 2 } });
    desk.ask(set('a', 1), { ...id(1), rate: () => rate });
    desk.submit(set('a', 1), { ...id(1), unblock: true });
    for (const opId of ['d2:s:1', 'd2:s:2', 'd2:s:3']) {
      desk.submit(increment('n'), { channel: 2, opId });
    }
    expect(reasonOf(desk.reply(desk.submit(set('a', 2), id(2))))).toBe('blocked');
    desk.flush();
    expect(desk.value('a')).toBe(1);
    expect(reasonOf(desk.ask(set('a', 3), id(3)))).toBe('blocked');
    expect(reasonOf(desk.ask(set('a', 2), { ...id(2), unblock: true }))).toBeNull();
    expect(reasonOf(desk.ask(set('a', 3), id(3)))).toBeNull();
  });

  test('does not stand in the way of others, nor of a new join', () => {
    const desk = new Desk();
    desk.ask(increment('n'), { ...id(1), rate: () => rate });
    expect(desk.ask(increment('n'), { channel: 2, opId: 'd2:s:1' })).toEqual({ store_seq: 1 });
    desk.run({ type: 'left', channel: 1 });
    expect(desk.authority.describe().blocked).toBe(0);
    expect(desk.ask(increment('n'), { ...id(1), channel: 3 })).toEqual({ store_seq: 2 });
  });

  test('stays blocked for what it has in the queue when it leaves', () => {
    const desk = new Desk({ batchMax: 1 });
    desk.weather = ({ type }) => (type === 'lookup' ? 'late' : null);
    desk.submit(increment('n'), { ...id(1), rate: () => rate });
    const second = desk.submit(increment('n'), id(2));
    desk.flush();
    desk.step({ type: 'left', channel: 1 });
    desk.weather = () => null;
    desk.run({ type: 'answered', answers: [], highs: new Map() });
    expect(reasonOf(desk.reply(second))).toBe('blocked');
  });

  test('does not block after a refusal for good', () => {
    const desk = new Desk();
    desk.ask(set('a', 1), id(1));
    expect(reasonOf(desk.ask(set('a', 1, { ifAbsent: true }), id(2)))).toBe('exists');
    expect(desk.ask(increment('n'), id(3))).toEqual({ store_seq: 2 });
  });

  test('S67 is not blocked by what only waits, in its turn or at the door; a block holds that up too', () => {
    const desk = new Desk({ limits: { ...defaultLimits, write_queue: 2 } });
    const waits = { blocks: 'waits', rate: () => rate } as const;
    expect(reasonOf(desk.ask(increment('n'), { ...id(1), ...waits }))).toBe('rate_limited');
    expect(desk.ask(increment('n'), id(2))).toEqual({ store_seq: 1 });
    for (const opId of ['d2:s:1', 'd2:s:2', 'd2:s:3']) {
      desk.submit(increment('n'), { channel: 2, opId, blocks: false });
    }
    const away = desk.submit(increment('n'), { ...id(3), ...waits });
    expect(reasonOf(desk.reply(away))).toBe('overloaded');
    desk.flush();
    expect(reasonOf(desk.ask(increment('n'), id(4)))).toBeNull();
    const others = { channel: 2, blocks: false };
    desk.submit(increment('n'), id(5));
    desk.submit(increment('n'), { ...others, opId: 'd2:s:4' });
    const crowded = desk.submit(increment('n'), { ...id(6), ...waits });
    desk.submit(increment('n'), { ...others, opId: 'd2:s:5' });
    const next = desk.submit(increment('n'), id(7));
    desk.flush();
    expect([crowded, next].map((ticket) => reasonOf(desk.reply(ticket)))).toEqual([
      'overloaded',
      'overloaded',
    ]);
    desk.ask(increment('n'), { ...id(7), unblock: true });
    desk.ask(increment('n'), { ...id(8), rate: () => rate });
    expect(reasonOf(desk.ask(increment('n'), { ...id(9), blocks: 'waits' }))).toBe('blocked');
  });

  test('is blocked by no refusal on capver 3', () => {
    const desk = new Desk();
    desk.ask(increment('n'), { ...id(1), rate: () => rate, blocks: false });
    expect(desk.ask(increment('n'), { ...id(2), blocks: false })).toEqual({ store_seq: 1 });
  });
});

describe('a queue', () => {
  const limits = { ...defaultLimits, write_queue: 3 };

  test('at its limit takes the last request, and turns the next away at once', () => {
    const desk = new Desk({ limits });
    for (let i = 1; i <= 3; i++) desk.submit(increment('n'), { channel: i, opId: `d:${i}:1` });
    expect(desk.answered).toEqual([]);
    const excess = desk.submit(increment('n'), { channel: 4, opId: 'd:4:1' });
    expect(desk.reply(excess)).toMatchObject({
      code: 'overloaded',
      details: { retry_after_ms: 1000 },
    });
    desk.flush();
    expect(desk.value('n')).toBe(3);
  });

  test('that one has filled takes of each other as many as are its part, and refuses the greedy one alone', () => {
    const desk = new Desk({ limits: { ...defaultLimits, write_queue: 6 } });
    const many = Array.from({ length: 14 }, (_, i) => desk.submit(increment('n'), id(i + 1)));
    const of = (principal: string | null, channel: number) =>
      Array.from({ length: 4 }, (_, i) =>
        desk.submit(increment('n'), { principal, channel, opId: `d:${channel}:${i}` }),
      );
    const reasons = (tickets: readonly number[]) =>
      tickets.map((ticket) => reasonOf(desk.reply(ticket)));
    const [bob, nobody] = [of('bob', 2), of(null, 3)];
    desk.flush();
    expect(reasons(many.slice(0, 7))).toEqual([null, null, null, null, null, null, 'overloaded']);
    expect(new Set(reasons(many.slice(7)))).toEqual(new Set(['blocked']));
    // A half of six for the second, a third for the next.
    expect(reasons(bob)).toEqual([null, null, null, 'overloaded']);
    expect(reasons(nobody)).toEqual([null, null, 'overloaded', 'blocked']);
    expect(desk.value('n')).toBe(11);
  });

  test('takes three times as many as its limit, and nothing more', () => {
    const desk = new Desk({ limits });
    for (let i = 1; i <= 6; i++) desk.submit(increment('n'), id(i));
    const others = ['bob', 'cem', 'dan', 'eva'].map((principal, i) =>
      desk.submit(increment('n'), { principal, channel: i + 2, opId: `d:${principal}:1` }),
    );
    desk.flush();
    expect(others.map((ticket) => reasonOf(desk.reply(ticket)))).toEqual([
      null,
      null,
      'overloaded',
      'overloaded',
    ]);
  });

  test('refuses in turn what exceeds it, at once what exceeds it twice, and lets nothing overtake', () => {
    const desk = new Desk({ limits });
    for (let i = 1; i <= 9; i++) desk.submit(increment('n'), id(i));
    // Room for as many again, to be refused in their turn; beyond that at once.
    expect(desk.answered).toEqual([7, 8, 9]);
    desk.flush();
    expect(desk.answered).toEqual([7, 8, 9, 1, 2, 3, 4, 5, 6]);
    const reasons = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((ticket) => reasonOf(desk.reply(ticket)));
    expect(reasons.slice(0, 4)).toEqual([null, null, null, 'overloaded']);
    expect(new Set(reasons.slice(4))).toEqual(new Set(['blocked']));
    for (const ticket of [5, 7, 9]) {
      expect(desk.reply(ticket)).toMatchObject({ details: { client_op_id: id(4).opId } });
    }
    expect(reasonOf(desk.ask(increment('n'), id(10)))).toBe('blocked');
    expect(desk.ask(increment('n'), { ...id(4), unblock: true })).toEqual({ store_seq: 4 });
    expect(desk.ask(increment('n'), id(5))).toEqual({ store_seq: 5 });
  });

  test('refuses on a channel what comes after one turned away, though there is room again', () => {
    const desk = new Desk({ limits });
    for (let i = 1; i <= 3; i++) desk.submit(increment('n'), { channel: i, opId: `d:${i}:1` });
    desk.submit(increment('n'), { channel: 4, opId: 'd:4:1' });
    desk.flush();
    const next = { channel: 4, opId: 'd:4:2' };
    for (const submission of [next, { ...next, opId: 'd:4:3' }]) {
      expect(desk.ask(increment('n'), submission)).toMatchObject({
        code: 'blocked',
        details: { client_op_id: 'd:4:1' },
      });
    }
    desk.ask(increment('n'), { channel: 4, opId: 'd:4:1', unblock: true });
    expect(desk.ask(increment('n'), next)).toEqual({ store_seq: 5 });
  });

  test('S68 gives up what has waited too long, and never applies it; sent again it applies once (P4)', () => {
    const desk = new Desk();
    desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
    desk.submit(increment('n'), id(1));
    desk.flush();
    const waiting = desk.submit(increment('n', 10), id(2));
    desk.now += 5000;
    desk.weather = () => null;
    desk.run({ type: 'behind', batch: 1 });
    expect(reasonOf(desk.reply(1))).toBe('overloaded');
    expect(reasonOf(desk.reply(waiting))).toBe('blocked');
    expect(desk.log.head).toBe(0);
    desk.ask(increment('n'), { ...id(1), unblock: true });
    desk.ask(increment('n', 10), id(2));
    expect(desk.value('n')).toBe(11);
  });

  test('S68 lets pass what waits one millisecond less', () => {
    const desk = new Desk();
    const ticket = desk.submit(increment('n'), id(1));
    desk.now += 4999;
    desk.flush();
    expect(desk.reply(ticket)).toEqual({ store_seq: 1 });
    const late = desk.submit(increment('n'), id(2));
    desk.now += 5000;
    desk.flush();
    expect(reasonOf(desk.reply(late))).toBe('overloaded');
  });
});

describe('a drain', () => {
  test('finishes what was accepted, refuses the rest, and then says so', () => {
    const desk = new Desk();
    const accepted = desk.submit(increment('n'), id(1));
    desk.step({ type: 'drain' });
    const refused = desk.submit(increment('n'), id(2));
    expect(reasonOf(desk.reply(refused))).toBe('unavailable');
    expect(desk.effects.at(-1)?.type).toBe('reply');
    desk.flush();
    expect(desk.reply(accepted)).toEqual({ store_seq: 1 });
    expect(desk.effects.at(-1)).toEqual({ type: 'drained' });
    desk.run({ type: 'drain' });
    expect(desk.effects.filter(({ type }) => type === 'drained')).toHaveLength(1);
  });

  test('of an authority without work is done at once', () => {
    expect(new Desk().step({ type: 'drain' })).toEqual([{ type: 'drained' }]);
  });
});
