import { setImmediate as loop } from 'node:timers/promises';
import { passthrough, record } from '@holdfast/protocol';
import { expect, test, vi } from 'vitest';
import type { GivenPrincipal } from '../../src/index.ts';
import { memory } from '../../src/storage/memory.ts';
import { StorageError } from '../../src/storage/port.ts';
import { everything, set, topic, world } from '../conversation/world.ts';
import { type Ask, World } from './world.ts';

type Told = { readonly act: string; readonly actor: string; readonly [field: string]: unknown };

async function actsOf(ask: Ask, query = ''): Promise<readonly Told[]> {
  const { json } = await ask('GET', `/api/audit${query}`);
  return json['acts'] as readonly Told[];
}

const operatorOfTwo = (): GivenPrincipal => ({
  subject: 'operator',
  orgs: ['acme', 'demo'],
  scopes: ['audit:read', 'stores:create'],
});

const names = (acts: readonly Told[]): readonly string[] => acts.map(({ act }) => act);

test('administrative acts are told newest first: what, by whom, on what, when', async () => {
  const home = new World();
  const { ask, id } = await home.token();
  await ask('POST', '/api/stores', { name: 'blog' });
  home.clock.at += 1000;
  const made = await ask('POST', '/api/tokens', { name: 'reader', scopes: ['entries:read'] });
  await ask('DELETE', `/api/tokens/${String(made.json['id'])}`);
  const [revoked, issued, created, ...older] = await actsOf(ask);
  expect(older).toEqual([]);
  expect(created).toEqual({
    id: 1,
    at: '2026-01-01T00:00:00.000Z',
    act: 'store.created',
    actor: `token:${id}`,
    store: 'acme/blog',
    store_id: expect.any(String),
    target: null,
    details: {},
  });
  expect(issued).toMatchObject({
    act: 'token.issued',
    at: '2026-01-01T00:00:01.000Z',
    target: made.json['id'],
    details: { name: 'reader' },
  });
  expect(revoked).toMatchObject({ act: 'token.revoked', target: made.json['id'] });
  expect(JSON.stringify(await actsOf(ask))).not.toContain(String(made.json['raw_token']));
});

test('every administrative act over HTTP is noted, and none that was refused', async () => {
  const home = new World();
  const { ask, raw } = await home.token();
  const store = '/api/stores/acme/blog';
  await ask('POST', '/api/stores', { name: 'blog' });
  expect((await ask('POST', '/api/stores', { name: 'blog' })).status).toBe(422);
  await ask('PUT', `${store}/entries/a`, 1);
  await ask('PUT', `${store}/entries/a`, 2);
  await ask('DELETE', `${store}/entries/b`);
  await ask('POST', `${store}/rollback`, { path: 'a', to_seq: 1 });
  expect((await ask('POST', `${store}/rollback`, { to_seq: 99 })).status).toBe(400);
  await ask('DELETE', `${store}/entries/a?force=true`);
  const headers = { authorization: `Bearer ${raw}`, 'content-type': 'application/x-ndjson' };
  const body = '{"path":"x","value":1}\n{"path":"y","value":2}\n';
  await home.app.request(`${store}/import?headerless=slash`, { method: 'POST', headers, body });
  await ask('POST', `${store}/clone`, { name: 'copy' });
  const hook = await ask('POST', `${store}/webhooks`, { url: 'https://example.org/in?key=s3cret' });
  await ask('DELETE', `${store}/webhooks/${String(hook.json['id'])}`);
  await ask('DELETE', store);
  await ask('DELETE', `${store}?purge=true`);
  const acts = await actsOf(ask);
  expect(names(acts)).toEqual([
    'store.purged',
    'store.archived',
    'webhook.removed',
    'webhook.created',
    'store.cloned',
    'store.imported',
    'entry.force_deleted',
    'store.rolled_back',
    'store.created',
  ]);
  expect(acts[3]).toMatchObject({ target: hook.json['id'], details: { host: 'example.org' } });
  expect(acts[5]).toMatchObject({ details: { lines: 2, failed: 0 } });
  expect(acts[6]).toMatchObject({ target: 'a', store: 'acme/blog' });
  expect(acts[7]).toMatchObject({ target: 'a', details: { to_seq: 1 } });
  expect(JSON.stringify(acts)).not.toMatch(/s3cret|whsec_/);
  expect(home.failures).toEqual([]);
});

test('a rollback is noted with the path that it went by, in whichever form that was asked for', async () => {
  const { ask } = await new World().token();
  await ask('POST', '/api/stores', { name: 'blog' });
  const store = '/api/stores/acme/blog';
  await ask('PUT', `${store}/entries/a/b`, 1);
  for (const [at, path] of [{ path: 'a/b' }, { path_segments: ['a', 'b'] }, {}].entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await ask('PUT', `${store}/entries/a/b`, at + 2);
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect((await ask('POST', `${store}/rollback`, { ...path, to_seq: 1 })).status).toBe(200);
  }
  const acts = (await actsOf(ask)).filter(({ act }) => act === 'store.rolled_back');
  expect(acts.map(({ target }) => target)).toEqual([null, 'a/b', 'a/b']);
});

