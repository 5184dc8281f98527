import type { AuthorityEvent } from '@holdfast/engine/authority';
import { refuse } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Desk, increment, lease, reasonOf, release, set } from './desk.ts';

const id = (counter: number) => ({ opId: `d1:s1:${counter}` });

/** Answers the first appends otherwise; those that end in `stored` are stored all the same. */
function troubled(desk: Desk, ...troubles: ('unknown' | 'stored and unknown' | 'failed')[]): void {
  desk.weather = (effect): AuthorityEvent | null => {
    if (effect.type !== 'append') return null;
    const trouble = troubles.shift();
    if (trouble === undefined) return null;
    if (trouble === 'stored and unknown') desk.log.append(effect.expected, effect.content);
    return { type: trouble === 'failed' ? 'failed' : 'unknown', batch: effect.batch };
  };
}

const types = (desk: Desk) => desk.effects.map(({ type }) => type);

describe('an append', () => {
  test('S69 whose outcome is unknown is settled by the log: found, it is answered', () => {
    const desk = new Desk();
    troubled(desk, 'stored and unknown');
    expect(desk.ask(increment('n'), id(1))).toEqual({ store_seq: 1 });
    expect(desk.log.head).toBe(1);
    expect(desk.value('n')).toBe(1);
    expect(types(desk).filter((type) => type === 'append')).toHaveLength(1);
    expect(types(desk).indexOf('committed')).toBeLessThan(types(desk).indexOf('reply'));
  });

  test('S69 whose outcome is unknown is settled by the log: not found, it is made again', () => {
    const desk = new Desk();
    troubled(desk, 'unknown', 'unknown');
    expect(desk.ask(increment('n'), id(1))).toEqual({ store_seq: 1 });
    expect(desk.value('n')).toBe(1);
  });

  test('S69 whose outcome was unknown keeps its refusals when it is found', () => {
    const desk = new Desk();
    desk.ask(lease('l', 100), id(1));
    troubled(desk, 'stored and unknown');
    const held = desk.submit(lease('l', 100), id(2));
    const next = desk.submit(increment('n'), id(3));
    desk.weather = ((weather) => (effect) => {
      if (effect.type === 'read') desk.now += 100;
      return weather(effect);
    })(desk.weather);
    desk.flush();
    expect(reasonOf(desk.reply(held))).toBe('held');
    expect(desk.reply(next)).toEqual({ store_seq: 2 });
    expect(desk.log.head).toBe(2);
  });

  test('S69 whose outcome stays unknown is given up when the log shows that it is not there', () => {
    const desk = new Desk();
    troubled(desk, 'unknown', 'unknown', 'unknown');
    expect(reasonOf(desk.ask(increment('n'), id(1)))).toBe('unavailable');
    expect(desk.log.head).toBe(0);
    expect(desk.ask(increment('n'), { ...id(1), unblock: true })).toEqual({ store_seq: 1 });
  });

  test('S69 whose outcome is unknown leaves nothing answered while the log cannot be read', () => {
    const desk = new Desk();
    desk.weather = (effect) => {
      if (effect.type === 'append') return { type: 'unknown', batch: effect.batch };
      return effect.type === 'read' ? { type: 'unreadable' } : null;
    };
    const ticket = desk.submit(increment('n'), id(1));
    desk.flush();
    for (let i = 0; i < 20; i++) {
      desk.now += 2000;
      desk.run({ type: 'tick' });
    }
    expect(desk.answered).toEqual([]);
    expect(desk.authority.describe().phase).toBe('settling');
    desk.weather = () => null;
    desk.now += 2000;
    desk.run({ type: 'tick' });
    expect(reasonOf(desk.reply(ticket))).toBe('overloaded');
    expect(desk.log.head).toBe(0);
  });

  test('that failed refuses its whole batch, and the draft is gone', () => {
    const desk = new Desk();
    desk.ask(increment('n'), id(1));
    troubled(desk, 'failed');
    desk.submit(increment('n'), id(2));
    desk.submit(increment('n'), id(3));
    desk.submit(increment('n'), { channel: 2, opId: 'd2:s:1' });
    desk.submit(increment('n'), { ...id(1), channel: 3 });
    desk.flush();
    expect([2, 3, 4, 5].map((ticket) => reasonOf(desk.reply(ticket)))).toEqual([
      'unavailable',
      'blocked',
      'unavailable',
      null,
    ]);
    expect(desk.value('n')).toBe(1);
    expect(desk.ask(increment('n'), { ...id(2), unblock: true })).toEqual({ store_seq: 2 });
    expect(desk.value('n')).toBe(2);
  });

  test('is not answered by a late or repeated word on a former one', () => {
    const desk = new Desk();
    desk.ask(increment('n'), id(1));
    desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
    const ticket = desk.submit(increment('n'), id(2));
    desk.flush();
    for (const type of ['stored', 'behind', 'unknown', 'failed'] as const) {
      expect(desk.step({ type, batch: 1 })).toEqual([]);
    }
    expect(desk.replies.has(ticket)).toBe(false);
    expect(desk.authority.describe().phase).toBe('appending');
  });
});

