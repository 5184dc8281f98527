import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { cli, type Ran, devServer, temporaryDirectory } from './harness.ts';

const site = devServer();

const as = (token: string, ...args: string[]): Promise<Ran> =>
  cli(args, { env: { HOLDFAST_URL: site.server.url, HOLDFAST_TOKEN: token } });

const slow = { timeout: 120_000 };

test('stores are made, listed, archived and purged', slow, async () => {
  expect(await as('dev', 'stores', 'create', 'demo/two', '--ttl', '1h')).toMatchObject({ code: 0 });
  const taken = await as('dev', 'stores', 'create', 'demo/two');
  expect(taken).toMatchObject({ code: 4, error: { code: 'name_taken' } });
  const listed = (await as('dev', 'stores')).rows;
  expect(listed.map((row) => row['name'])).toEqual(['demo/main', 'demo/two']);
  expect(listed[1]?.['expires']).toMatch(/^\d{4}-/);
  expect(await as('dev', 'stores', 'archive', 'demo/two')).toMatchObject({ code: 0 });
  expect((await as('dev', 'put', 'demo/two', 'a', '1')).code).toBe(6);
  const careful = await as('dev', 'stores', 'purge', 'demo/two');
  expect(careful).toMatchObject({ code: 2 });
  expect(careful.error['hint']).toContain('--yes');
  expect(await as('dev', 'stores', 'purge', 'demo/two', '--yes')).toMatchObject({ code: 0 });
  expect((await as('dev', 'stores')).rows).toHaveLength(1);
  expect(await as('dev', 'stores', 'archive', 'demo/two')).toMatchObject({ code: 9 });
  expect(await as('dev', 'stores', 'create', 'Not A Name')).toMatchObject({ code: 2 });
});

test('tokens open what they were made for, until they are revoked', slow, async () => {
  const made = await as(
    'dev',
    'tokens',
    'create',
    '--name',
    'reader',
    '--store',
    'demo/main',
    '--scopes',
    'read',
    '--expires',
    '1h',
  );
  expect(made.code).toBe(0);
  const { id, token } = made.rows[0] as { id: string; token: string };
  expect((await as('dev', 'tokens')).rows).toMatchObject([
    {
      id,
      name: 'reader',
      stores: 'demo/main',
      scopes: ['entries:read', 'files:read', 'stores:read'],
    },
  ]);
  expect((await as(token, 'entries', 'demo/main')).code).toBe(0);
  expect(await as(token, 'put', 'demo/main', 'a', '1')).toMatchObject({
    code: 6,
    error: { code: 'missing_scope', details: { scope: 'entries:write' } },
  });
  expect(await as(token, 'tokens')).toMatchObject({ code: 6 });
  expect(await as('dev', 'tokens', 'revoke', id)).toMatchObject({ code: 0 });
  expect(await as('dev', 'tokens', 'revoke', id)).toMatchObject({ code: 9 });
  expect(await as(token, 'entries', 'demo/main')).toMatchObject({
    code: 6,
    error: { code: 'unauthorized' },
  });
});

test('a scope that does not exist is told with those that do', slow, async () => {
  const wrong = await as('dev', 'tokens', 'create', '--scopes', 'entries:rite');
  expect(wrong).toMatchObject({ code: 2 });
  expect(wrong.error['hint']).toContain('entries:write');
});

test(
  'a token for an empty list of stores is refused, for it would open all of them',
  slow,
  async () => {
    const before = await as('dev', 'tokens');
    for (const list of ['', ' , ']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { code, error } = await as('dev', 'tokens', 'create', '--store', list);
      expect([code, error['message']]).toEqual([2, '--store is an empty list.']);
    }
    expect((await as('dev', 'tokens')).rows).toEqual(before.rows);
  },
);

test(
  'a token is made for some paths only, with sets of scopes and single ones together',
  slow,
  async () => {
    await as('dev', 'stores', 'create', 'demo/desk');
    const args = ['--store', 'demo/desk', '--scopes', 'write,audit:read'];
    const paths = ['--may-read', 'tickets/**,team/*', '--may-write', 'tickets/**'];
    const made = await as('dev', 'tokens', 'create', ...args, ...paths);
    expect(made.rows[0]?.['scopes']).toEqual(
      expect.arrayContaining(['entries:write', 'audit:read']),
    );
    const token = String(made.rows[0]?.['token']);
    expect((await as(token, 'put', 'demo/desk', 'tickets/1', '1')).code).toBe(0);
    const refused = await as(token, 'put', 'demo/desk', 'team/ann', '1');
    expect(refused).toMatchObject({ code: 6, error: { code: 'path_not_allowed' } });
    expect((await as(token, 'entries', 'demo/desk')).rows).toMatchObject([{ path: 'tickets/1' }]);
  },
);

test(
  'a token that is made on a data directory has its paths, too, and opens one org',
  slow,
  async () => {
    const { path, remove } = await temporaryDirectory();
    onTestFinished(remove);
    const make = (...args: string[]): Promise<Ran> =>
      cli(['tokens', 'create', '--data', path, ...args]);
    expect((await make('--org', 'acme', '--may-read', 'tickets/**')).code).toBe(0);
    expect((await make('--store', 'acme/a,other/b')).error['message']).toContain('one org only');
    const storage = sqlite({ directory: path });
    const made = await storage.tokens.list('acme');
    await storage.close();
    expect(made.map(({ pathRules }) => pathRules)).toEqual([
      [{ pattern: 'tickets/**', allow: ['read'] }],
    ]);
  },
);

test(
  'tokens of an org are listed from a data directory only, and who asks a server is told',
  slow,
  async () => {
    const { code, rows, error } = await as('dev', 'tokens', '--org', 'demo');
    expect([code, rows]).toEqual([2, []]);
    expect(error['message']).toContain('--org goes with --data only');
  },
);

test('an address that is no Holdfast server is told apart', slow, async () => {
  const other = createServer((_, response) => response.end('<h1>Hello</h1>'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const wrong = await cli(['stores', '--url', `http://127.0.0.1:${port}`]);
  expect(wrong).toMatchObject({ code: 8, error: { code: 'not_holdfast' } });
  expect(wrong.error['hint']).toContain('--url');
  other.close();
});

test('administrative acts are shown newest first, of one kind or page by page', slow, async () => {
  await as('dev', 'stores', 'create', 'demo/watched');
  await as('dev', 'stores', 'archive', 'demo/watched');
  const { rows } = await as('dev', 'audit', '--store', 'demo/watched');
  expect(rows).toMatchObject([
    { act: 'store.archived', store: 'demo/watched' },
    { act: 'store.created', store: 'demo/watched' },
  ]);
  const page = await as('dev', 'audit', '--limit', '1', '--act', 'store.created');
  expect(page.rows).toMatchObject([{ store: 'demo/watched' }]);
  expect(await as('dev', 'audit', '--limit', '0')).toMatchObject({ code: 2 });
});

test('status without a store shows what the server has open', async () => {
  const { rows, code } = await as('dev', 'status');
  expect(code).toBe(0);
  expect(rows).toMatchObject([
    { ready: true, version: expect.any(String), sockets: expect.any(Number) },
  ]);
});

test('why a token may or may not do something is explained', slow, async () => {
  const may = await as('dev', 'explain', 'demo/main', 'a/b', '--op', 'set');
  expect(may.rows).toMatchObject([{ op: 'set', path: 'a/b', allowed: true }]);
  expect((await as('dev', 'explain', 'demo/main', 'a', '--op', 'fly')).code).toBe(8);
});
