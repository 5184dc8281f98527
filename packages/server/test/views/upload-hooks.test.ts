import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deferred } from '@holdfast/engine/registry';
import { encodeChunk } from '@holdfast/protocol/views';
import { app, upload, view } from '@holdfast/server';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer } from '../conversation/peer.ts';
import { world } from '../conversation/world.ts';
import { Root } from './root.ts';

// What clients can have application code do by what they ask of uploads, and what stands in the way of them.

type Hooks = Partial<Parameters<typeof upload>[0]>;

async function atDesk(hooks: Hooks, clock?: VirtualClock): Promise<{ peer: Peer; root: Root }> {
  const desk = view({
    name: 'Desk',
    uploads: { image: upload({ accept: ['.png'], ...hooks }) },
    render: (_s, h) => ({ image: h.upload('image') }),
  });
  const { connect } = await world({ app: app({ views: [desk] }), ...(clock && { clock }) });
  const peer = await connect();
  const root = new Root(peer, 'Desk', 'd');
  await root.join({ module: 'Desk', id: 'd', capver: 4 });
  await root.envelope();
  return { peer, root };
}

type Grant = { readonly entry_ref: string; readonly token?: string };

function wish(size: number): object {
  const entries = [{ client_ref: '0', name: 'a.png', size, type: 'image/png' }];
  return { store_id: [], name: 'image', entries };
}

async function allowed(root: Root, size: number): Promise<Grant> {
  const { response } = await root.ask('allow_upload', wish(size));
  const grant = (response['entries'] as { [ref: string]: Grant })['0'];
  if (grant === undefined) throw new Error(JSON.stringify(response));
  await root.envelope();
  return grant;
}

it.each([
  ['the signs of its kind', true],
  ['what application code looks for', () => false],
])('V58 an empty file has not %s, and is not accepted', async (_what, sniff) => {
  const { peer, root } = await atDesk({ sniff });
  const { entry_ref: entry, token } = await allowed(root, 0);
  const ref = peer.ref();
  peer.send([ref, ref, `musubi_upload:${entry}`, 'phx_join', { token }]);
  expect(await peer.reply(ref)).toMatchObject({ status: 'ok' });
  const { upload_ops: ops } = await root.envelope();
  expect(ops).toMatchObject([{ op: 'error', error: { code: 'not_accepted' } }]);
});

it('V50 a token lets bytes in for ten minutes, and no longer', async () => {
  const clock = new VirtualClock();
  const { peer, root } = await atDesk({ maxEntries: 2 }, clock);
  const first = await allowed(root, 8);
  // Envelopes have their rate.
  await clock.pass(20);
  const second = await allowed(root, 8);
  const joined = async ({ entry_ref: entry, token }: Grant): Promise<unknown> => {
    const ref = peer.ref();
    peer.send([ref, ref, `musubi_upload:${entry}`, 'phx_join', { token }]);
    return (await peer.reply(ref)).response;
  };
  for (const ms of Array<number>(20).fill(29_999)) {
    // oxlint-disable-next-line no-await-in-loop -- ten minutes of the first, in which the client is there
    await clock.pass(ms);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await peer.ask('phoenix', 'heartbeat', {});
  }
  expect(await joined(first)).toEqual({});
  await clock.pass(21);
  expect(await joined(second)).toEqual({ reason: 'unauthorized' });
  const { response } = await root.ask('refresh_upload', { name: 'image', ref: second.entry_ref });
  expect(await joined({ ...second, token: String(response['token']) })).toEqual({});
});

it('application code is asked once whether a file is where a client says, however often that says so (views.md §10.4)', async () => {
  const asked = deferred<boolean>();
  let count = 0;
  const { root } = await atDesk({
    external: () => ({ uploader: 'elsewhere', meta: {} }),
    verify: () => {
      count += 1;
      return asked.promise;
    },
  });
  const { entry_ref: ref } = await allowed(root, 10);
  const done = { store_id: [], name: 'image', ref, progress: 100 };
  for (let time = 0; time < 20; time += 1) {
    // oxlint-disable-next-line no-await-in-loop -- again and again
    expect(await root.ask('upload_progress', done)).toMatchObject({ status: 'ok' });
  }
  expect(count).toBe(1);
  asked.resolve(true);
  expect((await root.envelope()).upload_ops).toMatchObject([
    { op: 'progress' },
    { op: 'complete' },
  ]);
});

it('files are let in no faster than commands run, for both run application code (views.md §15)', async () => {
  const clock = new VirtualClock();
  let count = 0;
  const { root } = await atDesk(
    {
      external: () => {
        count += 1;
        return { uploader: 'elsewhere', meta: {} };
      },
    },
    clock,
  );
  const storm = async (): Promise<unknown> => {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- until it is too much
      const { status, response } = await root.ask('allow_upload', wish(1));
      if (status === 'error') return response;
      const grant = (response['entries'] as { [ref: string]: Grant })['0'];
      // oxlint-disable-next-line no-await-in-loop -- so that there is room for another
      await root.ask('cancel_upload', { store_id: [], name: 'image', ref: grant?.entry_ref });
    }
  };
  expect(await storm()).toEqual({ reason: 'rate_limited', retry_after_ms: 5 });
  expect(count).toBe(400);
  await clock.pass(1000);
  await storm();
  expect(count).toBe(600);
});