describe('with another node', () => {
  test('an authority that comes too late follows the log and decides again', () => {
    const here = new Desk();
    const there = new Desk({}, here.log);
    there.ask(set('seat', 'there', { ifAbsent: true }), { opId: 'd2:s:1' });
    const mine = here.submit(increment('n'), id(1));
    const claim = here.submit(set('seat', 'here', { ifAbsent: true }), id(2));
    here.flush();
    expect(here.reply(mine)).toEqual({ store_seq: 2 });
    expect(reasonOf(here.reply(claim))).toBe('exists');
    expect(here.committed.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(here.value('seat')).toBe('there');
  });

  test('S62 a request that it has committed is answered from there, once', () => {
    const here = new Desk();
    const there = new Desk({}, here.log);
    here.ask(increment('n'), id(1));
    there.ask(increment('n'), { ...id(2), channel: 7 });
    expect(here.ask(increment('n'), id(2))).toEqual({ store_seq: 2 });
    expect(here.value('n')).toBe(2);
    expect(here.committed.map(({ seq }) => seq)).toEqual([1, 2]);
  });

  test('S62 a request that it has committed is not given up, however long it waited here', () => {
    const here = new Desk();
    const there = new Desk({}, here.log);
    here.weather = ({ type }) => (type === 'append' ? 'late' : null);
    const ticket = here.submit(increment('n'), id(1));
    here.flush();
    there.ask(increment('n'), id(1));
    here.weather = () => null;
    here.now += 60_000;
    here.run({ type: 'behind', batch: 1 });
    expect(here.reply(ticket)).toEqual({ store_seq: 1 });
  });

  test('S67 a batch that came too late leaves no block behind when it is decided again', () => {
    const here = new Desk();
    const there = new Desk({}, here.log);
    const rate = refuse('rate_limited', { retry_after_ms: 10 });
    here.submit(increment('n'), id(1));
    here.submit(increment('n'), { ...id(2), rate: () => rate });
    there.ask(increment('n'), { opId: 'd2:s:1' });
    here.flush();
    expect(here.reply(1)).toEqual({ store_seq: 2 });
    expect(reasonOf(here.reply(2))).toBe('rate_limited');
  });

  test('S62 the event of a repeat comes before its answer', () => {
    const here = new Desk();
    const there = new Desk({}, here.log);
    there.ask(increment('n'), id(1));
    here.ask(increment('n'), id(1));
    const order = types(here).filter((type) => type === 'committed' || type === 'reply');
    expect(order).toEqual(['committed', 'reply']);
  });

  test('a hint that the log has grown is followed, one that comes late is not', () => {
    const here = new Desk();
    const there = new Desk({}, here.log);
    there.ask(increment('n'), { opId: 'd2:s:1' });
    here.run({ type: 'grew', head: 1 });
    expect(here.value('n')).toBe(1);
    expect(here.step({ type: 'grew', head: 1 })).toEqual([]);
  });

  test('a read that fails is made again later, ever more rarely', () => {
    const here = new Desk();
    here.weather = ({ type }) => (type === 'read' ? { type: 'unreadable' } : null);
    here.run({ type: 'grew', head: 1 });
    for (let i = 0; i < 8; i++) {
      const wake = here.effects.at(-1);
      here.now = wake?.type === 'wake' ? wake.at : NaN;
      here.run({ type: 'tick' });
    }
    const wakes = here.effects.flatMap((each) => (each.type === 'wake' ? [each.at] : []));
    const delays = wakes.slice(1).map((at, i) => at - (wakes[i] ?? 0));
    expect(delays).toEqual([100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  });

  test('a refusal is confirmed against the log before it is told', () => {
    const here = new Desk({ shared: true });
    here.ask(set('a', 1), id(1));
    const there = new Desk({}, here.log);
    there.ask(set('a', 2), { opId: 'd2:s:1' });
    expect(here.ask(set('a', 3, { ifMatch: 2 }), id(2))).toEqual({ store_seq: 3 });
    expect(reasonOf(here.ask(set('a', 4, { ifMatch: 2 }), id(3)))).toBe('conflict');
    expect(here.ask(release('l', 1), id(4))).toEqual({ released: false });
    here.weather = ({ type }) => (type === 'read' ? { type: 'unreadable' } : null);
    const ticket = here.submit(set('a', 4, { ifMatch: 2 }), id(5));
    here.flush();
    here.weather = () => null;
    here.now += 50;
    here.run({ type: 'tick' });
    expect(reasonOf(here.reply(ticket))).toBe('conflict');
  });

  test('a view stays as it was taken', () => {
    const here = new Desk();
    here.ask(set('a', 1), id(1));
    const { tree, seq } = here.authority.view();
    here.ask(set('a', 2), id(2));
    expect([...tree.entries()].map(({ value }) => value)).toEqual([1]);
    expect(seq).toBe(1);
    expect(here.value('a')).toBe(2);
  });
});
