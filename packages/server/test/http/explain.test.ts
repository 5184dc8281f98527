import { expect, test } from 'vitest';
import { check as explained } from '../../src/http/openapi/admin.ts';
import { principals } from '../conversation/principals.ts';
import { set, topic, world } from '../conversation/world.ts';
import { type Ask, World } from './world.ts';

const why = async (ask: Ask, path: string, op?: string) => {
  const query = new URLSearchParams({ path, ...(op !== undefined && { op }) });
  return (await ask('GET', `/api/stores/acme/blog/explain?${query}`)).json;
};
const failed = (json: { readonly [field: string]: unknown }) =>
  (json['checks'] as { readonly ok: boolean | null }[]).filter(({ ok }) => ok === false);

async function home(quotas = {}) {
  const place = new World({ quotas });
  await place.store('acme/blog');
  const owner = await place.token();
  const by = async (grants: Parameters<World['token']>[0]): Promise<Ask> =>
    (await place.token(grants)).ask;
  return { place, owner: owner.ask, by };
}

test('who may do everything is told so, check by check, in the order of a request', async () => {
  const { owner } = await home();
  const json = await why(owner, 'posts/a', 'set');
  expect(json).toMatchObject({ path: 'posts/a', op: 'set', allowed: true });
  const checks = json['checks'] as { readonly check: string; readonly ok: boolean }[];
  expect(checks.map(({ check, ok }) => [check, ok])).toEqual([
    ['scope', true],
    ['store', true],
    ['rules', true],
    ['lease', true],
    ['quota', true],
  ]);
  expect(await why(owner, 'posts/a')).toMatchObject({ op: 'read', allowed: true });
});

test('a scope that is missing is named, and it takes none to ask', async () => {
  const { by } = await home();
  const json = await why(await by({ scopes: ['stores:read'] }), 'a', 'set');
  expect(json).toMatchObject({ allowed: false });
  expect(failed(json)).toMatchObject([{ reason: 'missing_scope', scope: 'entries:write' }]);
});

test('path rules: which one matched, which only reach below, or that none does', async () => {
  const { by } = await home();
  const pathRules = [
    { pattern: 'users/ann/**', allow: ['read', 'write'] },
    { pattern: 'public/**', allow: ['read'] },
  ] as const;
  const ask = await by({ pathRules });
  const rules = async (path: string, op?: string): Promise<object> => {
    const { checks } = await why(ask, path, op);
    return (checks as { readonly check: string }[]).find(({ check }) => check === 'rules') ?? {};
  };
  expect(await rules('users/ann/x', 'set')).toMatchObject({ ok: true, matched: ['users/ann/**'] });
  expect(await rules('public/x', 'set')).toMatchObject({ ok: false, reason: 'path_not_allowed' });
  expect(await rules('public/x')).toMatchObject({ ok: true, matched: ['public/**'] });
  expect(await rules('users')).toMatchObject({ ok: true, partly: true });
  expect(await rules('hidden')).toMatchObject({ ok: false, matched: [] });
});

test('what is explained is what happens: the reason is that of the refused write', async () => {
  const { owner, by, place } = await home({ keys: 2 });
  await owner('PUT', '/api/stores/acme/blog/entries/a', 1);
  const ops = [{ op: 'lease', path: 'job', ttl_ms: 60_000, holder: 'worker' }];
  expect((await owner('POST', '/api/stores/acme/blog/transact', { ops })).status).toBe(200);
  const held = await why(owner, 'job', 'set');
  expect(failed(held)).toMatchObject([{ reason: 'held', lease: 'job', holder: 'worker' }]);
  expect((await owner('PUT', '/api/stores/acme/blog/entries/job', 1)).json).toMatchObject({
    error: 'held',
  });
  const ruled = await by({ pathRules: [{ pattern: 'b/**', allow: ['read', 'write'] }] });
  expect(failed(await why(ruled, 'a', 'set'))).toMatchObject([{ reason: 'path_not_allowed' }]);
  const row = (await place.storage.stores.list({ limit: 1 }))[0];
  await place.storage.stores.archive(row?.id ?? '');
  expect(failed(await why(owner, 'a', 'set'))).toMatchObject([{ reason: 'store_archived' }]);
});

