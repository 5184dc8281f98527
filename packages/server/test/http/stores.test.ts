import { describe, expect, test } from 'vitest';

import { dawn, World } from './world.ts';

describe('stores over HTTP', () => {
  test('a store that is created is listed, and says what it is', async () => {
    const world = new World();
    const { ask } = await world.token();
    const created = await ask('POST', '/api/stores', { name: 'blog' });
    expect(created.status).toBe(201);
    const { store } = created.json;
    expect(store).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'blog',
      full_name: 'acme/blog',
      status: 'active',
      inserted_at: '2026-01-01T00:00:00.000Z',
      expires_at: null,
      incarnation: expect.stringMatching(/^incarnation-/),
    });
    expect((await ask('GET', '/api/stores')).json).toEqual({ org: 'acme', stores: [store] });
  });

  test('a store answers with its row, its figures and what the token may do there', async () => {
    const world = new World();
    const store = await world.store('acme/blog');
    const { ask } = await world.token({ scopes: ['entries:read', 'stores:read'] });
    const { status, json } = await ask('GET', '/api/stores/acme/blog');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      id: store.id,
      full_name: 'acme/blog',
      incarnation: store.incarnation,
      current_seq: 7,
      entry_count: 3,
      scopes: ['entries:read', 'stores:read'],
      permissions: { read: true, write: false },
      store_access: { mode: 'all', store_ids: [] },
      recent_ops: [{ path: 'secret/plan' }],
    });
  });

  test('a token that reads no entries learns no path and no count', async () => {
    const world = new World();
    await world.store('acme/blog');
    const { ask } = await world.token({ scopes: ['stores:read'] });
    const { json } = await ask('GET', '/api/stores/acme/blog');
    const { file_storage_bytes: files, db_size_bytes: db } = json;
    expect(json).toMatchObject({ entry_count: 0, op_count: 0, recent_ops: [] });
    expect([files, db]).toEqual([0, 0]);
  });

  test('all stores of an org are listed, however many pages the storage needs', async () => {
    const world = new World();
    const names = Array.from({ length: 1001 }, (_, i) => `acme/s${String(i).padStart(4, '0')}`);
    await Promise.all(names.map((name) => world.store(name)));
    const { ask } = await world.token();
    const { json } = await ask('GET', '/api/stores');
    expect(json['stores']).toHaveLength(1001);
    expect(json['stores']).toEqual(
      names.map((name) => expect.objectContaining({ full_name: name })),
    );
  });

  test('a name that is taken, by an archived store too, is refused', async () => {
    const world = new World();
    const { ask } = await world.token();
    await ask('POST', '/api/stores', { name: 'blog' });
    await ask('DELETE', '/api/stores/acme/blog');
    const again = await ask('POST', '/api/stores', { name: 'acme/blog' });
    expect(again.status).toBe(422);
    expect(again.json).toEqual({ error: 'name_taken' });
  });

  test('a store re-created after a purge has another id and incarnation', async () => {
    const world = new World();
    const { ask } = await world.token();
    await ask('POST', '/api/stores', { name: 'blog' });
    const first = (await ask('GET', '/api/stores/acme/blog')).json;
    expect((await ask('DELETE', '/api/stores/acme/blog?purge=true')).json).toEqual({ ok: true });
    expect((await ask('GET', '/api/stores/acme/blog')).status).toBe(404);
    expect((await ask('POST', '/api/stores', { name: 'blog' })).status).toBe(201);
    const second = (await ask('GET', '/api/stores/acme/blog')).json;
    expect(second['id']).not.toBe(first['id']);
    expect(second['incarnation']).not.toBe(first['incarnation']);
  });

  test.each([
    [{}],
    [{ name: 7 }],
    [{ name: 'Blog' }],
    [{ name: '-blog' }],
    [{ name: 'a/b/c' }],
    [{ name: 'a'.repeat(129) }],
    [{ name: 'globex/blog' }],
    [{ name: 'blog', ttl_ms: 0 }],
    [{ name: 'blog', ttl_ms: 1.5 }],
    [{ name: 'blog', ttl_ms: '60000' }],
    [{ name: 'blog', ttl_ms: 1e300 }],
    [{ name: 'blog', ttl_ms: 1000, expires_at: '2027-01-01T00:00:00Z' }],
    [{ name: 'blog', expires_at: '2025-12-31T23:59:59Z' }],
    [{ name: 'blog', expires_at: 'tomorrow' }],
    [{ name: 'blog', expires_at: '2027-01-01' }],
  ])('the store %j is refused and not created', async (body) => {
    const world = new World();
    const { ask } = await world.token();
    const { status, json } = await ask('POST', '/api/stores', body);
    expect([status, json['error']]).toEqual([422, 'invalid_store']);
    expect((await ask('GET', '/api/stores')).json['stores']).toEqual([]);
  });

  test('S110 a store that is archived says so, closes its channels and keeps its data', async () => {
    const world = new World();
    const { id } = await world.store('acme/blog');
    const { ask } = await world.token();
    expect((await ask('DELETE', '/api/stores/acme/blog')).json).toEqual({ ok: true });
    expect(world.archived).toEqual([id]);
    expect((await ask('GET', '/api/stores/acme/blog')).json['status']).toBe('archived');
    expect((await world.storage.stores.get(id))?.status).toBe('archived');
  });

  test('a store that is purged between its being looked up and opened is not found', async () => {
    const world = new World();
    const { ask } = await world.token();
    const { stores } = world.storage;
    const find = stores.find.bind(stores);
    stores.find = async (name) => {
      const row = await find(name);
      if (row !== null) await stores.purge(row.id);
      return row;
    };
    for (const [method, route, body] of [
      ['GET', 'entries/a'],
      ['PUT', 'entries/a', 1],
      ['PUT', 'files/a', 'x'],
      ['GET', 'watch'],
      ['GET', 'diff?from_seq=0'],
      ['GET', 'export'],
      ['GET', 'log'],
      ['POST', 'clone', { name: 'other' }],
      ['POST', 'rollback', { to_seq: 0 }],
      ['GET', ''],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- each has a store of its own
      await world.store('acme/blog');
      // oxlint-disable-next-line no-await-in-loop -- the same
      const { status, json } = await ask(method, `/api/stores/acme/blog/${route}`, body);
      expect([route, status, json['error']]).toEqual([route, 404, 'not_found']);
    }
    expect(world.failures).toEqual([]);
  });

  test('S110 a purge closes the channels while the store is archived and before it is gone', async () => {
    const seen: unknown[] = [];
    const world: World = new World({
      onStoreArchived: async (id) => {
        seen.push((await world.storage.stores.get(id))?.status);
      },
    });
    const { id } = await world.store('acme/blog');
    const { ask } = await world.token();
    await ask('DELETE', '/api/stores/acme/blog?purge=true');
    expect(seen).toEqual(['archived']);
    expect(await world.storage.stores.get(id)).toBeNull();
  });

  test('S110 a store is archived from the instant its time to live has passed', async () => {
    const world = new World();
    const { ask } = await world.token();
    const created = await ask('POST', '/api/stores', { name: 'brief', ttl_ms: 60_000 });
    expect(created.json['store']).toMatchObject({ expires_at: '2026-01-01T00:01:00.000Z' });
    world.clock.at = dawn + 59_999;
    expect((await ask('GET', '/api/stores/acme/brief')).json['status']).toBe('active');
    world.clock.at = dawn + 60_000;
    expect((await ask('GET', '/api/stores/acme/brief')).json['status']).toBe('archived');
    expect(await world.storage.stores.expired(world.clock.at, 9)).toHaveLength(1);
  });
});

