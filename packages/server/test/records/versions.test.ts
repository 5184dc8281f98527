import { passthrough, record } from '@holdfast/protocol';
import type { RecordFault } from '@holdfast/server';
import { expect, test } from 'vitest';
import { memory } from '@holdfast/server/storage/memory';
import { z } from 'zod';
import { directory } from '../catch-up/directory.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { topic, world } from '../conversation/world.ts';
import { SlowDisk } from '../conversation/slow-disk.ts';
import { headOf, http, person, write } from './site.ts';
import { principals } from '../conversation/principals.ts';

const place = { name: 'user', store: 'demo/main', path: 'users/:id' } as const;
const First = record({ ...place, version: '1.0', schema: z.object({ name: z.string() }) });
const schema = z.object({ first: z.string(), roles: z.array(z.string()) });
const Second = record({
  ...place,
  version: '2.1',
  schema,
  migrate: { '1': (old) => ({ first: String(old['name']), roles: [] }) },
});

/** A data directory with two users of version 1.0 at seqs 2 and 3. */
async function early(): Promise<string> {
  const data = directory();
  const site = await world({ data });
  const users = site.server.record(First);
  await users.write({ id: '1' }, { set: { name: 'ada' } });
  await users.write({ id: '2' }, { set: { name: 'bob' } });
  await site.server.close();
  return data;
}

test('R105 the first object of a record writes the version at rest, in the same commit', async () => {
  const site = await world();
  site.server.record(First);
  const peer = await site.joined();
  await write(peer, { op: 'set', path: 'users/1', value: { name: 'ada' } });
  expect(peer.heard.find(([, , , event]) => event === 'events')?.[4]['ops']).toEqual([
    [1, 'set', '_hf:schema/user', '1.0', 'system:schema', 'schema:_hf:schema/user', 2],
    [2, 'set', 'users/1', { name: 'ada' }, 'd1', expect.any(String), 2],
  ]);
  await write(peer, { op: 'set', path: 'users/2', value: { name: 'bob' } });
  expect(await headOf(peer)).toBe(3);
  const forged = await write(peer, { op: 'set', path: '_hf:schema/user', value: '9.0' });
  expect(forged.response['reason']).toBe('reserved_path');
});

test('R105 a store of an older major is migrated when it is opened: all objects and the version in one commit', async () => {
  const site = await world({ data: await early() });
  const users = site.server.record(Second);
  const ada = await users.get({ id: '1' });
  expect(ada).toMatchObject({ value: { first: 'ada', roles: [] }, schema_version: '2.1' });
  const { json } = await http(site, 'GET', 'log?limit=100');
  const log = json['ops'] as { store_seq: number; tx: number | null }[];
  const commits = new Set(log.filter((op) => op.store_seq > 3).map((op) => op.tx));
  expect(commits.size).toBe(1);
  expect((await http(site, 'GET', 'entries/_hf:schema/user')).json['value']).toBe('2.1');
});

test('R105 a higher minor is written as the version at rest when the store is opened, and nothing else is', async () => {
  const site = await world({ data: await early() });
  const users = site.server.record(record({ ...place, version: '1.2', schema: First.schema }));
  const ada = await users.get({ id: '1' });
  expect(ada).toMatchObject({ value: { name: 'ada' }, schema_version: '1.2', sequence: 2 });
  expect(await headOf(await site.joined())).toBe(4);
});

test('R105 a migration that throws, or leads to what the schema refuses, changes nothing; writes are schema_skew', async () => {
  const large = { first: 'x'.repeat(70_000), roles: [] };
  const bad = [{ '1': () => ({ first: 7 }) }, {}, { '1': () => raise() }, { '1': () => large }];
  for (const migrate of bad) {
    const faults: RecordFault[] = [];
    const site = await world({ data: await early(), onError: (fault) => faults.push(fault) });
    site.server.record(record({ ...place, version: '2.0', schema, migrate }));
    const peer = await site.joined();
    const value = { first: 'eve', roles: [] };
    const { response } = await write(peer, { op: 'set', path: 'users/3', value });
    expect(response).toMatchObject({ reason: 'schema_skew', client: '2.0', server: '1.0' });
    expect(await headOf(peer)).toBe(3);
    expect(faults).toMatchObject([{ phase: 'migrate', record: 'user', store: 'demo/main' }]);
  }
});

function raise(): never {
  throw new Error('no');
}

test('R105 a migration that throws is told of with what it threw, and the object that it threw at', async () => {
  const faults: RecordFault[] = [];
  const site = await world({ data: await early(), onError: (fault) => faults.push(fault) });
  site.server.record(record({ ...place, version: '2.0', schema, migrate: { '1': () => raise() } }));
  await headOf(await site.joined());
  const [fault] = faults;
  expect(String(fault?.error)).toContain('there is no way from 1.0 to 2.0: no');
  expect(fault?.error).toMatchObject({ details: { path: 'users/1' } });
});

