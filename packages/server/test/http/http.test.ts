import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';

import { World } from './world.ts';

/** Sends a body of this type to `POST /api/stores`, with a token that may. */
async function post(
  world: World,
  body: string | ReadableStream,
  type: string | null = 'application/json',
): Promise<{ status: number; json: unknown }> {
  const { raw } = await world.token();
  const headers = new Headers({ authorization: `Bearer ${raw}` });
  if (type !== null) headers.set('content-type', type);
  const init = { method: 'POST', headers, body, duplex: 'half' };
  const response = await world.app.request('/api/stores', init);
  return { status: response.status, json: await response.json() };
}

async function from(origin: string, method: string, origins?: string[]): Promise<Response> {
  const headers = { origin, 'access-control-request-method': 'GET' };
  return new World(origins && { origins }).app.request('/api/whoami', { method, headers });
}

describe('every answer', () => {
  test.each([
    ['GET', '/api'],
    ['GET', '/api/nothing'],
    ['GET', '/nothing'],
    ['POST', '/'],
  ])('%s %s is unknown, and says so in JSON', async (method, path) => {
    const world = new World();
    const { ask } = await world.token();
    const { status, json } = await ask(method, path);
    expect([status, json]).toEqual([404, { error: 'not_found' }]);
  });

  test.each([
    ['POST', '/api/whoami', 'GET, HEAD'],
    ['PATCH', '/api/stores', 'GET, HEAD, POST'],
    ['PUT', '/api/stores/acme/none', 'GET, HEAD, DELETE'],
    ['PUT', '/api/stores/acme/none/transact', 'POST'],
    ['PATCH', '/api/stores/acme/none/entries/a/b', 'GET, HEAD, PUT, DELETE'],
    ['DELETE', '/api/stores/acme/none/watch', 'GET'],
    ['HEAD', '/api/stores/acme/none/export', 'GET'],
    ['POST', '/healthz', 'GET, HEAD'],
  ])('%s %s is answered 405 with the methods that there are', async (method, path, allow) => {
    const { raw } = await new World().token();
    const headers = { authorization: `Bearer ${raw}` };
    const answer = await new World().app.request(path, { method, headers });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
    const detail = expect.stringMatching(/^Use .*(GET|HEAD|POST|DELETE)\.$/);
    const said = method === 'HEAD' ? null : await answer.json();
    expect(said).toEqual(said && { error: 'method_not_allowed', detail });
  });

  test.each([
    ['/api/stores', 'GET, HEAD, POST'],
    ['/readyz', 'GET, HEAD'],
    ['/api/nothing', null],
  ])('OPTIONS of %s names the methods that there are', async (path, allow) => {
    const answer = await new World().app.request(path, { method: 'OPTIONS' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, allow]);
  });

  test.each([null, 'hf_tok_', `hf_tok_${'a'.repeat(43)}`, 'dust_tok_1', 'x'])(
    'the token %s, which nobody issued, is answered 401',
    async (token) => {
      const { status, json } = await new World().as(token)('GET', '/api/whoami');
      expect([status, json]).toEqual([401, { error: 'unauthorized' }]);
    },
  );

  test.each([Number.MAX_SAFE_INTEGER, 1e300])(
    'who may come until %d is told the last instant that can be written',
    async (expiresAt) => {
      const world = new World({ authenticate: async () => ({ subject: 'ann', expiresAt }) });
      const { status, json } = await world.as('any')('GET', '/api/whoami');
      expect([status, json]).toMatchObject([200, { expires_at: '9999-12-31T23:59:59.999Z' }]);
    },
  );

  test('a token counts only as a bearer in the header', async () => {
    const world = new World();
    const { raw } = await world.token();
    const statusOf = async (authorization: string, query = '') =>
      (await world.app.request(`/api/whoami${query}`, { headers: { authorization } })).status;
    expect(await statusOf(`Bearer ${raw}`)).toBe(200);
    expect(await statusOf(`bearer  ${raw}`)).toBe(200);
    expect(await statusOf(raw)).toBe(401);
    expect(await statusOf(`Basic ${raw}`)).toBe(401);
    expect(await statusOf(`Bearer ${raw} x`)).toBe(401);
    expect(await statusOf(`Bearer${raw}`)).toBe(401);
    expect(await statusOf('', `?token=${raw}`)).toBe(401);
  });

  test('the id of a request is echoed if it is plain, and made otherwise', async () => {
    const world = new World();
    const idOf = async (id: string) => {
      const response = await world.app.request('/healthz', { headers: { 'x-request-id': id } });
      return response.headers.get('x-request-id');
    };
    expect(await idOf('req-1')).toBe('req-1');
    expect(await idOf('a'.repeat(129))).toMatch(/^[0-9a-f-]{36}$/);
    expect(await idOf('with space')).toMatch(/^[0-9a-f-]{36}$/);
    expect((await world.as(null)('GET', '/api/whoami')).headers.get('x-request-id')).toMatch(
      /^[0-9a-f-]{36}$/,
    );
  });

  test.each(['/api/whoami', '/api/nothing', '/api/stores/acme/none'])(
    'no cache keeps what %s answered to one token, or session, for another',
    async (path) => {
      const { ask } = await new World().token();
      const { headers } = await ask('GET', path);
      expect(headers.get('cache-control')).toBe('private, no-cache');
      expect(headers.get('vary')).toMatch(/\bAuthorization, Cookie\b/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
    },
  );

  test('what fails inside is told by an id only', async () => {
    const failure = new Error('disk /var/lib at sector 7');
    const world = new World({ statusOf: () => Promise.reject(failure) });
    await world.store('acme/blog');
    const { ask } = await world.token();
    const { status, json } = await ask('GET', '/api/stores/acme/blog');
    expect(status).toBe(500);
    expect(json).toEqual({
      error: 'internal_error',
      error_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(world.failures).toEqual([failure]);
  });

  test('an authenticator that fails makes the answer wait, not the token invalid', async () => {
    const failure = new Error('identity provider is down');
    const world = new World({ authenticate: () => Promise.reject(failure) });
    const { status, json, headers } = await world.as('any')('GET', '/api/whoami');
    expect(status).toBe(503);
    expect(json).toEqual({ error: 'unavailable', retry_after_ms: 1000 });
    expect(headers.get('retry-after')).toBe('1');
    expect(world.failures).toEqual([failure]);
  });
});

describe('bodies', () => {
  test.each([null, 'text/plain', 'application/jsonx', 'application/x-www-form-urlencoded'])(
    'a body of the type %s is refused',
    async (type) => {
      expect((await post(new World(), '{"name":"a"}', type)).status).toBe(415);
    },
  );

  test('a body that is compressed is refused as that, wherever one is taken', async () => {
    const world = new World();
    await world.store('acme/blog');
    const { raw } = await world.token();
    for (const [method, route, type] of [
      ['PUT', 'entries/a', 'application/json'],
      ['PUT', 'files/a', 'text/plain'],
      ['POST', 'import?headerless=slash', 'application/x-ndjson'],
    ] as const) {
      const headers = { Authorization: `Bearer ${raw}`, 'Content-Type': type };
      const body = gzipSync('{"path":"a","value":1}');
      const coded = { method, headers: { ...headers, 'Content-Encoding': 'gzip' }, body };
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await world.app.request(`/api/stores/acme/blog/${route}`, coded);
      // oxlint-disable-next-line no-await-in-loop -- the same
      expect([answer.status, await answer.json()]).toMatchObject([
        415,
        { error: 'unsupported_media_type', detail: expect.stringContaining('Content-Encoding') },
      ]);
    }
  });

  test('a body may say its charset', async () => {
    const { status } = await post(new World(), '{"name":"a"}', 'Application/JSON; charset=utf-8');
    expect(status).toBe(201);
  });

  test('a body that is empty, no JSON, or no object is refused', async () => {
    const world = new World();
    expect(await post(world, '')).toMatchObject({ status: 400, json: { error: 'empty_body' } });
    expect(await post(world, '{')).toMatchObject({
      status: 400,
      json: { error: 'invalid_payload' },
    });
    expect(await post(world, '[]')).toMatchObject({
      status: 400,
      json: { error: 'invalid_payload' },
    });
    expect(await post(world, 'null')).toMatchObject({
      status: 400,
      json: { error: 'invalid_payload' },
    });
  });

  test('a body of max_json_body bytes passes; one byte more is refused', async () => {
    const world = new World();
    const over = await post(world, '{"name":"a"}'.padEnd(2049));
    expect(over).toEqual({ status: 413, json: { error: 'body_too_large', limit: 2048 } });
    expect((await post(world, '{"name":"a"}'.padEnd(2048))).status).toBe(201);
  });

  test('an endless body is refused when the limit is passed, and read no further', async () => {
    const world = new World();
    let pulled = 0;
    let cancelled = false;
    const endless = new ReadableStream({
      pull(controller) {
        pulled += 1024;
        controller.enqueue(new Uint8Array(1024).fill(0x20));
      },
      cancel() {
        cancelled = true;
      },
    });
    expect((await post(world, endless)).status).toBe(413);
    expect(pulled).toBeLessThanOrEqual(8192);
    expect(cancelled).toBe(true);
  });
});

describe('health', () => {
  test('S111 the process is healthy while it lives, and ready unless it drains', async () => {
    let draining = false;
    const world = new World({
      ready: () => ({
        ok: !draining,
        checks: { database: 'ok', pubsub: draining ? 'draining' : 'ok' },
      }),
    });
    const ask = world.as(null);
    expect(await ask('GET', '/readyz')).toMatchObject({
      status: 200,
      json: { status: 'ok', checks: { database: 'ok', pubsub: 'ok' } },
    });
    draining = true;
    expect(await ask('GET', '/readyz')).toMatchObject({
      status: 503,
      json: { status: 'unavailable', checks: { database: 'ok', pubsub: 'draining' } },
    });
    expect(await ask('GET', '/healthz')).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect((await ask('GET', '/readyz')).headers.get('cache-control')).toBe('no-store');
  });
});

describe('pages of other origins', () => {
  test.each(['OPTIONS', 'GET'])(
    '%s: a listed origin may ask and read; others may not',
    async (method) => {
      const listed = await from('https://app.example', method);
      expect(listed.headers.get('access-control-allow-origin')).toBe('https://app.example');
      expect(listed.headers.get('vary')).toMatch(/\bOrigin\b/);
      const other = await from('https://evil.example', method);
      expect(other.headers.get('access-control-allow-origin')).toBeNull();
      // The cookies of a page whose origin is listed say who it is (docs/guide/access.md).
      expect(listed.headers.get('access-control-allow-credentials')).toBe('true');
      expect(other.headers.get('access-control-allow-credentials')).toBeNull();
    },
  );

  test('a preflight lets the token through', async () => {
    const preflight = await from('https://app.example', 'OPTIONS');
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Authorization');
  });

  test('where all origins are listed, none of them sends cookies', async () => {
    const answer = await from('https://app.example', 'GET', ['*']);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  });
});
