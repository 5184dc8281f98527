import { defaultLimits } from '@holdfast/protocol';
import { expect, test } from 'vitest';

import { defaultRates } from '../../src/access/rate-limits.ts';
import { asImport, firstLine, imported, open, S } from './transfer.ts';
import { type Ask, World } from './world.ts';

async function exported(world: World, raw: string, name = 'blog') {
  const response = await world.app.request(`${S(name)}/export`, {
    headers: { Authorization: `Bearer ${raw}` },
  });
  const text = await response.text();
  const [header, ...lines] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { response, text, header, lines };
}

const values = {
  n: 1,
  f: 1.5,
  s: 'text',
  none: null,
  yes: true,
  list: [1, { a: 2 }],
  empty: {},
  'a.b': 'one segment',
  'a~1b': 'slash',
  price: { _type: 'decimal', _typed: '29.90' },
  when: { _type: 'datetime', _typed: '2026-03-31T12:00:00Z' },
  big: { _type: 'bigint', _typed: '9007199254740993' },
  raw: { _type: 'bytes', _typed: 'AQI=' },
};

async function fill(ask: Ask): Promise<void> {
  const sets = Object.entries(values).map(([path, value]) => ({ op: 'set', path, value }));
  await ask('POST', `${S('blog')}/transact`, {
    ops: [
      ...sets,
      { op: 'increment', path: 'hits', value: 7 },
      { op: 'add', path: 'tags', value: 'x' },
      { op: 'lease', path: 'job' },
    ],
  });
}

const listing = async (ask: Ask, name: string) => {
  const { json } = await ask('GET', `${S(name)}/entries?limit=1000`);
  return JSON.stringify(json['items'], ['path', 'value', 'type', '_type', '_typed', 'a', '0', '1']);
};

test('S95 an export begins with its header, holds every leaf in path order, and leaves leases out', async () => {
  const { world, ask, raw } = await open();
  await fill(ask);
  const { response, header, lines } = await exported(world, raw);
  expect(response.headers.get('content-type')).toBe('application/x-ndjson');
  expect(header).toMatchObject({
    _header: true,
    store: 'acme/blog',
    seq: 16,
    entry_count: 15,
    path_schema_version: 3,
    exported_at: expect.any(String),
    incarnation: expect.any(String),
  });
  expect(lines.map(({ path }) => path)).not.toContain('job');
  expect(lines.find(({ path }) => path === 'hits')).toEqual({
    path: 'hits',
    value: 7,
    type: 'counter',
    revision: 14,
  });
});

test.each(['lines', 'atomic'])(
  'S30 S95 export and import into an empty store give the same listing (%s)',
  async (mode) => {
    const { world, ask, raw } = await open();
    await fill(ask);
    await ask('DELETE', `${S('blog')}/entries/job?force=true`);
    const { text } = await exported(world, raw);
    const { status, json } = await imported({ world, raw }, text, `?mode=${mode}`);
    expect([status, json]).toEqual([
      200,
      {
        ok: true,
        import_id: expect.any(String),
        imported: 15,
        skipped: 0,
        unparseable: 0,
        failed: [],
        failed_total: 0,
        store_seq: 15,
      },
    ]);
    expect(await listing(ask, 'copy')).toBe(await listing(ask, 'blog'));
    const log = await ask('GET', `${S('copy')}/log?limit=1`);
    expect(log.json['ops']).toMatchObject([{ device_id: 'system:import', tx: 15 }]);
  },
);

test('S95 bad lines are told by number, and the rest goes on', async () => {
  const here = await open();
  const body = [
    asImport({ path: 'a', value: 1 }),
    '',
    '{nonsense',
    JSON.stringify({ path: '', value: 1 }),
    JSON.stringify({ path: 'l', value: 1, type: 'lease' }),
    JSON.stringify({ path: 'm', value: { not: 'a leaf' } }),
    JSON.stringify({
      path: 'file',
      value: {
        _type: 'file',
        hash: `sha256:${'0'.repeat(64)}`,
        size: 1,
        content_type: 'x/y',
        filename: null,
        uploaded_at: '2026-01-01T00:00:00Z',
      },
    }),
    JSON.stringify({ path: 'b', value: 2 }),
  ].join('\n');
  const { json } = await imported(here, body);
  expect(json).toMatchObject({ ok: false, imported: 2, unparseable: 1, failed_total: 5 });
  expect(json['failed']).toEqual([
    { line: 4, path: null, reason: 'unparseable' },
    { line: 5, path: '', reason: 'empty_path' },
    { line: 6, path: 'l', reason: 'reserved_type' },
    { line: 7, path: 'm', reason: 'invalid_value' },
    { line: 8, path: 'file', reason: 'unknown_file' },
  ]);
});

test('S95 an atomic import with one bad line changes nothing', async () => {
  const here = await open();
  const { status, json } = await imported(
    here,
    `${asImport({ path: 'a', value: 1 })}\n{x`,
    '?mode=atomic',
  );
  expect([status, json['ok'], json['imported']]).toEqual([422, false, 0]);
  expect(await listing(here.ask, 'copy')).toBe('[]');
});

