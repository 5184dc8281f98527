import { app, createServer, type Server, upload, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { createClient } from '@holdfast/client';
import { views, waitFor } from '@holdfast/client/views';
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

async function serve(): Promise<{ server: Server; url: string; token: string }> {
  const limits = { log_bytes: 1 };
  const server = createServer({ storage: memory(), rates: false, app: desks, viewLimits: limits });
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

it('V57 V61 an upload goes on where more was missed than the server remembers', async () => {
  const { server, url, token } = await serve();
  const link = new Valve();
  const env = { random: () => 0.01 };
  const client = createClient<typeof desks>({ url, token, link, views: views(), env });
  onTestFinished(() => client.close());
  const page = client.view('Desk');
  const root = await page.ready;
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
  const { server, url, token } = await serve();
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