test('an explanation has the fields that the document names, and a lease without a holder is held by somebody', async () => {
  const { owner, by } = await home({ keys: 1 });
  const ops = [{ op: 'lease', path: 'job', ttl_ms: 60_000 }];
  await owner('POST', '/api/stores/acme/blog/transact', { ops });
  const held = await why(owner, 'job', 'set');
  expect(failed(held)).toMatchObject([
    { holder: null, detail: expect.stringContaining('is held by somebody;') },
  ]);
  const ruled = await by({ pathRules: [{ pattern: 'b/c/**', allow: ['read'] }] });
  const told = [
    held,
    await why(owner, 'x', 'set'),
    await why(ruled, 'b'),
    await why(ruled, 'b', 'set'),
  ];
  const fields = told.flatMap(({ checks }) => (checks as object[]).flatMap(Object.keys));
  const named = Object.keys(explained.properties);
  expect(named.toSorted()).toEqual([...new Set(fields)].toSorted());
});

test('a quota that is used up is told to who may see the whole store', async () => {
  const { owner, by } = await home({ keys: 1 });
  await owner('PUT', '/api/stores/acme/blog/entries/a', 1);
  expect(failed(await why(owner, 'b', 'set'))).toMatchObject([
    { reason: 'limit_exceeded', dimension: 'keys', current: 1, limit: 1 },
  ]);
  expect(await why(owner, 'a', 'set')).toMatchObject({ allowed: true });
  const ruled = await by({ pathRules: [{ pattern: 'b/**', allow: ['read', 'write'] }] });
  expect(JSON.stringify(await why(ruled, 'b/x', 'set'))).not.toContain('current');
});

test('S102 an explanation tells nothing of what may not be read: the answer is the same whatever is there', async () => {
  const { owner, by } = await home({ keys: 100 });
  const ruled = await by({
    pathRules: [
      { pattern: 'mine/**', allow: ['read'] },
      { pattern: 'drop/**', allow: ['write'] },
    ],
  });
  const writer = await by({ scopes: ['entries:write'] });
  const ask = async (): Promise<string> => {
    const paths = ['secret', 'secret/a', 'drop/a', 'mine', '**'];
    const asked = [ruled, writer].flatMap((each) =>
      paths.flatMap((path) => ['read', 'set', 'delete', 'lease'].map((op) => why(each, path, op))),
    );
    return JSON.stringify(await Promise.all(asked));
  };
  const before = await ask();
  await owner('PUT', '/api/stores/acme/blog/entries/secret/a', 1);
  const ops = [{ op: 'lease', path: 'drop/a', ttl_ms: 60_000, holder: 'nobody-knows' }];
  await owner('POST', '/api/stores/acme/blog/transact', { ops });
  expect(await ask()).toBe(before);
});

test('wrong questions are refused, and other stores are as unknown as ever', async () => {
  const { owner, by } = await home();
  expect((await owner('GET', '/api/stores/acme/blog/explain')).status).toBe(400);
  expect((await owner('GET', '/api/stores/acme/blog/explain?path=a&op=fly')).status).toBe(400);
  expect((await owner('GET', '/api/stores/acme/blog/explain?path=a//b')).status).toBe(400);
  const stranger = await by({ org: 'evil' });
  expect((await stranger('GET', '/api/stores/acme/blog/explain?path=a')).status).toBe(404);
});

test('on a socket of capver 4 `explain` is a push; capver 3 does not know it', async () => {
  const known = { ann: { pathRules: [{ pattern: 'a/**', allow: ['read'] as const }] } };
  const { joined } = await world({ authenticate: principals(known) });
  const peer = await joined({ token: 'ann' });
  expect(await peer.ask(topic, 'explain', { path: 'a/b', op: 'set' })).toMatchObject({
    status: 'ok',
    response: {
      allowed: false,
      checks: expect.arrayContaining([expect.objectContaining({ reason: 'path_not_allowed' })]),
    },
  });
  expect(await peer.ask(topic, 'write', set('a/b', 1, 'd1:s:1'))).toMatchObject({
    response: { reason: 'path_not_allowed' },
  });
  expect(await peer.ask(topic, 'explain', {})).toMatchObject({
    response: { reason: 'missing_path' },
  });
  const old = await joined({ token: 'dev', capver: '3', device: 'd2' });
  expect(await old.ask(topic, 'explain', { path: 'a' })).toMatchObject({
    response: { reason: 'unknown_event' },
  });
});
