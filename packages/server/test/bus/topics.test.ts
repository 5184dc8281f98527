import { expect, it } from 'vitest';
import { Topics } from '../../src/bus/topics.ts';

it('N local subscribers of a topic share one subscription, which ends with the last of them', () => {
  const topics = new Topics(() => undefined);
  expect(topics.has('topic')).toBe(false);
  const leaves = [1, 2, 3].map(() => topics.add('topic', () => undefined));
  expect(topics.has('topic')).toBe(true);
  expect(leaves.map((leave) => leave())).toEqual([false, false, true]);
  expect(leaves.map((leave) => leave())).toEqual([false, false, false]);
  expect(topics.has('topic')).toBe(false);
});
