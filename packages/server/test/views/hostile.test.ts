import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { app, upload, view } from '@holdfast/server';
import { encodeChunk } from '@holdfast/protocol/views';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { collect } from '../../../../tools/garbage.ts';
import { type Peer } from '../conversation/peer.ts';
import { type World, world } from '../conversation/world.ts';
import { Root } from './root.ts';

// What strangers send: each of it is refused as specified, the server goes on, and nothing of it stays in memory or on disk.

const room = view({
  name: 'Room',
  scope: 'shared',
  uploads: { file: upload({ accept: 'any', maxEntries: 3, maxFileSize: 100, chunkSize: 10 }) },
  mount: () => ({ n: 0 }),
  render: ({ n }, h, { params }) => ({ n, params, file: h.upload('file') }),
  commands: { add: { run: (ctx) => ctx.update((s) => void (s.n += 1)) } },
});
const strict = view({
  name: 'Strict',
  params: z.object({ room: z.string().max(10) }),
  render: (_s, _h, { params }) => params,
});
const quiet = view({ name: 'Quiet', render: () => ({}) });
const views = app({ views: [room, strict, quiet] });

/** The heap, without what is not used any more. */
async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    collect();
    // oxlint-disable-next-line no-await-in-loop -- what is due after a turn is let go of, too
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}

/** A socket that sends much and remembers nothing of the answers but how often each came. */
class Flood {
  readonly #socket: WebSocket;
  readonly #counts = new Map<string, number>();
  #heard: () => void = () => undefined;
  #count = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      if (!text.includes('"phx_reply"')) return;
      const reason = /"reason":"([^"]*)"/.exec(text)?.[1] ?? /"status":"(\w+)"/.exec(text)?.[1];
      this.#counts.set(reason ?? '', (this.#counts.get(reason ?? '') ?? 0) + 1);
      this.#count += 1;
      this.#heard();
    });
  }

  static async open({ url }: World): Promise<Flood> {
    const at = `${url.replace('http', 'ws')}/ws/sync/websocket?token=dev&device_id=d&capver=4&vsn=2.0.0`;
    const socket = new WebSocket(at);
    onTestFinished(() => socket.terminate());
    await new Promise((resolve) => socket.once('open', resolve));
    return new Flood(socket);
  }

  /** Sends as many, so many at a time; what was answered how often. */
  async send(count: number, frame: (index: number) => string): Promise<object> {
    this.#counts.clear();
    this.#count = 0;
    for (let sent = 0; sent < count;) {
      for (const until = Math.min(count, sent + 50); sent < until; sent += 1) {
        this.#socket.send(frame(sent));
      }
      // oxlint-disable-next-line no-await-in-loop -- until those are answered
      await new Promise<void>((resolve) => {
        this.#heard = () => this.#count >= sent && resolve();
        this.#heard();
      });
    }
    return Object.fromEntries(this.#counts);
  }
}

async function inRoom(open: World, more: object = {}): Promise<{ peer: Peer; root: Root }> {
  const peer = await open.connect();
  const root = new Root(peer, 'Room', 'r');
  await root.join({ module: 'Room', id: 'r', ...more });
  await root.envelope();
  return { peer, root };
}

const nobody = (i: number): string =>
  `["${i}","${i}","musubi:connection:Nope${i}:x","phx_join",{"module":"Nope${i}","id":"x"}]`;
/** Each of a root of its own: a join that another one of its root overtakes is not answered. */
const joinWith = (module: string, params: string, i = 0): string =>
  `["${i}","${i}","musubi:connection:${module}:x${i}","phx_join",{"module":"${module}","id":"x${i}","params":${params}}]`;

/** 100,000 of them take four seconds: `HOLDFAST_JOINS=100000`. */
const joins = Number(process.env['HOLDFAST_JOINS'] ?? 25_000);

it(`${joins} joins of unknown roots are refused one by one, and leave nothing in memory`, async () => {
  const open = await world({ app: views });
  const flood = await Flood.open(open);
  await flood.send(2000, nobody);
  const before = await heapBytes();
  expect(await flood.send(joins, nobody)).toEqual({ 'unknown root': joins });
  expect((await heapBytes()) - before).toBeLessThan(1024 * 1024);
  expect(open.server.describe().views).toEqual([]);
  // It is served as well as before.
  expect(await flood.send(1, () => joinWith('Strict', '{"room":"r"}'))).toEqual({ ok: 1 });
});

it('deep and huge params are refused or shown as they are, and nothing of what was refused stays', async () => {
  const open = await world({ app: views });
  const flood = await Flood.open(open);
  const deep = `{"room":${'['.repeat(2000)}${']'.repeat(2000)}}`;
  const huge = `{"room":"${'x'.repeat(500_000)}"}`;
  for (const params of [deep, huge]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await flood.send(1, () => joinWith('Strict', params))).toEqual({ invalid_params: 1 });
  }
  const before = await heapBytes();
  expect(await flood.send(20, (i) => joinWith('Strict', huge, i))).toEqual({ invalid_params: 20 });
  expect((await heapBytes()) - before).toBeLessThan(1024 * 1024);
  // Where they pass and are shown, a tree has a depth; the mount fails, and says nothing else.
  const shown = await flood.send(1, () =>
    joinWith('Room', `{"a":${'['.repeat(100)}${']'.repeat(100)}}`),
  );
  expect(shown).toEqual({ 'internal error': 1 });
  expect(open.server.describe().views).toEqual([]);
});

