import { expect, test } from 'vitest';

import { redact } from '../../src/access/index.ts';
import { World } from './world.ts';

const hooks = '/api/stores/acme/app/webhooks';
const url = 'https://example.org/hook';

const denied = (scope: string): object => ({ error: 'forbidden', reason: 'missing_scope', scope });

async function opened() {
  const world = new World();
  await world.store('acme/app');
  return { world, admin: await world.token() };
}

test('S108 webhooks are made with webhooks:write and listed with webhooks:read', async () => {
  const { world } = await opened();
  const reader = await world.token({ scopes: ['webhooks:read'] });
  const writer = await world.token({ scopes: ['webhooks:write'] });
  expect((await reader.ask('POST', hooks, { url })).json).toMatchObject(denied('webhooks:write'));
  const made = await writer.ask('POST', hooks, { url, patterns: ['posts/**'], ops: ['set'] });
  expect(made.status).toBe(201);
  const { secret, ...described } = made.json;
  expect(secret).toMatch(/^whsec_[0-9a-f]{64}$/);
  expect(described).toEqual({
    id: expect.any(String),
    url,
    patterns: ['posts/**'],
    ops: ['set'],
    active: true,
    failure_count: 0,
    last_delivered_seq: 0,
    inactive_reason: null,
    next_attempt_at: null,
    inserted_at: '2026-01-01T00:00:00.000Z',
  });
  expect((await reader.ask('GET', hooks)).json).toEqual({ webhooks: [described] });
  expect((await writer.ask('GET', hooks)).json).toMatchObject(denied('webhooks:read'));
  const one = `${hooks}/${String(described['id'])}`;
  expect((await reader.ask('GET', `${one}/deliveries`)).json).toEqual({ deliveries: [] });
  expect((await reader.ask('DELETE', one)).status).toBe(403);
  expect((await reader.ask('POST', `${one}/ping`)).status).toBe(403);
  expect((await writer.ask('DELETE', one)).json).toEqual({ ok: true });
  expect((await writer.ask('DELETE', one)).status).toBe(404);
});

test('S105 webhooks of another org, or of another store, are as unknown as those that are not there', async () => {
  const { world, admin } = await opened();
  await world.store('acme/other');
  const { json } = await admin.ask('POST', hooks, { url });
  const stranger = await world.token({ org: 'rival' });
  const id = String(json['id']);
  const answers = await Promise.all([
    stranger.ask('GET', hooks),
    stranger.ask('POST', hooks, { url }),
    stranger.ask('DELETE', `${hooks}/${id}`),
    stranger.ask('GET', `${hooks}/${id}/deliveries`),
    admin.ask('DELETE', `/api/stores/acme/other/webhooks/${id}`),
    admin.ask('POST', `/api/stores/acme/other/webhooks/${id}/ping`),
    admin.ask('GET', '/api/stores/acme/none/webhooks'),
    admin.ask('GET', `${hooks}/nobody/deliveries`),
  ]);
  expect(answers.map((answer) => [answer.status, answer.json])).toEqual(
    answers.map(() => [404, { error: 'not_found' }]),
  );
});

test('S102 who may read a part makes and sees only webhooks whose patterns lie within it', async () => {
  const { world, admin } = await opened();
  const pathRules = [
    { pattern: 'posts/**', allow: ['read', 'write'] as const },
    { pattern: 'drop/**', allow: ['write'] as const },
  ];
  const part = await world.token({ pathRules });
  const refusedFor = async (patterns?: readonly string[]) =>
    (await part.ask('POST', hooks, { url, ...(patterns && { patterns }) })).json;
  const outside = { error: 'forbidden', reason: 'path_not_allowed' };
  expect(await refusedFor()).toMatchObject({ ...outside, path: '**' });
  expect(await refusedFor(['posts/**', 'secret/**'])).toMatchObject({
    ...outside,
    path: 'secret/**',
  });
  expect(await refusedFor(['drop/**'])).toMatchObject(outside);
  expect(await refusedFor(['*/a'])).toMatchObject(outside);
  const own = await part.ask('POST', hooks, { url, patterns: ['posts/*/title'] });
  expect(own.status).toBe(201);
  const hidden = await admin.ask('POST', hooks, { url, patterns: ['secret/**'] });
  const listed = JSON.stringify((await part.ask('GET', hooks)).json);
  expect(listed).toContain('posts/*/title');
  expect(listed).not.toContain('secret');
  expect((await part.ask('DELETE', `${hooks}/${String(hidden.json['id'])}`)).status).toBe(404);
  expect((await admin.ask('GET', hooks)).json['webhooks']).toHaveLength(2);
});

