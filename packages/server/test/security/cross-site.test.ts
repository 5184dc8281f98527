import { cookieOf } from '@holdfast/server';
import { expect, test } from 'vitest';
import { everything, topic, type World, world } from '../conversation/world.ts';

const session = 'sid=s3cret';
const evil = 'https://evil.example';
const app = 'https://app.example';

/** A server whose users are known by a cookie; pages of `app` may connect. */
function cookieWorld(as: 'origins' | 'allowedOrigins' = 'origins'): Promise<World> {
  return world({
    [as]: [app],
    authenticate: async (credentials) =>
      cookieOf(credentials, 'sid') === 's3cret' ? everything : null,
  });
}

test('cross-site WebSocket hijack: a strange page cannot open a socket with the cookies of its visitor', async () => {
  const { connect } = await cookieWorld();
  const origins = [evil, 'null', 'http://app.example', `${app}.evil.example`, 'file://', ''];
  for (const origin of origins) {
    const headers = { cookie: session, origin };
    await expect(connect({ token: null, headers }), origin).rejects.toThrow('unauthorized');
  }
});

test.each(['origins', 'allowedOrigins'] as const)(
  'a session cookie opens a socket from a listed origin (`%s`) and from the own one, at either mount',
  async (as) => {
    const { connect, url } = await cookieWorld(as);
    for (const mount of ['/ws/sync/websocket', '/socket/websocket']) {
      for (const origin of [app, url]) {
        const peer = await connect({ mount, token: null, headers: { cookie: session, origin } });
        expect((await peer.join(topic)).status).toBe('ok');
      }
    }
    const headers = { cookie: 'sid=other', origin: app };
    await expect(connect({ token: null, headers })).rejects.toThrow('unauthorized');
  },
);

test('a session that ends, ends its sockets', async () => {
  let ended = false;
  const { connect } = await world({
    authenticate: async (credentials) =>
      !ended && cookieOf(credentials, 'sid') === 's3cret' ? everything : null,
  });
  const peer = await connect({ token: null, headers: { cookie: session } });
  ended = true;
  expect(await peer.closed()).toBe(4001);
});

test('cross-site request forgery: what a strange page sends with the cookies of its visitor writes nothing', async () => {
  const { url, server } = await cookieWorld();
  const forged: [string, string, string][] = [
    ['POST', '/api/stores/demo/main/import?headerless=slash', 'text/plain'],
    ['POST', '/api/stores/demo/main/entries', 'text/plain'],
    ['POST', '/api/stores/demo/main/transact', 'application/json'],
    ['PUT', '/api/stores/demo/main/entries/a', 'application/json'],
    ['PUT', '/api/stores/demo/main/files/a', 'text/plain'],
    ['DELETE', '/api/stores/demo/main?purge=true', 'text/plain'],
    ['POST', '/api/tokens', 'application/json'],
  ];
  for (const [method, path, type] of forged) {
    for (const origin of [evil, 'null']) {
      const headers = { cookie: session, origin, 'content-type': type };
      const body = '{"path":"a","value":1}';
      const answer = await fetch(`${url}${path}`, { method, headers, body });
      expect(answer.status, `${method} ${path}`).toBe(403);
      expect(await answer.json()).toMatchObject({ reason: 'origin_not_allowed' });
    }
  }
  expect(await server.stores.find('demo/main')).toMatchObject({ status: 'active' });
});

test('a session cookie writes over HTTP from a listed origin, from the own one, and from no page at all', async () => {
  const { url } = await cookieWorld();
  for (const from of [{ origin: app }, { origin: url }, {}]) {
    const headers = { cookie: session, 'content-type': 'application/json', ...from };
    const at = `${url}/api/stores/demo/main/entries/a`;
    expect((await fetch(at, { method: 'PUT', headers, body: '1' })).status).toBe(200);
  }
});

test('a bearer is no cookie: whoever has it may send it from anywhere', async () => {
  const { url } = await world();
  const headers = { authorization: 'Bearer dev', origin: evil, 'content-type': 'application/json' };
  const at = `${url}/api/stores/demo/main/entries/a`;
  const answer = await fetch(at, { method: 'PUT', headers, body: '1' });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('access-control-allow-origin')).toBeNull();
});

test('no page may read what its visitor’s cookies open, but of an origin that is listed', async () => {
  const { url } = await cookieWorld();
  const allowed = async (origin: string) => {
    const answer = await fetch(`${url}/api/whoami`, { headers: { cookie: session, origin } });
    return answer.headers.get('access-control-allow-credentials');
  };
  expect([await allowed(evil), await allowed(app)]).toEqual([null, 'true']);
});

test('no page may have as its script, style or text what its visitor’s cookies open; pictures only where origins are listed', async () => {
  const asked: string[] = [];
  for (const origins of [[], [app]]) {
    const { url } = await world({ origins, authenticate: async () => everything });
    const policyOf = async (path: string): Promise<string | null> => {
      const answer = await fetch(`${url}${path}`);
      await answer.arrayBuffer();
      return answer.headers.get('cross-origin-resource-policy');
    };
    for (const type of ['text/javascript', 'image/png', 'Video/mp4']) {
      const file = `/api/stores/demo/main/files/${type}`;
      const put = await fetch(`${url}${file}`, {
        method: 'PUT',
        headers: { 'content-type': type },
        body: 'x',
      });
      expect(put.status).toBe(201);
      asked.push(`${type} ${await policyOf(file)}`);
    }
    expect(await policyOf('/api/whoami')).toBe('same-origin');
    expect(await policyOf('/api/stores/demo/main/entries/none')).toBe('same-origin');
  }
  expect(asked).toEqual([
    'text/javascript same-origin',
    'image/png same-origin',
    'Video/mp4 same-origin',
    'text/javascript same-origin',
    'image/png cross-origin',
    'Video/mp4 cross-origin',
  ]);
});
