import { gunzipSync } from 'node:zlib';
import { request } from 'node:http';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { Access, TokenAuthority } from '../../src/access/index.ts';
import type { Storage } from '../../src/storage/port.ts';
import { everything, set, topic, world } from '../conversation/world.ts';

const grant = {
  name: 't',
  org: 'demo',
  scopes: ['entries:read'],
  storeAccess: { mode: 'all' },
  expiresAt: null,
  createdBy: null,
} as const;

test('timing: a token is looked up by its SHA-256 and nothing else, so that how long it takes tells of no token', async () => {
  const asked: string[] = [];
  const kept = memory();
  const tokens: Storage['tokens'] = {
    create: (row) => kept.tokens.create(row),
    get: (id) => kept.tokens.get(id),
    find: (hash) => {
      asked.push(hash);
      return kept.tokens.find(hash);
    },
    list: (org) => kept.tokens.list(org),
    orgs: () => kept.tokens.orgs(),
    revoke: (id, at) => kept.tokens.revoke(id, at),
    touch: (id, at) => kept.tokens.touch(id, at),
  };
  const authority = new TokenAuthority({ tokens }, { now: () => 0 });
  const access = new Access({ tokens: authority, now: () => 0 });
  const { rawToken, row } = await authority.issue(grant);
  const near = `${rawToken.slice(0, -1)}${rawToken.endsWith('A') ? 'B' : 'A'}`;
  const look = (token: string) =>
    access.authenticate({ token, params: new URLSearchParams(), headers: {} });
  expect(await look(rawToken)).toMatchObject({ tokenId: row.id });
  expect(await look(near)).toBeNull();
  const [right = '', wrong = ''] = asked;
  expect(asked).toHaveLength(2);
  for (const hash of asked) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  // A token that differs in its last character has a digest that differs from the first on.
  expect(commonStart(right, wrong)).toBeLessThan(8);
});

test('timing: a driver that finds the wrong row lets nobody in', async () => {
  const kept = memory();
  const authority = new TokenAuthority(kept, { now: () => 0 });
  const { row } = await authority.issue(grant);
  const tokens = Object.assign(Object.create(kept.tokens), { find: async () => row });
  const broken = new TokenAuthority({ tokens }, { now: () => 0 });
  expect(await broken.authenticate({ token: `hf_tok_${'A'.repeat(43)}` })).toBeNull();
});

function commonStart(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return at;
}

type Heard = { readonly headers: { readonly [name: string]: unknown }; readonly bytes: Buffer };

/** Asks without a client that unpacks what comes. */
function get(url: string, headers: { readonly [name: string]: string }): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () => resolve({ headers: answer.headers, bytes: Buffer.concat(pieces) }));
    });
    asking.on('error', reject);
    asking.end();
  });
}

const bearer = { authorization: 'Bearer dev', 'accept-encoding': 'gzip, deflate' };

/** A server with much to tell, that takes a cookie too. */
async function full() {
  const home = await world({
    authenticate: async ({ token, headers }) =>
      token === 'dev' || headers['cookie'] === 'sid=dev' ? everything : null,
  });
  const peer = await home.joined();
  for (let n = 0; n < 40; n += 1) {
    await peer.ask(topic, 'write', set(`posts/${n}`, 'a text like others', `d1:s:${n}`));
  }
  const headers = { ...bearer, 'content-type': 'application/json' };
  const at = `${home.url}/api/stores/demo/main/files/f`;
  await fetch(at, { method: 'PUT', headers, body: JSON.stringify('x'.repeat(5000)) });
  return `${home.url}/api/stores/demo/main`;
}

function text(bytes: Buffer): string {
  return bytes.toString().replace(/"exported_at":"[^"]*"/, '');
}

test('large answers of JSON travel as gzip for who can read it, an export too', async () => {
  const store = await full();
  for (const path of ['/entries?limit=50', '/log', '/export']) {
    const plain = await get(`${store}${path}`, { authorization: 'Bearer dev' });
    const packed = await get(`${store}${path}`, bearer);
    expect(packed.headers, path).toMatchObject({ 'content-encoding': 'gzip' });
    expect(String(packed.headers['vary'])).toMatch(/Accept-Encoding/);
    expect(packed.bytes.length).toBeLessThan(plain.bytes.length / 2);
    expect(text(gunzipSync(packed.bytes))).toBe(text(plain.bytes));
  }
});

test.each([
  ['a small answer', '/entries?limit=1', {}],
  ['a file, though it is JSON', '/files/f', {}],
  ['an entry, for its ETag names its bytes', '/entries/posts', {}],
  ['what is asked with gzip;q=0', '/entries?limit=50', { 'accept-encoding': 'gzip;q=0' }],
  ['what is asked with no encoding', '/entries?limit=50', { 'accept-encoding': '' }],
])('%s is left as it is', async (_name, path, more) => {
  const store = await full();
  const { headers } = await get(`${store}${path}`, { ...bearer, ...more });
  expect(headers['content-encoding']).toBeUndefined();
});

test('BREACH: what is asked with a cookie, which strangers can make a browser do, is never compressed', async () => {
  const store = await full();
  const cookie = { cookie: 'sid=dev', 'accept-encoding': 'gzip' };
  const { headers, bytes } = await get(`${store}/entries?limit=50`, cookie);
  expect(bytes.length).toBeGreaterThan(1024);
  expect(headers['content-encoding']).toBeUndefined();
});