test('R105 a migration that cannot be stored now is made as soon as it can be: until then the store is unavailable', async () => {
  const { storage: kept } = new SlowDisk(memory());
  let isFull = false;
  const storage: typeof kept = {
    ...kept,
    append: async (...given) =>
      isFull ? { status: 'failed', message: 'No space is left.' } : kept.append(...given),
    close: async () => undefined,
  };
  const before = await world({ storage });
  await before.server.record(First).write({ id: '1' }, { set: { name: 'ada' } });
  await before.server.close();
  isFull = true;
  const faults: RecordFault[] = [];
  const clock = new VirtualClock();
  const site = await world({ clock, storage, onError: (fault) => faults.push(fault) });
  site.server.record(Second);
  const peer = await site.connect();
  expect((await peer.join(topic)).response).toMatchObject({ reason: 'unavailable' });
  isFull = false;
  await clock.pass(1000);
  expect((await peer.join(topic)).status).toBe('ok');
  const value = { first: 'eve', roles: [] };
  expect((await write(peer, { op: 'set', path: 'users/1', value })).status).toBe('ok');
  expect(faults).toEqual([]);
});

test('R105 an older server refuses writes of a store that a newer one has migrated', async () => {
  const data = await early();
  const newer = await world({ data });
  await newer.server.record(Second).get({ id: '1' });
  await newer.server.close();
  const site = await world({ data });
  const users = site.server.record(First);
  const written = users.write({ id: '1' }, { set: { name: 'eve' } });
  await expect(written).rejects.toMatchObject({ code: 'schema_skew' });
});

test('R105 neither a rollback nor an import brings an older major back', async () => {
  const site = await world({ data: await early() });
  site.server.record(Second);
  const peer = await site.joined();
  const back = await peer.ask(topic, 'rollback', { to_seq: 2 });
  expect(back.response['reason']).toBe('schema_skew');
  const lines = [
    { _header: true, path_schema_version: 3 },
    { path: '_hf:schema/user', value: '1.0' },
  ];
  const body = lines.map((line) => JSON.stringify(line)).join('\n');
  const { json } = await http(site, 'POST', 'import', { lines: body });
  expect(json).toMatchObject({ imported: 0, ok: false });
});

test.each(['lines', 'atomic'])(
  'S95 what a store of records exports goes into another, the version at rest too (%s)',
  async (mode) => {
    const site = await world({ data: await early() });
    site.server.record(First);
    const answer = await fetch(`${site.url}/api/stores/demo/main/export`, {
      headers: { authorization: 'Bearer dev' },
    });
    const lines = await answer.text();
    for (const define of [true, false]) {
      const other = await world();
      if (define) other.server.record(Second);
      const { json } = await http(other, 'POST', `import?mode=${mode}`, { lines });
      // Objects of an older version are not for it.
      if (define) expect(json).toMatchObject({ ok: false, imported: 0 });
      else expect(json).toMatchObject({ ok: true, imported: 3, failed: [] });
    }
    const same = await world();
    same.server.record(First);
    const { json } = await http(same, 'POST', `import?mode=${mode}`, { lines });
    expect(json).toMatchObject({ ok: true, imported: 3, failed: [] });
    expect((await http(same, 'GET', 'entries/_hf:schema/user')).json['value']).toBe('1.0');
    const below = JSON.stringify({ path: '_hf:schema/user/x', value: '1.0' });
    const refused = await http(same, 'POST', 'import?headerless=slash', { lines: below });
    expect(refused.json).toMatchObject({ failed: [{ reason: 'reserved_path' }] });
  },
);

test('S95 of an import only the lines are refused whose record is of another version, not those behind them', async () => {
  const site = await world({ data: await early(), onError: () => undefined });
  site.server.record(record({ ...place, version: '2.0', schema, migrate: {} }));
  const lines = [
    { path: 'posts/1', value: 1 },
    { path: 'users/3/first', value: 'eve' },
    { path: 'users/4/first', value: 'ida' },
    { path: 'zoo/1', value: 2 },
  ];
  const body = lines.map((line) => JSON.stringify(line)).join('\n');
  const { json } = await http(site, 'POST', 'import?headerless=slash', { lines: body });
  expect(json).toMatchObject({
    imported: 2,
    failed: [
      { line: 2, reason: 'schema_skew' },
      { line: 3, reason: 'schema_skew' },
    ],
  });
});

test('R105 the version at rest is for all to read who may read entries, whatever their path rules', async () => {
  const rules = [{ pattern: 'users/1', allow: ['read', 'write'] as const }];
  const site = await world({
    authenticate: principals({ ada: person('ada', { pathRules: rules }) }),
  });
  site.server.record(record({ ...place, version: '1.0', schema: passthrough() }));
  const peer = await site.joined(
    { token: 'ada' },
    { last_store_seq: 0, patterns: ['users/1/**', '_hf:schema/*'] },
  );
  const { status } = await write(peer, { op: 'set', path: 'users/1', value: 1 });
  expect(status).toBe('error');
  await write(peer, { op: 'set', path: 'users/1', value: {} });
  await peer.ask(topic, 'status', {});
  const ops = peer.heard.flatMap(([, , , event, payload]) =>
    event === 'events' ? (payload['ops'] as unknown[][]) : [],
  );
  expect(ops.map(([, , path]) => path)).toEqual(['_hf:schema/user', 'users/1']);
});
