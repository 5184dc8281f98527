import { memory } from '@holdfast/server/storage/memory';
import { createServer, type Principal } from '@holdfast/server';
import {
  discoverOAuthProtectedResourceMetadata,
  extractWWWAuthenticateParams,
} from '@modelcontextprotocol/sdk/client/auth.js';
import { expect, test } from 'vitest';

import { VirtualClock } from '../conversation/clock.ts';
import { everything, world } from '../conversation/world.ts';
import { Agent } from './agent.ts';

const store = 'demo/main';
const principals: { readonly [token: string]: Principal } = {
  dev: everything,
  reader: { ...everything, subject: 'reader', scopes: new Set(['entries:read']) },
  stranger: { ...everything, subject: 'stranger', orgs: ['rival'] },
  part: {
    ...everything,
    subject: 'part',
    pathRules: [{ pattern: 'mine/**', allow: ['read', 'write'] }],
  },
};

async function site(options: Parameters<typeof world>[0] = {}) {
  const at = await world({
    authenticate: async ({ token }) => principals[token ?? ''] ?? null,
    ...options,
  });
  const as = (token: string): Promise<Agent> => Agent.connect(at.url, token);
  return { ...at, as };
}

const post = (url: string, headers: { readonly [name: string]: string } = {}): Promise<Response> =>
  fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  });

test('S109 who brings no good token is answered 401 with how to bring one', async () => {
  const { url } = await site();
  for (const headers of [{}, { Authorization: 'Bearer nobody' }]) {
    // oxlint-disable-next-line no-await-in-loop -- one by one
    const response = await post(url, headers);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
    // oxlint-disable-next-line no-await-in-loop -- one by one
    expect(await response.json()).toEqual({ error: 'unauthorized' });
  }
  await expect(Agent.connect(url, 'nobody')).rejects.toThrow();
  const get = await fetch(`${url}/mcp`, { headers: { Authorization: 'Bearer dev' } });
  expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
});

test('S109 who may only read writes nothing, by any tool', async () => {
  const { as } = await site();
  const reader = await as('reader');
  const writes = [
    ['put', { path: 'a', value: 1 }],
    ['merge', { path: 'a', value: {} }],
    ['delete', { path: 'a' }],
    ['increment', { path: 'a' }],
    ['add', { path: 'a', member: 1 }],
    ['remove', { path: 'a', member: 1 }],
    ['lease', { path: 'a' }],
    ['renew', { path: 'a', token: 1 }],
    ['release', { path: 'a', token: 1 }],
    ['transact', { ops: [{ op: 'delete', path: 'a' }] }],
    ['rollback', { to_seq: 0 }],
    ['import', { payload: '' }],
  ] as const;
  for (const [name, told] of writes) {
    // oxlint-disable-next-line no-await-in-loop -- one by one
    expect(await reader.refused(name, { store, ...told }), name).toMatchObject({
      error: 'missing_scope',
      scope: 'entries:write',
    });
  }
  expect(await reader.refused('put_file', { store, path: 'a', content: '' })).toMatchObject({
    scope: 'files:write',
  });
  expect(await reader.refused('get_file', { store, path: 'a' })).toMatchObject({
    error: 'missing_scope',
  });
  expect(await reader.refused('log', { store })).toMatchObject({ scope: 'audit:read' });
  expect(await reader.call('entries', { store, pattern: '**' })).toEqual({
    items: [],
    next_cursor: null,
  });
});

test('S102 S105 S109 path rules and orgs hold for agents too', async () => {
  const { as } = await site();
  const [dev, part, stranger] = [await as('dev'), await as('part'), await as('stranger')];
  await dev.call('put', { store, path: 'mine/a', value: 1 });
  await dev.call('put', { store, path: 'theirs/a', value: 'hidden' });
  const seen = [
    await part.call('entries', { store, pattern: '**' }),
    await part.call('export', { store }),
    await part.call('diff', { store, from_seq: 0 }),
    await part.call('log', { store }),
    await part.call('watch_once', { store, pattern: '**', since: 0 }),
    await part.refused('get', { store, path: 'theirs/a' }),
    await part.refused('put', { store, path: 'theirs/a', value: 1 }),
  ];
  expect(JSON.stringify(seen)).not.toContain('hidden');
  expect(seen.slice(0, 5).every((answer) => JSON.stringify(answer).includes('mine/a'))).toBe(true);
  expect(seen.slice(5)).toEqual([
    expect.objectContaining({ error: 'path_not_allowed', path: 'theirs/a' }),
    expect.objectContaining({ error: 'path_not_allowed', path: 'theirs/a' }),
  ]);
  const answers = [
    await stranger.refused('get', { store, path: 'mine/a' }),
    await stranger.refused('get', { store: 'demo/none', path: 'mine/a' }),
    await stranger.refused('status', { store: 'no store name' }),
  ];
  expect(answers).toEqual(answers.map(() => ({ error: 'not_found' })));
});

test('S103 S109 agents have the rates of their token', async () => {
  const { as } = await site({ rates: { writes_per_minute: 60, write_burst: 3 } });
  const dev = await as('dev');
  for (const path of ['a', 'b', 'c']) {
    // oxlint-disable-next-line no-await-in-loop -- one by one
    await dev.call('put', { store, path, value: 1 });
  }
  expect(await dev.refused('put', { store, path: 'd', value: 1 })).toMatchObject({
    error: 'rate_limited',
    retry_after_ms: expect.any(Number),
  });
  expect(await dev.call('get', { store, path: 'a' })).toMatchObject({ value: 1 });
});

