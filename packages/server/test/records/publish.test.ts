import { InProcessTransport } from '@holdfast/engine/record';
import { passthrough, record } from '@holdfast/protocol';
import type { RecordFault } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { TestClock } from '@holdfast/server/testing';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { world } from '../conversation/world.ts';
import { http, transact, write } from './site.ts';

const place = {
  store: 'demo/main',
  version: '1.0',
  schema: passthrough<{ [field: string]: unknown }>(),
} as const;
const User = record({ ...place, name: 'user', path: 'users/:id' });

/** A transport that publishes users, and what arrived for some of them. */
async function published(ids: readonly string[], def: typeof User = User) {
  const faults: RecordFault[] = [];
  const site = await world({ onError: (fault) => faults.push(fault) });
  const users = site.server.record(def);
  const transport = new InProcessTransport();
  const heard: unknown[] = [];
  for (const id of ids) transport.subscribe(def.key({ id }), (message) => heard.push(message));
  const stop = site.server.publish(def, transport);
  onTestFinished(() => transport.close());
  // The store is open, and followed, when this has been answered.
  await users.get({ id: 'any' });
  const peer = await site.joined();
  return { ...site, users, heard, faults, stop, peer, transport };
}

test('R100 R101 each commit gives one envelope for each object that it changes, at its sequence, by whatever surface', async () => {
  const site = await published(['1', '2']);
  const { peer, heard } = site;
  await write(peer, { op: 'set', path: 'users', value: { '1': { a: 1 }, '2': { b: 2 } } });
  const row = await site.server.stores.find('demo/main');
  const incarnation = row?.incarnation;
  const common = { schema_version: '1.0', incarnation, op_id: expect.any(String) };
  expect(heard).toEqual([
    { ...common, value: { a: 1 }, sequence: 2, prev: 0 },
    { ...common, value: { b: 2 }, sequence: 2, prev: 0 },
  ]);
  heard.length = 0;
  await transact(peer, [
    { op: 'set', path: 'users/1/a', value: {} },
    { op: 'set', path: 'users/1/c', value: 3 },
    { op: 'set', path: 'elsewhere', value: 4 },
  ]);
  expect(heard).toMatchObject([{ value: { a: {}, c: 3 }, sequence: 4, prev: 2 }]);
  heard.length = 0;
  await http(site, 'PUT', 'entries/users/2/b', { body: 3 });
  await http(site, 'DELETE', 'entries/users/1');
  expect(heard).toMatchObject([
    { value: { b: 3 }, sequence: 6, prev: 2 },
    { value: null, deleted: true, sequence: 7, prev: 4 },
  ]);
  heard.length = 0;
  // The leaf that is in the way goes by an op of its own, before that of the request.
  await write(peer, { client_op_id: 'mine', op: 'set', path: 'users/2/b/deep', value: 1 });
  expect(heard).toMatchObject([{ value: { b: { deep: 1 } }, op_id: 'mine' }]);
});

test('a commit that changes nothing of an object gives none, and after the release there are none', async () => {
  const { peer, heard, stop } = await published(['1']);
  await write(peer, { op: 'delete', path: 'users/1' });
  await write(peer, { op: 'set', path: 'users/2', value: {} });
  await write(peer, { op: 'merge', path: 'users/1', value: {} });
  await transact(peer, [
    { op: 'set', path: 'users/1/a', value: 1 },
    { op: 'delete', path: 'users/1' },
  ]);
  expect(heard).toEqual([]);
  stop();
  stop();
  await write(peer, { op: 'set', path: 'users/1', value: {} });
  expect(heard).toEqual([]);
});

test('what does not pass the outbound gate is skipped and told of, and so is a transport that is closed', async () => {
  let isOpen = true;
  const schema = z.custom<{ [field: string]: unknown }>(() => isOpen);
  const { peer, heard, faults, transport } = await published(['1'], record({ ...spec(), schema }));
  await write(peer, { op: 'set', path: 'users/1', value: { a: 1 } });
  isOpen = false;
  // The gate of the store is asked first, so only what it let pass before can fail later.
  const refused = await write(peer, { op: 'set', path: 'users/1/a', value: 2 });
  expect(refused.response['reason']).toBe('invalid_value');
  isOpen = true;
  await transport.close();
  expect((await write(peer, { op: 'set', path: 'users/1/a', value: 3 })).status).toBe('ok');
  expect(heard).toHaveLength(1);
  expect(faults).toMatchObject([{ phase: 'outbound', record: 'user', store: 'demo/main' }]);
});

test('a record whose store has parameters is not published', async () => {
  const { server } = await world();
  const Other = record({ ...spec(), name: 'other', store: 'demo/:app', schema: passthrough() });
  expect(() => server.publish(Other, new InProcessTransport())).toThrow(/parameters/);
});

function spec() {
  return { name: 'user', store: 'demo/main', path: 'users/:id', version: '1.0' } as const;
}

/** A storage that cannot be opened for a while. */
function sometimes() {
  const storage = memory();
  const open = storage.open.bind(storage);
  const disk = { storage, isShut: false, opened: 0 };
  storage.open = (store) => {
    disk.opened += 1;
    return disk.isShut ? Promise.reject(new Error('the disk is away')) : open(store);
  };
  return disk;
}

test('a store that cannot be had is tried again, ever less often, which is told once', async () => {
  const disk = sometimes();
  const clock = new TestClock();
  const faults: RecordFault[] = [];
  const { server } = await world({
    storage: disk.storage,
    clock,
    onError: (fault): unknown => {
      faults.push(fault);
      // Nobody waits for it.
      return Promise.reject(new Error('later'));
    },
  });
  const users = server.record(User);
  const transport = new InProcessTransport();
  const heard: unknown[] = [];
  transport.subscribe(User.key({ id: '1' }), (message) => heard.push(message));
  disk.isShut = true;
  const stop = server.publish(User, transport);
  await clock.advance(120_000);
  expect(faults).toMatchObject([{ phase: 'outbound', record: 'user', store: 'demo/main' }]);
  expect(disk.opened).toBeGreaterThan(5);
  expect(disk.opened).toBeLessThan(40);
  disk.isShut = false;
  await clock.advance(60_000);
  await users.write({ id: '1' }, { set: { n: 1 } });
  expect(heard).toMatchObject([{ value: { n: 1 } }]);
  expect(faults).toHaveLength(1);
  stop();
  await users.write({ id: '1' }, { set: { n: 2 } });
  expect(heard).toHaveLength(1);
});

test('a record is published as soon as there is its store', async () => {
  const clock = new TestClock();
  const faults: RecordFault[] = [];
  const { server } = await world({ clock, onError: (fault) => faults.push(fault) });
  const Late = record({ ...place, name: 'late', store: 'demo/late', path: 'late/:id' });
  const lates = server.record(Late);
  const transport = new InProcessTransport();
  const heard: unknown[] = [];
  transport.subscribe(Late.key({ id: '1' }), (message) => heard.push(message));
  server.publish(Late, transport);
  await clock.advance(5000);
  await server.stores.create('demo/late');
  await clock.advance(60_000);
  await lates.write({ id: '1' }, { set: { n: 1 } });
  expect(heard).toMatchObject([{ value: { n: 1 } }]);
  expect(faults).toMatchObject([{ error: { code: 'not_found' } }]);
});
