import { defaultLimits } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';

import { type Ask, World } from './world.ts';

const S = '/api/stores/acme/blog';

async function open(): Promise<{ world: World; ask: Ask }> {
  const world = new World({});
  await world.store('acme/blog');
  const { ask } = await world.token();
  return { world, ask };
}

/** For bodies beyond the small limit of the world. */
async function roomy(): Promise<{ ask: Ask }> {
  const world = new World({ limits: { ...defaultLimits, max_json_body: 1_000_000 } });
  await world.store('acme/blog');
  return world.token();
}

const put = (ask: Ask, path: string, value: unknown, headers = {}) =>
  ask('PUT', `${S}/entries/${path}`, value, headers);
const get = (ask: Ask, path: string, headers = {}) =>
  ask('GET', `${S}/entries/${path}`, undefined, headers);

describe('entries over HTTP', () => {
  test('what is put is read back with its type, its revision and its ETag', async () => {
    const { ask } = await open();
    const written = await put(ask, 'posts/hello', { title: 'Hi', views: 3 });
    expect([written.status, written.json]).toEqual([200, { revision: 1, store_seq: 1 }]);
    expect(written.headers.get('etag')).toBe('"1"');
    const map = await get(ask, 'posts');
    expect(map.json).toEqual({
      path: 'posts',
      value: { hello: { title: 'Hi', views: 3 } },
      type: 'map',
      revision: 1,
    });
    expect((await get(ask, 'posts/hello/views')).json).toMatchObject({ value: 3, type: 'integer' });
  });

  test('S19 removing Users leaves users alone, and GET of what is gone is 404', async () => {
    const { ask } = await open();
    await put(ask, 'Users/a', 1);
    await put(ask, 'users/a', 2);
    expect((await ask('DELETE', `${S}/entries/Users`)).json).toEqual({ revision: 3, store_seq: 3 });
    expect((await get(ask, 'Users')).status).toBe(404);
    expect((await get(ask, 'users/a')).json).toMatchObject({ value: 2 });
  });

  test('S25 null is a value, and GET of it is 200 with the type null', async () => {
    const { ask } = await open();
    await put(ask, 'nothing', null);
    const { status, json } = await get(ask, 'nothing');
    expect([status, json['value'], json['type']]).toEqual([200, null, 'null']);
  });

  test('a segment with a slash is written ~1, and %2F is refused', async () => {
    const { ask } = await open();
    await put(ask, 'image~1file/a%20b', 'x');
    expect((await get(ask, 'image~1file/a%20b')).json).toMatchObject({ path: 'image~1file/a b' });
    const slashed = await get(ask, 'image%2Ffile');
    expect([slashed.status, slashed.json]).toEqual([400, { error: 'invalid_escape' }]);
    expect((await get(ask, 'a%zz')).json).toEqual({ error: 'invalid_escape' });
    expect((await get(ask, 'a//b')).json).toMatchObject({ error: 'empty_segment' });
  });

  test('segments that URL parsers fold away travel in ?path=', async () => {
    const { ask } = await open();
    await ask('PUT', `${S}/entry?path=..%2F.`, 7);
    expect((await ask('GET', `${S}/entry?path=..%2F.`)).json).toMatchObject({
      path: '../.',
      value: 7,
    });
  });

  test('keys such as __proto__ are keys like any other', async () => {
    const { ask } = await open();
    await put(ask, '__proto__/polluted', true);
    expect((await get(ask, '__proto__')).json).toMatchObject({ value: { polluted: true } });
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    const many = await ask('POST', `${S}/entries/batch`, { paths: ['__proto__/polluted'] });
    expect(JSON.stringify(many.json)).toContain('"__proto__/polluted"');
  });

  test('a body that is missing, no JSON or of another kind is refused', async () => {
    const { world, ask } = await open();
    const raw = (await world.token()).raw;
    const send = async (body: string, type: string) => {
      const headers = { Authorization: `Bearer ${raw}`, 'Content-Type': type };
      const answer = await world.app.request(`${S}/entries/a`, { method: 'PUT', headers, body });
      return answer.status;
    };
    expect(await send('', 'application/json')).toBe(400);
    expect(await send('{', 'application/json')).toBe(400);
    expect(await send('1', 'text/plain')).toBe(415);
    expect((await put(ask, 'a', 'x'.repeat(3000))).status).toBe(413);
    expect((await get(ask, 'a')).status).toBe(404);
  });

  test('the refusals of writes are those of the table, with its status', async () => {
    const { ask } = await open();
    expect((await put(ask, 'a/_type', 'decimal')).json).toMatchObject({ error: 'reserved_type' });
    expect((await put(ask, '_dust:last_seq', 1)).json).toMatchObject({ error: 'reserved_path' });
    expect((await put(ask, 'a', 2 ** 60)).status).toBe(422);
  });

  test('S6 another store, another org and a missing scope are told apart as the spec says', async () => {
    const { world } = await open();
    const other = await world.store('acme/other');
    const selected = await world.token({
      storeAccess: { mode: 'selected', storeIds: [other.id] },
    });
    const reader = await world.token({ scopes: ['entries:read'] });
    const foreign = await world.token({ org: 'rival' });
    expect((await get(selected.ask, 'a')).json).toMatchObject({
      error: 'forbidden',
      reason: 'store_not_allowed',
    });
    expect((await get(foreign.ask, 'a')).json).toEqual({ error: 'not_found' });
    expect((await put(reader.ask, 'a', 1)).json).toMatchObject({
      error: 'forbidden',
      reason: 'missing_scope',
      scope: 'entries:write',
    });
    expect((await put(foreign.ask, 'a', 1)).status).toBe(404);
  });
});