test('S95 lines that meet a live lease fail, and the others of their commit are written', async () => {
  const here = await open();
  await here.ask('POST', `${S('copy')}/transact`, { ops: [{ op: 'lease', path: 'job' }] });
  const { json } = await imported(
    here,
    asImport(
      { path: 'a', value: 1 },
      { path: 'job', value: 2 },
      { path: 'job/x', value: 3 },
      { path: 'b', value: 4 },
    ),
  );
  expect(json).toMatchObject({ imported: 2, failed_total: 2 });
  expect(json['failed']).toMatchObject([
    { line: 3, reason: 'held' },
    { line: 4, reason: 'held' },
  ]);
});

test('S95 what has no header is refused, unless it is said how its paths are written', async () => {
  const here = await open();
  const bare = JSON.stringify({ path: 'a.b', value: 1 });
  expect(await imported(here, bare)).toMatchObject({
    status: 400,
    json: { error: 'header_required' },
  });
  expect(await imported(here, '\n\n')).toMatchObject({ json: { error: 'header_required' } });
  await imported(here, bare, '?headerless=slash');
  await imported(here, JSON.stringify({ path: 'x.y/z', value: 2 }), '?headerless=dotted');
  const { json } = await here.ask('GET', `${S('copy')}/entries?select=keys`);
  expect(json['items']).toEqual(['a.b', 'x/y~1z']);
});

test('S95 50 MB stream in and out without being held in memory', { timeout: 120_000 }, async () => {
  const here = await open();
  const value = 'v'.repeat(10_000);
  const count = 5000;
  let at = -1;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const text =
        at === -1 ? firstLine : JSON.stringify({ path: `k/${at % 50}`, value: `${at}${value}` });
      controller.enqueue(new TextEncoder().encode(`${text}\n`));
      at += 1;
      if (at === count) controller.close();
    },
  });
  const before = process.memoryUsage().arrayBuffers;
  expect((await imported(here, body)).json).toMatchObject({ ok: true, imported: count });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40_000_000);
});

test('S102 a token with path rules exports what it may read, and imports nothing', async () => {
  const { world, ask } = await open();
  await fill(ask);
  const bound = await world.token({ pathRules: [{ pattern: 's', allow: ['read', 'write'] }] });
  const { header: first, lines: rest } = await exported(world, bound.raw);
  expect(first.entry_count).toBe(1);
  expect(rest).toMatchObject([{ path: 's' }]);
  const refused = await imported({ world, raw: bound.raw }, asImport({ path: 's', value: 1 }));
  expect(refused).toMatchObject({ status: 403, json: { reason: 'path_not_allowed' } });
});

test('a HEAD of what streams is refused, and an atomic import is bounded', async () => {
  const here = await open();
  for (const stream of ['watch', 'export', 'diff?from_seq=0']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await here.world.app.request(`${S('blog')}/${stream}`, {
      method: 'HEAD',
      headers: { Authorization: `Bearer ${here.raw}` },
    });
    expect(answer.status).toBe(405);
  }
  const piece = new TextEncoder().encode(`${firstLine}\n${' '.repeat(1_000_000)}\n`);
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      sent += 1;
      controller.enqueue(piece);
    },
  });
  expect(await imported(here, endless, '?mode=atomic')).toMatchObject({
    status: 413,
    json: { error: 'body_too_large' },
  });
  expect(sent).toBeLessThan(200);
});

test('S103 an import is paid by the thousand lines, once however often they are tried, and says where the rate stands', async () => {
  const world = new World({
    limits: defaultLimits,
    rates: { ...defaultRates, writes_per_minute: 60, write_burst: 10 },
  });
  await world.store('acme/copy');
  const { ask, raw } = await world.token();
  const lease = { ops: [{ op: 'lease', path: 'job', ttl_ms: 60_000 }] };
  await ask('POST', `${S('copy')}/transact`, lease);
  const remaining = async (body: string, query = '') => {
    const answer = await world.app.request(`${S('copy')}/import${query}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${raw}` },
      body,
    });
    expect(answer.status).toBe(200);
    return Number(answer.headers.get('x-ratelimit-remaining'));
  };
  const held = Array.from({ length: 20 }, (_, at) => ({ path: `job/${at}`, value: at }));
  expect(await remaining(asImport({ path: 'a', value: 1 }, ...held))).toBe(8);
  const many = Array.from({ length: 2001 }, (_, at) => ({ path: `k/${at}`, value: at }));
  expect(await remaining(asImport(...many), '?mode=atomic')).toBe(5);
});

test('what is refused before it is charged says where the rate stands, too', async () => {
  const world = new World({ rates: defaultRates });
  await world.store('acme/blog');
  const { ask } = await world.token({ scopes: ['entries:read'] });
  const { status, headers } = await ask('PUT', `${S('blog')}/entries/a`, 1);
  expect([status, headers.get('x-ratelimit-limit')]).toEqual([403, '1000']);
});

test('S95 lines that are no UTF-8, and sets with a member twice, are bad lines', async () => {
  const here = await open();
  const text = new TextEncoder();
  const garbled = Uint8Array.from([...text.encode('{"path":"a","value":"'), 0xff, 0x22, 0x7d, 10]);
  const set = {
    path: 's',
    value: [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    type: 'set',
  };
  const body = new Blob([`${firstLine}\n`, garbled, JSON.stringify(set)]).stream();
  const { json } = await imported(here, body);
  expect(json).toMatchObject({
    imported: 0,
    unparseable: 1,
    failed: [
      { line: 2, reason: 'unparseable' },
      { line: 3, path: 's', reason: 'type_mismatch' },
    ],
  });
});