describe('stores of other orgs', () => {
  test.each<[string, string, object?]>([
    ['GET', '/api/stores/globex/%'],
    ['DELETE', '/api/stores/globex/%'],
    ['DELETE', '/api/stores/globex/%?purge=true'],
    ['POST', '/api/stores', { name: 'globex/%' }],
    ['POST', '/api/tokens', { name: 't', read: true, store_name: 'globex/%' }],
    ['POST', '/api/tokens', { name: 't', read: true, store_names: ['globex/%'] }],
  ])(
    'S105 %s %s %j does not tell a store of another org from none (P42)',
    async (method, path, body) => {
      const world = new World();
      const other = await world.store('globex/plans');
      const { ask } = await world.token();
      const about = (name: string) =>
        ask(method, path.replace('%', name), body && fill(body, name));
      const there = await about('plans');
      const nowhere = await about('nothing');
      expect(there.status).toBeGreaterThanOrEqual(400);
      expect([there.status, there.json]).toEqual([nowhere.status, nowhere.json]);
      expect(await world.storage.stores.get(other.id)).toEqual(other);
      expect(world.archived).toEqual([]);
    },
  );

  test('S105 no id tells a store or token of another org from none', async () => {
    const world = new World();
    const other = await world.store('globex/plans');
    const foreign = await world.token({ org: 'globex' });
    const { ask } = await world.token();
    const unknown = '00000000-0000-4000-8000-999999999999';
    const create = async (id: string) => {
      const { status, json } = await ask('POST', '/api/tokens', {
        name: 't',
        read: true,
        store_ids: [id],
      });
      return { status, json };
    };
    expect(await create(other.id)).toEqual(await create(unknown));
    expect((await create(other.id)).status).toBe(422);
    expect((await ask('DELETE', `/api/tokens/${foreign.id}`)).status).toBe(404);
    expect((await ask('DELETE', `/api/tokens/${unknown}`)).status).toBe(404);
    expect((await foreign.ask('GET', '/api/whoami')).status).toBe(200);
    expect((await ask('GET', '/api/stores')).json['stores']).toEqual([]);
    expect((await ask('GET', '/api/tokens')).json['tokens']).toHaveLength(1);
  });

  test('S105 a selection that names a store of another org does not open it', async () => {
    const world = new World();
    const other = await world.store('globex/plans');
    const { ask } = await world.token({ storeAccess: { mode: 'selected', storeIds: [other.id] } });
    expect((await ask('GET', '/api/stores')).json['stores']).toEqual([]);
    expect((await ask('GET', '/api/stores/globex/plans')).status).toBe(404);
  });
});

/** The body with a store's name in the place of `%`. */
function fill(body: object, name: string): unknown {
  return JSON.parse(JSON.stringify(body).replace('%', name));
}
