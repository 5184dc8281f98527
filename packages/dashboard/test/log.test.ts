import { expect, test } from 'vitest';
import { placeOfLine, scrollMeans, type LogLine } from '../src/model/log.ts';
import { lineFor } from '../src/view/log-keys.ts';

test('a log that follows what comes in hears of its own scroll when somebody has paused it, and stays paused', () => {
  // It was at 400, and scrolled itself on to 426, the end.
  expect(scrollMeans({ top: 426, before: 426, isAtEnd: true })).toBeNull();
});

test('who scrolls back has the log pause, who comes down to its end has it go on, and who stays amid it neither', () => {
  expect(scrollMeans({ top: 300, before: 426, isAtEnd: false })).toBe('pause');
  expect(scrollMeans({ top: 350, before: 300, isAtEnd: false })).toBeNull();
  expect(scrollMeans({ top: 426, before: 350, isAtEnd: true })).toBe('resume');
  // A window that grows shows more of the end: that is nobody's scroll.
  expect(scrollMeans({ top: 380, before: 426, isAtEnd: true })).toBeNull();
});

test('keys lead from line to line of the log, within it, and from the newest line where none is marked', () => {
  expect(['ArrowUp', 'ArrowDown', 'PageUp', 'Home', 'End'].map(from(-1))).toEqual([9, 9, 6, 0, 9]);
  expect(['ArrowUp', 'ArrowDown', 'PageUp', 'PageDown'].map(from(2))).toEqual([1, 3, 0, 6]);
  expect(['ArrowDown', 'PageDown'].map(from(9))).toEqual([9, 9]);
  expect(['Enter', 'a', 'Tab'].map(from(2))).toEqual([null, null, null]);
  expect(lineFor('Home', { at: -1, count: 0, pageLines: 4 })).toBeNull();
});

test('a line is found by its id where the oldest have gone, and none where it has gone itself', () => {
  const lines = [7, 8, 9].map(lineOf);
  expect([6, 7, 9, 10, 0].map((id) => placeOfLine(lines, id))).toEqual([-1, 0, 2, -1, -1]);
  expect(placeOfLine([], 0)).toBe(-1);
});

function from(at: number): (key: string) => number | null {
  return (key) => lineFor(key, { at, count: 10, pageLines: 4 });
}

function lineOf(id: number): LogLine {
  return { id, seq: id, op: 'set', path: 'a', value: 1, own: false };
}