test('a store has 20 webhooks at most, of 64 patterns each; an archived store gets none', async () => {
  const { world, admin } = await opened();
  const patterns = Array.from({ length: 65 }, (_, at) => `p/${at}`);
  const many = await admin.ask('POST', hooks, { url, patterns });
  expect(many.json).toMatchObject({ error: 'too_many_patterns', limit: 64 });
  for (let at = 0; at < 20; at += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one by one
    const made = await admin.ask('POST', hooks, { url, patterns: patterns.slice(0, 64) });
    expect(made.status).toBe(201);
  }
  const full = await admin.ask('POST', hooks, { url });
  expect([full.status, full.json]).toEqual([
    402,
    { error: 'limit_exceeded', dimension: 'webhooks', current: 20, limit: 20 },
  ]);
  await world.store('acme/old');
  await admin.ask('DELETE', '/api/stores/acme/old');
  const old = await admin.ask('POST', '/api/stores/acme/old/webhooks', { url });
  expect([old.status, old.json['error']]).toEqual([409, 'store_archived']);
});

test('a webhook that is not understood is refused, naming the field', async () => {
  const { admin } = await opened();
  const wrong = [
    [{}, 'url'],
    [{ url: 7 }, 'url'],
    [{ url, patterns: 'posts/**' }, 'patterns'],
    [{ url, patterns: [] }, 'patterns'],
    [{ url, patterns: [1] }, 'patterns'],
    [{ url, ops: ['explode'] }, 'ops'],
    [{ url, ops: [] }, 'ops'],
    [{ url, pattern: 'posts/**' }, 'pattern'],
  ] as const;
  for (const [body, field] of wrong) {
    // oxlint-disable-next-line no-await-in-loop -- one by one
    const { status, json } = await admin.ask('POST', hooks, body);
    expect([body, status, json['field']]).toEqual([body, 422, field]);
  }
  const { status, json } = await admin.ask('POST', hooks, { url, patterns: ['a/**/b'] });
  expect([status, json]).toEqual([
    400,
    { error: 'invalid_pattern', pattern: 'a/**/b', detail: 'wildcard_many_not_tail' },
  ]);
  for (const limit of ['0', '101', 'x']) {
    // oxlint-disable-next-line no-await-in-loop -- one by one
    const made = await admin.ask('POST', hooks, { url });
    const path = `${hooks}/${String(made.json['id'])}/deliveries?limit=${limit}`;
    // oxlint-disable-next-line no-await-in-loop -- one by one
    expect((await admin.ask('GET', path)).json['error']).toBe('invalid_params');
  }
});

test('the secret of a webhook does not stay in a log line', () => {
  const secret = `whsec_${'0123456789abcdef'.repeat(4)}`;
  for (const line of [secret, `{"a":"${secret}"}`, `made ${secret}, and`, `(${secret})`]) {
    expect(redact(line)).toBe(line.replace(secret, '[redacted]'));
  }
});

test('S108 a clone has no webhooks', async () => {
  const { admin } = await opened();
  await admin.ask('POST', hooks, { url });
  expect((await admin.ask('POST', '/api/stores/acme/app/clone', { name: 'copy' })).status).toBe(
    201,
  );
  const { json } = await admin.ask('GET', '/api/stores/acme/copy/webhooks');
  expect(json).toEqual({ webhooks: [] });
});