const set = (path: string, more = {}) => ({ op: 'set', path, value: 1, ...more });

describe('conditions', () => {
  test('S42 If-None-Match * makes it once, both headers are refused, and a known ETag is 304', async () => {
    const { ask } = await open();
    expect((await put(ask, 'a', 1, { 'If-None-Match': '*' })).status).toBe(200);
    const again = await put(ask, 'a', 2, { 'If-None-Match': '*' });
    expect([again.status, again.json]).toEqual([412, { error: 'exists', current_revision: 1 }]);
    const both = await put(ask, 'a', 2, { 'If-None-Match': '*', 'If-Match': '"1"' });
    expect(both.status).toBe(400);
    expect((await get(ask, 'a', { 'If-None-Match': '"1"' })).status).toBe(304);
    expect((await get(ask, 'a', { 'If-None-Match': 'W/"1", "9"' })).status).toBe(304);
    expect((await get(ask, 'a', { 'If-None-Match': '"2"' })).status).toBe(200);
  });

  test.each(['"1"', '1', '"7", "1"', '*'])('S42 If-Match %s lets the write pass', async (match) => {
    const { ask } = await open();
    await put(ask, 'a', 1);
    expect((await put(ask, 'a', 2, { 'If-Match': match })).status).toBe(200);
    expect((await get(ask, 'a')).json).toMatchObject({ value: 2, revision: 2 });
  });

  test.each(['"7"', 'W/"1"', '"7", "8"'])('If-Match %s is a conflict', async (match) => {
    const { ask } = await open();
    await put(ask, 'a', 1);
    const { status, json } = await put(ask, 'a', 2, { 'If-Match': match });
    expect([status, json]).toEqual([412, { error: 'conflict', current_revision: 1 }]);
  });

  test('If-Match * on what is not there is a conflict', async () => {
    const { ask } = await open();
    const { status, json } = await put(ask, 'a', 2, { 'If-Match': '*' });
    expect([status, json]).toEqual([412, { error: 'conflict', current_revision: null }]);
    expect((await get(ask, 'a')).status).toBe(404);
  });

  test.each(['"1"', '*'])(
    'a refused write with If-Match %s is told of as one write',
    async (match) => {
      const { ask } = await open();
      await ask('POST', `${S}/transact`, { ops: [{ op: 'lease', path: 'a', holder: 'ann' }] });
      const { json } = await put(ask, 'a', 2, { 'If-Match': match });
      expect(json).toEqual({ error: 'held', holder: 'ann', expires_at: json['expires_at'] });
      const deleted = await ask('DELETE', `${S}/entries/a`, undefined, { 'If-Match': match });
      expect(deleted.json).toEqual(json);
    },
  );

  test.each(['"0"', '-1', 'x', '"1'])('If-Match %s is junk', async (match) => {
    const { ask } = await open();
    await put(ask, 'a', 1);
    const { status, json } = await put(ask, 'a', 2, { 'If-Match': match });
    expect([status, json['error']]).toEqual([400, 'invalid_precondition']);
  });

  test('S43 the revision of a map moves when a leaf below it is removed', async () => {
    const { ask } = await open();
    await put(ask, 'm', { a: 1, b: 2 });
    await ask('DELETE', `${S}/entries/m/a`);
    expect((await put(ask, 'm', { c: 3 }, { 'If-Match': '"1"' })).status).toBe(412);
    expect((await put(ask, 'm', { c: 3 }, { 'If-Match': '"2"' })).status).toBe(200);
  });

  test('S48 a live lease is held against a delete, unless an admin forces it', async () => {
    const { world, ask } = await open();
    const leased = await ask('POST', `${S}/transact`, { ops: [{ op: 'lease', path: 'job' }] });
    expect(leased.json).toMatchObject({ results: [{ token: 1 }] });
    expect((await ask('DELETE', `${S}/entries/job`)).json).toMatchObject({ error: 'held' });
    const writer = await world.token({ scopes: ['entries:write'] });
    const denied = await writer.ask('DELETE', `${S}/entries/job?force=true`);
    expect(denied.json).toMatchObject({ reason: 'missing_scope', scope: 'admin' });
    expect((await ask('DELETE', `${S}/entries/job?force=true`)).status).toBe(200);
  });
});

