import type { BlobHash } from '@holdfast/server/blobs';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { memoryBlobs } from '../../src/blobs/memory.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { World } from '../http/world.ts';
import { hashOf, pieceHeaders, told } from './site.ts';

const text = 'Hello, files.';
const hourMs = 3_600_000;

/** A server's HTTP surface over virtual time, where a sweep runs each hour. */
async function place() {
  const world = new World();
  const row = await world.store('acme/app');
  const { raw } = await world.token();
  const call = async (
    method: string,
    path: string,
    rest: { body?: string; headers?: object } = {},
  ) => {
    const { body, headers = {} } = rest;
    return world.app.request(`/api/stores/acme/app/${path}`, {
      method,
      headers: { authorization: `Bearer ${raw}`, ...headers },
      ...(body !== undefined && { body }),
    });
  };
  return {
    world,
    row,
    call,
    hours: async (count: number): Promise<void> => {
      for (let hour = 0; hour < count; hour++) {
        world.clock.at += hourMs;
        await world.files.collector.sweep();
      }
    },
    isThere: async (content: string): Promise<boolean> =>
      (await world.blobs.stat(hashOf(content) as BlobHash)) !== null,
  };
}

test('S98 a blob goes 24 hours after its last current or retained reference, not before (P63)', async () => {
  const { world, row, call, hours, isThere } = await place();
  await call('PUT', 'files/a', { body: text });
  await call('PUT', 'files/keep', { body: 'kept' });
  await call('DELETE', 'files/a');
  await hours(100);
  expect(await isThere(text)).toBe(true);
  await world.storage.compact(row.id, 2, 10);
  await hours(1);
  await world.storage.compact(row.id, 3, 10);
  await hours(24);
  expect(await isThere(text)).toBe(true);
  await hours(1);
  expect(await isThere(text)).toBe(false);
  expect(await isThere('kept')).toBe(true);
  expect(await (await call('GET', 'files/keep')).text()).toBe('kept');
});

test('S98 a refused upload leaves no reference and no charge, and its blob goes (P62)', async () => {
  const { world, row, call, hours, isThere } = await place();
  await call('PUT', 'files/a', { body: 'first' });
  await call('POST', 'transact', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ops: [{ op: 'lease', path: 'lock', ttl_ms: 60_000 }] }),
  });
  expect((await call('PUT', 'files/lock', { body: text })).status).toBe(409);
  expect(await isThere(text)).toBe(true);
  expect(await world.storage.files.usage(row.id)).toBe(5);
  // For a day it counts as uploaded here, so that the next attempt needs no bytes; then it is free for a day.
  await hours(47);
  expect(await isThere(text)).toBe(true);
  await hours(2);
  expect(await isThere(text)).toBe(false);
  expect(await isThere('first')).toBe(true);
});

test('S98 a reference added meanwhile saves the blob (P63)', async () => {
  const { world, row, call, hours, isThere } = await place();
  const uploaded = await told(await call('PUT', 'files/a', { body: text }));
  await call('DELETE', 'files/a');
  await world.storage.compact(row.id, 2, 10);
  await hours(30);
  expect(await isThere(text)).toBe(true);
  const { hash, size } = uploaded[1];
  const headers = pieceHeaders(String(hash), `*/${String(size)}`);
  expect(await told(await call('PUT', 'files/b', { headers }))).toEqual([202, { received: 0 }]);
  expect((await call('PUT', 'files/b', { body: text })).status).toBe(201);
  await hours(72);
  expect(await isThere(text)).toBe(true);
  expect(await (await call('GET', 'files/b')).text()).toBe(text);
});

const json = 'application/json';
const header = '{"_header":true,"path_schema_version":3}';

/** The entry of the file that is at `a` is named at `kept`. */
const namings: readonly (readonly [string, (file: object) => readonly [string, string, string]])[] =
  [
    ['a set', (file) => ['entries', JSON.stringify({ path: 'kept', value: file }), json]],
    [
      'a merge',
      (file) => {
        const ops = [{ op: 'merge', path: 'maps', value: { kept: file } }];
        return ['transact', JSON.stringify({ ops }), json];
      },
    ],
    [
      'a map',
      (file) => ['entries', JSON.stringify({ path: 'maps', value: { to: { kept: file } } }), json],
    ],
    [
      'an import',
      (file) => {
        const line = JSON.stringify({ path: 'kept', value: file, type: 'file' });
        return ['import', `${header}\n${line}`, 'application/x-ndjson'];
      },
    ],
    ['a rollback', () => ['rollback', JSON.stringify({ path: 'a', to_seq: 1 }), json]],
  ];