it('what somebody who left may come back by does not hold the params that it was asked for with', async () => {
  const peer = await (await world({ app: views })).connect();
  const pad = 'x'.repeat(500_000);
  const leave = async (id: string): Promise<void> => {
    const root = new Root(peer, 'Quiet', id);
    const resume = { instance: null, version: 0 };
    const params = { pad: `${pad}${id}` };
    const joined = root.join({ module: 'Quiet', id, params, capver: 4, resume });
    expect(await joined).toMatchObject({ status: 'ok' });
    await root.ask('phx_leave', {});
  };
  await leave('first');
  const before = await heapBytes();
  for (let time = 0; time < 40; time += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await leave(`r${time}`);
  }
  expect((await heapBytes()) - before).toBeLessThan(10_000_000);
});

it('params with names of prototypes are data of their own, and two such roots are not taken for one', async () => {
  const open = await world({ app: views });
  const params: unknown = JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":{"b":2}}}');
  const { root } = await inRoom(open, { params });
  const plain = await inRoom(open);
  expect(open.server.describe().views).toHaveLength(2);
  await root.command('add');
  const { ops } = await root.envelope();
  expect(ops).toEqual([{ op: 'replace', path: '/n', value: 1 }]);
  expect(await plain.root.command('add')).toMatchObject({ status: 'ok', version: 2 });
  expect([Reflect.get({}, 'a'), Reflect.get({}, 'b')]).toEqual([undefined, undefined]);
});

it('forged tokens and oversized chunks are refused however often they come, and leave neither memory nor files', async () => {
  const data = await mkdtemp(join(tmpdir(), 'holdfast-hostile-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  const open = await world({ app: views, data });
  const { peer, root } = await inRoom(open);
  const ask = async (name: string): Promise<{ entry_ref: string; token: string }> => {
    const file = { client_ref: '__proto__', name: '../../__proto__', size: 20, type: 'x' };
    const reply = await root.ask('allow_upload', { store_id: [], name, entries: [file] });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the test expects
    const grants = reply.response['entries'] as {
      [ref: string]: { entry_ref: string; token: string };
    };
    return Object.values(grants)[0] ?? { entry_ref: '', token: '' };
  };
  for (const name of ['__proto__', 'constructor', 'nope']) {
    const entries = [{ client_ref: '0', name: 'a', size: 1, type: '' }];
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const reply = await root.ask('allow_upload', { store_id: [], name, entries });
    expect(reply.response).toEqual({ reason: 'unknown upload' });
  }
  const flood = await Flood.open(open);
  const { entry_ref: ref, token } = await ask('file');
  const [claims = '', seal = ''] = token.split('.');
  const forged = [
    `${claims}x.${seal}`,
    `${claims}.${seal.slice(1)}`,
    '__proto__',
    '9'.repeat(5000),
  ];
  const knock = (at: string, i: number): string =>
    `["${i}","${i}","musubi_upload:${at}","phx_join",{"token":"${forged[i % forged.length]}"}]`;
  for (const i of forged.keys()) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await flood.send(1, () => knock(ref, i))).toEqual({ unauthorized: 1 });
  }
  const strangers = (i: number): string => knock(`u${i}`, i);
  await flood.send(500, strangers);
  const before = await heapBytes();
  expect(await flood.send(4000, strangers)).toEqual({ unauthorized: 4000 });
  expect((await heapBytes()) - before).toBeLessThan(1024 * 1024);
  // Through the right door, with more than was agreed.
  const topic = `musubi_upload:${ref}`;
  const joinRef = peer.ref();
  peer.send([joinRef, joinRef, topic, 'phx_join', { token }]);
  expect((await peer.reply(joinRef)).status).toBe('ok');
  const chunkRef = peer.ref();
  const payload = new Uint8Array(60_000);
  peer.sendRaw(encodeChunk({ joinRef, ref: chunkRef, topic, event: 'chunk', payload }));
  expect((await peer.reply(chunkRef)).response).toEqual({ reason: 'chunk too large' });
  expect(await root.command('add')).toMatchObject({ status: 'ok' });
  await expect.poll(() => tempFiles(data)).toEqual([]);
});

/** What lies below a directory of uploads. */
async function tempFiles(data: string): Promise<readonly string[]> {
  const all = await readdir(data, { recursive: true, withFileTypes: true });
  return all
    .filter((each) => each.isFile() && /upload/.test(each.parentPath))
    .map(({ name }) => name);
}
