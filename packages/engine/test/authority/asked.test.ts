import { Consult, type Gate } from '@holdfast/engine/data';
import type { Submission } from '@holdfast/engine/authority';
import { expect, test } from 'vitest';
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
