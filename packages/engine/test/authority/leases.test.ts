import { LeaseDeadlines } from '@holdfast/engine/authority';
import { asPath, isRefusal } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Desk, increment, lease, reasonOf, release, remove, renew, set, transact } from './desk.ts';

const fence = (token: number) => ({ fence: { key: asPath('l'), token } });
const hour = 3_600_000;

describe('a lease', () => {
  test('S44 is acquired once, and again with a greater token when it has expired (P16)', () => {
    const desk = new Desk();
    const expires = desk.wall + 1000;
    expect(desk.ask(lease('l', 1000, 'me'))).toEqual({
      store_seq: 1,
      token: 1,
      expires_at: expires,
      holder: 'me',
    });
    desk.now += 999;
    expect(desk.ask(lease('l', 1000))).toMatchObject({
      code: 'held',
      details: { holder: 'me', expires_at: expires },
    });
    desk.now += 1;
    expect(desk.ask(lease('l', 1000))).toMatchObject({ token: 2 });
  });

  test('S44 does not displace a plain leaf or a map', () => {
    const desk = new Desk();
    desk.ask(set('a/b', 1));
    expect(reasonOf(desk.ask(lease('a')))).toBe('occupied');
    expect(reasonOf(desk.ask(lease('a/b')))).toBe('occupied');
    expect(desk.value('a/b')).toBe(1);
  });

  test('S44 has one winner among all that ask at once', () => {
    const desk = new Desk();
    const tickets = Array.from({ length: 20 }, (_, i) => desk.submit(lease('l'), { channel: i }));
    desk.flush();
    expect(tickets.filter((ticket) => !isRefusal(desk.reply(ticket)))).toHaveLength(1);
  });

  test('S45 is extended from now by its token, and by no other', () => {
    const desk = new Desk();
    desk.ask(lease('l', 1000));
    desk.now += 900;
    desk.wall += 900;
    expect(desk.ask(renew('l', 1, 1000))).toMatchObject({ token: 1, expires_at: desk.wall + 1000 });
    desk.now += 900;
    expect(reasonOf(desk.ask(renew('l', 7)))).toBe('not_held');
    expect(reasonOf(desk.ask(lease('l')))).toBe('held');
    desk.now += 100;
    expect(reasonOf(desk.ask(renew('l', 1)))).toBe('not_held');
  });

  test('S45 that is released is gone; with a wrong token nothing happens', () => {
    const desk = new Desk();
    desk.ask(lease('l'));
    expect(desk.ask(release('l', 2))).toEqual({ released: false });
    expect(desk.ask(release('l', 1))).toEqual({ store_seq: 2 });
    expect(desk.committed.map(({ op, value }) => [op, value])[1]).toEqual(['release', null]);
    expect(desk.ask(lease('l'))).toMatchObject({ token: 3 });
  });

  test('S46 fences writes as long as it lives (P17)', () => {
    const desk = new Desk();
    const write = (token: number) => reasonOf(desk.ask(set('a', 1, fence(token))));
    desk.ask(lease('l', 1000));
    expect(write(1)).toBeNull();
    expect(write(2)).toBe('fenced');
    expect(reasonOf(desk.ask(transact([set('a', 2)], [{ kind: 'fence', ...fence(9) }])))).toBe(
      'fenced',
    );
    desk.now += 1000;
    expect(write(1)).toBe('fenced');
    desk.ask(lease('l', 1000));
    desk.ask(release('l', 3));
    expect(write(3)).toBe('fenced');
  });

  test('S46 fences what comes right behind it in the same batch', () => {
    const desk = new Desk();
    desk.submit(lease('l', 1));
    const renewed = desk.submit(renew('l', 1, 1));
    const fenced = desk.submit(set('a', 1, fence(1)));
    desk.flush();
    expect(reasonOf(desk.reply(renewed))).toBeNull();
    expect(reasonOf(desk.reply(fenced))).toBeNull();
  });

  test('S48 protects itself while it lives, except from its holder and from force (P18)', () => {
    const desk = new Desk();
    desk.ask(lease('d/l', 1000));
    const tries = [set('d/l', 1), remove('d/l'), remove('d'), set('d', { x: 1 }), set('d/l/x', 1)];
    for (const write of tries) expect(reasonOf(desk.ask(write))).toBe('held');
    const held = { fence: { key: asPath('d/l'), token: 1 } };
    expect(desk.ask({ ...remove('d/l'), ...held })).toEqual({ store_seq: 2 });
    desk.ask(lease('d/l', 1000));
    expect(desk.ask(remove('d'), { forced: true })).toEqual({ store_seq: 4 });
    desk.ask(lease('d/l', 1000));
    desk.now += 1000;
    expect(desk.ask(remove('d'))).toEqual({ store_seq: 6 });
  });

  test('S50 is not expired by a step of the wall clock (P19)', () => {
    const desk = new Desk();
    desk.ask(lease('l', 60_000));
    desk.wall += hour;
    expect(reasonOf(desk.ask(lease('l')))).toBe('held');
    desk.now += 59_999;
    expect(reasonOf(desk.ask(lease('l')))).toBe('held');
    desk.now += 1;
    expect(desk.ask(lease('l'))).toMatchObject({ token: 2 });
  });

  test('S50 lives as long as it was asked for after a step of the wall clock, too', () => {
    for (const step of [hour, -hour]) {
      const desk = new Desk();
      desk.wall += step;
      desk.ask(lease('l', 60_000));
      desk.now += 59_999;
      expect(reasonOf(desk.ask(lease('l')))).toBe('held');
      desk.now += 1;
      expect(desk.ask(lease('l'))).toMatchObject({ token: 2 });
    }
  });

  test('S50 outlives a restart, and then too a step of the wall clock', () => {
    const before = new Desk();
    before.ask(lease('l', 60_000));
    const after = new Desk({}, before.log);
    after.wall += hour;
    after.now += 59_999;
    expect(reasonOf(after.ask(lease('l'), { opId: 'd1:s1:8' }))).toBe('held');
    after.now += 1;
    expect(after.ask(lease('l'), { opId: 'd1:s1:9' })).toMatchObject({ token: 2 });
  });

  test('S50 ends a day after a restart at the latest, where the wall clock is years behind what it was when it was given', () => {
    const before = new Desk();
    before.wall += 50 * 365 * 24 * hour;
    before.ask(lease('l', 60_000));
    const after = new Desk({}, before.log);
    const deadlines = new LeaseDeadlines();
    deadlines.load(before.log.load().entries(), after);
    after.now += 24 * hour - 1;
    expect(reasonOf(after.ask(lease('l'), { opId: 'd1:s1:8' }))).toBe('held');
    expect(deadlines.expire(after.now)).toEqual([]);
    after.now += 1;
    expect(after.ask(lease('l'), { opId: 'd1:s1:9' })).toMatchObject({ token: 2 });
    expect(deadlines.expire(after.now + 2)).toEqual([{ path: 'l', token: 1 }]);
  });

  test('S50 that another node gave lives here until its wall time', () => {
    const here = new Desk();
    const there = new Desk({}, here.log);
    here.wall += hour;
    there.wall += hour;
    there.ask(lease('l', 60_000));
    here.run({ type: 'grew', head: 1 });
    here.wall += hour;
    here.now += 59_999;
    expect(reasonOf(here.ask(set('l', 1), { opId: 'd1:s1:8' }))).toBe('held');
    here.now += 1;
    expect(reasonOf(here.ask(increment('l/x'), { opId: 'd1:s1:9' }))).toBeNull();
  });

  test('S50 of a batch that was lost leaves no trace', () => {
    const here = new Desk();
    const there = new Desk({}, here.log);
    here.weather = ({ type }) => (type === 'append' ? 'late' : null);
    here.submit(lease('l', hour));
    here.flush();
    there.ask(lease('l', 1000), { opId: 'd2:s1:1' });
    here.weather = () => null;
    here.run({ type: 'behind', batch: 1 });
    expect(reasonOf(here.reply(1))).toBe('held');
    here.now += 1000;
    expect(here.ask(lease('l', 1000))).toMatchObject({ token: 2 });
  });
});
