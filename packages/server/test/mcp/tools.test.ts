import { expect, test } from 'vitest';

import { record } from '@holdfast/protocol';
import { app, type ServerOptions, type TokenRequest } from '@holdfast/server';
import { z } from 'zod';

import { topic, world } from '../conversation/world.ts';
import { Agent } from './agent.ts';

const store = 'demo/main';

async function site(options: Partial<ServerOptions> = {}) {
  const at = await world(options);
  const token = async (grants: Partial<TokenRequest> = {}) => {
    const { rawToken } = await at.server.tokens.issue({
      name: 'agent',
      org: 'demo',
      scopes: ['entries:read', 'entries:write'],
      storeAccess: { mode: 'all' },
      expiresAt: null,
      createdBy: null,
      ...grants,
    });
    return Agent.connect(at.url, rawToken);
  };
  return { ...at, token, agent: await Agent.connect(at.url, 'dev') };
}

const toolNames = (
  'get put merge delete entries increment add remove transact lease renew release ' +
  'stores status create_store clone log diff rollback export import put_file get_file watch_once'
)
  .split(' ')
  .map((name) => `holdfast_${name}`);

test('S109 an agent is told every tool, with its fields and whether it only reads', async () => {
  const { agent } = await site();
  const { tools } = await agent.client.listTools();
  expect(new Set(tools.map(({ name }) => name))).toEqual(new Set(toolNames));
  const put = tools.find(({ name }) => name === 'holdfast_put');
  expect(put?.inputSchema.required).toEqual(['store', 'path', 'value']);
  expect(put?.annotations?.readOnlyHint).toBe(false);
  expect(tools.every(({ description }) => (description ?? '').length > 10)).toBe(true);
  expect(agent.client.getServerVersion()).toMatchObject({ name: 'holdfast' });
});

test('S109 entries are read, set, merged, counted, gathered, listed and deleted', async () => {
  const { agent } = await site();
  expect(await agent.call('put', { store, path: 'posts/a', value: { title: 'A', n: 1 } })).toEqual({
    revision: 1,
    store_seq: 1,
  });
  await agent.call('put', { store, path: 'nothing', value: null });
  expect(await agent.call('get', { store, path: 'nothing' })).toMatchObject({ value: null });
  await agent.call('merge', { store, path: 'posts/a', value: { title: 'B' } });
  expect(await agent.call('get', { store, path: 'posts/a' })).toEqual({
    path: 'posts/a',
    value: { title: 'B', n: 1 },
    type: 'map',
    revision: 3,
  });
  expect(await agent.call('increment', { store, path: 'count' })).toEqual({ store_seq: 4 });
  await agent.call('increment', { store, path: 'count', delta: 2.5 });
  expect(await agent.call('get', { store, path: 'count' })).toMatchObject({ value: 3.5 });
  await agent.call('add', { store, path: 'tags', member: 'x' });
  await agent.call('add', { store, path: 'tags', member: 'y' });
  await agent.call('remove', { store, path: 'tags', member: 'x' });
  expect(await agent.call('get', { store, path: 'tags' })).toMatchObject({ value: ['y'] });
  const page = await agent.call('entries', { store, pattern: 'posts/**', limit: 1 });
  expect(page).toMatchObject({ items: [{ path: 'posts/a/n' }], next_cursor: 'posts/a/n' });
  const after = page['next_cursor'];
  expect(await agent.call('entries', { store, pattern: 'posts/**', after })).toMatchObject({
    items: [{ path: 'posts/a/title', value: 'B' }],
    next_cursor: null,
  });
  await agent.call('delete', { store, path: 'posts' });
  expect(await agent.refused('get', { store, path: 'posts/a' })).toEqual({
    error: 'not_found',
    path: 'posts/a',
  });
});

test('an agent is told at most 4 MiB at once, and beyond that how to ask for less', async () => {
  const { agent } = await site();
  const value = 'x'.repeat(60_000);
  for (const part of ['a', 'b', 'c', 'd', 'e']) {
    const ops = Array.from({ length: 16 }, (_, at) => ({
      op: 'set',
      path: `all/${part}/${at}`,
      value,
    }));
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await agent.call('transact', { store, ops });
  }
  const tooLarge = { error: 'value_too_large', limit: 4 * 1024 * 1024 };
  expect(await agent.refused('get', { store, path: 'all' })).toEqual(tooLarge);
  const entries = { store, pattern: 'all/**' };
  expect(await agent.refused('entries', { ...entries, limit: 1000 })).toEqual(tooLarge);
  expect(await agent.advised('get', { store, path: 'all' })).toContain('holdfast_entries');
  expect(await agent.call('get', { store, path: 'all/a' })).toMatchObject({ type: 'map' });
  expect((await agent.call('entries', entries))['items']).toHaveLength(50);
});