test.each(namings)(
  'S98 what %s names stays when all else that named it is forgotten, and goes a day after that went too (P63)',
  async (what, naming) => {
    const { world, row, call, hours, isThere } = await place();
    await call('PUT', 'files/a', { body: text });
    const { value } = Object(await (await call('GET', 'entries/a')).json());
    if (what === 'a rollback') await call('DELETE', 'entries/a');
    const [route, body, type] = naming(Object(value));
    expect((await call('POST', route, { body, headers: { 'content-type': type } })).ok).toBe(true);
    if (what !== 'a rollback') await call('DELETE', 'entries/a');
    await world.storage.compact(row.id, 3, 10);
    await hours(100);
    expect(await isThere(text)).toBe(true);
    for (const path of ['kept', 'maps', 'a']) await call('DELETE', `entries/${path}`);
    await world.storage.compact(row.id, 6, 10);
    await hours(24);
    expect(await isThere(text)).toBe(true);
    await hours(1);
    expect(await isThere(text)).toBe(false);
  },
);

test('S96 S98 a clone keeps the files of its source, though that is gone (P63)', async () => {
  const { world, row, call, hours, isThere } = await place();
  await call('PUT', 'files/a', { body: text });
  const body = JSON.stringify({ name: 'copy' });
  expect((await call('POST', 'clone', { body, headers: { 'content-type': json } })).status).toBe(
    201,
  );
  await world.storage.stores.archive(row.id);
  await world.storage.stores.purge(row.id);
  await hours(100);
  expect(await isThere(text)).toBe(true);
  expect(await (await call('GET', '../copy/files/a')).text()).toBe(text);
});

test('S99 pieces of an upload that nobody goes on with are kept for 24 hours', async () => {
  const { call, hours } = await place();
  const piece = async (range: string, body?: string) => {
    const headers = pieceHeaders(hashOf(text), range);
    return told(await call('PUT', 'files/a', { headers, ...(body !== undefined && { body }) }));
  };
  await piece('0-4/13', 'Hello');
  await hours(23);
  expect(await piece('*/13')).toEqual([202, { received: 5 }]);
  await hours(25);
  expect(await piece('*/13')).toEqual([202, { received: 0 }]);
});

test('content that comes while its blob is being deleted is kept, whichever is faster', async () => {
  const { world, row, call, hours, isThere } = await place();
  const store = row.id;
  for (let round = 0; round < 20; round++) {
    const content = `${text} ${round}`;
    const path = `files/${round}`;
    await call('PUT', path, { body: content });
    await call('DELETE', path);
    await world.storage.compact(store, 1000, 1000);
    await hours(47);
    world.clock.at += 2 * hourMs;
    const sweep = world.files.collector.sweep();
    for (let turn = 0; turn < round; turn++) await Promise.resolve();
    const answer = await call('PUT', path, { body: content });
    await sweep;
    expect(answer.status).toBe(201);
    expect(await isThere(content)).toBe(true);
    expect(await (await call('GET', path)).text()).toBe(content);
  }
});

test('a blob condemned by a process that died before it could delete it is taken in again', async () => {
  const { world, call, isThere } = await place();
  const hash = hashOf(text);
  await world.storage.files.condemn(hash);
  world.clock.at += 25 * hourMs;
  expect(await world.storage.files.condemn(hash)).toBe('condemned');
  expect((await call('PUT', 'files/a', { body: text })).status).toBe(201);
  expect(await isThere(text)).toBe(true);
  expect(await world.storage.files.condemn(hash)).toBe('named');
});

test('bytes that cannot be deleted keep nothing else from being collected, and the operator hears of them', async () => {
  const { world, row, call, hours, isThere } = await place();
  const stuck = 'of another user of this disk';
  const { blobs, failures } = world;
  const remove = blobs.delete.bind(blobs);
  const fault = new Error('operation not permitted');
  blobs.delete = async (name) => {
    if (name === hashOf(stuck)) throw fault;
    await remove(name);
  };
  await call('PUT', 'files/a', { body: stuck });
  await call('PUT', 'files/b', { body: text });
  await call('DELETE', 'files/a');
  await call('DELETE', 'files/b');
  await world.storage.compact(row.id, 4, 10);
  await hours(50);
  expect([await isThere(stuck), await isThere(text)]).toEqual([true, false]);
  expect(failures).toContain(fault);
});

test('a sweep whose storage does not answer ends at the first file: the operator does not hear of each', async () => {
  const { world, call } = await place();
  for (const name of ['a', 'b']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await call('PUT', `files/${name}`, { body: name });
  }
  const fault = new Error('the database is away');
  world.storage.files.condemn = () => Promise.reject(fault);
  await expect(world.files.collector.sweep()).rejects.toBe(fault);
  expect(world.failures).toEqual([]);
});

test('what nobody names is looked for a minute after the start, and once an hour from then on', async () => {
  const clock = new VirtualClock();
  const blobs = memoryBlobs();
  const list = blobs.list.bind(blobs);
  let looks = 0;
  blobs.list = () => {
    looks += 1;
    return list();
  };
  const server = createServer({ storage: memory(), files: blobs, clock });
  onTestFinished(() => server.close());
  await server.stores.create('acme/app');
  const seen: number[] = [];
  for (const ms of [59_000, 1000, 3_599_000, 1000]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await clock.pass(ms);
    seen.push(looks);
  }
  expect(seen).toEqual([0, 1, 1, 2]);
});