async function filled() {
  const { ask } = await open();
  const paths = ['A', '_x', 'a/1', 'a/2', 'a-b', 'é', '\u{1F600}', '\uFFFD'];
  for (const path of paths) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await put(ask, path.split('/').map(encodeURIComponent).join('/'), path);
  }
  return ask;
}

const keys = async (ask: Ask, query: string) => {
  const { json } = await ask('GET', `${S}/entries?select=keys&${query}`);
  return [json['items'], json['next_cursor']];
};

describe('listings', () => {
  test('S88 the order is that of the UTF-8 bytes of the rendered path, both ways', async () => {
    const ask = await filled();
    const all = ['A', '_x', 'a-b', 'a/1', 'a/2', 'é', '\uFFFD', '\u{1F600}'];
    expect(await keys(ask, '')).toEqual([all, null]);
    expect(await keys(ask, 'order=desc')).toEqual([all.toReversed(), null]);
    expect(await keys(ask, 'from=_x&to=a%2F2')).toEqual([['_x', 'a-b', 'a/1'], null]);
    expect(await keys(ask, 'from=_x&to=a%2F2&order=desc&limit=2')).toEqual([['a/1', 'a-b'], 'a-b']);
    expect(await keys(ask, 'from=_x&to=a%2F2&order=desc&limit=2&after=a-b')).toEqual([
      ['_x'],
      null,
    ]);
  });

  test('S87 pages are filled, the last has no cursor, and an exact pattern returns its entry', async () => {
    const { ask } = await roomy();
    const rows = Array.from({ length: 600 }, (_, at) => [
      `k${String(at).padStart(4, '0')}`,
      { [at % 100 === 0 ? 'hit' : 'miss']: at },
    ]);
    await put(ask, 'rows', Object.fromEntries(rows));
    const page = await ask('GET', `${S}/entries?pattern=rows/*/hit&limit=4`);
    expect(page.json['items']).toHaveLength(4);
    const rest = await ask(
      'GET',
      `${S}/entries?pattern=rows/*/hit&limit=4&after=${String(page.json['next_cursor'])}`,
    );
    expect(rest.json['items']).toHaveLength(2);
    expect(rest.json['next_cursor']).toBeNull();
    expect((await ask('GET', `${S}/entries?pattern=rows/k0100/hit`)).json['items']).toEqual([
      { path: 'rows/k0100/hit', value: 100, type: 'integer', revision: expect.any(Number) },
    ]);
  });

  test('S87 prefixes are told once each, over all pages', async () => {
    const ask = await filled();
    const prefixes = (query: string) => ask('GET', `${S}/entries?select=prefixes&${query}`);
    expect((await prefixes('pattern=**&limit=3')).json).toEqual({
      items: ['A', '_x', 'a'],
      next_cursor: 'a',
    });
    expect((await prefixes('pattern=**&limit=9&after=a')).json).toEqual({
      items: ['a-b', 'é', '\uFFFD', '\u{1F600}'],
      next_cursor: null,
    });
    expect((await prefixes('pattern=a/**')).json['items']).toEqual(['a/1', 'a/2']);
    expect((await prefixes('pattern=none/**')).json['items']).toEqual([]);
    expect((await prefixes('pattern=*/x')).json).toMatchObject({
      error: 'invalid_pattern_for_prefixes',
    });
  });

  test.each([
    ['limit=0', 'invalid_params'],
    ['limit=1001', 'invalid_params'],
    ['order=up', 'invalid_params'],
    ['page=2', 'invalid_params'],
    ['pattern=a&from=b', 'conflicting_params'],
    ['select=values', 'unsupported_select'],
    ['pattern=**/a', 'invalid_pattern'],
  ])('a listing by ?%s is refused with %s', async (query, error) => {
    const { ask } = await open();
    const { status, json } = await ask('GET', `${S}/entries?${query}`);
    expect([status, json['error']]).toEqual([400, error]);
  });
});