test('an act that cannot be noted, as on a full disk, is told to the operator’s log whole: who did it, what, to what and when', async () => {
  const told: string[] = [];
  const storage = memory();
  vi.spyOn(storage.audit, 'note').mockRejectedValue(new StorageError('full', 'The disk is full.'));
  const { joined, storeId } = await world({
    storage,
    log: { info: () => undefined, error: (_details, what) => void told.push(what) },
  });
  const peer = await joined();
  await peer.ask(topic, 'write', set('a', 1, 'd1:s:1'));
  expect(await peer.ask(topic, 'rollback', { to_seq: 0 })).toMatchObject({ status: 'ok' });
  const lines = told.map((line) => line.replace(/^an act was not noted: /u, ''));
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    expect.objectContaining({ act: 'store.created', actor: null }),
    {
      at: expect.any(Number),
      org: 'demo',
      act: 'store.rolled_back',
      actor: 'dev',
      store: { id: storeId, name: 'demo/main' },
      target: null,
      details: { to_seq: 0 },
    },
  ]);
});

test('the operator’s acts, and a rollback on a socket, are noted too', async () => {
  const { server, url, joined } = await world();
  const issued = await server.tokens.issue({
    name: 't',
    org: 'demo',
    scopes: ['entries:read'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  await server.tokens.revoke(issued.id);
  const peer = await joined();
  await peer.ask(topic, 'write', set('a', 1, 'd1:s:1'));
  expect(await peer.ask(topic, 'rollback', { to_seq: 0 })).toMatchObject({ status: 'ok' });
  const other = await server.stores.create('demo/other');
  await server.stores.archive(other?.id ?? '');
  const headers = { authorization: 'Bearer dev' };
  const { acts } = await (await fetch(`${url}/api/audit`, { headers })).json();
  expect(acts).toMatchObject([
    { act: 'store.archived', actor: null, store: 'demo/other' },
    { act: 'store.created', actor: null, store: 'demo/other' },
    { act: 'store.rolled_back', actor: 'dev', store: 'demo/main', details: { to_seq: 0 } },
    { act: 'token.revoked', actor: null, target: issued.id },
    { act: 'token.issued', actor: null, target: issued.id },
    { act: 'store.created', actor: null, store: 'demo/main' },
  ]);
});

test('a store that the operator purges is gone for those who have it open, and its name is free', async () => {
  const { server, url, storeId, joined } = await world();
  const peer = await joined();
  await peer.ask(topic, 'write', set('a', 1, 'd1:s:1'));
  expect(await server.stores.purge(storeId)).toBe(true);
  expect(await server.stores.purge(storeId)).toBe(false);
  expect(await server.stores.find('demo/main')).toBeNull();
  expect(await peer.ask(topic, 'write', set('b', 1, 'd1:s:2'))).toMatchObject({ status: 'error' });
  const headers = { authorization: 'Bearer dev' };
  const { acts } = await (await fetch(`${url}/api/audit`, { headers })).json();
  expect(acts[0]).toMatchObject({ act: 'store.purged', actor: null, store: 'demo/main' });
  const anew = await server.stores.create('demo/main');
  expect(anew?.id).not.toBe(storeId);
  expect((await fetch(`${url}/api/stores/demo/main/entries/a`, { headers })).status).toBe(404);
});

test('S105 nobody hears of another org’s acts, of other stores than theirs, or of tokens they may not list', async () => {
  const home = new World();
  const { ask } = await home.token();
  await ask('POST', '/api/stores', { name: 'one' });
  const two = await ask('POST', '/api/stores', { name: 'two' });
  await ask('POST', '/api/tokens', { name: 'x', scopes: ['entries:read'] });
  const { id } = two.json['store'] as { readonly id: string };
  const seen = async (grants: Parameters<World['token']>[0]): Promise<readonly string[]> => {
    const { ask: asks } = await home.token(grants);
    return (await actsOf(asks)).map(({ act, store }) => `${act} ${String(store)}`);
  };
  expect(await seen({ org: 'evil' })).toEqual([]);
  expect(await seen({ scopes: ['audit:read'] })).toEqual([
    'store.created acme/two',
    'store.created acme/one',
  ]);
  expect(await seen({ storeAccess: { mode: 'selected', storeIds: [id] } })).toEqual([
    'store.created acme/two',
  ]);
  expect(await seen({})).toHaveLength(3);
  const stranger = await home.token({ org: 'evil' });
  expect((await stranger.ask('GET', '/api/audit?org=acme')).status).toBe(404);
  const without = await home.token({ scopes: ['admin'] });
  expect((await without.ask('GET', '/api/audit')).json).toMatchObject({ scope: 'audit:read' });
  const ruled = await home.token({ pathRules: [{ pattern: 'a/**', allow: ['read'] }] });
  expect((await ruled.ask('GET', '/api/audit')).status).toBe(403);
});

test('acts are filtered and paged; wrong parameters are refused', async () => {
  const home = new World();
  const { ask } = await home.token();
  for (const name of ['a', 'b', 'c']) await ask('POST', '/api/stores', { name });
  await ask('DELETE', '/api/stores/acme/b');
  expect(names(await actsOf(ask, '?act=store.archived'))).toEqual(['store.archived']);
  expect(names(await actsOf(ask, '?store=acme/b'))).toEqual(['store.archived', 'store.created']);
  expect(await actsOf(ask, '?actor=nobody')).toEqual([]);
  const first = await ask('GET', '/api/audit?limit=3');
  expect(first.json['next_before']).toBe(2);
  const second = await ask('GET', '/api/audit?limit=3&before=2');
  expect(second.json).toMatchObject({ acts: [{ store: 'acme/a' }], next_before: null });
  for (const query of ['limit=0', 'limit=1001', 'before=0', 'before=x', 'nothing=1']) {
    expect((await ask('GET', `/api/audit?${query}`)).status, query).toBe(400);
  }
});

test('who has several orgs and asks for a store hears of it, in whichever of them it is', async () => {
  const home = new World({ authenticate: operatorOfTwo });
  const ask = home.as('any');
  await ask('POST', '/api/stores', { name: 'acme/blog' });
  await ask('POST', '/api/stores', { name: 'demo/blog' });
  expect(await actsOf(ask)).toMatchObject([{ store: 'acme/blog' }]);
  expect(await actsOf(ask, '?store=demo/blog')).toMatchObject([{ store: 'demo/blog' }]);
  expect(await actsOf(ask, '?org=demo&store=demo/blog')).toHaveLength(1);
  expect(await actsOf(ask, '?org=acme&store=demo/blog')).toEqual([]);
  expect((await ask('GET', '/api/audit?store=evil/blog')).status).toBe(404);
  expect((await ask('GET', '/api/audit?store=blog')).status).toBe(400);
});

test('a log of acts is looked through page by page for what is asked, and others have their turns in between', async () => {
  const home = new World();
  const { ask } = await home.token();
  const act = { act: 'store.archived', org: 'acme', actor: 'x', target: null, details: {} };
  const row = { ...act, at: home.clock.at, store: null };
  await Promise.all(Array.from({ length: 9000 }, () => home.storage.audit.note(row)));
  const asking = actsOf(ask, '?actor=nobody');
  let found: readonly Told[] | null = null;
  let turns = 0;
  for (; found === null; turns += 1) {
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    found = await Promise.race([asking, loop(null)]);
  }
  expect(found).toEqual([]);
  expect(turns).toBeGreaterThan(5);
});

test('an act that cannot be noted is done and answered, and the operator is told', async () => {
  const home = new World();
  const { ask } = await home.token();
  home.storage.audit.note = () => Promise.reject(new Error('the disk is full'));
  expect((await ask('POST', '/api/stores', { name: 'blog' })).status).toBe(201);
  expect(home.failures).toMatchObject([{ message: 'the disk is full' }]);
});

test('P83 R228 what a record may hide from somebody is not named by the acts that they hear of', async () => {
  const { server, url, joined } = await world({
    authenticate: async ({ token }) =>
      token === 'dev' ? everything : { ...everything, subject: 'eve', scopes: ['audit:read'] },
  });
  const spec = { store: 'demo/main', version: '1.0', schema: passthrough<object>() } as const;
  const Note = record({ ...spec, name: 'note', path: 'notes/:id' });
  server.record(Note, { read: () => false });
  const peer = await joined();
  for (const path of ['notes/secret', 'open']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await peer.ask(topic, 'write', set(path, { n: 1 }, path));
    // oxlint-disable-next-line no-await-in-loop -- the same
    await peer.ask(topic, 'rollback', { path, to_seq: 0 });
  }
  const targets = async (token: string): Promise<readonly unknown[]> => {
    const headers = { authorization: `Bearer ${token}` };
    const { acts } = await (
      await fetch(`${url}/api/audit?act=store.rolled_back`, { headers })
    ).json();
    return acts.map(({ target }: { readonly target: unknown }) => target);
  };
  expect(await targets('dev')).toEqual(['open', 'notes/secret']);
  expect(await targets('eve')).toEqual(['open', null]);
});