test('S109 guards and transactions hold, and a refusal says why', async () => {
  const { agent } = await site();
  const put = { store, path: 'a', value: 1 };
  await agent.call('put', { ...put, if_absent: true });
  expect(await agent.refused('put', { ...put, if_absent: true })).toEqual({
    error: 'exists',
    current_revision: 1,
  });
  expect(await agent.refused('put', { ...put, if_match: 7 })).toEqual({
    error: 'conflict',
    current_revision: 1,
  });
  expect(await agent.refused('delete', { store, path: 'a', if_match: 7 })).toMatchObject({
    error: 'conflict',
  });
  await agent.call('put', { ...put, value: 2, if_match: 1 });
  expect(await agent.refused('merge', { store, path: 'm', value: 1 })).toEqual({
    error: 'merge_requires_map_value',
  });
  const ops = ['x', 'y'].map((path) => ({ op: 'set', path, value: path }));
  expect(
    await agent.refused('transact', { store, ops, preconditions: [{ path: 'a', if_match: 1 }] }),
  ).toMatchObject({ error: 'conflict', precondition_index: 0 });
  expect(await agent.call('transact', { store, ops })).toMatchObject({
    store_seq: 4,
    first_seq: 3,
  });
});

test('S109 agents take turns by leases, and what they write is fenced', async () => {
  const { agent } = await site();
  const lease = await agent.call('lease', { store, path: 'turn', holder: 'one', ttl_ms: 60_000 });
  expect(lease).toEqual({
    store_seq: 1,
    token: 1,
    holder: 'one',
    expires_at: expect.any(Number),
  });
  expect(await agent.refused('lease', { store, path: 'turn' })).toMatchObject({
    error: 'held',
    holder: 'one',
  });
  const { token } = lease;
  const put = { store, path: 'a', value: 1 };
  await agent.call('put', { ...put, fence: { key: 'turn', token } });
  expect(await agent.refused('put', { ...put, fence: { key: 'turn', token: 9 } })).toEqual({
    error: 'fenced',
  });
  expect(await agent.call('renew', { store, path: 'turn', token })).toMatchObject({ token });
  expect(await agent.call('release', { store, path: 'turn', token })).toEqual({ store_seq: 4 });
  expect(await agent.call('release', { store, path: 'turn', token })).toEqual({ released: false });
  expect(await agent.refused('renew', { store, path: 'turn', token })).toEqual({
    error: 'not_held',
  });
});

