import { setImmediate as loop } from 'node:timers/promises';
import { defaultLimits } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';

import { type Scope, scopes } from '../../src/access/index.ts';
import { type Ask, dawn, World } from './world.ts';

const S = '/api/stores/acme/blog';
const one = { ops: [{ op: 'set', path: 'a', value: 1 }] };
const list = async (ask: Ask) => (await ask('GET', '/api/tokens')).json['tokens'];
const create = (ask: Ask, body: object) => ask('POST', '/api/tokens', { name: 'new', ...body });
const revoke = (ask: Ask, { json }: Awaited<ReturnType<Ask>>) =>
  ask('DELETE', `/api/tokens/${String(json['id'])}`);
/** One that may hand out others like it, within patterns. */
const confined = (ask: Ask, ...patterns: string[]) =>
  create(ask, {
    scopes: ['tokens:read', 'tokens:write'],
    path_rules: patterns.map((pattern) => ({ pattern, allow: ['read'] })),
  });

describe('tokens over HTTP', () => {
  test('S10 a token that is issued works at once, and is told only once', async () => {
    const world = new World();
    const { ask } = await world.token();
    const { status, json } = await create(ask, { scopes: ['stores:read', 'entries:read'] });
    expect(status).toBe(201);
    const raw = String(json['raw_token']);
    expect(raw).toMatch(/^hf_tok_[A-Za-z0-9_-]{43}$/);
    expect((await world.as(raw)('GET', '/api/whoami')).json).toEqual({
      subject: `token:${String(json['id'])}`,
      org: 'acme',
      scopes: ['entries:read', 'stores:read'],
      store_access: { mode: 'all', store_ids: [] },
      path_rules: null,
      expires_at: null,
    });
    expect(JSON.stringify((await ask('GET', '/api/tokens')).json)).not.toContain(raw);
  });

  test('many tokens are listed in turns of the event loop', async () => {
    const world = new World();
    const { ask } = await world.token({ scopes: ['tokens:read'] });
    for (let count = 0; count < 5000; count += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await world.token({ scopes: ['entries:read'] });
    }
    const asking = list(ask);
    let tokens: unknown = null;
    let turns = 0;
    for (; tokens === null; turns += 1) {
      // oxlint-disable-next-line no-await-in-loop -- turn by turn
      tokens = await Promise.race([asking, loop(null)]);
    }
    expect(tokens).toHaveLength(5001);
    expect(turns).toBeGreaterThanOrEqual(10);
  });

  test('a listed token has every key, whatever it is', async () => {
    const world = new World();
    const blog = await world.store('acme/blog');
    const { ask, id } = await world.token({
      scopes: ['tokens:read', 'tokens:write', 'entries:read'],
    });
    world.clock.at += 1000;
    const created = await create(ask, {
      scopes: ['entries:read'],
      store_name: 'blog',
      expires_at: '2026-02-01T01:00:00+01:00',
    });
    const listed = await list(ask);
    expect(listed).toEqual([
      {
        id,
        name: 'test',
        store_name: '*',
        store_access_mode: 'all',
        stores: [],
        scopes: ['entries:read', 'tokens:read', 'tokens:write'],
        permissions: { read: true, write: false },
        path_rules: null,
        expires_at: null,
        last_used_at: '2026-01-01T00:00:01.000Z',
        inserted_at: '2026-01-01T00:00:00.000Z',
      },
      {
        id: created.json['id'],
        name: 'new',
        store_name: 'acme/blog',
        store_access_mode: 'selected',
        stores: [{ id: blog.id, name: 'blog', full_name: 'acme/blog' }],
        scopes: ['entries:read'],
        permissions: { read: true, write: false },
        path_rules: null,
        expires_at: '2026-02-01T00:00:00.000Z',
        last_used_at: null,
        inserted_at: '2026-01-01T00:00:01.000Z',
      },
    ]);
  });

  test('S101 the legacy flags stand for their scopes', async () => {
    const world = new World();
    const { ask } = await world.token();
    const read = ['audit:read', 'entries:read', 'files:read', 'stores:read', 'webhooks:read'];
    const write = [
      'entries:write',
      'files:write',
      'stores:clone',
      'tokens:read',
      'tokens:write',
      'webhooks:write',
    ];
    expect((await create(ask, { read: true })).json['scopes']).toEqual(read);
    expect((await create(ask, { write: true })).json['scopes']).toEqual(write);
    const both = await create(ask, { read: true, write: true });
    expect(both.json['scopes']).toEqual([...read, ...write].toSorted());
    expect(both.json['permissions']).toEqual({ read: true, write: true });
  });

  test.each<[Scope, string, object?]>([
    ['stores:read', 'GET /api/stores'],
    ['stores:create', 'POST /api/stores', { name: 'new' }],
    ['stores:read', 'GET /api/stores/acme/blog'],
    ['stores:delete', 'DELETE /api/stores/acme/blog'],
    ['tokens:read', 'GET /api/tokens'],
    ['tokens:write', 'POST /api/tokens', { name: 'new', read: true }],
    ['tokens:write', 'DELETE /api/tokens/none'],
    ['entries:read', `GET ${S}/entries`],
    ['entries:read', `GET ${S}/entries/a`],
    ['entries:read', `POST ${S}/entries/batch`, { paths: ['a'] }],
    ['entries:read', `GET ${S}/watch`],
    ['entries:read', `GET ${S}/export`],
    ['entries:read', `GET ${S}/diff?from=0&to=0`],
    ['entries:write', `PUT ${S}/entries/a`, {}],
    ['entries:write', `POST ${S}/entries`, { path: 'a', value: 1 }],
    ['entries:write', `DELETE ${S}/entries`, { path: 'a' }],
    ['entries:write', `POST ${S}/entries/batch_write`, one],
    ['entries:write', `POST ${S}/transact`, one],
    ['entries:write', `POST ${S}/rollback`, { path: 'a', to_seq: 0 }],
    ['entries:write', `POST ${S}/import`, {}],
    ['audit:read', `GET ${S}/log`],
    ['audit:read', 'GET /api/audit'],
    ['files:read', `GET ${S}/files/a`],
    ['files:read', `GET ${S}/export?format=tar`],
    ['files:write', `PUT ${S}/files/a`, {}],
    ['stores:clone', `POST ${S}/clone`, { name: 'copy' }],
    ['webhooks:read', `GET ${S}/webhooks`],
    ['webhooks:write', `POST ${S}/webhooks`, { url: 'https://hook.example' }],
    ['admin', 'GET /api/server'],
  ])('S101 the scope %s is needed for %s, which says so', async (scope, route, body) => {
    const [method = '', path = ''] = route.split(' ');
    const world = new World();
    await world.store('acme/blog');
    const { ask } = await world.token({ scopes: scopes.filter((each) => each !== scope) });
    const { status, json } = await ask(method, path, body);
    expect(status).toBe(403);
    expect(json).toMatchObject({ error: 'forbidden', reason: 'missing_scope', scope });
    expect(json['message']).toContain(scope);
    expect(world.archived).toEqual([]);
  });

  test('S101 a selected token reaches its stores, sees no others, and is told so before its scopes are', async () => {
    const world = new World();
    const blog = await world.store('acme/blog');
    await world.store('acme/shop');
    const storeAccess = { mode: 'selected', storeIds: [blog.id] } as const;
    const { ask } = await world.token({ storeAccess, scopes: ['stores:read'] });
    expect((await ask('GET', '/api/stores')).json['stores']).toMatchObject([{ name: 'blog' }]);
    expect((await ask('GET', '/api/stores/acme/blog')).status).toBe(200);
    const shop = await ask('DELETE', '/api/stores/acme/shop');
    expect(shop.status).toBe(403);
    expect(shop.json).toMatchObject({ error: 'forbidden', reason: 'store_not_allowed' });
    expect((await ask('GET', '/api/stores/acme/none')).status).toBe(404);
  });

  test.each<[string, object]>([
    ['missing_scope', { scopes: ['entries:write'] }],
    ['missing_scope', { scopes: ['entries:read', 'admin'] }],
    ['missing_scope', { read: true, scopes: null }],
    ['store_not_allowed', { store_access_mode: 'all' }],
    ['store_not_allowed', { store_name: '*' }],
    ['store_not_allowed', { store_name: 'shop' }],
    ['store_not_allowed', { store_names: ['blog', 'acme/shop'] }],
    ['expiry_not_allowed', { expires_at: null }],
    ['expiry_not_allowed', { expires_at: '2026-01-01T01:00:00.001Z' }],
  ])('S101 nobody hands out what it does not have: %s for %j', async (reason, body) => {
    const world = new World();
    const blog = await world.store('acme/blog');
    await world.store('acme/shop');
    const { ask } = await world.token({
      scopes: ['tokens:read', 'tokens:write', 'entries:read'],
      storeAccess: { mode: 'selected', storeIds: [blog.id] },
      expiresAt: dawn + 3_600_000,
    });
    const { status, json } = await create(ask, { scopes: ['entries:read'], ...body });
    expect(status).toBe(403);
    expect(json).toMatchObject({ error: 'forbidden', reason });
    expect(await list(ask)).toHaveLength(1);
  });

  test('S101 path rules are kept, told, and handed on no wider than the bearer has them', async () => {
    const world = new World();
    const all = await world.token();
    const rules = [{ pattern: 'posts/**', allow: ['read', 'write'] }];
    const { json } = await create(all.ask, { scopes, path_rules: rules });
    expect(json['path_rules']).toEqual(rules);
    const { ask } = { ask: world.as(String(json['raw_token'])) };
    expect((await ask('GET', '/api/whoami')).json['path_rules']).toEqual(rules);
    const make = (given: object) => create(ask, { scopes: ['entries:read'], ...given });
    expect((await make({})).json['path_rules']).toEqual(rules);
    const narrow = [{ pattern: 'posts/*/title', allow: ['read'] }];
    expect((await make({ path_rules: narrow })).json['path_rules']).toEqual(narrow);
    expect((await make({ path_rules: [] })).json['path_rules']).toEqual([]);
    for (const wide of [
      null,
      [{ pattern: '**', allow: ['read'] }],
      [...narrow, { pattern: 'post', allow: ['read'] }],
    ]) {
      expect((await make({ path_rules: wide })).json).toMatchObject({
        error: 'forbidden',
        reason: 'path_not_allowed',
        message: expect.any(String),
      });
    }
    // Who may only read somewhere lets nobody write there.
    const reader = await create(all.ask, { scopes, path_rules: narrow });
    const through = world.as(String(reader.json['raw_token']));
    const both = [{ pattern: 'posts/*/title', allow: ['write', 'read'] }];
    expect((await create(through, { scopes, path_rules: both })).json).toMatchObject({
      reason: 'path_not_allowed',
    });
    expect((await ask('DELETE', `/api/tokens/${String(reader.json['id'])}`)).status).toBe(200);
    // The rules of other tokens name paths: who has rules sees those only that lie within them.
    expect(await list(ask)).toHaveLength(4);
    expect(await list(all.ask)).toHaveLength(5);
    expect((await ask('DELETE', `/api/tokens/${all.id}`)).status).toBe(404);
  });

  test('S101 who has several path rules hands on what lies within one of them, and sees no token with others', async () => {
    const world = new World();
    const all = await world.token();
    const mine = await confined(all.ask, 'posts/**', 'users/*');
    const ask = world.as(String(mine.json['raw_token']));
    const within = await confined(ask, 'users/ann');
    const both = await confined(ask, 'users/ann', 'posts/a');
    expect([within.status, both.status]).toEqual([201, 201]);
    for (const others of [['drafts/*'], ['users/ann', 'drafts/*'], ['**']]) {
      expect((await confined(ask, ...others)).json['reason']).toBe('path_not_allowed');
      const other = await confined(all.ask, ...others);
      expect((await revoke(ask, other)).status).toBe(404);
    }
    const seen = [mine, within, both].map(({ json }) =>
      expect.objectContaining({ id: json['id'] }),
    );
    const listed = await list(ask);
    expect(listed).toHaveLength(seen.length);
    expect(listed).toEqual(expect.arrayContaining(seen));
    expect((await revoke(ask, within)).status).toBe(200);
  });

  test('S101 what a new token leaves open is as its bearer has it, never more', async () => {
    const world = new World();
    const blog = await world.store('acme/blog');
    const { ask } = await world.token({
      storeAccess: { mode: 'selected', storeIds: [blog.id] },
      expiresAt: dawn + 1000,
    });
    const { status, json } = await create(ask, { read: true });
    expect(status).toBe(201);
    expect(json).toMatchObject({
      store_access_mode: 'selected',
      stores: [{ id: blog.id }],
      expires_at: '2026-01-01T00:00:01.000Z',
    });
  });

  test('S101 tokens outside the stores of the bearer are neither listed nor revoked', async () => {
    const world = new World();
    const blog = await world.store('acme/blog');
    const shop = await world.store('acme/shop');
    const mine = await world.token({ storeAccess: { mode: 'selected', storeIds: [blog.id] } });
    world.clock.at += 1;
    const both = await world.token({
      storeAccess: { mode: 'selected', storeIds: [blog.id, shop.id] },
    });
    world.clock.at += 1;
    const all = await world.token();
    expect(await list(mine.ask)).toMatchObject([{ id: mine.id }]);
    expect(await list(both.ask)).toMatchObject([{ id: mine.id }, { id: both.id }]);
    expect(await list(all.ask)).toMatchObject([{ id: mine.id }, { id: both.id }, { id: all.id }]);
    expect((await mine.ask('DELETE', `/api/tokens/${both.id}`)).status).toBe(404);
    expect((await mine.ask('DELETE', `/api/tokens/${all.id}`)).status).toBe(404);
    expect((await both.ask('DELETE', `/api/tokens/${mine.id}`)).json).toEqual({ ok: true });
    expect(world.revoked).toEqual([mine.id]);
  });

  test('S101 a revoked token gets 401 from the next request on', async () => {
    const world = new World();
    const admin = await world.token();
    const other = await world.token();
    expect((await other.ask('GET', '/api/whoami')).status).toBe(200);
    expect((await admin.ask('DELETE', `/api/tokens/${other.id}`)).json).toEqual({ ok: true });
    expect(world.revoked).toEqual([other.id]);
    const refused = await other.ask('GET', '/api/whoami');
    expect(refused.status).toBe(401);
    expect(refused.json).toEqual({ error: 'unauthorized' });
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect((await admin.ask('DELETE', `/api/tokens/${other.id}`)).status).toBe(404);
    expect(await list(admin.ask)).toHaveLength(1);
  });

  test('S101 a token works until the millisecond before it expires', async () => {
    const world = new World();
    const { ask } = await world.token({ expiresAt: dawn + 1000 });
    world.clock.at = dawn + 999;
    expect((await ask('GET', '/api/whoami')).json['expires_at']).toBe('2026-01-01T00:00:01.000Z');
    world.clock.at = dawn + 1000;
    expect((await ask('GET', '/api/whoami')).status).toBe(401);
  });

  test.each<[string, object]>([
    ['name', { name: '' }],
    ['name', { name: 'x'.repeat(129) }],
    ['name', { name: null }],
    ['scopes', {}],
    ['scopes', { scopes: [] }],
    ['scopes', { scopes: ['entries:delete'] }],
    ['scopes', { scopes: 'entries:read' }],
    ['scopes', { scopes: ['entries:read'], read: true }],
    ['read', { read: 'yes' }],
    ['path_rules', { read: true, path_rules: {} }],
    ['path_rules', { read: true, path_rules: [{ pattern: 'a/**/b', allow: ['read'] }] }],
    ['path_rules', { read: true, path_rules: [{ pattern: 'a', allow: ['fly'] }] }],
    [
      'path_rules',
      { read: true, path_rules: Array.from({ length: 65 }, () => ({ pattern: 'a', allow: [] })) },
    ],
    ['expires_at', { read: true, expires_at: '2025-01-01T00:00:00Z' }],
    ['expires_at', { read: true, expires_at: 1_800_000_000_000 }],
    ['store_access_mode', { read: true, store_access_mode: 'some' }],
    ['store_access_mode', { read: true, store_access_mode: 'all', store_name: 'blog' }],
    ['store_access_mode', { read: true, store_access_mode: 'selected', store_name: '*' }],
    ['store_ids', { read: true, store_access_mode: 'selected' }],
    ['store_ids', { read: true, store_ids: [] }],
    ['store_ids', { read: true, store_ids: 'x' }],
    ['store_ids', { read: true, store_ids: Array.from({ length: 1001 }, () => 'x') }],
    ['store_names', { read: true, store_ids: ['x'], store_names: ['blog'] }],
    ['store_names', { read: true, store_names: [7] }],
    ['store_name', { read: true, store_name: 'none' }],
  ])('a token with a bad %s is refused: %j', async (field, body) => {
    const world = new World({ limits: { ...defaultLimits, max_json_body: 65_536 } });
    await world.store('acme/blog');
    const { ask } = await world.token();
    const { status, json } = await create(ask, body);
    expect([status, json['error'], json['field']]).toEqual([422, 'invalid_payload', field]);
  });

  test('a principal of several orgs says which one a store is of', async () => {
    const world = new World({
      authenticate: () =>
        Promise.resolve({
          subject: 'ann',
          orgs: ['acme', 'globex'],
          scopes: new Set(scopes),
          storeAccess: { mode: 'all' as const },
          expiresAt: null,
          tokenId: null,
        }),
    });
    await world.store('acme/blog');
    await world.store('globex/plans');
    const ask = world.as('anything');
    const { stores } = (await ask('GET', '/api/stores')).json;
    expect(stores).toMatchObject([{ full_name: 'acme/blog' }, { full_name: 'globex/plans' }]);
    expect((await ask('POST', '/api/stores', { name: 'new' })).status).toBe(422);
    expect((await ask('POST', '/api/stores', { name: 'globex/new' })).status).toBe(201);
    expect((await create(ask, { read: true, store_name: 'globex/plans' })).status).toBe(201);
    expect((await create(ask, { read: true, store_access_mode: 'all' })).status).toBe(422);
    const mixed = await create(ask, { read: true, store_names: ['acme/blog', 'globex/plans'] });
    expect(mixed.status).toBe(422);
  });
});
