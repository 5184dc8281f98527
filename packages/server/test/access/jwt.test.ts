import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer, type Principal } from '@holdfast/server';
import { jwt, type JwtClaims, type JwtOptions } from '@holdfast/server/access/jwt';
import { memory } from '@holdfast/server/storage/memory';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { topic, world } from '../conversation/world.ts';

const issuer = 'https://login.example';
const audience = 'holdfast';
const dawn = Date.parse('2026-01-01T00:00:00Z');

/** A signing key of a provider. */
type Key = { readonly kid: string; readonly publicJwk: JWK; sign: Sign };
/** Claims that are undefined are left out. */
type Sign = (claims?: { readonly [claim: string]: unknown }, header?: object) => Promise<string>;

async function key(kid: string, alg = 'ES256'): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
  const sign: Sign = (claims = {}, header = {}) =>
    new SignJWT(
      JSON.parse(
        JSON.stringify({
          sub: 'ann',
          iss: issuer,
          aud: audience,
          exp: dawn / 1000 + 600,
          ...claims,
        }),
      ),
    )
      .setProtectedHeader({ alg, kid, ...header })
      .sign(privateKey);
  return { kid, publicJwk, sign };
}

/** A provider on a port of its own: what it publishes, and how often it was asked. */
async function provider(...keys: Key[]) {
  const state = { keys, asked: 0, status: 200, body: null as string | null, url: '', sends: '' };
  const http = createHttpServer((_request, response) => {
    state.asked += 1;
    response.statusCode = state.status;
    if (state.sends !== '') response.setHeader('Location', state.sends);
    response.end(state.body ?? JSON.stringify({ keys: state.keys.map((each) => each.publicJwk) }));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const address: AddressInfo | string | null = http.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  onTestFinished(() => void http.close());
  return Object.assign(state, { url: `http://127.0.0.1:${port}/jwks` });
}

function clock() {
  return {
    ms: 0,
    now() {
      return this.ms;
    },
    wall() {
      return dawn + this.ms;
    },
  };
}

const principal: JwtOptions['principal'] = () => ({
  orgs: ['demo'],
  scopes: new Set(['entries:read', 'entries:write']),
  storeAccess: { mode: 'all' },
});

function asking(options: Partial<JwtOptions> & Pick<JwtOptions, 'jwks'>) {
  const time = clock();
  const authenticate = jwt({ issuer, audience, principal, clock: time, ...options });
  const ask = (token: string | null): Promise<Principal | null> =>
    authenticate({ token, params: new URLSearchParams(), headers: {} });
  return { time, ask };
}

test.each(['ES256', 'RS256', 'PS256', 'EdDSA'])(
  'S10 a JWT signed with %s stands for what its claims are mapped to, until it expires',
  async (alg) => {
    const signing = await key('one', alg);
    const { ask } = asking({ jwks: { keys: [signing.publicJwk] } });
    expect(await ask(await signing.sign())).toEqual({
      subject: 'ann',
      orgs: ['demo'],
      scopes: new Set(['entries:read', 'entries:write']),
      storeAccess: { mode: 'all' },
      expiresAt: dawn + 605_000,
      tokenId: null,
    });
  },
);

test('S10 a server with a provider takes its JWTs beside issued tokens, on sockets and over HTTP', async () => {
  const signing = await key('one');
  const { url: jwks } = await provider(signing);
  const authenticate = jwt({ jwks, issuer, audience, principal });
  const { server, url, connect } = await world({ authenticate });
  const token = await signing.sign({ exp: Math.floor(Date.now() / 1000) + 60 });
  const issued = await server.tokens.issue({
    name: 't',
    org: 'demo',
    scopes: ['entries:read'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  for (const each of [token, issued.rawToken]) {
    const peer = await connect({ token: each });
    expect((await peer.join(topic)).status).toBe('ok');
    const headers = { authorization: `Bearer ${each}` };
    expect((await fetch(`${url}/api/whoami`, { headers })).status).toBe(200);
  }
  await expect(connect({ token: `${token.slice(0, -6)}AAAAAA` })).rejects.toThrow('unauthorized');
});

test('a JWT of another issuer, for others, too old, not yet valid, without expiry or subject is none', async () => {
  const signing = await key('one');
  const { ask } = asking({ jwks: { keys: [signing.publicJwk] } });
  const now = dawn / 1000;
  const bad = [
    { iss: 'https://evil.example' },
    { aud: 'somebody-else' },
    { exp: now - 6 },
    { nbf: now + 6 },
    { exp: undefined },
    { sub: undefined },
  ];
  for (const claims of bad) {
    expect(await ask(await signing.sign(claims)), JSON.stringify(claims)).toBeNull();
  }
  expect(await ask(await signing.sign({ aud: ['somebody-else', audience] }))).not.toBeNull();
});

test('the clocks may be apart by what was said, and no more', async () => {
  const signing = await key('one');
  const { ask } = asking({ jwks: { keys: [signing.publicJwk] }, clockSkewMs: 2000 });
  const now = dawn / 1000;
  expect(await ask(await signing.sign({ nbf: now + 2 }))).not.toBeNull();
  expect(await ask(await signing.sign({ nbf: now + 3 }))).toBeNull();
  expect(await ask(await signing.sign({ exp: now - 1 }))).toMatchObject({
    expiresAt: dawn + 1000,
  });
  expect(await ask(await signing.sign({ exp: now - 2 }))).toBeNull();
});

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

test('neither `none`, nor a shared secret, nor a key that the token brings along counts', async () => {
  const signing = await key('one');
  const stranger = await key('one');
  const { ask } = asking({ jwks: { keys: [signing.publicJwk] } });
  const claims = part({ sub: 'ann', iss: issuer, aud: audience, exp: dawn / 1000 + 600 });
  const secret = new TextEncoder().encode(JSON.stringify(signing.publicJwk));
  const shared = await new SignJWT({ sub: 'ann', exp: dawn / 1000 + 600 })
    .setProtectedHeader({ alg: 'HS256', kid: 'one' })
    .setIssuer(issuer)
    .setAudience(audience)
    .sign(secret);
  const forged = [
    `${part({ alg: 'none' })}.${claims}.`,
    `${part({ alg: 'none', kid: 'one' })}.${claims}.AAAA`,
    shared,
    await stranger.sign(),
    await stranger.sign({}, { jwk: stranger.publicJwk, jku: 'https://evil.example/jwks' }),
    await signing.sign({}, { kid: 'two' }),
  ];
  for (const token of forged) expect(await ask(token), token).toBeNull();
});

test('only the algorithms that are allowed count', async () => {
  const signing = await key('one', 'ES256');
  const { ask } = asking({ jwks: { keys: [signing.publicJwk] }, algorithms: ['RS256'] });
  expect(await ask(await signing.sign())).toBeNull();
});

test('what is no JWT is left to the other kinds of tokens, however long it is', async () => {
  const { asked, url } = await provider();
  const { ask } = asking({ jwks: url });
  const strange = [null, '', 'hf_tok_x', 'a.b', '..', 'a.b.c.d', 'é.é.é', `${'a.'.repeat(9e5)}b`];
  for (const token of strange) expect(await ask(token)).toBeNull();
  expect(asked).toBe(0);
  const signing = await key('one');
  const known = asking({ jwks: { keys: [signing.publicJwk] } });
  expect(await known.ask(await signing.sign({ profile: 'x'.repeat(11_000) }))).not.toBeNull();
  expect(await known.ask(await signing.sign({ profile: 'x'.repeat(13_000) }))).toBeNull();
});

test('keys count only as the provider itself answers with them: neither where it sends elsewhere, nor in an answer that says no', async () => {
  const signing = await key('one');
  const [site, other] = [await provider(), await provider(signing)];
  const { ask, time } = asking({ jwks: site.url });
  Object.assign(site, { status: 302, sends: other.url });
  await expect(ask(await signing.sign())).rejects.toThrow(/cannot be had/);
  Object.assign(site, { keys: [signing], status: 404, sends: '' });
  time.ms += 1000;
  await expect(ask(await signing.sign())).rejects.toThrow(/cannot be had/);
  expect([site.asked, other.asked]).toEqual([2, 0]);
});

test('who comes while the keys are on their way waits for them too, and a failure that is over holds nobody up', async () => {
  const [one, two] = [await key('one'), await key('two')];
  const site = await provider(one);
  const { ask, time } = asking({ jwks: site.url, cooldownMs: 0 });
  site.status = 500;
  await expect(ask(await one.sign())).rejects.toThrow(/cannot be had/);
  site.status = 200;
  time.ms += 1000;
  const tokens = await Promise.all(['ann', 'bob', 'eve'].map((sub) => one.sign({ sub })));
  const subjects = (await Promise.all(tokens.map(ask))).map((each) => each?.subject);
  expect([subjects, site.asked]).toEqual([['ann', 'bob', 'eve'], 2]);
  site.keys = [two];
  expect(await ask(await two.sign())).not.toBeNull();
});

test('a rotated key is known at once; who invents key ids causes no more than one fetch per cool-down', async () => {
  const [old, fresh] = [await key('old'), await key('fresh')];
  const site = await provider(old);
  const { ask, time } = asking({ jwks: site.url, cooldownMs: 30_000 });
  expect(await ask(await old.sign())).not.toBeNull();
  site.keys = [old, fresh];
  time.ms += 30_000;
  expect(await ask(await fresh.sign())).not.toBeNull();
  expect(site.asked).toBe(2);
  for (const kid of ['a', 'b', 'c']) expect(await ask(await old.sign({}, { kid }))).toBeNull();
  expect(site.asked).toBe(2);
  time.ms += 30_000;
  await Promise.all(['d', 'e', 'f'].map(async (kid) => ask(await old.sign({}, { kid }))));
  expect(site.asked).toBe(3);
});

test('a key that is withdrawn counts no more once the keys are fetched again', async () => {
  const [old, fresh] = [await key('old'), await key('fresh')];
  const site = await provider(old);
  const { ask, time } = asking({ jwks: site.url, keysMaxAgeMs: 60_000 });
  expect(await ask(await old.sign())).not.toBeNull();
  site.keys = [fresh];
  time.ms += 60_000;
  expect(await ask(await old.sign())).toBeNull();
});

test('while keys cannot be had nobody gets in, and the provider is not asked without end', async () => {
  const signing = await key('one');
  const site = await provider(signing);
  const { ask, time } = asking({ jwks: site.url });
  const token = await signing.sign();
  site.status = 500;
  await expect(ask(token)).rejects.toThrow(/cannot be had/);
  await expect(ask(token)).rejects.toThrow(/cannot be had/);
  expect(site.asked).toBe(1);
  for (const body of ['{', '[]', '{"keys":1}', `{"keys":[],"x":"${'x'.repeat(1_100_000)}"}`]) {
    Object.assign(site, { status: 200, body });
    time.ms += 1000;
    await expect(ask(token), body.slice(0, 20)).rejects.toThrow(/cannot be had/);
  }
  site.body = null;
  time.ms += 1000;
  expect(await ask(token)).not.toBeNull();
});

test('keys are renewed before they are too old, and a provider that is away for a while locks nobody out', async () => {
  const signing = await key('one');
  const site = await provider(signing);
  const { ask, time } = asking({ jwks: site.url, keysMaxAgeMs: 600_000 });
  const token = await signing.sign({ exp: dawn / 1000 + 7200 });
  expect(await ask(token)).not.toBeNull();
  site.status = 503;
  time.ms += 599_999;
  expect(await ask(token)).not.toBeNull();
  time.ms += 5000;
  await expect(ask(token)).rejects.toThrow(/cannot be had/);
});

test('what the claims stand for is asked again within the cache time, so who is locked out is out', async () => {
  const signing = await key('one');
  const seen: JwtClaims[] = [];
  let locked = false;
  const { ask, time } = asking({
    jwks: { keys: [signing.publicJwk] },
    cacheMs: 1000,
    principal: (claims) => {
      seen.push(claims);
      return locked ? null : principal(claims);
    },
  });
  const [token, another] = [await signing.sign(), await signing.sign({ sub: 'bob' })];
  for (const each of [token, another]) expect(await ask(each)).not.toBeNull();
  locked = true;
  time.ms += 999;
  for (const each of [token, another]) expect(await ask(each)).not.toBeNull();
  time.ms += 1;
  expect(await ask(token)).toBeNull();
  expect(seen.map(({ sub }) => sub)).toEqual(['ann', 'bob', 'ann']);
});

test('who is let in for less than the token lasts is let in for that, and never for longer', async () => {
  const signing = await key('one');
  const jwks = { keys: [signing.publicJwk] };
  const until = async (expiresAt: number) => {
    const { ask } = asking({ jwks, principal: () => ({ expiresAt }) });
    return (await ask(await signing.sign()))?.expiresAt;
  };
  expect(await until(dawn + 1000)).toBe(dawn + 1000);
  expect(await until(dawn + 605_001)).toBe(dawn + 605_000);
});

test('without a time to keep what was verified, the claims are looked at each time', async () => {
  const signing = await key('one');
  let looks = 0;
  const { ask } = asking({
    jwks: { keys: [signing.publicJwk] },
    cacheMs: 0,
    principal: (claims) => {
      looks += 1;
      return principal(claims);
    },
  });
  const token = await signing.sign();
  await ask(token);
  await ask(token);
  expect(looks).toBe(2);
});

test('a mapping that fails lets nobody in', async () => {
  const signing = await key('one');
  const { url: jwks } = await provider(signing);
  const authenticate = jwt({
    jwks,
    issuer,
    audience,
    principal: () => {
      throw new Error('the directory is away');
    },
  });
  const server = createServer({ storage: memory(), authenticate });
  const { url } = await server.listen();
  onTestFinished(() => server.close());
  const token = await signing.sign({ exp: Math.floor(Date.now() / 1000) + 60 });
  const answer = await fetch(`${url}/api/whoami`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(503);
  expect(await answer.text()).not.toContain('directory');
});

test('options that would let in what they should not are refused', () => {
  const good = { jwks: { keys: [] }, issuer, audience, principal };
  const bad: [Partial<JwtOptions>, RegExp][] = [
    [{ jwks: 'http://login.example/jwks' }, /https/],
    [{ jwks: 'http://localhost.evil.example/jwks' }, /https/],
    [{ algorithms: ['none'] }, /algorithms/],
    [{ algorithms: ['HS256'] }, /algorithms/],
    [{ algorithms: [] }, /algorithms/],
    [{ audience: [] }, /audience/],
    [{ issuer: '' }, /issuer/],
    [{ clockSkewMs: 60_001 }, /clockSkewMs/],
    [{ cacheMs: 2501 }, /cacheMs/],
    [{ cacheMs: Number.NaN }, /cacheMs/],
  ];
  for (const [change, message] of bad) expect(() => jwt({ ...good, ...change })).toThrow(message);
});

test('what claims entitle to may leave out what it does not grant, as every principal may', async () => {
  const one = await key('one');
  const jwks = { keys: [one.publicJwk] };
  const { ask } = asking({ jwks, principal: () => ({ orgs: ['demo'], scopes: ['entries:read'] }) });
  expect(await ask(await one.sign())).toMatchObject({
    subject: 'ann',
    scopes: new Set(['entries:read']),
    storeAccess: { mode: 'all' },
  });
  const bare = asking({ jwks, principal: () => ({}) });
  expect(await bare.ask(await one.sign())).toMatchObject({ subject: 'ann', orgs: [] });
});
