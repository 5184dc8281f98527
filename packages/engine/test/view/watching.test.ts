import type { ViewContext, ViewDefinition } from '@holdfast/engine/view';
import { beforeEach, expect, test } from 'vitest';
import { Gate, Rig } from './instance-rig.ts';
import type { TestHandle } from './test-stores.ts';

const at = (ctx: ViewContext): TestHandle => ctx.store('boards') as TestHandle;

let gate = new Gate();
let told: (readonly [value: unknown, previous: unknown])[] = [];
beforeEach(() => {
  gate = new Gate();
  told = [];
});

/** Watches one value; a command holds the queue until the gate is opened. */
const watching: ViewDefinition = {
  name: 'root',
  mount: (ctx) => {
    ctx.watch(
      () => at(ctx).get('x'),
      (_, value, previous) => void told.push([value, previous]),
    );
    ctx.after(100, () => undefined);
    ctx.after(100, () => undefined);
    return {};
  },
  render: () => ({}),
  commands: { slow: { run: () => gate.opened } },
};

/** Lets a value become others while a command runs, a turn for each. */
async function change(rig: Rig, ...values: readonly unknown[]): Promise<void> {
  rig.stores.put('boards', 'x', 'first');
  const client = await rig.open();
  const slow = client.send('slow');
  await rig.advance(100);
  for (const value of values) {
    rig.stores.put('boards', 'x', value);
    // oxlint-disable-next-line no-await-in-loop -- a turn for each
    await rig.settle();
  }
  expect(told).toEqual([]);
  gate.open();
  await slow;
  await rig.settle();
}

test('given values that follow each other while a command runs, a watch is told of the last one, beside the one that it knew', async () => {
  const rig = new Rig(watching);
  await change(rig, 1, 2, { three: 3 });
  expect(told).toEqual([[{ three: 3 }, 'first']]);
  rig.stores.put('boards', 'x', 4);
  await rig.settle();
  expect(told.slice(1)).toEqual([[4, { three: 3 }]]);
});

test('given a value that is again what it was when a command is over, a watch is told nothing', async () => {
  const rig = new Rig(watching);
  await change(rig, 1, 'first');
  expect(told).toEqual([]);
  rig.stores.put('boards', 'x', 2);
  await rig.settle();
  expect(told).toEqual([[2, 'first']]);
});

test('given as many tasks as may wait, and more changes than that, a watch is told of the last one all the same', async () => {
  const rig = new Rig(watching, { limits: { queued_tasks: 1 } });
  await change(rig, 1, 2, 3);
  expect(told).toEqual([[3, 'first']]);
  expect(rig.of('fault').map(({ where }) => where)).toEqual(['timer']);
});

test('given a callback that fails, a watch is told of the next value, and not of the same one again', async () => {
  const rig = new Rig({
    ...watching,
    mount: (ctx) => {
      ctx.watch(
        () => at(ctx).get('x'),
        (_, value, previous) => {
          told.push([value, previous]);
          if (value === 1) throw new Error('no');
        },
      );
      return {};
    },
  });
  await change(rig, 1);
  rig.stores.put('boards', 'x', 2);
  await rig.settle();
  expect(told).toEqual([
    [1, 'first'],
    [2, 1],
  ]);
});

test('given a watch without a callback, its node renders when another value is read, and not when an equal one is', async () => {
  let renders = 0;
  const rig = new Rig({
    name: 'root',
    mount: (ctx) => {
      ctx.watch(() => at(ctx).get('x'));
      return {};
    },
    render: () => ({ renders: (renders += 1) }),
  });
  rig.stores.put('boards', 'x', { a: 1 });
  const client = await rig.open();
  rig.stores.put('boards', 'x', { a: 1 });
  await rig.advance(1000);
  expect(client.tree).toMatchObject({ renders: 1 });
  for (const [index, a] of [2, 3].entries()) {
    rig.stores.put('boards', 'x', { a });
    // oxlint-disable-next-line no-await-in-loop -- one value after the other
    await rig.advance(1000);
    expect(client.tree).toMatchObject({ renders: index + 2 });
  }
});