it('V57 a transfer that is joined again is of the last channel alone, and begins anew without a wish to go on', async () => {
  const desk = view({
    name: 'Desk',
    uploads: { image: upload({ accept: ['.png'], chunkSize: 4 }) },
    render: (_s, h) => ({ image: h.upload('image') }),
    commands: {
      take: {
        reply: z.object({ texts: z.array(z.string()) }),
        run: async (ctx) => {
          const texts = await ctx.uploads.consume('image', async (_entry, file) => {
            const parts: Uint8Array[] = [];
            for await (const part of file?.stream() ?? []) parts.push(part);
            return Buffer.concat(parts).toString();
          });
          return { texts: [...texts] };
        },
      },
    },
  });
  const { connect } = await world({ app: app({ views: [desk] }) });
  const peer = await connect();
  const root = new Root(peer, 'Desk', 'd');
  await root.join({ module: 'Desk', id: 'd', capver: 4 });
  const { response } = await root.ask('allow_upload', wish(8));
  const { entry_ref: entry, token } = (response['entries'] as { 0: Grant })[0];
  const topic = `musubi_upload:${entry}`;
  const bring = async (by: Peer, texts: readonly string[], more: object): Promise<unknown[]> => {
    const joinRef = by.ref();
    by.send([joinRef, joinRef, topic, 'phx_join', { token, ...more }]);
    const said: unknown[] = [(await by.reply(joinRef)).response];
    for (const text of texts) {
      const ref = by.ref();
      const payload = Buffer.from(text);
      by.sendRaw(encodeChunk({ joinRef, ref, topic, event: 'chunk', payload }));
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      said.push((await by.reply(ref)).response);
    }
    return said;
  };
  const begun = { offset: 0, progress: 0 };
  const on = { resume: true };
  expect(await bring(peer, ['abcd'], on)).toEqual([begun, { progress: 50 }]);
  const other = await connect();
  expect(await bring(other, [], on)).toEqual([{ offset: 4, progress: 50 }]);
  await peer.until(([, , of, event]) => of === topic && event === 'phx_close');
  const all = [{}, { progress: 50 }, { progress: 100 }];
  expect(await bring(peer, ['0123', '4567'], {})).toEqual(all);
  expect((await root.command('take')).response).toEqual({ texts: ['01234567'] });
});

it('V57 a transfer whose connection is lost while its chunk is looked at is waited for no shorter than any', async () => {
  const clock = new VirtualClock();
  const [looked, taken, lost] = [deferred<boolean>(), deferred<void>(), deferred<void>()];
  const image = upload({
    accept: ['.png'],
    maxFileSize: 20_000,
    sniff: () => looked.promise,
    onProgress: () => taken.resolve(),
  });
  const desk = view({
    name: 'Desk',
    uploads: { image },
    render: (_s, h) => ({ image: h.upload('image') }),
  });
  const { connect } = await world({
    app: app({ views: [desk] }),
    clock,
    telemetry: ({ name }) => {
      if (name === 'leave') lost.resolve();
    },
  });
  const peer = await connect();
  const root = new Root(peer, 'Desk', 'd');
  const first = { module: 'Desk', id: 'd', capver: 4, resume: { instance: null, version: 0 } };
  const { instance } = (await root.join(first)).response;
  await root.envelope();
  const { entry_ref: entry, token } = await allowed(root, 10_000);
  const topic = `musubi_upload:${entry}`;
  const joinRef = peer.ref();
  peer.send([joinRef, joinRef, topic, 'phx_join', { token, resume: true }]);
  await peer.reply(joinRef);
  const chunk = { joinRef, ref: peer.ref(), topic, event: 'chunk', payload: Buffer.alloc(5000) };
  peer.sendRaw(encodeChunk(chunk));
  // What came before it has been heard when this is answered.
  await root.ask('refresh_upload', { store_id: [], name: 'image', ref: entry });
  peer.cut();
  await lost.promise;
  looked.resolve(true);
  await taken.promise;
  await clock.pass(20_000);
  const other = await connect();
  await new Root(other, 'Desk', 'd').join({ ...first, resume: { instance, version: 2 } });
  const ref = other.ref();
  other.send([ref, ref, topic, 'phx_join', { token, resume: true }]);
  expect((await other.reply(ref)).response).toEqual({ offset: 5000, progress: 50 });
});

it('what another user has left in the place for temporary files stops no server from starting', async () => {
  const shared = mkdtempSync(join(tmpdir(), 'holdfast-shared-'));
  const left = join(shared, 'holdfast-uploads-999999999-x');
  onTestFinished(() => {
    chmodSync(left, 0o700);
    rmSync(shared, { recursive: true, force: true });
  });
  mkdirSync(left);
  writeFileSync(join(left, 'u_1'), 'left');
  chmodSync(left, 0o500);
  chmodSync(shared, 0o777);
  const script = join(import.meta.dirname, 'leftovers-of-others.ts');
  const env = { ...process.env, TMPDIR: shared };
  const run = promisify(execFile)(process.execPath, ['--conditions=@holdfast/source', script], {
    env,
  });
  expect((await run).stdout).toMatch(/^http:/);
});
