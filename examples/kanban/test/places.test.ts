import { expect, test } from 'vitest';
import type { Column } from '../src/page/holdfast.ts';
import { aboveOf, restOf, withCardAt } from '../src/page/places.ts';

test('who is at a card that somebody else moves goes on at it, and where it is deleted at the one in its place', () => {
  const before = boardOf('abc', 'd');
  expect(restOf(boardOf('ac', 'bd'), before, 'b')).toBe('b');
  expect(restOf(boardOf('ac', 'd'), before, 'b')).toBe('c');
  expect(restOf(boardOf('ab', 'd'), before, 'c')).toBe('b');
  expect(restOf(boardOf('abc', ''), before, 'd')).toBe('a');
  expect(restOf(boardOf('', ''), before, 'd')).toBeUndefined();
});

test('a card is let go where it is shown, also where others have deleted cards above it meanwhile', () => {
  for (const doing of ['bcd', 'cd', 'd', '']) {
    const board = boardOf('a', doing);
    for (const index of [0, 1, 2, 3]) {
      const held = { id: 'a', column: 'doing', index };
      const shown = withCardAt(board, held)[1]?.cards.map(({ id }) => id) ?? [];
      expect(aboveOf(board, held)).toBe(shown[shown.indexOf('a') - 1] ?? null);
    }
  }
});

/** Columns of cards, each named by a letter. */
function boardOf(todo: string, doing: string): readonly Column[] {
  return [
    { id: 'todo', title: 'To do', cards: cardsOf(todo) },
    { id: 'doing', title: 'Doing', cards: cardsOf(doing) },
  ];
}

function cardsOf(letters: string): Column['cards'] {
  return Array.from(letters, (id) => ({ id, title: id, isPending: false }));
}
