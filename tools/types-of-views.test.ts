import { beforeAll, expect, it } from 'vitest';
import { effortFor } from './types-of-views.ts';

// It was 3.8 million when declarations intersected what they were given with a schema: nine seconds instead of two.
const INSTANTIATIONS_MAX = 1_000_000;

let effort = { instantiations: 0, complaints: '' };
beforeAll(() => void (effort = effortFor(50)));

it('an app of fifty views and its client are checked without excess (views.md §14)', () => {
  const { instantiations, complaints } = effort;
  expect(instantiations).toBeGreaterThan(10_000);
  expect(instantiations).toBeLessThan(INSTANTIATIONS_MAX);
  expect(complaints).not.toMatch(/(?:app|client|few)\.ts\(/);
});

it('who names a view that there is not is told those that there are (views.md §14)', () => {
  expect(effort.complaints).toContain(
    `'"Veiw1"' is not assignable to parameter of type '"View0" | "View1" | "View2"'`,
  );
});
