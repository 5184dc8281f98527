import { Consult, type Gate } from '@holdfast/engine/data';
import type { AuthorityEffect, Submission } from '@holdfast/engine/authority';
import { asPath, defaultLimits, refuse } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Desk, increment, reasonOf, set } from './desk.ts';

/** Of what changes `n` something is asked first. */
const asking: Gate = {
  mutate: () => [],
  screen: () => null,
  judge: ({ changes, advice }) =>
    advice.has('may it') || changes.every(({ path }) => path !== 'n')
      ? []
      : new Consult([{ key: 'may it', verdict: Promise.resolve(null) }]),
  migrate: () => [],
};
const advice = new Map([['may it', null]]);

const id = { opId: 'd1:s1:1' };
const mine: Partial<Submission> = { ...id, principal: 'me' };
const again: Partial<Submission> = { ...mine, channel: 2 };

/** What was asked about these is answered, in their order, while something else is on its way to the disk. */
function answer(desk: Desk, tickets: readonly number[]): void {
  desk.submit(set('x', 1), { channel: 9, opId: 'd1:s9:1' });
  desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
  desk.flush();
  desk.weather = () => null;
  for (const ticket of tickets) desk.run({ type: 'consulted', ticket, advice });
  desk.stored();
}

test.each([
  { of: 'the first', order: [0, 1] },
  { of: 'the repeat', order: [1, 0] },
])(
  'S62 P20 given a write and its repeat, about which something is asked, when $of is answered first, then it happens once',
  ({ order }) => {
    const desk = new Desk({ gate: asking });
    const tickets = [desk.submit(increment('n'), mine), desk.submit(increment('n'), again)];
    desk.flush();
    expect(desk.replies.size).toBe(0);
    answer(
      desk,
      order.map((at) => tickets[at] ?? 0),
    );
    expect(tickets.map((ticket) => desk.reply(ticket))).toEqual([
      { store_seq: 2 },
      { store_seq: 2 },
    ]);
    expect(desk.value('n')).toBe(1);
  },
);

test('P21 given a write about which something is asked, when another under its id is committed meanwhile, then the id is taken', () => {
  const desk = new Desk({ gate: asking });
  const first = desk.submit(increment('n'), mine);
  desk.flush();
  expect(desk.ask(set('y', 1), again)).toEqual({ store_seq: 1 });
  answer(desk, [first]);
  expect(reasonOf(desk.reply(first))).toBe('duplicate_op_id');
  expect(desk.value('n')).toBeUndefined();
});

test('S62 P20 given a write about which something is asked, when others use its id before it is repeated, then it happens once', () => {
  const desk = new Desk({ gate: asking });
  const first = desk.submit(increment('n'), mine);
  desk.flush();
  const theirs = desk.submit(set('y', 1), { ...id, principal: 'they', channel: 3 });
  const second = desk.submit(increment('n'), again);
  desk.flush();
  expect(desk.reply(theirs)).toEqual({ store_seq: 1 });
  answer(desk, [second, first]);
  expect([desk.reply(first), desk.reply(second)]).toEqual([{ store_seq: 3 }, { store_seq: 3 }]);
  expect(desk.value('n')).toBe(1);
});

test('S69 C2 given a write whose fate is unknown, when something is asked about the next one meanwhile, then they keep their order', () => {
  const desk = new Desk({ gate: asking });
  desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
  const first = desk.submit(set('x', 1), { opId: 'd1:s1:1' });
  const second = desk.submit(increment('n'), { opId: 'd1:s1:2' });
  const third = desk.submit(set('x', 3), { opId: 'd1:s1:3' });
  desk.flush();
  desk.weather = () => null;
  desk.run({ type: 'unknown', batch: 1 });
  desk.run({ type: 'consulted', ticket: second, advice });
  expect([first, second, third].map((ticket) => desk.reply(ticket))).toEqual([
    { store_seq: 1 },
    { store_seq: 2 },
    { store_seq: 3 },
  ]);
});

