import { sorting } from '@holdfast/engine/data';
import fc from 'fast-check';
import { expect, test } from 'vitest';

type Item = { readonly key: number; readonly at: number };

const byKey = (a: Item, b: Item): number => a.key - b.key;

/** All that it comes to, and how many comparisons each part has taken. */
function sorted(items: readonly Item[]): { all: readonly Item[]; parts: readonly number[] } {
  const parts: number[] = [];
  let compared = 0;
  const steps = sorting(items, (a, b) => {
    compared += 1;
    return byKey(a, b);
  });
  for (;;) {
    compared = 0;
    const step = steps.next();
    parts.push(compared);
    if (step.done === true) return { all: step.value, parts };
  }
}

test('however many items there are, no part of sorting them compares more than five thousand take', () => {
  const items = Array.from({ length: 50_003 }, (_, at) => ({ key: (at * 7919) % 10_007, at }));
  const { all, parts } = sorted(items);
  expect(all).toEqual(items.toSorted(byKey));
  expect(Math.max(...parts)).toBeLessThan(5000 * Math.ceil(Math.log2(5000)));
});

test('what is sorted part by part is what toSorted gives, equals in the order they had', () => {
  const lengths = fc.constantFrom(0, 1, 4999, 5000, 5001, 12_345);
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 5000 }), (length, spread) => {
      const items = Array.from({ length }, (_, at) => ({ key: (at * 48_271) % spread, at }));
      expect(sorted(items).all).toEqual(items.toSorted(byKey));
    }),
    { numRuns: 20 },
  );
});
