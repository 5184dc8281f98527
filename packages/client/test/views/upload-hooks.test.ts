import { createClient } from '@holdfast/client';
import { views, waitFor } from '@holdfast/client/views';
import { app, createServer, halt, stream, upload, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { issue } from '../token.ts';

/** A view whose hooks do what its commands may do, too (views.md §10.5, §11.2). */
const inboxOf = (scope: 'connection' | 'shared') =>
  view({
    name: 'Inbox',
    scope,
    streams: { log: stream<{ id: string }>({ limit: 9 }) },
    events: { filed: z.object({ name: z.string() }) },
    uploads: {
      letter: upload({
        accept: 'any',
        external: async ({ store }, { name }) => {
          const post = store('acme/post');
          await post.ready;
          return post.get('elsewhere') === name ? { uploader: 'far', meta: {} } : null;
        },
        onComplete: async (ctx, { name }) => {
          const post = ctx.store('acme/post');
          await post.ready;
          await ctx.uploads.consume('letter', (_entry, file) =>
            file?.saveTo(post, ['letters', name]),
          );
          ctx.stream('log').insert({ id: name });
          ctx.send('filed', { name: `${name} of ${String(ctx.principal.subject !== null)}` });
        },
      }),
    },
    use: [
      {
        before: async (ctx) => {
          const post = ctx.store('acme/post');
          await post.ready;
          return post.get('closed') === true ? halt({ isClosed: true }) : undefined;
        },
      },
    ],
    mount: () => ({ runs: 0 }),
    render: ({ runs }, h, ctx) => ({
      runs,
      letters: ctx.store('acme/post').entries('letters/*').length,
      letter: h.upload('letter'),
      log: h.stream('log'),
    }),
    commands: {
      run: { run: (ctx) => ctx.update((state) => void (state.runs += 1)) },
      close: { run: async (ctx) => void (await ctx.store('acme/post').put('closed', true)) },
    },
  });

async function open(scope: 'connection' | 'shared') {
  const inboxes = app({ views: [inboxOf(scope)] });
  const server = createServer({ storage: memory(), rates: false, app: inboxes });
  const { url } = await server.listen();
  await server.stores.create('acme/post');
  const { rawToken: token } = await issue(server, ['entries:read']);
  const client = createClient<typeof inboxes>({ url, token, views: views() });
  onTestFinished(async () => {
    await client.close();
    await server.close({ retryAfterMs: 0 });
  });
  return client.view('Inbox').ready;
}

it.each(['connection', 'shared'] as const)(
  'V54 given an onComplete that consumes, then a file is in its store as soon as it has come (scope %s)',
  async (scope) => {
    const root = await open(scope);
    const heard: unknown[] = [];
    root.$on('filed', (payload) => heard.push(payload));
    await root.letter.select([new File(['dear all'], 'a.txt')], { autoStart: true });
    await waitFor(root, ({ letters, log, letter }) => {
      return letters === 1 && log.length === 1 && letter.entries.length === 0;
    });
    expect(heard).toEqual([{ name: 'a.txt of true' }]);
  },
);

it('V26 given a hook that looks into a store, then it halts what that says', async () => {
  const root = await open('connection');
  await root.$dispatch('run');
  await root.$dispatch('close');
  expect(await root.$dispatch('run')).toEqual({ isClosed: true });
  expect(root.runs).toBe(1);
});
