import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deferred } from '@holdfast/engine/registry';
import { app, createServer, KEEP, type ServerOptions, upload, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Payload, Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { type World, world } from '../conversation/world.ts';
import { Root } from './root.ts';
import { Sender } from './sender.ts';

const seen: { path: string; text: string; sha256: string }[] = [];
const desk = view({
  name: 'Desk',
  params: z.object({}),
  uploads: {
    note: upload({ accept: ['.txt'], maxEntries: 3, maxFileSize: 100, chunkSize: 4 }),
    brief: upload({ accept: ['.txt'], chunkSize: 4, chunkTimeout: 80 }),
    slow: upload({ accept: 'any', maxFileSize: 1000, chunkSize: 100 }),
    image: upload({ accept: ['.png'], maxFileSize: 100_000, chunkSize: 10_000, sniff: true }),
  },
  render: (_s, h) => ({ note: h.upload('note'), slow: h.upload('slow'), image: h.upload('image') }),
  commands: {
    take: {
      input: z.object({ keep: z.boolean().default(false) }),
      reply: z.object({ names: z.array(z.string()) }),
      run: async (ctx, { keep }) => {
        const names = await ctx.uploads.consume('note', async ({ name }, file) => {
          if (keep || file === null) return KEEP;
          const parts: Uint8Array[] = [];
          for await (const part of file.stream()) parts.push(part);
          const text = Buffer.concat(parts).toString();
          seen.push({ path: file.path, text, sha256: await file.sha256() });
          return name;
        });
        return { names: [...names] };
      },
    },
    saved: {
      reply: z.object({ file: z.unknown() }),
      run: async (ctx) => {
        const store = ctx.store('demo/main');
        await store.ready;
        return { file: store.get('files/note') };
      },
    },
    save: {
      input: z.object({ depth: z.number().default(1) }),
      run: async (ctx, { depth }) => {
        await ctx.uploads.consume('note', async (_entry, file) => {
          await file?.saveTo(ctx.store('demo/main'), `${'files/'.repeat(depth)}note`);
        });
      },
    },
  },
});
const desks = { app: app({ views: [desk] }), authenticate: principals({ other: {} }) };

type Desk = World & { readonly peer: Peer; readonly root: Root };

async function atDesk(options: Partial<ServerOptions> = {}, more: object = {}): Promise<Desk> {
  const open = await world({ ...desks, ...options });
  const peer = await open.connect();
  const root = new Root(peer, 'Desk', 'd');
  await root.join({ module: 'Desk', id: 'd', ...more });
  await root.envelope();
  return { ...open, peer, root };
}

type Grant = { readonly entry_ref: string; readonly token: string };

/** Has a file let in; where to bring it, and by which right. */
async function allowed(
  root: Root,
  name: string,
  file: { name: string; size: number },
): Promise<Grant> {
  const entries = [{ client_ref: '0', ...file, type: 'text/plain' }];
  const { response } = await root.ask('allow_upload', { store_id: [], name, entries });
  const grant = (response['entries'] as { [ref: string]: Grant })['0'];
  if (grant === undefined) throw new Error(JSON.stringify(response));
  return grant;
}

/** The next upload op of the kind; no other end of an upload may come before it. */
async function op(root: Root, kind: string): Promise<Payload> {
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- until it comes
    const [, , , event, payload] = await root.next();
    const ops = event === 'patch' ? (payload['upload_ops'] as Payload[]) : [];
    const found = ops.find((each) => each['op'] === kind);
    if (found !== undefined) return found;
    const failed = ops.find((each) => each['op'] === 'error');
    if (failed !== undefined) throw new Error(`no ${kind}: ${JSON.stringify(failed)}`);
  }
}