test('C2 given a write about which something is asked, when that is answered while dedupe records of a later one are read, then they keep their order', () => {
  const desk = new Desk({ gate: asking });
  const tickets = [desk.submit(increment('n'), { opId: 'd1:s1:1' })];
  desk.flush();
  desk.weather = ({ type }) => (type === 'lookup' ? 'late' : null);
  // An id that does not tell whether it is new has to be looked up.
  tickets.push(desk.submit(set('x', 2), { opId: 'told by nobody' }));
  desk.flush();
  desk.run({ type: 'consulted', ticket: tickets[0] ?? 0, advice });
  desk.weather = () => null;
  desk.run({ type: 'answered', answers: [], highs: new Map() });
  expect(tickets.map((ticket) => desk.reply(ticket))).toEqual([{ store_seq: 1 }, { store_seq: 2 }]);
});

test('given writes that wait for what is asked about the first, when the queue is as long as it may be, then they count', () => {
  const desk = new Desk({ gate: asking, limits: { ...defaultLimits, write_queue: 2 } });
  desk.submit(increment('n'), { opId: 'd1:s1:1' });
  desk.submit(set('x', 2), { opId: 'd1:s1:2' });
  desk.flush();
  const third = desk.submit(set('x', 3), { opId: 'd1:s1:3' });
  expect(desk.authority.describe().queued).toBe(3);
  desk.run({ type: 'consulted', ticket: 1, advice });
  desk.flush();
  expect(reasonOf(desk.reply(third))).toBe('overloaded');
  expect(desk.value('x')).toBe(2);
});

test('S62 C7 given a write about which something is asked, when its repeat is refused for now, then it is not committed any more', () => {
  const desk = new Desk({ gate: asking });
  const rate = refuse('rate_limited', { retry_after_ms: 10 });
  const first = desk.submit(increment('n'), mine);
  desk.flush();
  expect(reasonOf(desk.ask(increment('n'), { ...again, rate: () => rate }))).toBe('rate_limited');
  answer(desk, [first]);
  expect(reasonOf(desk.reply(first))).toBe('rate_limited');
  expect(desk.value('n')).toBeUndefined();
});

test('S62 C7 given a write about which something is asked, when its repeat is refused with it in one batch, then it is not committed either', () => {
  const desk = new Desk({ gate: asking });
  const rate = refuse('rate_limited', { retry_after_ms: 10 });
  const first = desk.submit(increment('n'), mine);
  desk.flush();
  const second = desk.submit(increment('n'), { ...again, rate: () => rate });
  desk.submit(set('x', 1), { channel: 9, opId: 'd1:s9:1' });
  desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
  desk.flush();
  desk.run({ type: 'consulted', ticket: first, advice });
  desk.weather = () => null;
  desk.stored();
  expect([first, second].map((ticket) => reasonOf(desk.reply(ticket)))).toEqual([
    'rate_limited',
    'rate_limited',
  ]);
  expect(desk.value('n')).toBeUndefined();
});

test('S62 C7 given a full queue, when what is just being stored is repeated, then it is not turned away', () => {
  const desk = new Desk({ limits: { ...defaultLimits, write_queue: 1 } });
  desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
  const first = desk.submit(increment('n'), mine);
  desk.flush();
  desk.submit(set('x', 1), { channel: 9, opId: 'd1:s9:1' });
  const second = desk.submit(increment('n'), again);
  expect(desk.replies.size).toBe(0);
  desk.weather = () => null;
  desk.stored();
  expect([first, second].map((ticket) => desk.reply(ticket))).toEqual([
    { store_seq: 1 },
    { store_seq: 1 },
  ]);
});