test('S46 S109 what an agent does in one step, and a file that it stores, is guarded and fenced as its other writes are', async () => {
  const { agent } = await site();
  const { token } = await agent.call('lease', { store, path: 'turn', ttl_ms: 60_000 });
  const ops = [{ op: 'increment', path: 'n', value: 1 }];
  const fence = { key: 'turn', token };
  const stale = { key: 'turn', token: 9 };
  expect(await agent.refused('transact', { store, ops, fence: stale })).toMatchObject({
    error: 'fenced',
  });
  expect(await agent.call('transact', { store, ops, fence })).toMatchObject({ store_seq: 2 });
  const file = { store, path: 'f', content: 'eA==' };
  for (const [guard, error] of [
    [{ fence: stale }, 'fenced'],
    [{ fence: { key: 'turn' } }, 'invalid_precondition'],
    [{ fence: { key: 'turn', token: String(token) } }, 'invalid_precondition'],
    [{ fence: 'turn:1' }, 'invalid_precondition'],
    [{ fence: { key: 'a//b', token } }, 'invalid_precondition'],
    [{ if_match: '2' }, 'invalid_precondition'],
    [{ if_match: 7 }, 'conflict'],
    [{ if_absent: 1 }, 'invalid_precondition'],
    [{ if_absent: true, if_match: 2 }, 'invalid_precondition'],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect([guard, await agent.refused('put_file', { ...file, ...guard })]).toMatchObject([
      guard,
      { error },
    ]);
  }
  expect(await agent.call('put_file', { ...file, fence, if_absent: true })).toMatchObject({
    store_seq: 3,
  });
  expect(await agent.refused('put_file', { ...file, if_absent: true })).toMatchObject({
    error: 'exists',
  });
  const again = { ...file, fence: null, if_match: 3, if_absent: null };
  expect(await agent.call('put_file', again)).toMatchObject({ store_seq: 4 });
});

test('S109 what an agent writes reaches everybody, as of its own device; a repeated op_id is done once', async () => {
  const { agent, joined } = await site();
  const peer = await joined({ device: 'reader' });
  const told = { store, path: 'n', op_id: 'once' };
  const first = await agent.call('increment', told);
  expect(await agent.call('increment', told)).toEqual(first);
  expect(await agent.refused('increment', { ...told, delta: 2 })).toMatchObject({
    error: 'idempotency_key_reuse',
  });
  const frame = await peer.until(([, , , event]) => event === 'events' || event === 'event');
  expect(JSON.stringify(frame)).toContain('mcp:dev');
  expect(frame[2]).toBe(topic);
  const { ops } = await agent.call('log', { store, device_id: 'mcp:dev' });
  expect(ops).toEqual([expect.objectContaining({ store_seq: 1, op: 'increment', value: 1 })]);
});

test('S109 the past is told, compared and brought back', async () => {
  const { agent } = await site();
  await agent.call('put', { store, path: 'a', value: 1 });
  await agent.call('put', { store, path: 'a', value: 2 });
  await agent.call('put', { store, path: 'b', value: 3 });
  expect(await agent.call('diff', { store, from_seq: 1, to_seq: 2 })).toMatchObject({
    changes: [{ path: 'a', before: 1, after: 2 }],
  });
  expect(await agent.call('rollback', { store, to_seq: 1 })).toMatchObject({ ops_written: 2 });
  expect(await agent.call('get', { store, path: 'a' })).toMatchObject({ value: 1 });
  expect(await agent.refused('rollback', { store, to_seq: 99 })).toMatchObject({
    error: 'invalid_seq',
  });
  const { ops } = await agent.call('log', { store, path: 'b', limit: 200 });
  expect(ops).toHaveLength(2);
  expect(await agent.refused('log', { store, limit: 201 })).toEqual({
    error: 'invalid_payload',
    field: 'limit',
  });
});

test('S109 stores are created, listed and looked at; status needs to be told which where there are several', async () => {
  const { agent, token } = await site();
  expect(await agent.call('status')).toMatchObject({ full_name: store, current_seq: 0 });
  expect(await agent.call('create_store', { org: 'demo', name: 'second' })).toMatchObject({
    store: { full_name: 'demo/second' },
  });
  expect(await agent.call('stores')).toMatchObject({
    stores: [{ full_name: store }, { full_name: 'demo/second' }],
  });
  expect(await agent.refused('status')).toMatchObject({ error: 'invalid_payload', field: 'store' });
  expect(await agent.call('status', { store })).toMatchObject({ full_name: store });
  await agent.call('put', { store, path: 'a', value: 1 });
  expect(await agent.call('clone', { source: store, target_name: 'third' })).toMatchObject({
    store: { full_name: 'demo/third', store_seq: 1 },
  });
  expect(await agent.call('get', { store: 'demo/third', path: 'a' })).toMatchObject({ value: 1 });
  expect(await agent.refused('clone', { source: store, target_name: 'third' })).toMatchObject({
    error: 'name_taken',
  });
  expect(await agent.refused('create_store', { org: 'rival', name: 'x' })).toMatchObject({
    error: 'invalid_store',
  });
  const plain = await token();
  expect(await plain.refused('stores')).toMatchObject({
    error: 'missing_scope',
    scope: 'stores:read',
  });
});

/** Lines of an import. */
function lines(...paths: readonly string[]): string {
  const entries = paths.map((path) => JSON.stringify({ path, value: 1 }));
  return ['{"_header":true,"path_schema_version":3}', ...entries].join('\n');
}

test('S109 a store is exported page by page, and what was exported is imported', async () => {
  const { agent } = await site();
  await agent.call('create_store', { org: 'demo', name: 'copy' });
  const value = 'x'.repeat(60_000);
  const ops = Array.from({ length: 40 }, (_, at) => ({ op: 'set', path: `big/${at}`, value }));
  await agent.call('transact', { store, ops });
  await agent.call('lease', { store, path: 'zz' });
  let pages = 0;
  for (let after: unknown; after !== null; pages += 1) {
    // oxlint-disable-next-line no-await-in-loop -- page by page
    const page = await agent.call('export', { store, ...(after !== undefined && { after }) });
    expect(Buffer.byteLength(String(page['payload']))).toBeLessThanOrEqual(1024 * 1024);
    // oxlint-disable-next-line no-await-in-loop -- page by page
    const { ok } = await agent.call('import', { store: 'demo/copy', payload: page['payload'] });
    expect(ok).toBe(true);
    after = page['next_after'];
  }
  expect(pages).toBe(3);
  const { items } = await agent.call('entries', { store: 'demo/copy', pattern: '**', limit: 1000 });
  expect(items).toHaveLength(40);
  const told = { store: 'demo/copy', payload: lines('p', 'q'), op_id: 'page' };
  const first = await agent.call('import', told);
  expect(first).toMatchObject({ imported: 2 });
  expect(await agent.call('import', told)).toEqual(first);
  // A page that is sent under the id of another is not told to be in.
  const next = { ...told, payload: lines('r', 's', 't') };
  expect(await agent.refused('import', next)).toMatchObject({ error: 'idempotency_key_reuse' });
  const payload = 'x'.repeat(1024 * 1024 + 1);
  expect(await agent.refused('import', { store, payload })).toMatchObject({
    error: 'body_too_large',
  });
});

test('no page of an export ends amid an object of a record: each is imported as it is, though half an object would be refused', async () => {
  const item = record({
    name: 'item',
    store: 'demo/:store',
    path: 'items/:id',
    version: '1.0',
    schema: z.object({ a: z.number(), b: z.number(), c: z.number(), d: z.number() }),
  });
  const { agent } = await site({ app: app({ records: [item] }) });
  await agent.call('create_store', { org: 'demo', name: 'copy' });
  const ops = Array.from({ length: 500 }, (_, at) => ({
    op: 'set',
    path: `items/i${at}`,
    value: { a: at, b: at, c: at, d: at },
  }));
  await agent.call('transact', { store, ops });
  let imported = 0;
  for (let after: unknown; after !== null;) {
    // oxlint-disable-next-line no-await-in-loop -- page by page
    const page = await agent.call('export', { store, ...(after !== undefined && { after }) });
    const told = { store: 'demo/copy', payload: page['payload'] };
    // oxlint-disable-next-line no-await-in-loop -- page by page
    const { failed, imported: more } = await agent.call('import', told);
    expect(failed).toEqual([]);
    imported += Number(more);
    after = page['next_after'];
  }
  // With the version of its objects.
  expect(imported).toBe(2001);
});

test('S109 files are stored and told, their bytes only when they are asked for', async () => {
  const { agent } = await site();
  const content = Buffer.from('hello, wörld').toString('base64');
  const file = { path: 'f', filename: 'grüße.txt', content_type: 'text/plain' };
  const stored = await agent.call('put_file', { store, ...file, content });
  expect(stored).toMatchObject({ store_seq: 1, size: 13, filename: 'grüße.txt' });
  const { hash } = stored;
  expect(await agent.call('get_file', { store, path: 'f' })).toEqual({ ...file, hash, size: 13 });
  expect(await agent.call('get_file', { store, path: 'f', include_content: true })).toEqual({
    ...file,
    hash,
    size: 13,
    content,
  });
  expect(await agent.refused('get_file', { store, path: 'none' })).toEqual({ error: 'not_found' });
  expect(await agent.refused('put_file', { store, path: 'g', content: 'no base64' })).toEqual({
    error: 'invalid_base64',
  });
});

test('what a tool is not told rightly is refused, naming the field', async () => {
  const { agent } = await site();
  const wrong = [
    ['get', { store }, 'path'],
    ['get', { store, path: 1 }, 'path'],
    ['get', { store, path: 'a', depth: 1 }, 'depth'],
    ['put', { store, path: 'a' }, 'value'],
    ['watch_once', { store, pattern: '**', timeout_ms: 60_001 }, 'timeout_ms'],
  ] as const;
  for (const [name, told, field] of wrong) {
    // oxlint-disable-next-line no-await-in-loop -- one by one
    expect(await agent.refused(name, told)).toEqual({ error: 'invalid_payload', field });
  }
  expect(await agent.refused('fly')).toEqual({ error: 'unknown_tool' });
  expect(await agent.refused('get', { store, path: 'a//b' })).toMatchObject({
    error: 'empty_segment',
  });
  expect(await agent.refused('entries', { store, pattern: 'a/**/b' })).toMatchObject({
    error: 'invalid_pattern',
    detail: 'wildcard_many_not_tail',
  });
});

test('S109 what a model gets wrong at first is refused with what to write instead', async () => {
  const { agent } = await site();
  const transact = (told: object) => agent.advised('transact', { store, ...told });
  const ops = [{ op: 'set', path: 'a', value: 1 }];
  const preconditions = [{ path: 'a', exists: false }];
  expect(await transact({ ops, preconditions })).toContain('if_absent: true');
  expect(await transact({ ops: [{ ...ops[0], op: 'put' }] })).toContain('set, delete, merge');
  const increment = { op: 'increment', path: 'n', delta: 1 };
  expect(await agent.refused('transact', { store, ops: [increment] })).toMatchObject({
    field: 'delta',
    detail: expect.stringMatching(/There are .*\bvalue\b/),
  });
  expect(await agent.advised('get', { store, path: '/a' })).toContain('without a slash');
  expect(await agent.advised('get', { store: 'main', path: 'a' })).toContain('org/name');
  const pages = { store, pattern: '**', limit: 0 };
  expect(await agent.advised('entries', pages)).toContain('from 1 to 1000');
});
