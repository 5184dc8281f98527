import { expect, test } from 'vitest';
import { Outline } from '../src/model/outline.ts';
import { openStore } from './store.ts';

test('what is revealed has its line at once, though it was written a moment ago and nothing was drawn since', async () => {
  const store = await openStore();
  const outline = new Outline(store);
  outline.reload();
  const shown = (): readonly string[] => outline.view.get().rows.map(({ path }) => path);
  const first = store.put('rows/first', 1);
  outline.reveal('rows/first');
  expect(shown()).toEqual(['rows', 'rows/first']);
  const second = store.put('rows/second', 2);
  outline.reveal('rows/second');
  expect(shown()).toEqual(['rows', 'rows/first', 'rows/second']);
  await Promise.all([first.committed, second.committed]);
});
