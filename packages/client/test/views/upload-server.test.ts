import { createClient } from '@holdfast/client';
import { views, waitFor } from '@holdfast/client/views';
import { app, createServer, upload, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

const desk = view({
  name: 'Desk',
  uploads: { note: upload({ accept: ['.txt'], maxEntries: 3, maxFileSize: 100, chunkSize: 4 }) },
  mount: () => ({ texts: new Array<string>() }),
  render: ({ texts }, h) => ({ texts, note: h.upload('note') }),
  commands: {
    take: {
      reply: z.object({ count: z.number() }),
      run: async (ctx) => {
        const texts = await ctx.uploads.consume('note', async (_entry, file) => {
          const parts: Uint8Array[] = [];
          for await (const part of file?.stream() ?? []) parts.push(part);
          return Buffer.concat(parts).toString();
        });
        ctx.update({ texts: [...texts] });
        return { count: texts.length };
      },
    },
  },
});
const desks = app({ views: [desk] });

it('V48, V55 our client brings files to our server: in chunks, and an empty one', async () => {
  const server = createServer({ storage: memory(), rates: false, app: desks });
  const { url } = await server.listen();
  const { rawToken: token } = await server.tokens.issue({
    name: 'test',
    org: 'acme',
    scopes: ['entries:read'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  const client = createClient<typeof desks>({ url, token, views: views() });
  onTestFinished(async () => {
    await client.close();
    await server.close({ retryAfterMs: 0 });
  });
  const root = await client.view('Desk').ready;
  await root.note.select([new File(['0123456789'], 'a.txt'), new File([], 'b.txt')]);
  const outcomes = await root.note.start();
  expect(outcomes).toMatchObject([{ status: 'success' }, { status: 'success' }]);
  await waitFor(root, ({ note }) => note.entries.every(({ status }) => status === 'success'));
  expect(await root.$dispatch('take')).toEqual({ count: 2 });
  await waitFor(root, ({ texts, note }) => texts.length === 2 && note.entries.length === 0);
  expect(root.texts).toEqual(['0123456789', '']);
});
