import { defaultLimits, refuse } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Desk, increment, lease, reasonOf, release, set } from './desk.ts';

const id = (counter: number) => ({ opId: `d1:s1:${counter}` });

describe('a repeat', () => {
  test('P21 is told by device and id, whichever characters they hold', () => {
    const desk = new Desk();
    desk.submit(set('a', 1), { deviceId: 'd', opId: '1\n2' });
    const other = desk.submit(set('b', 1), { deviceId: 'd\n1', opId: '2' });
    desk.flush();
    expect(desk.reply(other)).toEqual({ store_seq: 2 });
  });

  test('S62 gets the first answer, and nothing happens', () => {
    const desk = new Desk();
    expect(desk.ask(increment('n'), id(1))).toEqual({ store_seq: 1 });
    expect(desk.ask(increment('n'), { ...id(1), channel: 2 })).toEqual({ store_seq: 1 });
    expect(desk.log.head).toBe(1);
  });

  test('S62 is recognised after a restart', () => {
    const before = new Desk();
    before.ask(increment('n'), id(1));
    const after = new Desk({}, before.log);
    expect(after.ask(increment('n'), id(1))).toEqual({ store_seq: 1 });
    expect(after.value('n')).toBe(1);
  });

  test('S62 with other content is refused (P21)', () => {
    const desk = new Desk();
    desk.ask(increment('n'), id(1));
    expect(reasonOf(desk.ask(increment('n', 2), id(1)))).toBe('duplicate_op_id');
  });

  test('S62 under an id of any other shape is looked up', () => {
    const desk = new Desk();
    const given = { opId: '6f1c', deviceId: 'http:t1' };
    expect(desk.ask(increment('n'), given)).toEqual({ store_seq: 1 });
    expect(desk.ask(increment('n'), given)).toEqual({ store_seq: 1 });
    expect(desk.ask(increment('n'), { ...given, deviceId: 'http:t2' })).toEqual({ store_seq: 2 });
  });

  test('S62 is told from what others ask under its id, in one batch and later (P20)', () => {
    const desk = new Desk();
    const mine = { ...id(1), principal: 'me' };
    const theirs = { ...id(1), principal: 'they', channel: 2 };
    const asked = [
      desk.submit(increment('n'), mine),
      desk.submit(increment('n', 10), theirs),
      desk.submit(increment('n'), { ...mine, channel: 3 }),
    ];
    const other = desk.submit(increment('n', 20), theirs);
    desk.flush();
    const first = { store_seq: 1 };
    const second = { store_seq: 2 };
    expect(asked.map((ticket) => desk.reply(ticket))).toEqual([first, second, first]);
    expect(reasonOf(desk.reply(other))).toBe('duplicate_op_id');
    const after = new Desk({}, desk.log);
    expect(after.ask(increment('n'), mine)).toEqual(first);
    expect(after.ask(increment('n', 10), theirs)).toEqual(second);
    expect(after.value('n')).toBe(11);
  });

  test('S65 gets the answer that a lost socket swallowed, the whole of it', () => {
    const desk = new Desk();
    const first = desk.ask(lease('l', 1000, 'me'), id(1));
    desk.run({ type: 'left', channel: 1 });
    expect(desk.ask(lease('l', 1000, 'me'), { ...id(1), channel: 2 })).toEqual(first);
    expect(first).toMatchObject({ store_seq: 1, token: 1, holder: 'me' });
  });

  test('S62 is recognised though its client was forgotten for a new one while the first was decided (P4)', () => {
    const limits = { ...defaultLimits, write_queue: 20_000 };
    const desk = new Desk({ limits, batchMax: 20_000 });
    desk.ask(increment('n'), id(1));
    for (let i = 1; i < 16_384; i++) desk.submit(increment('n'), { opId: `d:${i}:1`, channel: 2 });
    desk.flush();
    const first = desk.submit(increment('n'), id(2));
    desk.submit(increment('n'), { opId: 'd:new:1', channel: 2 });
    // Has its client met anew, before anybody knows what becomes of the first.
    desk.submit(increment('n'), { ...id(1), channel: 3 });
    desk.flush();
    const { head } = desk.log;
    expect(desk.ask(increment('n'), { ...id(2), channel: 3 })).toEqual(desk.reply(first));
    expect(desk.log.head).toBe(head);
  });

  test('S47 of a lease is the lease, not held (P20)', () => {
    const desk = new Desk();
    const given = id(1);
    const first = desk.submit(lease('l'), given);
    const second = desk.submit(lease('l'), given);
    desk.flush();
    expect(desk.reply(second)).toEqual(desk.reply(first));
    expect(desk.log.head).toBe(1);
  });

  test('S69 that is sent while the first is on its way waits for it', () => {
    const desk = new Desk();
    desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
    const first = desk.submit(increment('n'), id(1));
    desk.flush();
    const second = desk.submit(increment('n'), { ...id(1), channel: 2 });
    const other = desk.submit(increment('n', 5), { ...id(1), channel: 3 });
    desk.flush();
    expect(desk.answered).toEqual([]);
    desk.weather = () => null;
    desk.stored();
    expect(desk.answered).toEqual([first, second, other]);
    expect(desk.reply(second)).toEqual({ store_seq: 1 });
    expect(reasonOf(desk.reply(other))).toBe('duplicate_op_id');
    expect(desk.committed).toHaveLength(1);
  });

  test('of a request that is refused for good gets the same refusal, if sent meanwhile', () => {
    const desk = new Desk();
    desk.ask(set('a', 1), id(1));
    const given = id(2);
    const first = desk.submit(set('a', 2, { ifAbsent: true }), given);
    desk.submit({ op: 'delete', path: set('a', 0).path }, id(3));
    const second = desk.submit(set('a', 2, { ifAbsent: true }), given);
    desk.flush();
    expect(reasonOf(desk.reply(first))).toBe('exists');
    expect(reasonOf(desk.reply(second))).toBe('exists');
  });

  test('S62 gets the first answer also behind what is refused for its id', () => {
    const desk = new Desk();
    desk.ask(increment('n'), id(1));
    const other = desk.submit(increment('n', 2), { ...id(1), channel: 2 });
    const second = desk.submit(increment('n'), { ...id(1), channel: 3 });
    desk.flush();
    expect(reasonOf(desk.reply(other))).toBe('duplicate_op_id');
    expect(desk.reply(second)).toEqual({ store_seq: 1 });
  });

  test('of what is refused for good is held against few others, however many are open under its id', () => {
    const desk = new Desk();
    desk.ask(set('a', 1), id(1));
    let looks = 0;
    const submit = (ticket: number): void => {
      const submission = {
        ticket,
        channel: 1,
        blocks: false,
        unblock: false,
        dialect: 4,
        deviceId: 'd1',
        ...id(2),
        principal: 'ann',
        request: set('a', 2, { ifAbsent: true }),
        rate: null,
        get fingerprint() {
          looks += 1;
          return 7;
        },
      } as const;
      desk.step({ type: 'submit', submission });
    };
    const all = Array.from({ length: 200 }, (_, at) => 1000 + at);
    for (const ticket of all) submit(ticket);
    desk.flush();
    expect(new Set(all.map((each) => reasonOf(desk.reply(each))))).toEqual(new Set(['exists']));
    expect(looks).toBeLessThan(2000);
  });

  test('S68 of what is stored waits for its answer, and nothing of others that has waited too long waits with it', () => {
    const desk = new Desk();
    desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
    const first = desk.submit(increment('n'), id(1));
    desk.flush();
    const second = desk.submit(increment('n'), { ...id(1), channel: 2 });
    const behind = desk.submit(increment('n'), { ...id(2), channel: 2 });
    const other = desk.submit(increment('n'), { ...id(3), channel: 3 });
    desk.weather = ({ type }) => (type === 'lookup' ? { type: 'unreadable' } : null);
    desk.stored();
    desk.now += defaultLimits.write_queue_ms;
    desk.run({ type: 'tick' });
    expect(desk.answered).toEqual([first, other]);
    expect(reasonOf(desk.reply(other))).toBe('overloaded');
    desk.weather = () => null;
    desk.now += 2000;
    desk.run({ type: 'tick' });
    expect(desk.answered).toEqual([first, other, second, behind]);
    expect(desk.reply(second)).toEqual({ store_seq: 1 });
  });

  test('P21 what somebody committed under an id comes before what others have open under it', () => {
    const desk = new Desk();
    const mine = { ...id(1), principal: 'me' };
    const theirs = { ...id(1), principal: 'they', channel: 2 };
    desk.ask(increment('n'), mine);
    desk.ask(set('y', 1), theirs);
    const asked = [
      desk.submit(set('y', 1), theirs),
      desk.submit(set('y', 1), mine),
      desk.submit(increment('n'), mine),
    ];
    desk.flush();
    const [again, taken, first] = asked.map((ticket) => desk.reply(ticket));
    expect([again, first]).toEqual([{ store_seq: 2 }, { store_seq: 1 }]);
    expect(taken).toMatchObject({ code: 'duplicate_op_id' });
  });

  test('P21 an id is not taken by what is refused', () => {
    const desk = new Desk();
    desk.ask(set('a', 1), id(1));
    const first = desk.submit(set('a', 2, { ifAbsent: true }), id(2));
    const second = desk.submit(set('a', 3), id(2));
    desk.flush();
    expect(reasonOf(desk.reply(first))).toBe('exists');
    expect(desk.reply(second)).toEqual({ store_seq: 2 });
  });

  test('S62 C7 of what takes too long to be stored gets the answer all the same', () => {
    const desk = new Desk();
    desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
    const first = desk.submit(increment('n'), id(1));
    desk.flush();
    const second = desk.submit(increment('n'), { ...id(1), channel: 2 });
    desk.now += defaultLimits.write_queue_ms;
    desk.weather = () => null;
    desk.stored();
    expect([first, second].map((ticket) => desk.reply(ticket))).toEqual([
      { store_seq: 1 },
      { store_seq: 1 },
    ]);
  });

  test('of a request that was refused before is decided afresh', () => {
    const desk = new Desk();
    desk.ask(set('a', 1), id(1));
    expect(reasonOf(desk.ask(set('a', 2, { ifAbsent: true }), id(2)))).toBe('exists');
    desk.ask({ op: 'delete', path: set('a', 0).path }, id(3));
    expect(desk.ask(set('a', 2, { ifAbsent: true }), id(2))).toEqual({ store_seq: 3 });
  });

  test('succeeds on an archived store, at any rate and on a blocked channel', () => {
    const desk = new Desk();
    const rate = refuse('rate_limited', { retry_after_ms: 10 });
    desk.ask(increment('n'), id(1));
    expect(reasonOf(desk.ask(increment('n'), { ...id(2), rate: () => rate }))).toBe('rate_limited');
    desk.run({ type: 'archived', archived: true });
    expect(desk.ask(increment('n'), { ...id(1), rate: () => rate })).toEqual({ store_seq: 1 });
    expect(reasonOf(desk.ask(increment('n'), id(3)))).toBe('blocked');
  });

  test('S45 of a release that matched nothing is decided afresh: nothing was committed', () => {
    const desk = new Desk();
    expect(desk.ask(release('l', 1), id(1))).toEqual({ released: false });
    expect(desk.ask(release('l', 1), id(1))).toEqual({ released: false });
    expect(desk.log.head).toBe(0);
  });
});

