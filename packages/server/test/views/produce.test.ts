import { view } from '@holdfast/server';
import { testView } from '@holdfast/server/testing';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';

const list = view({
  name: 'List',
  mount: () => ({ kept: { deep: [1] }, n: 0 }),
  render: (state) => state,
  commands: {
    change: {
      input: z.object({ how: z.enum(['draft', 'spread', 'anew', 'same']) }),
      run: (ctx, { how }) => {
        if (how === 'draft') ctx.update((s) => void (s.n += 1));
        else if (how === 'spread') ctx.update((s) => ({ ...s, n: s.n + 1 }));
        else if (how === 'anew') ctx.update(() => ({ kept: { deep: [2] }, n: 7 }));
        else ctx.update((s) => s);
      },
    },
  },
});

it('update takes a changed draft, and a state that the function returns, without a word on the console', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const tested = await testView(list);
  const seen = [];
  for (const how of ['draft', 'spread', 'same', 'anew', 'draft'] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await tested.dispatch('change', { how });
    seen.push(tested.snapshot());
  }
  await tested.end();
  expect(seen).toEqual([
    { kept: { deep: [1] }, n: 1 },
    { kept: { deep: [1] }, n: 2 },
    { kept: { deep: [1] }, n: 2 },
    { kept: { deep: [2] }, n: 7 },
    { kept: { deep: [2] }, n: 8 },
  ]);
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});

const later = async (s: { n: number }): Promise<void> => {
  await Promise.resolve();
  s.n += 1;
};

it('update refuses a function that waits, and what becomes of it later troubles nobody', async () => {
  const tested = await testView(
    view({
      name: 'Waiting',
      mount: () => ({ n: 0 }),
      render: (state) => state,
      commands: {
        change: {
          input: z.object({}),
          run: (ctx) => {
            // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the types forbid, JavaScript does
            ctx.update(later as never);
          },
        },
      },
    }),
  );
  await expect(tested.dispatch('change', {})).rejects.toMatchObject({ code: 'internal_error' });
  expect(tested.snapshot()).toEqual({ n: 0 });
  await tested.end();
});
