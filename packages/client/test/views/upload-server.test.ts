import { createClient, type Link, webSocketLink } from '@holdfast/client';
import { type UploadJob, views, waitFor } from '@holdfast/client/views';
import { app, createServer, upload, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { issue } from '../token.ts';

let renders = 0;
const far = { accept: 'any', maxEntries: 3 } as const;
const desk = view({
  name: 'Desk',
  uploads: {
    note: upload({ accept: ['.txt'], maxEntries: 3, maxFileSize: 100, chunkSize: 4 }),
    far: upload({
      ...far,
      external: (_ctx, { name }) => ({ uploader: name === 'c' ? 'nobody' : 's3', meta: { name } }),
      verify: (_ctx, { name }) => name !== 'forged',
    }),
  },
  mount: () => ({ texts: new Array<string>() }),
  render: ({ texts }, h) => {
    renders += 1;
    return { texts, note: h.upload('note'), far: h.upload('far') };
  },
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

const sent: string[] = [];

/** Brings files elsewhere, or fails to. */
async function s3({ meta, progress }: UploadJob): Promise<void> {
  const { name } = meta as { readonly name: string };
  progress(50);
  if (name === 'broken') throw new Error('no network');
}

async function open() {
  const server = createServer({ storage: memory(), rates: false, app: desks });
  const { url } = await server.listen();
  const { rawToken: token } = await issue(server, ['entries:read']);
  const plain = webSocketLink();
  const link: Link = {
    open: (to, events) => {
      const line = plain.open(to, events);
      const send = (data: string | Uint8Array): void => {
        sent.push(typeof data === 'string' ? data : 'chunk');
        line.send(data);
      };
      return { send, close: (code) => line.close(code) };
    },
  };
  sent.length = 0;
  const client = createClient<typeof desks>({
    url,
    token,
    link,
    views: views({ uploaders: { s3 } }),
  });
  onTestFinished(async () => {
    await client.close();
    await server.close({ retryAfterMs: 0 });
  });
  return client.view('Desk').ready;
}

it('V48, V55 our client brings files to our server: in chunks, and an empty one', async () => {
  const root = await open();
  await root.note.select([new File(['0123456789'], 'a.txt'), new File([], 'b.txt')]);
  const outcomes = await root.note.start();
  expect(outcomes).toMatchObject([{ status: 'success' }, { status: 'success' }]);
  await waitFor(root, ({ note }) => note.entries.every(({ status }) => status === 'success'));
  expect(await root.$dispatch('take')).toEqual({ count: 2 });
  await waitFor(root, ({ texts, note }) => texts.length === 2 && note.entries.length === 0);
  expect(root.texts).toEqual(['0123456789', '']);
});

it('V52 an uploader that fails or is missing, and one whose work is not found to be there, end as external_failed', async () => {
  const root = await open();
  await root.far.select(['good', 'broken', 'forged'].map((name) => new File(['x'], name)));
  const failed = { status: 'error', error: { code: 'external_failed' } };
  expect(await root.far.start()).toMatchObject([{ status: 'success' }, failed, failed]);
  expect(root.far.entries.map(({ name, status }) => [name, status])).toEqual([
    ['good', 'success'],
    ['broken', 'error'],
    ['forged', 'error'],
  ]);
  expect(root.far.entries[1]?.errors).toMatchObject([{ message: 'no network' }]);
  await root.far.select([new File(['x'], 'c')], { autoStart: true });
  await waitFor(root, ({ far: { errors } }) => errors.length > 0);
  expect(root.far.errors).toMatchObject([{ code: 'external_failed' }]);
});

it('V53 what is said of uploads alone is told to subscribers and shown, and nothing is rendered for it', async () => {
  const root = await open();
  const before = root.$snapshot();
  const seen: number[] = [];
  const off = root.$subscribe(() => seen.push(root.note.progress));
  renders = 0;
  await root.note.select([new File(['01234567'], 'a.txt')]);
  await root.note.start();
  await waitFor(root, ({ note }) => note.status === 'success');
  off();
  expect([renders, seen.at(-1), root.$snapshot() === before]).toEqual([0, 100, false]);
  expect(root.$snapshot()?.texts).toBe(before?.texts);
});

it('V59 started twice, each entry is brought once', async () => {
  const root = await open();
  await root.note.select(['a', 'b'].map((name) => new File(['01234567'], `${name}.txt`)));
  const [first, second] = await Promise.all([root.note.start(), root.note.start()]);
  expect([first.length, second]).toEqual([2, []]);
  expect(await root.note.start()).toEqual([]);
  const joins = sent.filter(
    (text) => text.includes('"phx_join"') && text.includes('musubi_upload'),
  );
  expect([joins.length, sent.filter((text) => text === 'chunk').length]).toEqual([2, 4]);
});
