import type { ViewContext, ViewDefinition } from '@holdfast/engine/view';
import { beforeEach, expect, test } from 'vitest';
import { Rig } from './instance-rig.ts';

/** What hooks and handlers did, in the order of all of them. */
const ran: string[] = [];
beforeEach(() => {
  ran.length = 0;
});

const child: ViewDefinition = {
  name: 'child',
  mount: () => ({ marks: [] as string[] }),
  render: (state) => ({ ...(state as object) }),
  use: [hook('child')],
  messages: { note: { run: (ctx) => mark(ctx, 'noted') } },
  commands: {
    mark: {
      run: (ctx) => {
        ran.push('run');
        mark(ctx, 'run');
      },
    },
  },
};
const parent: ViewDefinition = {
  name: 'parent',
  mount: () => ({ marks: [] as string[] }),
  render: (state, h) => ({ ...(state as object), child: h.child(child, 'c') }),
  use: [hook('root')],
};

function mark(ctx: ViewContext, text: string): void {
  ctx.update((s: { marks: string[] }) => void s.marks.push(text));
}

function hook(where: string): NonNullable<ViewDefinition['use']>[number] {
  return {
    before: (ctx, call) => {
      ran.push(`before ${where}`);
      mark(ctx, `before ${where} ${call.name}`);
      const { halt } = call.payload as { halt?: string };
      if (halt === where) ctx.tell([], 'note');
      return halt === where ? { kind: 'halt', reply: { halted: where } } : undefined;
    },
    after: (ctx, call) => {
      ran.push(`after ${where}`);
      mark(ctx, `after ${where}`);
      if ((call.payload as { after?: string }).after === where) ctx.tell([], 'note');
    },
  };
}

test('V26 hooks run from the root to the target, before and after', async () => {
  const rig = new Rig(parent);
  const client = await rig.open();
  expect(await client.dispatch('mark', {}, { storeId: ['c'] })).toEqual({});
  expect(ran).toEqual(['before root', 'before child', 'run', 'after root', 'after child']);
  expect(client.tree).toMatchObject({
    marks: ['before root mark', 'after root'],
    child: { marks: ['before child mark', 'run', 'after child'] },
  });
  expect(client.heard).toHaveLength(2);
});

test('V26 a halt answers in the stead of the handler, and keeps what the hooks have done', async () => {
  const rig = new Rig(parent);
  const client = await rig.open();
  const reply = await client.dispatch('mark', { halt: 'child' }, { storeId: ['c'] });
  expect(reply).toEqual({ halted: 'child' });
  expect(client.tree).toMatchObject({
    marks: ['before root mark'],
    child: { marks: ['before child mark', 'noted'] },
  });
  expect(ran.splice(0)).toEqual(['before root', 'before child']);
  // Who comes after it is not asked.
  await client.dispatch('mark', { halt: 'root' }, { storeId: ['c'] });
  expect(ran).toEqual(['before root']);
});

test('V21 what a child does not declare is unknown there, though its parent does, and the next command works', async () => {
  const rig = new Rig({ ...parent, commands: { rename: { run: () => undefined } } });
  const client = await rig.open();
  const there = { storeId: ['c'] };
  expect(await client.dispatch('rename', {}, there)).toEqual({
    error: { reason: 'unknown command' },
  });
  expect(await client.dispatch('mark')).toEqual({ error: { reason: 'unknown command' } });
  expect(await client.dispatch('rename')).toEqual({});
  expect(await client.dispatch('mark', {}, there)).toEqual({});
});

test('V26 what a hook tells a node after the handler is part of the command, too', async () => {
  const client = await new Rig(parent).open();
  await client.dispatch('mark', { after: 'child' }, { storeId: ['c'] });
  expect(client.heard).toHaveLength(2);
  expect(client.tree).toMatchObject({
    child: { marks: ['before child mark', 'run', 'after child', 'noted'] },
  });
});