describe('batches', () => {
  test('many are read at once; maps are missing unless subtrees are asked for', async () => {
    const { ask } = await open();
    await put(ask, 'm', { a: 1 });
    const paths = ['m', 'm/a', 'none'];
    expect((await ask('POST', `${S}/entries/batch`, { paths })).json).toEqual({
      entries: { 'm/a': { value: 1, type: 'integer', revision: 1 } },
      missing: ['m', 'none'],
    });
    const deep = await ask('POST', `${S}/entries/batch`, { paths, subtrees: true });
    expect(deep.json['entries']).toMatchObject({ m: { value: { a: 1 }, type: 'map' } });
  });

  test('S40 three writes take consecutive seqs; a conflict at 1 applies none; 0 or 1001 are refused', async () => {
    const { ask } = await open();
    const three = [set('a'), set('b'), { op: 'delete', path: 'a' }];
    const ok = await ask('POST', `${S}/entries/batch_write`, { ops: three });
    expect(ok.json).toEqual({
      store_seq: 3,
      ops: [
        { path: 'a', revision: 1, store_seq: 1 },
        { path: 'b', revision: 2, store_seq: 2 },
        { path: 'a', revision: 3, store_seq: 3 },
      ],
    });
    const bad = await ask('POST', `${S}/entries/batch_write`, {
      ops: [set('c'), set('b', { if_match: 9 })],
    });
    expect([bad.status, bad.json]).toEqual([
      412,
      { error: 'conflict', op_index: 1, path: 'b', current_revision: 2 },
    ]);
    expect((await get(ask, 'c')).status).toBe(404);
    expect((await ask('POST', `${S}/entries/batch_write`, { ops: [] })).status).toBe(400);
    const many = Array.from({ length: 1001 }, () => ({}));
    const wide = await roomy();
    expect((await wide.ask('POST', `${S}/entries/batch_write`, { ops: many })).status).toBe(400);
  });

  test('a batch under a fence that does not stand is fenced', async () => {
    const { ask } = await open();
    const body = { ops: [{ op: 'set', path: 'a', value: 1 }], fence: { key: 'job', token: 1 } };
    expect((await ask('POST', `${S}/entries/batch_write`, body)).json).toMatchObject({
      error: 'fenced',
    });
  });

  test('S81 a transaction answers with one result per op', async () => {
    const { ask } = await open();
    const { json } = await ask('POST', `${S}/transact`, {
      ops: [
        { op: 'increment', path: 'n', value: 2 },
        { op: 'add', path: 's', value: 'x' },
      ],
    });
    expect(json).toEqual({
      store_seq: 2,
      first_seq: 1,
      results: [{ store_seq: 1 }, { store_seq: 2 }],
    });
  });
});

describe('Idempotency-Key', () => {
  const key = { 'Idempotency-Key': 'k-1' };

  test('S106 a repeat gets the same answer and says so; another body is refused', async () => {
    const { ask } = await open();
    const inc = { ops: [{ op: 'increment', path: 'n', value: 1 }] };
    const first = await ask('POST', `${S}/transact`, inc, key);
    const again = await ask('POST', `${S}/transact`, inc, key);
    expect(again.json).toEqual(first.json);
    expect(first.headers.get('idempotent-replay')).toBeNull();
    expect(again.headers.get('idempotent-replay')).toBe('true');
    expect((await get(ask, 'n')).json).toMatchObject({ value: 1 });
    const other = await put(ask, 'n', 5, key);
    expect([other.status, other.json['error']]).toEqual([422, 'idempotency_key_reuse']);
  });

  test('S106 two at once are one write, and the second hears that the first is running', async () => {
    const { ask } = await open();
    const both = await Promise.all([put(ask, 'a', 1, key), put(ask, 'a', 1, key)]);
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 409]));
    expect((await put(ask, 'a', 1, key)).headers.get('idempotent-replay')).toBe('true');
  });

  test('S106 X-Request-Id alone does not deduplicate', async () => {
    const { ask } = await open();
    const inc = { ops: [{ op: 'increment', path: 'n', value: 1 }] };
    await ask('POST', `${S}/transact`, inc, { 'X-Request-Id': 'r' });
    await ask('POST', `${S}/transact`, inc, { 'X-Request-Id': 'r' });
    expect((await get(ask, 'n')).json).toMatchObject({ value: 2 });
  });

  test('who names its device is known by that, whichever way it writes; a reserved name is refused', async () => {
    const { ask } = await open();
    const inc = { ops: [{ op: 'increment', path: 'n', value: 1 }] };
    const named = { ...key, 'Holdfast-Device': 'laptop' };
    await ask('POST', `${S}/transact`, inc, named);
    await ask('POST', `${S}/transact`, inc, named);
    await ask('POST', `${S}/transact`, inc, { ...key, 'Holdfast-Device': 'phone' });
    expect((await get(ask, 'n')).json).toMatchObject({ value: 2 });
    for (const device of ['http:x', 'system:import', '', 'x'.repeat(129)]) {
      const answer = await ask('POST', `${S}/transact`, inc, { 'Holdfast-Device': device });
      expect([answer.status, answer.json['error']]).toEqual([400, 'invalid_params']);
    }
  });

  test('a key that is too long is refused', async () => {
    const { ask } = await open();
    expect((await put(ask, 'a', 1, { 'Idempotency-Key': 'k'.repeat(129) })).status).toBe(400);
  });
});