async function sent(peer: Peer, root: Root, text: string): Promise<Sender> {
  const grant = await allowed(root, 'note', { name: 'a.txt', size: text.length });
  const sender = new Sender(peer, grant.entry_ref);
  await sender.join({ token: grant.token });
  for (let at = 0; at < text.length; at += 4) {
    // oxlint-disable-next-line no-await-in-loop -- one in flight
    expect((await sender.chunk(text.slice(at, at + 4))).status).toBe('ok');
  }
  return sender;
}

/** That the next frames say that a file is whole, and that its channel has closed. */
async function isWhole(peer: Peer, root: Root, sender: Sender): Promise<void> {
  const frames = [await peer.next(), await peer.next()];
  const closing = frames.find(([, , topic]) => topic === sender.topic);
  expect(closing?.[3]).toBe('phx_close');
  const ended = frames.find(([, , topic]) => topic === root.topic);
  const ops = ended?.[4]['upload_ops'];
  const last = Array.isArray(ops) ? ops.slice(-2) : null;
  expect(last).toMatchObject([{ op: 'progress', progress: 100 }, { op: 'complete' }]);
}

it('V48 ten bytes in chunks of four are three frames: 40, 80, 100, complete, and the channel closes', async () => {
  const { peer, root } = await atDesk();
  const grant = await allowed(root, 'note', { name: 'a.txt', size: 10 });
  const sender = new Sender(peer, grant.entry_ref);
  expect(await sender.join({ token: grant.token })).toEqual({ status: 'ok', response: {} });
  const replies = [];
  for (const chunk of ['0123', '4567', '89']) {
    // oxlint-disable-next-line no-await-in-loop -- one in flight
    replies.push((await sender.chunk(chunk)).response);
  }
  expect(replies).toEqual([{ progress: 40 }, { progress: 80 }, { progress: 100 }]);
  await isWhole(peer, root, sender);
});

it('V54 what is consumed is gone, file and entry; with saveTo its content is in the store', async () => {
  seen.length = 0;
  const { peer, root } = await atDesk();
  await sent(peer, root, 'hello world');
  expect((await root.command('take', { keep: true })).response).toEqual({ names: [] });
  expect((await root.command('take')).response).toEqual({ names: ['a.txt'] });
  const sha256 = createHash('sha256').update('hello world').digest('hex');
  expect(seen).toMatchObject([{ text: 'hello world', sha256 }]);
  await op(root, 'reset');
  await expect.poll(() => existsSync(seen[0]?.path ?? '')).toBe(false);
  await sent(peer, root, 'to be kept');
  expect((await root.command('save', { depth: 64 })).status).toBe('error');
  expect((await root.command('save')).status).toBe('ok');
  const hash = createHash('sha256').update('to be kept').digest('hex');
  expect((await root.command('saved')).response).toMatchObject({
    file: { _type: 'file', hash: `sha256:${hash}`, size: 10, filename: 'a.txt' },
  });
});

it('V50 what is too large, forged, of somebody else or too old is refused', async () => {
  const { peer, root, connect } = await atDesk();
  const grant = await allowed(root, 'note', { name: 'a.txt', size: 6 });
  const second = await allowed(root, 'note', { name: 'b.txt', size: 6 });
  const tokens = ['', 'x.y', `${grant.token}x`, second.token, `zzzz.${grant.token.split('.')[1]}`];
  for (const token of tokens) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await new Sender(peer, grant.entry_ref).join({ token })).toEqual({
      status: 'error',
      response: { reason: 'unauthorized' },
    });
  }
  const stranger = await connect({ token: 'other' });
  expect((await new Sender(stranger, grant.entry_ref).join({ token: grant.token })).status).toBe(
    'error',
  );
  const sender = new Sender(peer, grant.entry_ref);
  await sender.join({ token: grant.token });
  expect((await sender.chunk('12345')).response).toEqual({ reason: 'chunk too large' });
  expect(await op(root, 'error')).toMatchObject({ error: { code: 'chunk_too_large' } });
  const other = new Sender(peer, second.entry_ref);
  await other.join({ token: second.token });
  await other.chunk('1234');
  expect((await other.chunk('567')).response).toEqual({ reason: 'upload too large' });
  expect(await op(root, 'error')).toMatchObject({ error: { code: 'too_large' } });
  expect((await other.join({ token: second.token })).status).toBe('error');
});

