import { asPath } from '@holdfast/protocol';
import { type Fate, Group } from '@holdfast/engine/undo';
import { expect, test } from 'vitest';

test('of the writes of a group those that are decided are not asked again, however long it goes on', () => {
  const group = new Group();
  let asked = 0;
  const count = 10_000;
  for (let value = 1; value <= count; value++) {
    const change = {
      path: asPath('a'),
      before: undefined,
      after: { value, type: 'integer', revision: 1 },
    } as const;
    const fate = (): Fate => {
      asked += 1;
      return 'committed';
    };
    group.add({ changes: [change], roots: [change.path], fate });
  }
  expect(asked).toBeGreaterThan(count - 200);
  const { changes, fate } = group.take();
  expect([changes.length, fate(), asked]).toEqual([1, 'committed', count]);
  expect([fate(), asked, group.isEmpty]).toEqual(['committed', count, true]);
});
