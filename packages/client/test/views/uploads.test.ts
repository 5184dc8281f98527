import type { ViewHandle } from '@holdfast/client/views';
import { decodeChunk } from '@holdfast/protocol/views';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settle } from '../../../engine/test/virtual-clock.ts';
import { module, node, Scripted, type Sent } from './scripted.ts';

let world: Scripted;

beforeEach(() => {
  world = new Scripted();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const config = { accept: 'any', max_entries: 5, max_file_size: 1000, chunk_size: 4 };
const on = (op: object): object => ({ store_id: [], upload: 'file', ...op });
const fresh = { client_type: '', progress: 0, status: 'pending', errors: [] };
const entry = (ref: string, size: number): object => ({
  op: 'add',
  ref,
  entry: { ref, client_name: `${ref}.txt`, client_size: size, ...fresh },
});
const granted = (ref: string): object => ({ type: 'channel', token: 't', entry_ref: ref });
const file = (ref: string, text: string): File => new File([text], `${ref}.txt`);

let version = 0;

async function live(rest: object = {}): Promise<ViewHandle> {
  const page = world.client.view(module, { id: 'main' });
  await world.accept({ instance: 't1', ...rest });
  version = 1;
  await world.patch(0, 1, {
    ops: [{ op: 'replace', path: '', value: node([], { file: { __musubi_upload__: 'file' } }) }],
    upload_ops: [on({ op: 'config', config })],
  });
  await expect.poll(() => page.proxy['file'].config?.chunkSize).toBe(4);
  return page;
}

/** Says something of uploads in the next envelope. */
async function say(...ops: readonly object[]): Promise<void> {
  version += 1;
  await world.patch(version - 1, version, { upload_ops: ops.map(on) });
}

/** The next frame, which may need a moment: files are read. */
async function next(event: string): Promise<Sent> {
  await expect.poll(() => world.sent.length).toBeGreaterThan(0);
  return world.next(event);
}

async function chunk(): Promise<ReturnType<typeof decodeChunk> & {}> {
  await expect.poll(() => world.bytes.length).toBeGreaterThan(0);
  const decoded = decodeChunk(world.bytes.shift() ?? new Uint8Array());
  if (decoded === null) throw new Error('no chunk');
  return decoded;
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Announces a file, which the server takes. */
async function announce(
  page: ViewHandle,
  grants: { readonly [ref: string]: { readonly text: string } & object },
): Promise<void> {
  const all = Object.entries(grants);
  const selected = page.proxy['file'].select(
    all.map(([ref, { text: content }]) => file(ref, content)),
  );
  const ask = await next('allow_upload');
  const entries = Object.fromEntries(
    all.map(([ref, grant], index) => [
      index,
      { type: 'channel', entry_ref: ref, token: `token-${ref}`, ...grant },
    ]),
  );
  await world.reply(ask, { ref: 'file', config, entries, errors: [] });
  await say(...all.map(([ref, { text: content }]) => entry(ref, content.length)));
  await selected;
}

describe('an upload over the socket', () => {
  it('V48 sends a file of 10 bytes in three chunks of 4, one at a time', async () => {
    const page = await live();
    await announce(page, { u1: { text: '0123456789' } });
    const upload = page.proxy['file'];
    expect([upload.status, upload.entries.length]).toEqual(['selecting', 1]);
    const done = upload.start();
    const join = await next('phx_join');
    expect([join.topic, join.payload]).toEqual([
      'musubi_upload:u1',
      { token: 'token-u1', resume: true },
    ]);
    await world.reply(join, { offset: 0, progress: 0 });
    for (const [part, progress] of [
      ['0123', 40],
      ['4567', 80],
      ['89', 100],
    ] as const) {
      const sent = await chunk();
      expect([sent.topic, sent.event, sent.joinRef, text(sent.payload)]).toEqual([
        'musubi_upload:u1',
        'chunk',
        join.joinRef,
        part,
      ]);
      expect(world.bytes).toEqual([]);
      await say({ op: 'progress', ref: 'u1', progress });
      expect(upload.progress).toBe(progress);
      await world.reply({ ...join, ref: sent.ref }, { progress });
    }
    await say({ op: 'complete', ref: 'u1' });
    await world.end('phx_close', 'musubi_upload:u1');
    expect(await done).toEqual([{ ref: 'u1', status: 'success' }]);
    expect([upload.status, page.proxy.$snapshot()]).toEqual([
      'success',
      { file: expect.objectContaining({ progress: 100 }) as unknown },
    ]);
    await world.clock.advance(60_000);
    expect(world.sent).toEqual([]);
  });

  it('V59 sends each entry once, however often it is started, and some at a time', async () => {
    const page = await live();
    const upload = page.proxy['file'];
    await announce(page, { u1: { text: 'a' }, u2: { text: 'b' }, u3: { text: 'c' } });
    const [first, second] = [upload.start({ concurrency: 2 }), upload.start()];
    expect(await second).toEqual([]);
    const joins = [await next('phx_join'), await next('phx_join')];
    await settle();
    expect([joins.map(({ topic }) => topic), world.sent]).toEqual([
      ['musubi_upload:u1', 'musubi_upload:u2'],
      [],
    ]);
    for (const join of [...joins, null]) {
      const at = join ?? (await next('phx_join'));
      await world.reply(at, { offset: 0, progress: 0 });
      await world.reply({ ...at, ref: (await chunk()).ref }, { progress: 100 });
      await say({ op: 'complete', ref: at.topic.slice(-2) });
      await world.end('phx_close', at.topic);
    }
    expect(
      (await first).map(({ ref, status }: { ref: string; status: string }) => [ref, status]),
    ).toEqual([
      ['u1', 'success'],
      ['u2', 'success'],
      ['u3', 'success'],
    ]);
    expect(await upload.start()).toEqual([]);
  });

  it('V55 an empty file needs no chunk of a capver 4 server, and one empty chunk of a Musubi server', async () => {
    const page = await live();
    await announce(page, { u1: { text: '' } });
    const done = page.proxy['file'].start();
    await world.reply(await next('phx_join'), { offset: 0, progress: 100 });
    await say({ op: 'complete', ref: 'u1' });
    await world.end('phx_close', 'musubi_upload:u1');
    expect(await done).toEqual([{ ref: 'u1', status: 'success' }]);
    expect(world.bytes).toEqual([]);
    await world[Symbol.asyncDispose]();
    world = new Scripted();
    const other = await live({ capver: undefined, instance: undefined });
    await announce(other, { u1: { text: '' } });
    const sent = other.proxy['file'].start();
    const join = await next('phx_join');
    expect(join.payload).toEqual({ token: 'token-u1' });
    await world.reply(join);
    const empty = await chunk();
    expect(empty.payload.length).toBe(0);
    await world.reply({ ...join, ref: empty.ref }, { progress: 100 });
    await say({ op: 'complete', ref: 'u1' });
    expect(await sent).toEqual([{ ref: 'u1', status: 'success' }]);
  });

  it('V57 goes on at the offset after a lost connection, with a new token where the old one is too old', async () => {
    const page = await live();
    await announce(page, { u1: { text: '0123456789' } });
    await world.clock.advance(499_500);
    const done = page.proxy['file'].start();
    const join = await next('phx_join');
    await world.reply(join, { offset: 0, progress: 0 });
    await chunk();
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't1', resumed: true, version: 2 });
    const refresh = await next('refresh_upload');
    expect(refresh.payload).toEqual({ store_id: [], name: 'file', ref: 'u1' });
    await world.reply(refresh, { token: 'newer' });
    const again = await next('phx_join');
    expect(again.payload).toEqual({ token: 'newer', resume: true });
    await world.reply(again, { offset: 6, progress: 60 });
    const rest = await chunk();
    expect(text(rest.payload)).toBe('6789');
    await world.reply({ ...again, ref: rest.ref }, { progress: 100 });
    await say({ op: 'complete', ref: 'u1' });
    expect(await done).toEqual([{ ref: 'u1', status: 'success' }]);
  });

  it('V57 is a success where the server had all of it, and only its answer was lost', async () => {
    const page = await live();
    await announce(page, { u1: { text: 'abc' } });
    const done = page.proxy['file'].start();
    await world.reply(await next('phx_join'), { offset: 0, progress: 0 });
    await chunk();
    await world.cut();
    await world.clock.advance(1000);
    await world.accept({ instance: 't1', resumed: true, version: 3 });
    await say({ op: 'progress', ref: 'u1', progress: 100 }, { op: 'complete', ref: 'u1' });
    // Its token is good for nothing any more.
    await world.refuse(await next('phx_join'), { reason: 'unauthorized' });
    expect(await done).toEqual([{ ref: 'u1', status: 'success' }]);
  });

  it.each([
    ['sent whole', 'abc'],
    ['sent in part', '0123456789'],
  ])(
    'V57 that was %s ends cancelled where its entry did not outlive the connection',
    async (_how, bytes) => {
      const page = await live();
      await announce(page, { u1: { text: bytes } });
      const done = page.proxy['file'].start();
      const join = await next('phx_join');
      await world.reply(join, { offset: 0, progress: 0 });
      await world.reply({ ...join, ref: (await chunk()).ref }, { progress: 40 });
      await world.cut();
      await world.clock.advance(1000);
      await world.accept({ instance: 't2' });
      await world.show(node([], { file: { __musubi_upload__: 'file' } }));
      expect(await done).toEqual([{ ref: 'u1', status: 'cancelled' }]);
      await settle();
      expect([page.proxy['file'].entries, world.sent]).toEqual([[], []]);
    },
  );

  it('V50 a refused chunk or join is the outcome of its entry, and of no other', async () => {
    const page = await live();
    await announce(page, { u1: { text: 'abc' }, u2: { text: 'abc' } });
    const done = page.proxy['file'].start();
    const [first, second] = [await next('phx_join'), await next('phx_join')];
    await world.reply(first, { offset: 0, progress: 0 });
    await world.refuse({ ...first, ref: (await chunk()).ref }, { reason: 'chunk too large' });
    await world.refuse(second, { reason: 'unauthorized' });
    const outcomes = await done;
    expect(outcomes).toMatchObject([
      { ref: 'u1', status: 'error', error: { code: 'chunk_too_large' } },
      { ref: 'u2', status: 'error', error: { code: 'unauthorized' } },
    ]);
  });

  it('cancels one entry, or all: the last makes the upload cancelled', async () => {
    const page = await live();
    await announce(page, { u1: { text: 'abc' }, u2: { text: 'abc' } });
    const upload = page.proxy['file'];
    const done = upload.start();
    const [join] = [await next('phx_join'), await next('phx_join')];
    const first = upload.cancel('u1');
    const asked = await next('cancel_upload');
    expect((await next('phx_leave')).topic).toBe(join.topic);
    expect(asked.payload).toEqual({ store_id: [], name: 'file', ref: 'u1' });
    await world.reply(asked);
    await say({ op: 'cancel', ref: 'u1' });
    await first;
    expect(upload.status).not.toBe('cancelled');
    const second = upload.cancel();
    await world.reply(await next('cancel_upload'));
    await next('phx_leave');
    await say({ op: 'cancel', ref: 'u2' });
    await second;
    expect(await done).toEqual([
      { ref: 'u1', status: 'cancelled' },
      { ref: 'u2', status: 'cancelled' },
    ]);
    expect(upload.status).toBe('cancelled');
  });

  it('takes back an entry whose file is there, by its ref', async () => {
    const page = await live();
    await announce(page, { u1: { text: 'abc' } });
    const upload = page.proxy['file'];
    await say({ op: 'complete', ref: 'u1' });
    await upload.cancel();
    expect(world.sent).toEqual([]);
    const taken = upload.cancel('u1');
    const asked = await next('cancel_upload');
    expect(asked.payload).toEqual({ store_id: [], name: 'file', ref: 'u1' });
    await world.reply(asked);
    await say({ op: 'cancel', ref: 'u1' });
    await taken;
    expect([upload.status, upload.entries]).toEqual(['idle', []]);
  });

  it('V47 select says of each file, in their order, which entry it is, or why it was not accepted', async () => {
    const page = await live();
    const files = ['a', 'b', 'c', 'd'].map((name) => file(name, 'x'));
    const selected = page.proxy['file'].select(files);
    const tooMany = { code: 'too_many_files', message: 'too many' };
    const entries = { 3: granted('u4'), 0: granted('u1') };
    const errors = [{ client_ref: '1', error: tooMany }];
    await world.reply(await next('allow_upload'), { ref: 'file', config, entries, errors });
    const rejected = { code: 'preflight_rejected', message: 'upload was rejected' };
    expect(await selected).toEqual([
      { file: files[0], ref: 'u1' },
      { file: files[1], error: tooMany },
      { file: files[2], error: rejected },
      { file: files[3], ref: 'u4' },
    ]);
  });

  it('select without files does nothing; one that the server cannot be asked about rejects, and is shown', async () => {
    const page = await live();
    const upload = page.proxy['file'];
    expect(await upload.select([])).toEqual([]);
    expect(world.sent).toEqual([]);
    const selected = upload.select([file('a', 'x')]);
    const ask = await next('allow_upload');
    expect(upload.status).toBe('selecting');
    expect(ask.payload).toEqual({
      store_id: [],
      name: 'file',
      entries: [{ client_ref: '0', name: 'a.txt', size: 1, type: '' }],
    });
    const refused = expect(selected).rejects.toMatchObject({ code: 'unknown upload' });
    await world.refuse(ask, { reason: 'unknown upload' });
    await refused;
    expect([upload.status, upload.errors[0].code]).toEqual(['error', 'unknown upload']);
    await upload.reset();
    expect([upload.status, upload.errors]).toEqual(['idle', []]);
  });
});

type Announced = { readonly text: string; readonly [field: string]: unknown };

const external = (uploader: string): Announced => ({
  text: 'abc',
  type: 'external',
  uploader,
  meta: { url: 'https://x.test' },
});

describe('an upload to elsewhere', () => {
  it('V52 runs the uploader, tells how far it is, and ends with 100', async () => {
    await world[Symbol.asyncDispose]();
    const jobs: unknown[] = [];
    world = new Scripted({
      uploaders: {
        mine: async ({ file: given, meta, progress }) => {
          jobs.push([given.name, meta]);
          progress(50.4);
          progress(100);
        },
      },
    });
    const page = await live();
    await announce(page, { u1: external('mine') });
    const done = page.proxy['file'].start();
    const told: unknown[] = [];
    for (let progress = 0; progress !== 100;) {
      const ask = await next('upload_progress');
      progress = ask.payload['progress'] as number;
      told.push(progress);
      await world.reply(ask);
    }
    await say({ op: 'complete', ref: 'u1' });
    expect(await done).toEqual([{ ref: 'u1', status: 'success' }]);
    expect([told.at(-1), told[0], jobs]).toEqual([
      100,
      50,
      [['u1.txt', { url: 'https://x.test' }]],
    ]);
  });

  it('V52 an uploader that fails, or is missing, is external_failed', async () => {
    await world[Symbol.asyncDispose]();
    world = new Scripted({ uploaders: { bad: () => Promise.reject(new Error('no luck')) } });
    const page = await live();
    await announce(page, { u1: external('bad'), u2: external('none') });
    const done = page.proxy['file'].start();
    const asks = [await next('upload_error'), await next('upload_error')];
    const told = asks.toSorted((a, b) =>
      JSON.stringify(a.payload) < JSON.stringify(b.payload) ? -1 : 1,
    );
    expect(told[0]?.payload).toEqual({
      store_id: [],
      name: 'file',
      ref: 'u1',
      code: 'external_failed',
      message: 'no luck',
    });
    for (const ask of asks) await world.reply(ask);
    expect(await done).toMatchObject([
      { status: 'error', error: { code: 'external_failed', message: 'no luck' } },
      { status: 'error' },
    ]);
    expect(page.proxy['file'].errors).toMatchObject([{ code: 'external_failed' }]);
  });
});