describe('a lookup', () => {
  test('is not needed for an id above all committed ones of its client', () => {
    const desk = new Desk();
    for (let i = 1; i <= 5; i++) desk.ask(increment('n'), id(i));
    const lookups = desk.effects.filter(({ type }) => type === 'lookup');
    expect(lookups).toEqual([
      { type: 'lookup', ids: [{ deviceId: 'd1', opId: 'd1:s1:1' }], clients: ['d1:s1'] },
    ]);
  });

  test('is one per batch, whatever is in it', () => {
    const desk = new Desk();
    for (const opId of ['a:b:1', 'c:d:7', 'uuid-1', 'uuid-2', 'e:f:01']) {
      desk.submit(increment('n'), { opId });
    }
    desk.flush();
    const lookups = desk.effects.filter(({ type }) => type === 'lookup');
    expect(lookups).toHaveLength(1);
    expect(lookups[0]).toMatchObject({ clients: ['a:b', 'c:d'] });
    expect(desk.value('n')).toBe(5);
  });

  test('that fails is made again later, and the requests keep', () => {
    const desk = new Desk();
    desk.weather = ({ type }) => (type === 'lookup' ? { type: 'unreadable' } : null);
    const ticket = desk.submit(increment('n'), id(1));
    desk.flush();
    expect(desk.effects.at(-1)).toEqual({ type: 'wake', at: desk.now + 50 });
    expect(desk.authority.describe().phase).toBe('resting');
    desk.weather = () => null;
    desk.run({ type: 'tick' });
    expect(desk.answered).toEqual([]);
    desk.now += 50;
    desk.run({ type: 'tick' });
    expect(desk.reply(ticket)).toEqual({ store_seq: 1 });
  });

  test('that fails for too long is answered overloaded', () => {
    const desk = new Desk();
    desk.weather = ({ type }) => (type === 'lookup' ? { type: 'unreadable' } : null);
    const ticket = desk.submit(increment('n'), id(1));
    desk.flush();
    desk.now += 5000;
    desk.run({ type: 'tick' });
    expect(reasonOf(desk.reply(ticket))).toBe('overloaded');
    expect(desk.log.head).toBe(0);
  });
});
