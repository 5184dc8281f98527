import type { ViewContext, ViewDefinition } from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { Gate, Rig } from './instance-rig.ts';
import { object } from './schemas.ts';
import type { TestHandle } from './test-stores.ts';

const at = (ctx: ViewContext): TestHandle => ctx.store('boards') as TestHandle;

const room: ViewDefinition = {
  name: 'room',
  scope: 'shared',
  linger: 1000,
  mount: () => ({ count: 0 }),
  render: (state) => ({ ...(state as object) }),
};

test('who leaves while the render that it came for is held leaves nothing behind, kept or not', async () => {
  for (const keep of [true, false]) {
    const gate = new Gate();
    const slow: ViewDefinition = {
      name: 'slow',
      mount: () => gate.opened,
      render: () => ({}),
    };
    const rig = new Rig({
      ...room,
      mount: (ctx) => {
        ctx.after(100, (task) => task.update({ count: 1 }));
        return { count: 0 };
      },
      render: (state, h) =>
        (state as { count: number }).count === 0 ? {} : { slow: h.child(slow, 'slow') },
    });
    // oxlint-disable no-await-in-loop -- one after the other
    const client = await rig.open();
    client.leave(true);
    await rig.advance(200);
    const late = await rig.join({ id: 2 });
    late.leave(keep);
    expect(rig.of('forgot')).toMatchObject([{ subscriber: 2 }]);
    gate.open();
    await rig.advance(999);
    expect(late.heard).toEqual([]);
    expect(rig.of('ended')).toEqual([]);
    await rig.advance(1);
    // oxlint-enable no-await-in-loop
    expect(rig.of('ended')).toHaveLength(1);
    expect(rig.of('fault')).toEqual([]);
  }
});

test('what a child begins in the very cycle in which it vanishes never was', async () => {
  let rings = 0;
  const leaf: ViewDefinition = {
    name: 'leaf',
    render: () => ({}),
    emits: { done: object({}) },
    commands: {
      begin: {
        run: (ctx) => {
          ctx.watch(
            () => at(ctx).get('x'),
            () => undefined,
          );
          ctx.every(100, () => void rings++);
          ctx.emit('done');
        },
      },
    },
  };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ gone: false }),
    render: (state, h) =>
      (state as { gone: boolean }).gone
        ? {}
        : { leaf: h.child(leaf, 'leaf', {}, { on: { done: 'drop' } }) },
    messages: { drop: { run: (ctx) => ctx.update({ gone: true }) } },
  });
  const client = await rig.open();
  expect(await client.dispatch('begin', {}, { storeId: ['leaf'] })).toEqual({});
  expect(client.tree).not.toHaveProperty('leaf');
  expect(rig.stores.followers).toBe(0);
  const before = rig.of('wake').length;
  await rig.advance(1000);
  expect(rings).toBe(0);
  expect(rig.of('wake')).toHaveLength(before);
});
