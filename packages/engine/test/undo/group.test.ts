import { asPath } from '@holdfast/protocol';
import { type Fate, Group, UndoHistory, type UndoView } from '@holdfast/engine/undo';
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

const total = (value: number) => ({ value, type: 'counter', revision: 1 }) as const;
const isCommitted = (): Fate => 'committed';

test.each([
  ['that was there', 5, 15],
  ['that it made', undefined, 10],
])(
  'a group takes back of a total %s what is its own of it, also of what it added before others did',
  (_what, start, rest) => {
    const path = asPath('n');
    const before = start === undefined ? undefined : total(start);
    const [first, second] = [total((start ?? 0) + 1), total((start ?? 0) + 11)];
    const fate = isCommitted;
    const group = new Group();
    group.add({ changes: [{ path, before, after: first }], roots: [path], fate });
    const after = total(second.value + 2);
    group.add({ changes: [{ path, before: second, after }], roots: [path], fate });
    expect(group.take().changes).toEqual([{ path, before: total(rest), after }]);
  },
);

const setOf = (...members: readonly string[]) =>
  ({ value: members, type: 'set', revision: 1 }) as const;

test('a group takes back of a set what is its own of it, also what it added or removed before others did', () => {
  const path = asPath('s');
  const fate = isCommitted;
  const group = new Group();
  const [before, after] = [setOf('old', 'kept'), setOf('own', 'kept')];
  group.add({ changes: [{ path, before, after }], roots: [path], fate });
  const [theirs, mine] = [setOf('theirs', 'own', 'kept'), setOf('more', 'theirs', 'own', 'kept')];
  group.add({ changes: [{ path, before: theirs, after: mine }], roots: [path], fate });
  expect(group.take().changes).toEqual([
    { path, before: setOf('old', 'theirs', 'kept'), after: mine },
  ]);
});

test.each([
  [['refused', 'cancelled'], 'refused'],
  [['cancelled', 'cancelled'], 'cancelled'],
  [['cancelled', 'committed'], 'committed'],
  [['refused', 'pending'], 'rebased'],
  [['committed', 'pending'], 'pending'],
] as const)('a group of writes that are %s is %s', (fates, whole) => {
  const group = new Group();
  for (const [index, fate] of fates.entries()) {
    const path = asPath(`a${index}`);
    const change = { path, before: undefined, after: total(1) };
    group.add({ changes: [change], roots: [path], fate: () => fate });
  }
  expect(group.take().fate()).toBe(whole);
});

test('a group of hundreds of leaves, before a total of which others came, is taken back with a look at each write, not with one for each leaf', () => {
  const group = new Group();
  const leaves = new Map<string, { value: number; type: 'integer'; revision: number }>();
  let asked = 0;
  const fateIs = (fate: Fate) => (): Fate => {
    asked += 1;
    return fate;
  };
  // What is not decided stays in the group, and all that comes after it.
  group.add({ changes: [], roots: [asPath('first')], fate: fateIs('pending') });
  const sum = { path: asPath('sum'), before: undefined, after: total(1) };
  group.add({ changes: [sum], roots: [sum.path], fate: fateIs('rebased') });
  const count = 300;
  for (let at = 0; at < count; at += 1) {
    const path = asPath(`a/${at}`);
    const after = { value: 1, type: 'integer', revision: 1 } as const;
    leaves.set(path, after);
    group.add({
      changes: [{ path, before: undefined, after }],
      roots: [path],
      fate: fateIs('committed'),
    });
  }
  const view: UndoView = {
    leaf: (path) => (path === sum.path ? total(3) : leaves.get(path)),
    below: () => [],
    knows: () => true,
  };
  const history = new UndoHistory(10);
  history.wrote(group.take());
  const plan = history.plan('undo', view);
  expect(plan).toMatchObject({ ops: { length: count + 1 } });
  expect(asked).toBeLessThan(20 * count);
});
