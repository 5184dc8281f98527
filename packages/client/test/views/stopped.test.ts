import { views } from '@holdfast/client/views';
import { app, view } from '@holdfast/server';
import { expect, test } from 'vitest';
import { openWorld } from '../world.ts';

/** What not even a look at it survives. */
const untouchable = new Proxy(new Error('untouchable'), {
  getPrototypeOf: () => {
    throw new Error('do not look');
  },
});
/** A schema that says something else than it declares. */
const odd: object = { message: 1n, path: [1n, Symbol('s'), 1] };
const desk = view({
  name: 'Desk',
  mount: () => ({ n: 0 }),
  render: ({ n }) => ({ n }),
  commands: {
    add: { run: (ctx) => ctx.update((s) => void (s.n += 1)) },
    stop: {
      run: () => {
        throw untouchable;
      },
    },
    odd: {
      input: {
        '~standard': {
          version: 1 as const,
          vendor: 'test',
          validate: () => ({ issues: [odd as { message: string }] }),
        },
      },
      run: () => undefined,
    },
  },
});

test('V74 a view that a bug has stopped is told of and mounted anew, and what was asked of it is answered', async () => {
  const told: string[] = [];
  const log = { info: () => undefined, error: (_: object, what: string) => void told.push(what) };
  await using world = await openWorld(undefined, { app: app({ views: [desk] }), log });
  const { ready } = world.client({ views: views() }).view('Desk');
  const root = await ready;
  await root.$dispatch('add');
  await expect(root.$dispatch('stop')).rejects.toMatchObject({ code: 'internal_error' });
  await root.$dispatch('add');
  expect(root['n']).toBe(1);
  expect(told).toEqual(['the view Desk stopped']);
});

test('V23 what a schema says of a payload is answered, also where that is no JSON', async () => {
  await using world = await openWorld(undefined, { app: app({ views: [desk] }) });
  const root = await world.client({ views: views() }).view('Desk').ready;
  const issues = [{ message: '1', path: ['1', 'Symbol(s)', 1] }];
  await expect(root.$dispatch('odd', {})).rejects.toMatchObject({ details: { issues } });
  await root.$dispatch('add');
});