it('V51 who leaves midway has cancelled, and no temp file stays; leftovers of the dead are swept', async () => {
  const data = await mkdtemp(join(tmpdir(), 'holdfast-views-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  // A server in a container has the number of the one that died there.
  const lefts = [999_999_999, process.pid].map((pid) => join(data, `holdfast-uploads-${pid}-x`));
  for (const left of lefts) {
    mkdirSync(left);
    writeFileSync(join(left, 'u_1'), 'left');
    utimesSync(left, 1, 1);
  }
  const { peer, root } = await atDesk({ data });
  expect(lefts.filter((left) => existsSync(left))).toEqual([]);
  const grant = await allowed(root, 'note', { name: 'a.txt', size: 10 });
  const sender = new Sender(peer, grant.entry_ref);
  await sender.join({ token: grant.token });
  await sender.chunk('0123');
  const own = readdirSync(data).find((name) => name.startsWith('holdfast-uploads-'));
  const directory = join(data, own ?? '');
  const [file] = readdirSync(directory);
  expect(statSync(join(directory, file ?? '')).mode & 0o777).toBe(0o600);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  sender.leave();
  expect(await op(root, 'cancel')).toMatchObject({ ref: grant.entry_ref });
  await expect.poll(() => readdirSync(directory)).toEqual([]);
});

it('V50 a chunk that cannot be written is answered so, and ends its upload', async () => {
  const data = await mkdtemp(join(tmpdir(), 'holdfast-views-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  const { peer, root } = await atDesk({ data, storage: memory() });
  const grant = await allowed(root, 'note', { name: 'a.txt', size: 10 });
  const sender = new Sender(peer, grant.entry_ref);
  await sender.join({ token: grant.token });
  await rm(data, { recursive: true });
  writeFileSync(data, 'in the way');
  expect((await sender.chunk('0123')).response).toEqual({ reason: 'write failed' });
  expect(await op(root, 'error')).toMatchObject({ error: { code: 'internal' } });
});

it('V55 an empty file is complete as soon as its channel is joined', async () => {
  const { peer, root } = await atDesk();
  const grant = await allowed(root, 'note', { name: 'a.txt', size: 0 });
  const sender = new Sender(peer, grant.entry_ref);
  expect((await sender.join({ token: grant.token })).status).toBe('ok');
  await isWhole(peer, root, sender);
  expect((await root.command('take')).response).toEqual({ names: ['a.txt'] });
});

it('V57 a transfer that lost its connection goes on where it was, and the content is whole', async () => {
  seen.length = 0;
  const resume = { capver: 4, resume: { instance: null, version: 0 } };
  const open = await world(desks);
  const first = await open.connect();
  const root = new Root(first, 'Desk', 'd');
  const { response } = await root.join({ module: 'Desk', id: 'd', ...resume });
  const grant = await allowed(root, 'note', { name: 'a.txt', size: 8 });
  const sender = new Sender(first, grant.entry_ref);
  expect((await sender.join({ token: grant.token, resume: true })).response).toEqual({
    offset: 0,
    progress: 0,
  });
  await sender.chunk('0123');
  first.cut();
  const second = await open.connect();
  const back = new Root(second, 'Desk', 'd');
  const again = { instance: response['instance'], version: 2 };
  expect(
    (await back.join({ module: 'Desk', id: 'd', capver: 4, resume: again })).response,
  ).toMatchObject({
    resumed: true,
  });
  const { response: fresh } = await back.ask('refresh_upload', {
    name: 'note',
    ref: grant.entry_ref,
  });
  const going = new Sender(second, grant.entry_ref);
  expect((await going.join({ token: fresh['token'], resume: true })).response).toEqual({
    offset: 4,
    progress: 50,
  });
  await going.chunk('4567');
  expect((await back.command('take')).response).toEqual({ names: ['a.txt'] });
  expect(seen).toMatchObject([{ text: '01234567' }]);
});

it('V58 a file that is not what its name says is refused by its beginning, and nothing of it is kept', async () => {
  const data = await mkdtemp(join(tmpdir(), 'holdfast-views-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  const { peer, root } = await atDesk({ data });
  const good = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(5000)]);
  for (const [content, verdict, size] of [
    [Buffer.alloc(5008, 'x'), 'error', 50_000],
    [Buffer.alloc(10, 'x'), 'error', 10],
    [good, 'ok', good.length],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const grant = await allowed(root, 'image', { name: 'a.PNG', size });
    const sender = new Sender(peer, grant.entry_ref);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await sender.join({ token: grant.token });
    // oxlint-disable-next-line no-await-in-loop -- the same
    const reply = await sender.chunk(content);
    expect(reply.status).toBe(verdict);
    if (verdict === 'ok') continue;
    expect(reply.response).toEqual({ reason: 'not_accepted' });
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect(await op(root, 'error')).toMatchObject({ error: { code: 'not_accepted' } });
    // It was looked at before a file was made for it.
    expect(readdirSync(data).filter((name) => name.startsWith('holdfast-uploads-'))).toEqual([]);
  }
});

it('a transfer whose chunks stop coming ends (views.md §10.3)', async () => {
  const { peer, root } = await atDesk();
  const grant = await allowed(root, 'brief', { name: 'a.txt', size: 8 });
  const sender = new Sender(peer, grant.entry_ref);
  await sender.join({ token: grant.token });
  sender.push('0123');
  expect(await op(root, 'error')).toMatchObject({ error: { code: 'chunk_timeout' } });
});

it('a chunk that does not wait for its turn, or brings nothing, ends its upload (views.md §10.3)', async () => {
  const looking = deferred<boolean>();
  const patient = view({
    name: 'Patient',
    uploads: {
      any: upload({ accept: 'any', chunkSize: 5000, maxEntries: 2, sniff: () => looking.promise }),
    },
    render: (_s, h) => ({ any: h.upload('any') }),
  });
  const { connect } = await world({ ...desks, app: app({ views: [patient] }) });
  const peer = await connect();
  const root = new Root(peer, 'Patient', 'p');
  await root.join({ module: 'Patient', id: 'p' });
  for (const chunks of [[''], ['x'.repeat(5000), 'y']]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const grant = await allowed(root, 'any', { name: 'a', size: 10_000 });
    const sender = new Sender(peer, grant.entry_ref);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await sender.join({ token: grant.token });
    for (const chunk of chunks) sender.push(chunk);
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect(await op(root, 'error')).toMatchObject({ error: { code: 'preflight_rejected' } });
  }
  looking.resolve(true);
});

it('tokens that the former secret signed are taken while it is named (views.md §16)', async () => {
  const server = createServer({
    ...desks,
    data: await mkdtemp(join(tmpdir(), 'holdfast-')),
    secret: ['new', 'old'],
  });
  await server.close();
  const { UploadTokens } = await import('../../src/views/uploads/tokens.ts');
  const [old, rotated, stranger] = [['old'], ['new', 'old'], ['new']].map(
    (each) => new UploadTokens(each),
  );
  const token = old?.sign('a', 1000) ?? '';
  const at = { now: 2000, maxAgeMs: 5000 };
  expect(rotated?.verify(token, 'a', at)).toBe(true);
  expect(stranger?.verify(token, 'a', at)).toBe(false);
  expect(rotated?.verify(token, 'b', at)).toBe(false);
  expect(rotated?.verify(token, 'a', { ...at, now: 7000 })).toBe(false);
});
