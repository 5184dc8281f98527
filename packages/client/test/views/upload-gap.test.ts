import { app, createServer, type Server, type ServerOptions, upload, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { createClient } from '@holdfast/client';
import { views, waitFor } from '@holdfast/client/views';
import { deferred } from '@holdfast/engine/registry';
import { expect, it, onTestFinished } from 'vitest';
import { Valve } from '../valve.ts';

const desk = view({
  name: 'Desk',
  uploads: { note: upload({ accept: 'any', chunkSize: 4 }) },
  mount: () => ({ n: 0 }),
  render: ({ n }, h) => ({ n, note: h.upload('note') }),
  messages: { count: { run: (ctx) => ctx.update((state) => void (state.n += 1)) } },
});
const room = view({
  name: 'Room',
  scope: 'shared',
  uploads: { note: upload({ accept: 'any', chunkSize: 4 }) },
  mount: () => ({ n: 0 }),
  render: ({ n }, h) => ({ n, note: h.upload('note') }),
  messages: { count: { run: (ctx) => ctx.update((state) => void (state.n += 1)) } },
});
const desks = app({ views: [desk, room] });

async function serve(
  viewLimits: ServerOptions['viewLimits'] = {},
): Promise<{ server: Server; url: string; token: string }> {
  const server = createServer({ storage: memory(), rates: false, app: desks, viewLimits });
  onTestFinished(() => server.close({ retryAfterMs: 0 }));
  const { url } = await server.listen();
  const { rawToken: token } = await server.tokens.issue({
    name: 'test',
    org: 'acme',
    scopes: ['entries:read'] as never,
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  return { server, url, token };
}

async function atDesk(limits?: ServerOptions['viewLimits']) {
  const { server, url, token } = await serve(limits);
  const link = new Valve();
  const env = { random: () => 0.01 };
  const client = createClient<typeof desks>({ url, token, link, views: views(), env });
  onTestFinished(() => client.close());
  const page = client.view('Desk');
  return { server, page, root: await page.ready, link };
}

/** A file of which each piece is read when it is told to. */
function slowFile(text: string): { file: File; reads: (() => void)[] } {
  const file = new File([text], 'a.txt');
  const reads: (() => void)[] = [];
  file.slice = (from, to) => {
    const piece = new Blob([text.slice(from, to)]);
    const { promise, resolve } = deferred<void>();
    const bytes = piece.arrayBuffer.bind(piece);
    piece.arrayBuffer = () => promise.then(bytes);
    reads.push(resolve);
    return piece;
  };
  return { file, reads };
}

it('V57 a piece that is still being read when the connection is lost is sent once, where the upload goes on', async () => {
  const { root, link } = await atDesk();
  const { file, reads } = slowFile('01234567');
  await root.note.select([file]);
  const done = root.note.start();
  await expect.poll(() => reads.length).toBe(1);
  link.cut();
  await expect.poll(() => reads.length).toBe(2);
  for (const read of reads) read();
  await expect.poll(() => reads.length).toBe(3);
  reads[2]?.();
  expect(await done).toMatchObject([{ status: 'success' }]);
  expect(link.sent.filter((data) => typeof data !== 'string').length).toBe(2);
});

it('what is started ends with its view, though the client has not heard of its entry', async () => {
  const { root, link, page } = await atDesk();
  link.loses = (data) => typeof data === 'string' && data.includes('"upload_ops":[{"op":"add"');
  const { file, reads } = slowFile('01234567');
  await root.note.select([file]);
  const done = root.note.start();
  await expect.poll(() => reads.length).toBe(1);
  page.unmount();
  expect(await done).toMatchObject([{ status: 'cancelled' }]);
});

it('what was let in, and is unknown when it is started, is cancelled', async () => {
  const { root, link, page } = await atDesk({ linger_ms: 1 });
  await root.note.select([new File(['0123'], 'a.txt')]);
  const again = deferred<void>();
  page.onRemount(() => again.resolve());
  link.cut();
  await again.promise;
  expect(await root.note.start()).toMatchObject([{ status: 'cancelled' }]);
});

it('V57 V61 an upload goes on where more was missed than the server remembers', async () => {
  const { server, page, root, link } = await atDesk({ log_bytes: 1 });
  let remounts = 0;
  page.onRemount(() => (remounts += 1));
  await root.note.select([new File(['0123456789'.repeat(20)], 'a.txt')]);
  const done = root.note.start();
  await waitFor(root, ({ note }) => note.progress > 0);
  link.cut();
  server.tell(desk, 'default', 'count');
  expect(await done).toMatchObject([{ status: 'success' }]);
  await waitFor(root, ({ n }) => n === 1);
  expect([remounts, root.note.status]).toEqual([1, 'success']);
});

it('V57 V61 so does one in a shared view, whose entries come after its tree', async () => {
  const { server, url, token } = await serve({ log_bytes: 1 });
  const link = new Valve();
  const env = { random: () => 0.01 };
  const client = createClient<typeof desks>({ url, token, link, views: views(), env });
  onTestFinished(() => client.close());
  const page = client.view('Room');
  const root = await page.ready;
  let remounts = 0;
  page.onRemount(() => (remounts += 1));
  await root.note.select([new File(['0123456789'.repeat(20)], 'a.txt')]);
  const done = root.note.start();
  await waitFor(root, ({ note }) => note.progress > 0);
  link.cut();
  server.tell(room, 'default', 'count');
  expect(await done).toMatchObject([{ status: 'success' }]);
  await waitFor(root, ({ n, note }) => n === 1 && note.status === 'success');
  expect(remounts).toBe(1);
});
