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

/** A room in which 100 ms after its mount something changes, of which the render is held. */
function heldRoom(): { readonly gate: Gate; readonly rig: Rig } {
  const gate = new Gate();
  const slow: ViewDefinition = { name: 'slow', mount: () => gate.opened, render: () => ({}) };
  const rig = new Rig({
    ...room,
    mount: (ctx) => {
      ctx.after(100, (task) => task.update({ count: 1 }));
      return { count: 0 };
    },
    render: (state, h) =>
      (state as { count: number }).count === 0 ? {} : { slow: h.child(slow, 'slow') },
  });
  return { gate, rig };
}

test('who leaves while the render that it came for is held leaves nothing behind, kept or not', async () => {
  for (const keep of [true, false]) {
    const { gate, rig } = heldRoom();
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

test('who comes while the instance lingers, and waits for a render that is held longer than that, is let in', async () => {
  const { gate, rig } = heldRoom();
  const client = await rig.open();
  client.leave(true);
  await rig.advance(900);
  const late = await rig.join({ id: 2 });
  const later = await rig.join({ id: 3 });
  await rig.advance(500);
  // Somebody still waits.
  later.leave(true);
  await rig.advance(3000);
  expect(rig.of('ended')).toEqual([]);
  gate.open();
  await rig.advance(0);
  expect(rig.of('lost')).toEqual([]);
  expect(late.tree).toHaveProperty('slow');
  late.leave(true);
  await rig.advance(1000);
  expect(rig.of('ended')).toHaveLength(1);
});

test('who comes back in time, and waits for such a render, is not forgotten meanwhile', async () => {
  const { gate, rig } = heldRoom();
  const client = await rig.open();
  client.leave(true);
  await rig.advance(900);
  const back = await rig.join({ id: 1, resume: 1 });
  await rig.advance(3000);
  expect([rig.of('forgot'), rig.of('ended')]).toEqual([[], []]);
  gate.open();
  await rig.advance(0);
  expect(back.tree).toHaveProperty('slow');
  // Kept anew, and forgotten where it does not come back.
  back.leave(true);
  await rig.join({ id: 2 });
  await rig.advance(1000);
  expect(rig.of('forgot')).toMatchObject([{ subscriber: 1 }]);
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
