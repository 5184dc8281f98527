import { existsSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Client, createClient, type Store } from '@holdfast/client';
import { createServer, type Server } from '@holdfast/server';
import { restore } from '@holdfast/server/backup';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cli, temporaryDirectory, until } from './harness.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let servers: Server[] = [];
let clients: Client[] = [];

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all(servers.map((server) => server.close()));
  [clients, servers] = [[], []];
  await directory.remove();
});

const slow = { timeout: 120_000 };
const path = (...names: string[]): string => join(directory.path, ...names);

async function serve(
  data: string,
  port = 0,
): Promise<{ server: Server; url: string; port: number }> {
  const server = createServer({ data, rates: false });
  servers.push(server);
  const { url, port: bound } = await server.listen({ port });
  return { server, url, port: bound };
}

async function issue(server: Server): Promise<string> {
  const { rawToken } = await server.tokens.issue({
    name: 'test',
    org: 'acme',
    scopes: ['stores:read', 'entries:read', 'entries:write', 'files:read', 'files:write'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  return rawToken;
}

function open(url: string, token: string): Store {
  const client = createClient({ url, token, onError: () => undefined });
  clients.push(client);
  return client.store('acme/app');
}

type Ask = Omit<RequestInit, 'headers'> & { readonly headers?: Readonly<Record<string, string>> };

/** Asks by HTTP. */
async function ask(url: string, token: string, route: string, init: Ask = {}) {
  const response = await fetch(`${url}/api/stores/acme/app${route}`, {
    ...init,
    headers: { authorization: `Bearer ${token}`, ...init.headers },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** What a capver-4 join that resumes is told. */
function rejoin(url: string, token: string, cursor: object): Promise<Record<string, unknown>> {
  const query = `token=${token}&device_id=d&capver=4&vsn=2.0.0`;
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/sync/websocket?${query}`);
  return new Promise((resolve, reject) => {
    socket.addEventListener('error', () => reject(new Error('no socket')));
    socket.addEventListener('open', () =>
      socket.send(JSON.stringify(['1', '1', 'store:acme/app', 'phx_join', cursor])),
    );
    socket.addEventListener('message', ({ data }) => {
      const frame: unknown = JSON.parse(String(data));
      if (!Array.isArray(frame) || frame[3] !== 'phx_reply') return;
      socket.close();
      resolve(Object(frame[4]).response);
    });
  });
}

/** Writes without a pause until it is told to stop; resolves with how many writes were acknowledged. */
function load(store: Store): { readonly written: () => number; stop(): Promise<number> } {
  let written = 0;
  const end = new AbortController();
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    while (!end.signal.aborted) {
      await store.put(`load/${lane}/${written % 500}`, written).committed;
      written += 1;
    }
  });
  return {
    written: () => written,
    stop: async () => {
      end.abort();
      await Promise.all(lanes);
      return written;
    },
  };
}

const age = (db: DatabaseSync): void => db.exec('PRAGMA user_version = 1000');

const stateOf = (store: Store): unknown =>
  ['load', 'once', 'after', 'together', 'doc'].map((at) => store.get(at));

test(
  'P84 a backup taken under write load is restored, and a client that was ahead of it ends equal',
  slow,
  async () => {
    const first = await serve(path('data'));
    await first.server.stores.create('acme/app');
    const token = await issue(first.server);
    const store = open(first.url, token);
    await store.ready;
    const content = 'x'.repeat(300_000);
    const upload = { method: 'PUT', body: content, headers: { 'content-type': 'text/plain' } };
    expect((await ask(first.url, token, '/files/doc', upload)).status).toBe(201);
    const once = {
      method: 'PUT',
      body: '1',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'once' },
    };
    const answered = await ask(first.url, token, '/entries/once', once);

    const writing = load(store);
    await until(() => writing.written() > 500);
    const before = writing.written();
    const status = await ask(first.url, token, '');
    const head = Number(/"current_seq":(\d+)/.exec(status.text)?.[1]);
    const past = async (url: string): Promise<string> =>
      (await ask(url, token, `/entries?pattern=load/**&limit=1000&at_seq=${head}`)).text;
    const written = await past(first.url);
    const backup = await cli(['backup', path('backup'), '--data', path('data')]);
    expect(backup).toMatchObject({ code: 0, rows: [{ stores: 1, files: 1, missing: [] }] });
    expect(writing.written()).toBeGreaterThan(before);
    await writing.stop();
    await store.put('after', 'the backup').committed;
    const { store: row } = JSON.parse(`{"store":${(await ask(first.url, token, '')).text}}`);
    await first.server.close();

    const restored = await cli(['restore', path('backup'), '--data', path('data2')]);
    expect(restored).toMatchObject({ code: 0, rows: [{ stores: 1, files: 1, missing: [] }] });
    const second = await serve(path('data2'), first.port);
    const cursor = { last_store_seq: row.current_seq, incarnation: row.incarnation };
    expect(await rejoin(second.url, token, cursor)).toMatchObject({
      why: 'incarnation',
    });

    // What was committed before it began is there, each op of it.
    expect(written).toContain('"items":[{"path":"load/0/');
    expect(await past(second.url)).toBe(written);

    const fresh = open(second.url, token);
    await fresh.ready;
    await until(() => store.get('after') === undefined && store.get('once') === 1);
    await store.put('together', true).committed;
    await until(() => fresh.get('together') === true);
    expect(stateOf(store)).toEqual(stateOf(fresh));
    expect((await ask(second.url, token, '/files/doc')).text).toBe(content);

    // What was committed before the backup is answered as it was then (stores.md §6.2).
    const repeated = await ask(second.url, token, '/entries/once', once);
    expect(repeated.text).toBe(answered.text);
    expect(repeated.headers.get('idempotent-replay')).toBe('true');
  },
);

test(
  'P85 a backup that is damaged or not finished is not restored, and data is never overwritten',
  slow,
  async () => {
    const { server } = await serve(path('data'));
    await server.stores.create('acme/app');
    const back = (to: string) => cli(['backup', path(to), '--data', path('data')]);
    expect((await back('backup')).code).toBe(0);
    expect((await back('backup')).error).toMatchObject({ code: 'occupied' });
    expect((await cli(['backup', path('none'), '--data', path('nothing')])).error).toMatchObject({
      code: 'no_data',
    });
    expect(existsSync(path('none'))).toBe(false);

    const into = (from: string, to: string) => cli(['restore', path(from), '--data', path(to)]);
    expect((await into('data', 'new')).error).toMatchObject({ code: 'no_backup' });
    expect((await into('backup', 'data')).error).toMatchObject({ code: 'occupied' });
    // What a server that was killed leaves beside its database is of that one, and no other.
    await cp(path('data'), path('killed'), { recursive: true });
    await rm(path('killed', 'holdfast.db'));
    const log = path('killed', 'holdfast.db-wal');
    expect((await into('backup', 'killed')).error).toMatchObject({
      code: 'occupied',
      message: expect.stringContaining('holdfast.db-wal'),
    });
    await rm(log);
    expect((await into('backup', 'killed')).code).toBe(0);
    const file = path('backup', 'holdfast.db');
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = Number(bytes.at(-1)) ^ 1;
    await writeFile(file, bytes);
    expect((await into('backup', 'new')).error).toMatchObject({ code: 'damaged' });
    expect(await readdir(path('new'))).toEqual([]);
  },
);

test(
  'P85 what is no backup is told as that and leaves nothing behind, and newer data is not backed up by what may not know all of it',
  slow,
  async () => {
    const { server } = await serve(path('data'));
    await server.stores.create('acme/app');
    await server.close();
    const spoil = (change: (database: DatabaseSync) => void, at: string): void => {
      const database = new DatabaseSync(path(at, 'holdfast.db'));
      change(database);
      database.close();
    };
    const spoilt = async (change: () => unknown): Promise<unknown> => {
      await cp(path('backup'), path('spoilt'), { recursive: true });
      await change();
      const bytes = await readFile(path('spoilt', 'holdfast.db'));
      const manifest = await readFile(path('spoilt', 'backup.json'), 'utf8');
      const sum = createHash('sha256').update(bytes).digest('hex');
      const signed = manifest.replace(/(?<="databaseSha256": ")\w+/, sum);
      await writeFile(path('spoilt', 'backup.json'), signed);
      const { error } = await cli(['restore', path('spoilt'), '--data', path('new')]);
      expect(existsSync(path('new')) ? await readdir(path('new')) : []).toEqual([]);
      await rm(path('spoilt'), { recursive: true });
      return error?.['code'];
    };
    expect((await cli(['backup', path('backup'), '--data', path('data')])).code).toBe(0);
    const file = path('spoilt', 'holdfast.db');
    expect(await spoilt(() => writeFile(path('spoilt', 'backup.json'), '{'))).toBe('damaged');
    expect(await spoilt(() => writeFile(file, 'x'.repeat(9000)))).toBe('corrupt');
    expect(await spoilt(() => spoil((db) => db.exec('PRAGMA application_id = 1'), 'spoilt'))).toBe(
      'damaged',
    );
    expect(await spoilt(() => spoil(age, 'spoilt'))).toBe('newer_schema');
    await cp(path('data'), path('broken'), { recursive: true });
    await writeFile(path('broken', 'holdfast.db'), 'x'.repeat(9000));
    const broken = await cli(['backup', path('later'), '--data', path('broken')]);
    expect([broken.code, broken.error?.['code']]).toEqual([2, 'corrupt']);
    spoil(age, 'data');
    const newer = await cli(['backup', path('later'), '--data', path('data')]);
    expect(newer.error).toMatchObject({ code: 'newer_schema' });
    expect(existsSync(path('later', 'backup.json'))).toBe(false);
    const toFile = await cli(['backup', file.replace('spoilt', 'data'), '--data', path('data')]);
    expect([toFile.code, toFile.error?.['code']]).toEqual([2, 'ENOTDIR']);
  },
);

test(
  'P84 content that is gone or damaged is told by a backup, which holds all else',
  slow,
  async () => {
    const { server, url } = await serve(path('data'));
    await server.stores.create('acme/app');
    const token = await issue(server);
    const put = (name: string) => ask(url, token, `/files/${name}`, { method: 'PUT', body: name });
    await put('kept');
    await put('lost');
    const hash = JSON.parse((await ask(url, token, '/entries/lost')).text).value.hash;
    const digits = String(hash).slice(7);
    await writeFile(path('data', 'files', 'blobs', digits.slice(0, 2), digits), 'other');
    const { code, rows } = await cli(['backup', path('backup'), '--data', path('data')]);
    expect({ code, rows }).toMatchObject({ code: 0, rows: [{ files: 1, missing: [hash] }] });
  },
);

test(
  'a server that is started amid a restore, or after one that was killed, is refused instead of serving nothing',
  slow,
  async () => {
    const { server, url } = await serve(path('data'));
    await server.stores.create('acme/app');
    await ask(url, await issue(server), '/files/doc', { method: 'PUT', body: 'content' });
    expect((await cli(['backup', path('backup'), '--data', path('data')])).code).toBe(0);
    const create = (): unknown => createServer({ data: path('new') });
    const refused = expect.objectContaining({
      reason: 'io',
      message: expect.stringMatching(/a restore goes on, or was broken off.*empty the directory/),
    });
    let steps = 0;
    const onStep = (): void => {
      steps += 1;
      expect(create).toThrow(refused);
    };
    await restore({ from: path('backup'), to: path('new'), onStep });
    expect(steps).toBe(1);
    const restored = await serve(path('new'));
    expect(await restored.server.stores.find('acme/app')).not.toBeNull();
    await restored.server.close();

    await rename(path('new', 'holdfast.db'), path('new', 'holdfast.db.part'));
    const before = await readdir(path('new'));
    expect(create).toThrow(refused);
    expect(await readdir(path('new'))).toEqual(before);
  },
);

test(
  'what is left of a restore that was killed amid its changes does nothing to that of another backup',
  slow,
  async () => {
    const { server } = await serve(path('data'));
    await server.stores.create('acme/app');
    const backUp = (name: string) => cli(['backup', path(name), '--data', path('data')]);
    expect((await backUp('small')).code).toBe(0);
    const names = Array.from({ length: 200 }, (_, at) => `acme/${'x'.repeat(50)}${at}`);
    await Promise.all(names.map((name) => server.stores.create(name)));
    expect((await backUp('large')).code).toBe(0);

    // Beside the file, whoever is killed leaves what takes back what was changed of it.
    await cp(path('small', 'holdfast.db'), path('killed', 'holdfast.db.part'));
    const killed = new DatabaseSync(path('killed', 'holdfast.db.part'));
    killed.exec(`PRAGMA cache_size = 1; BEGIN IMMEDIATE; CREATE TABLE t (x);
      UPDATE stores SET incarnation = 'i'; INSERT INTO t SELECT randomblob(1000000)`);
    await cp(path('killed'), path('new'), { recursive: true });
    killed.close();
    expect(await readdir(path('new'))).toContain('holdfast.db.part-journal');

    expect(await restore({ from: path('large'), to: path('new') })).toMatchObject({ stores: 201 });
    const restored = await serve(path('new'));
    expect(await restored.server.stores.find(names[0] ?? '')).not.toBeNull();
  },
);
