import { type TestedView, testView } from '@holdfast/server/testing';
import { expect, test } from 'vitest';
import { board } from '../src/server/board.ts';

const ids = ['a', 'b', 'c', 'd'].map(
  (letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000`,
) as [string, string, string, string];
const [a, b, c, d] = ids;

/** A board with three cards to do. */
async function opened(): Promise<TestedView<typeof board>> {
  const cards = [a, b, c].map((id, rank) => [id, { title: id[0], column: 'todo', rank }]);
  return testView(board, { stores: { 'team/board': { cards: Object.fromEntries(cards) } } });
}

/** The titles in each column. */
function shown({ snapshot }: TestedView<typeof board>): readonly string[] {
  return snapshot().columns.map(({ cards }) => cards.map(({ title }) => title).join(''));
}

test('a card goes below another one, on top, or into another column, and twice is as once', async () => {
  const tested = await opened();
  expect(shown(tested)).toEqual(['abc', '', '']);
  for (const after of [c, c]) await tested.dispatch('move', { card: a, column: 'todo', after });
  expect(shown(tested)).toEqual(['bca', '', '']);
  await tested.dispatch('move', { card: a, column: 'todo', after: null });
  expect(shown(tested)).toEqual(['abc', '', '']);
  await tested.dispatch('move', { card: b, column: 'done', after: null });
  await tested.dispatch('move', { card: a, column: 'done', after: b });
  expect(shown(tested)).toEqual(['c', '', 'ba']);
  await tested.end();
});

test('a card that was deleted is not moved', async () => {
  const tested = await opened();
  await tested.dispatch('remove', { card: b }, { storeId: ['columns', 'todo'] });
  const moved = tested.dispatch('move', { card: b, column: 'done', after: null });
  await expect(moved).rejects.toMatchObject({ code: 'card_gone' });
  expect(shown(tested)).toEqual(['ac', '', '']);
  await tested.end();
});

test('a rename and a move of one card are both done, whichever comes first', async () => {
  const tested = await opened();
  const rename = (card: string): Promise<unknown> =>
    tested.dispatch('rename', { card, title: 'X' });
  const move = (card: string): Promise<unknown> =>
    tested.dispatch('move', { card, column: 'done', after: null });
  await move(a);
  await rename(a);
  expect(shown(tested)).toEqual(['bc', '', 'X']);
  await rename(b);
  await move(b);
  expect(shown(tested)).toEqual(['c', '', 'XX']);
  await expect(rename(d)).rejects.toMatchObject({ code: 'card_gone' });
  await tested.end();
});

test('a card is added once, at the end or where it was; a rename changes its own view alone', async () => {
  const tested = await opened();
  const column = { storeId: ['columns', 'todo'] };
  for (const title of ['d', 'd']) await tested.dispatch('add', { id: d, title }, column);
  expect(shown(tested)).toEqual(['abcd', '', '']);
  await tested.dispatch('rename', { card: a, title: 'A' });
  const { ops } = tested.envelopes().at(-1) ?? { ops: [] };
  expect(ops).toEqual([{ op: 'replace', path: '/columns/0/cards/0/title', value: 'A' }]);
  await tested.end();
});
