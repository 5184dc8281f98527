import { setImmediate as loop } from 'node:timers/promises';
import { Tree } from '@holdfast/engine/data';
import { asPath, type Entry } from '@holdfast/protocol';
import { expect, test } from 'vitest';

import { stateOf } from '../../src/http/clone.ts';
import { type Ask, World } from './world.ts';

const S = (name: string) => `/api/stores/acme/${name}`;

async function open(changes: ConstructorParameters<typeof World>[0] = {}) {
  const world = new World(changes);
  const source = await world.store('acme/blog');
  const { ask } = await world.token();
  return { world, ask, source };
}

async function write(ask: Ask, ...writes: readonly (readonly [string, unknown])[]): Promise<void> {
  for (const [path, value] of writes) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await ask(value === undefined ? 'DELETE' : 'PUT', `${S('blog')}/entries/${path}`, value);
  }
}

const items = async (ask: Ask, name: string) =>
  (await ask('GET', `${S(name)}/entries?limit=1000`)).json['items'];
const clone = (ask: Ask, body: object) => ask('POST', `${S('blog')}/clone`, body);

test('S96 a clone equals its source, revisions of maps included, begins at its head, and diverges after', async () => {
  const { ask, source } = await open();
  await write(ask, ['m', { a: 1, b: 2 }], ['c', 'x'], ['m/b', undefined]);
  const before = await items(ask, 'blog');
  const { status, json } = await clone(ask, { name: 'copy' });
  expect(status).toBe(201);
  expect(json).toMatchObject({
    ok: true,
    store: { name: 'copy', full_name: 'acme/copy', store_seq: 3 },
  });
  expect(json['store']).not.toMatchObject({ incarnation: source.incarnation });
  expect(await items(ask, 'copy')).toEqual(before);
  const map = await ask('GET', `${S('copy')}/entries/m`);
  expect(map.json).toMatchObject({ value: { a: 1 }, revision: 3 });
  expect((await ask('GET', `${S('copy')}/log`)).json['ops']).toEqual([]);
  expect((await ask('GET', `${S('copy')}/diff?from_seq=2`)).json).toEqual({
    error: 'compacted',
    earliest_available: 3,
  });
  const own = await ask('PUT', `${S('copy')}/entries/c`, 'y', { 'If-Match': '"2"' });
  expect(own.json).toEqual({ revision: 4, store_seq: 4 });
  await write(ask, ['c', 'z']);
  expect((await ask('GET', `${S('copy')}/entries/c`)).json).toMatchObject({ value: 'y' });
  expect((await ask('GET', `${S('blog')}/entries/c`)).json).toMatchObject({ value: 'z' });
});

test('S96 leases stay behind, and so do the maps that held nothing else', async () => {
  const { ask } = await open();
  const ops = [
    { op: 'lease', path: 'jobs/one' },
    { op: 'lease', path: 'mixed/job' },
    { op: 'set', path: 'mixed/value', value: 1 },
  ];
  await ask('POST', `${S('blog')}/transact`, { ops });
  expect((await clone(ask, { name: 'acme/copy' })).status).toBe(201);
  expect(await items(ask, 'copy')).toMatchObject([{ path: 'mixed/value', revision: 3 }]);
  expect((await ask('GET', `${S('copy')}/entries/jobs`)).status).toBe(404);
});

test('S96 what the source does while it is cloned is not in the clone', async () => {
  const { ask } = await open();
  const many = Object.fromEntries(Array.from({ length: 4000 }, (_, n) => [`k${n}`, n]));
  const whole = JSON.stringify(many).length;
  expect(whole).toBeGreaterThan(2048);
  const sets = Object.entries(many).map(([path, value]) => ({ op: 'set', path, value }));
  for (let at = 0; at < sets.length; at += 50) {
    // oxlint-disable-next-line no-await-in-loop -- bodies are small here
    await ask('POST', `${S('blog')}/transact`, { ops: sets.slice(at, at + 50) });
  }
  const [made] = await Promise.all([
    clone(ask, { name: 'copy' }),
    write(ask, ['k0', 'later'], ['late', 1], ['k3999', undefined]),
  ]);
  const { store_seq: cut } = Object(made.json['store']);
  const then = await ask('GET', `${S('blog')}/entries?limit=1000&at_seq=${cut}`);
  const now = await ask('GET', `${S('copy')}/entries?limit=1000`);
  expect(now.json).toEqual(then.json);
});

test('S96 a clone over the quota of stores is refused with 402, and so is a new store', async () => {
  const { ask } = await open({ storesMax: 2 });
  expect((await clone(ask, { name: 'copy' })).status).toBe(201);
  const refused = { error: 'limit_exceeded', dimension: 'stores', current: 2, limit: 2 };
  expect(await clone(ask, { name: 'more' })).toMatchObject({ status: 402, json: refused });
  const made = await ask('POST', '/api/stores', { name: 'more' });
  expect(made).toMatchObject({ status: 402, json: refused });
  expect(await clone(ask, { name: 'copy' })).toMatchObject({
    status: 422,
    json: { error: 'name_taken' },
  });
});

test('S96 a clone needs its scope, a name in the org, and a principal that no rules bind', async () => {
  const { world, ask } = await open();
  for (const name of ['', 'UPPER', 'other/copy', 7, undefined]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await clone(ask, { name })).json).toMatchObject({ error: 'invalid_store' });
  }
  const reader = await world.token({ scopes: ['entries:read', 'stores:create'] });
  expect(await clone(reader.ask, { name: 'copy' })).toMatchObject({
    status: 403,
    json: { reason: 'missing_scope' },
  });
  const bound = await world.token({ pathRules: [{ pattern: '**', allow: ['read', 'write'] }] });
  expect((await clone(bound.ask, { name: 'copy' })).json).toMatchObject({
    reason: 'path_not_allowed',
  });
});

test('the leases and the maps of a large store are gone through in turns as well as its leaves', async () => {
  const each = 30_000;
  const tree = Tree.empty();
  for (let at = 0; at < each; at += 1) {
    const revision = at + 1;
    tree.put(asPath(`jobs/job${at}`), { value: { _type: 'lease' }, type: 'lease', revision });
    tree.put(asPath(`maps/map${at}/leaf`), { value: at, type: 'integer', revision });
  }
  const state = stateOf(tree, each);
  const left: Entry[] = [];
  let turns = 0;
  for (let asked = state.next(); ;) {
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    const chunk = await Promise.race([asked, loop(null)]);
    if (chunk === null) turns += 1;
    else if (chunk.done === true) break;
    else {
      left.push(...chunk.value.entries);
      if (chunk.value.entries.length > 0) turns = 0;
      asked = state.next();
    }
  }
  expect([left.length, tree.size]).toEqual([each, 2 * each]);
  expect(turns).toBeGreaterThanOrEqual(each / 5000 + (2 * each) / 10_000);
});
