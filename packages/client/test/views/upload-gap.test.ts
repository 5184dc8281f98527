import { app, createServer, type Server, type ServerOptions, upload, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { createClient } from '@holdfast/client';
import { views, waitFor } from '@holdfast/client/views';
import { deferred } from '@holdfast/engine/registry';
import { decodeChunk } from '@holdfast/protocol/views';
import { expect, it, onTestFinished } from 'vitest';
import { settle } from '../../../engine/test/virtual-clock.ts';
import { Valve } from '../valve.ts';
import { module, node, Scripted } from './scripted.ts';

let ended = 0;

/** When a file is elsewhere, and when somebody has looked whether it is. */
let [isSent, isVerified, isAsked] = [deferred<void>(), deferred<boolean>(), deferred<void>()];

const desk = view({
  name: 'Desk',
  uploads: {
    note: upload({ accept: 'any', chunkSize: 4 }),
    far: upload({
      accept: 'any',
      external: () => ({ uploader: 's3', meta: {} }),
      verify: () => {
        isAsked.resolve();
        return isVerified.promise;
      },
    }),
  },
  mount: (ctx) => {
    ctx.signal.addEventListener('abort', () => (ended += 1));
    return { n: 0 };
  },
  render: ({ n }, h) => ({ n, note: h.upload('note'), far: h.upload('far') }),
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
  ended = 0;
  [isSent, isVerified, isAsked] = [deferred(), deferred(), deferred()];
  const { server, url, token } = await serve(limits);
  const link = new Valve();
  const env = { random: () => 0.01 };
  const uploaders = { s3: () => isSent.promise };
  const client = createClient<typeof desks>({ url, token, link, views: views({ uploaders }), env });
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

it('what the server has all of, but has not said what became of, is cancelled with its view', async () => {
  const { root, link, page } = await atDesk();
  const heard: string[] = [];
  link.loses = (data) => {
    if (typeof data !== 'string') return false;
    heard.push(data);
    return data.includes('"op":"complete"');
  };
  await root.note.select([new File(['0123'], 'a.txt')]);
  const done = root.note.start();
  await expect.poll(() => heard.filter((each) => each.includes('"op":"complete"')).length).toBe(1);
  await expect.poll(() => heard.some((each) => each.includes('"progress":100'))).toBe(true);
  page.unmount();
  expect(await done).toMatchObject([{ status: 'cancelled' }]);
});

it('what was let in, and is unknown when it is started, is cancelled', async () => {
  const { root, link, page } = await atDesk({ linger_ms: 1 });
  await root.note.select([new File(['0123'], 'a.txt')]);
  const again = deferred<void>();
  page.onRemount(() => again.resolve());
  link.down();
  // Whoever is back before the server knows that they were gone goes on where they were.
  await expect.poll(() => ended).toBe(1);
  link.up();
  await again.promise;
  expect(await root.note.start()).toMatchObject([{ status: 'cancelled' }]);
});

/** Resolves once a message of the server with this in it was lost. */
function loss(link: Valve, text: string): Promise<void> {
  const { promise, resolve } = deferred<void>();
  link.loses = (data) => {
    const isLost = typeof data === 'string' && data.includes(text);
    if (isLost) resolve();
    return isLost;
  };
  return promise;
}

it.each(['at once', 'once it is known'])(
  'given a file that was let in and whose answer was lost with the connection, then it is taken back, and another can be brought %s',
  async (when) => {
    const { root, link } = await atDesk();
    const lost = loss(link, '"entry_ref"');
    const selected = root.note.select([new File(['0123'], 'a.txt')]);
    const failed = expect(selected).rejects.toMatchObject({ code: 'disconnected' });
    await lost;
    if (when === 'once it is known') await waitFor(root, ({ note }) => note.entries.length === 1);
    link.loses = () => false;
    link.cut();
    await failed;
    if (when === 'once it is known') await waitFor(root, ({ note }) => note.entries.length === 0);
    await root.note.select([new File(['4567'], 'b.txt')]);
    expect(await root.note.start()).toMatchObject([{ status: 'success' }]);
    await waitFor(root, ({ note }) => note.status === 'success');
    expect(root.note.entries.map(({ name }) => name)).toEqual(['b.txt']);
  },
);

it('given a file that is elsewhere when the connection is lost, then the server is told once there is another', async () => {
  const { root, link } = await atDesk();
  await root.far.select([new File(['0123'], 'a.txt')]);
  const done = root.far.start();
  const lost = loss(link, '"phx_reply"');
  isSent.resolve();
  await lost;
  link.loses = () => false;
  link.cut();
  isVerified.resolve(true);
  expect(await done).toMatchObject([{ status: 'success' }]);
  expect([root.far.status, root.far.progress]).toEqual(['success', 100]);
});

it('given a file that was let in and is not shown yet, when it is cancelled, then it is not sent', async () => {
  const { root, link } = await atDesk();
  link.loses = (data) => typeof data === 'string' && data.includes('"op":"add"');
  const [{ ref } = { ref: '' }] = await root.note.select([new File(['0123'], 'a.txt')]);
  await root.note.cancel(ref);
  expect(root.note.status).toBe('cancelled');
  expect(await root.note.start()).toEqual([{ ref, status: 'cancelled' }]);
  expect(
    link.sent.filter((data) => typeof data === 'string' && data.includes(ref ?? 'no')).length,
  ).toBe(1);
});

it('given a file that the server still looks at, when it is cancelled, then that is how it ends', async () => {
  const { root } = await atDesk();
  await root.far.select([new File(['0123'], 'a.txt')]);
  const done = root.far.start();
  isSent.resolve();
  await isAsked.promise;
  await root.far.cancel();
  expect(await done).toMatchObject([{ status: 'cancelled' }]);
  expect([root.far.status, root.far.entries]).toEqual(['cancelled', []]);
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

/** A file that a scripted server has let in, and is being sent; nothing of it has arrived. */
async function letIn() {
  const world = new Scripted();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const { proxy } = world.client.view(module, { id: 'main' });
  await world.accept({ instance: 't1' });
  const config = { accept: 'any', max_entries: 5, max_file_size: 1000, chunk_size: 4 };
  const on = { store_id: [], upload: 'file' };
  const about = { ref: 'u1', client_name: 'a.txt', client_size: 3, client_type: '' };
  const added = { ...about, progress: 0, status: 'pending', errors: [] };
  await world.patch(0, 1, {
    ops: [{ op: 'replace', path: '', value: node([], { file: { __musubi_upload__: 'file' } }) }],
    upload_ops: [
      { ...on, op: 'config', config },
      { ...on, op: 'add', ref: 'u1', entry: added },
    ],
  });
  await expect.poll(() => proxy['file'].entries.length).toBe(1);
  const selected = proxy['file'].select([new File(['abc'], 'a.txt')]);
  await expect.poll(() => world.sent.length).toBe(1);
  const entries = { 0: { type: 'channel', entry_ref: 'u1', token: 't' } };
  await world.reply(await world.next('allow_upload'), { ref: 'f', config, entries, errors: [] });
  await selected;
  return { world, file: proxy['file'] };
}

it('given an upload that is cancelled while its token is renewed, then it joins no more', async () => {
  const { world, file } = await letIn();
  await world.clock.advance(499_500);
  const done = file.start();
  await expect.poll(() => world.sent.length).toBe(1);
  await world.reply(await world.next('phx_join'), { offset: 0, progress: 0 });
  await expect.poll(() => world.bytes.length).toBe(1);
  await world.cut();
  await world.clock.advance(1000);
  await world.accept({ instance: 't1', resumed: true, version: 1 });
  const refresh = await world.next('refresh_upload');
  const cancelled = file.cancel();
  await world.reply(await world.next('cancel_upload'));
  await cancelled;
  expect(await done).toEqual([{ ref: 'u1', status: 'cancelled' }]);
  await world.reply(refresh, { token: 'newer' });
  await settle();
  expect(world.sent).toEqual([]);
});

it.each([
  ['chunk too large', 'chunk_too_large', 'chunk size exceeded the configured limit'],
  ['upload too large', 'too_large', 'file exceeds the maximum size'],
  ['write failed', 'internal', 'internal upload error'],
  ['not_accepted', 'not_accepted', 'file type is not accepted'],
])(
  'a chunk that is refused as "%s" ends its file with the code %s, also where the root has not told of it yet (views.md §10.3)',
  async (reason, code, message) => {
    const { world, file } = await letIn();
    const done = file.start();
    await expect.poll(() => world.sent.length).toBe(1);
    const join = await world.next('phx_join');
    await world.reply(join, { offset: 0, progress: 0 });
    await expect.poll(() => world.bytes.length).toBe(1);
    const { ref = '' } = decodeChunk(world.bytes[0] ?? new Uint8Array()) ?? {};
    await world.refuse({ ...join, ref }, { reason });
    expect(await done).toEqual([{ ref: 'u1', status: 'error', error: { code, message } }]);
  },
);