test('S109 watch_once tells of what happens, or that nothing did', async () => {
  const clock = new VirtualClock();
  const { as } = await site({ clock, storage: memory({ now: clock.wall }) });
  const dev = await as('dev');
  const waiting = dev.call('watch_once', { store, pattern: 'tasks/**', timeout_ms: 60_000 });
  const other = await as('dev');
  const ops = ['tasks/1', 'tasks/2'].map((path) => ({ op: 'set', path, value: path }));
  const ended = new Set<unknown>();
  void waiting.then(() => ended.add(waiting));
  await other.call('put', { store, path: 'elsewhere', value: 1 });
  while (!ended.has(waiting)) {
    // oxlint-disable-next-line no-await-in-loop -- until the watcher is there
    await other.call('transact', { store, ops });
  }
  const told = await waiting;
  expect(told).toMatchObject({ timed_out: false, seq: expect.any(Number) });
  expect(told['ops']).toEqual([
    expect.objectContaining({ path: 'tasks/1', device_id: 'mcp:dev' }),
    expect.objectContaining({ path: 'tasks/2', store_seq: told['seq'] }),
  ]);
  const rest = await dev.call('watch_once', { store, pattern: '**', since: 0 });
  expect(rest['ops']).toContainEqual(expect.objectContaining({ path: 'elsewhere', store_seq: 1 }));

  const since = rest['seq'];
  const quiet = dev.call('watch_once', { store, pattern: 'tasks/**', since, timeout_ms: 5000 });
  void quiet.then(() => ended.add(quiet));
  while (!ended.has(quiet)) {
    // oxlint-disable-next-line no-await-in-loop -- until the watcher is there
    await clock.pass(5000);
    // oxlint-disable-next-line no-await-in-loop -- until the watcher is there
    await other.call('get', { store, path: 'elsewhere' });
  }
  expect(await quiet).toEqual({ ops: [], seq: expect.any(Number), timed_out: true });
  expect(await dev.refused('watch_once', { store, pattern: '**', since: 9999 })).toEqual({
    error: 'invalid_seq',
  });
});

test('S109 nobody waits for what happens in a store that is archived', async () => {
  const clock = new VirtualClock();
  const { as, server, storeId } = await site({ clock });
  const dev = await as('dev');
  const asked = { store, pattern: '**', timeout_ms: 60_000 };
  const ended = new Set<unknown>();
  const waiting = dev.refused('watch_once', asked);
  void waiting.then(() => ended.add(waiting));
  await server.stores.archive(storeId);
  while (!ended.has(waiting)) {
    // oxlint-disable-next-line no-await-in-loop -- until the watcher is there
    await clock.pass(2000);
    // oxlint-disable-next-line no-await-in-loop -- until the watcher is there
    await dev.call('stores', {});
  }
  expect(await waiting).toEqual({ error: 'store_archived' });
  expect(await dev.refused('watch_once', asked)).toEqual({ error: 'store_archived' });
});

test('a watcher that hangs up is let go, and one whose server drains is told to come back', async () => {
  const { as, server } = await site();
  const dev = await as('dev');
  const gone = dev.client.callTool(
    { name: 'holdfast_watch_once', arguments: { store, pattern: '**', timeout_ms: 60_000 } },
    undefined,
    { signal: AbortSignal.timeout(200) },
  );
  await expect(gone).rejects.toThrow();
  const waiting = (await as('dev')).refused('watch_once', { store, pattern: '**' });
  await dev.call('get', { store, path: 'x' }).catch(() => undefined);
  await new Promise<void>((resolve) => setImmediate(resolve));
  await server.close();
  expect(await waiting.catch(() => ({ error: 'unavailable' }))).toMatchObject({
    error: 'unavailable',
  });
});

const oauth = {
  resource: 'https://sync.example.org/mcp',
  authorizationServers: ['https://login.example.org'],
};

test('S109 an agent without a token is told where to get one, as the official client looks for it', async () => {
  const { url } = await site({ oauth });
  const refused = await post(url);
  const challenge = refused.headers.get('www-authenticate');
  expect(challenge).toBe(
    'Bearer resource_metadata="https://sync.example.org/.well-known/oauth-protected-resource/mcp"',
  );
  expect(extractWWWAuthenticateParams(refused).resourceMetadataUrl?.pathname).toBe(
    '/.well-known/oauth-protected-resource/mcp',
  );
  expect(await discoverOAuthProtectedResourceMetadata(`${url}/mcp`)).toMatchObject({
    resource: oauth.resource,
    authorization_servers: oauth.authorizationServers,
    bearer_methods_supported: ['header'],
    scopes_supported: expect.arrayContaining(['entries:read']),
  });
});

test('without OAuth there is nothing of it, and what agents could not use is an error of the operator', async () => {
  const { url } = await site();
  expect((await fetch(`${url}/.well-known/oauth-protected-resource/mcp`)).status).toBe(404);
  for (const wrong of [
    { ...oauth, resource: 'http://sync.example.org/mcp' },
    { ...oauth, resource: 'https://sync.example.org/' },
    { ...oauth, authorizationServers: [] },
    { ...oauth, authorizationServers: ['login.example.org'] },
  ]) {
    expect(() => createServer({ storage: memory(), oauth: wrong })).toThrow(TypeError);
  }
});