describe('what comes on a channel after a write about which something is asked', () => {
  const next = { opId: 'd1:s1:2' };
  const theirs = { opId: 'd2:s1:1', deviceId: 'd2', channel: 2 };

  /** One of each, with the lookup of somebody else's under way. */
  function lookedUp(desk: Desk): {
    readonly tickets: readonly [number, number];
    readonly found: Extract<AuthorityEffect, { type: 'lookup' }>;
  } {
    const first = desk.submit(set('n', 1), id);
    desk.flush();
    const second = desk.submit(set('n', 2), next);
    desk.submit(set('x', 1), theirs);
    desk.weather = ({ type }) => (type === 'lookup' ? 'late' : null);
    desk.flush();
    desk.weather = () => null;
    const found = desk.effects.at(-1);
    if (found?.type !== 'lookup') throw new Error('nothing is looked up');
    return { tickets: [first, second], found };
  }

  test('P7 given that it is being looked up when the answer comes, then it has its turn after that write', () => {
    const desk = new Desk({ gate: asking });
    const { tickets, found } = lookedUp(desk);
    const [first, second] = tickets;
    desk.run({ type: 'consulted', ticket: first, advice });
    desk.run({ type: 'answered', ...desk.log.answers(found.ids, found.clients) });
    desk.run({ type: 'consulted', ticket: second, advice });
    expect(desk.answered).toEqual([3, first, second]);
    expect(desk.value('n')).toBe(2);
  });

  test('P7 given that it waits for too long meanwhile, then it is refused after that write', () => {
    const desk = new Desk({ gate: asking });
    const { tickets } = lookedUp(desk);
    const [first, second] = tickets;
    desk.run({ type: 'unreadable' });
    desk.now += defaultLimits.write_queue_ms;
    desk.run({ type: 'tick' });
    desk.run({ type: 'consulted', ticket: first, advice });
    expect(desk.answered).toEqual([3, first, second]);
    expect(reasonOf(desk.reply(first))).toBe('overloaded');
    expect(desk.reply(second)).toMatchObject({
      code: 'blocked',
      details: { client_op_id: id.opId },
    });
  });

  test('P7 given that what came before it was not stored after all, then that has its turn first', () => {
    const desk = new Desk({ gate: asking });
    desk.submit(set('x', 1), id);
    const asked = desk.submit(set('n', 2), next);
    desk.weather = ({ type }) => (type === 'append' || type === 'read' ? 'late' : null);
    desk.flush();
    new Desk({}, desk.log).ask(set('theirs', 1), theirs);
    desk.run({ type: 'behind', batch: 1 });
    desk.run({ type: 'consulted', ticket: asked, advice });
    desk.weather = () => null;
    desk.run({ type: 'followed', ops: desk.log.read(0) });
    expect(desk.answered).toEqual([1, asked]);
    expect(desk.log.ops.map(({ path }) => path)).toEqual(['theirs', 'x', 'n']);
  });

  test('P7 given that something has to be asked about what came before it by now, then it waits for both, and is asked about once', () => {
    const strict: Gate = {
      ...asking,
      judge: (asked) =>
        asked.before.read(asPath('theirs')) === undefined || asked.advice.has('may it')
          ? asking.judge(asked)
          : new Consult([{ key: 'may it', verdict: Promise.resolve(null) }]),
    };
    const desk = new Desk({ gate: strict });
    const first = desk.submit(set('x', 1), id);
    const second = desk.submit(set('n', 2), next);
    desk.weather = ({ type }) => (type === 'append' ? 'late' : null);
    desk.flush();
    new Desk({}, desk.log).ask(set('theirs', 1), theirs);
    desk.weather = () => null;
    desk.run({ type: 'behind', batch: 1 });
    desk.run({ type: 'consulted', ticket: first, advice });
    expect(desk.answered).toEqual([first]);
    desk.run({ type: 'consulted', ticket: second, advice });
    expect(desk.answered).toEqual([first, second]);
    const asked = desk.effects.flatMap((each) => (each.type === 'consult' ? [each.ticket] : []));
    expect(asked).toEqual([second, first]);
  });

  test('S68 it takes a place of the queue', () => {
    const desk = new Desk({ gate: asking, limits: { ...defaultLimits, write_queue: 3 } });
    for (let i = 1; i <= 3; i++) desk.submit(set('n', i), { opId: `d1:s1:${i}` });
    desk.flush();
    expect(reasonOf(desk.ask(set('x', 1), { opId: 'd1:s2:1', channel: 2 }))).toBe('overloaded');
  });
});
