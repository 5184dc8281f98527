import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { openApiDocument, operations } from '../../src/http/openapi/document.ts';
import { principals } from '../conversation/principals.ts';
import { world } from '../conversation/world.ts';
import { World } from '../http/world.ts';

const absent = '00000000-0000-4000-8000-00000000dead';

/** What somebody of another org can tell of an answer. */
type Sight = { readonly status: number; readonly text: string; readonly headers: string };

async function home() {
  const place = new World();
  const theirs = await place.store('acme/secret');
  const own = await place.store('evil/own');
  const owner = await place.token({ org: 'acme' });
  const stranger = await place.token({ org: 'evil' });
  await owner.ask('PUT', '/api/stores/acme/secret/entries/a', 1);
  const headers = { authorization: `Bearer ${owner.raw}`, 'content-type': 'text/plain' };
  const path = '/api/stores/acme/secret/files/plan';
  await place.app.request(path, { method: 'PUT', headers, body: 'the plan' });
  const look = async (method: string, at: string, body?: string, type = 'application/json') => {
    const said = new Headers({ authorization: `Bearer ${stranger.raw}`, 'content-type': type });
    const init = { method, headers: said, ...(body !== undefined && { body }) };
    const answer = await place.app.request(at, init);
    const names = [...answer.headers.keys()].filter((name) => name !== 'x-request-id');
    const sight: Sight = {
      status: answer.status,
      text: await answer.text(),
      headers: names.toSorted().join(),
    };
    return sight;
  };
  return { place, theirs, own, owner, stranger, look };
}

function hashOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** What an entry says of a file. */
function envelopeOf(text: string): string {
  const [hash, at] = [hashOf(text), '2026-01-01T00:00:00Z'];
  const label = { content_type: 'text/plain', filename: null, uploaded_at: at };
  return JSON.stringify({ _type: 'file', hash, size: text.length, ...label });
}

const scoped = operations.filter(({ path }) => path.includes('{store}'));

test.each(scoped.map((operation) => [`${operation.method} ${operation.path}`, operation] as const))(
  'S105 %s answers for another org’s store as for one that does not exist (P42)',
  async (_name, { method, path, body, query = {} }) => {
    const { look } = await home();
    const search = new URLSearchParams();
    for (const name of Object.keys(query)) search.set(name, name.endsWith('seq') ? '0' : 'a');
    const ask = (org: string, store: string): Promise<Sight> => {
      const at = path
        .replace('{org}', org)
        .replace('{store}', store)
        .replaceAll(/\{\w+\}/g, 'a');
      const said = '{"path":"a","value":1,"ops":[],"paths":["a"],"to_seq":0,"name":"b"}';
      const text = body === undefined ? undefined : said;
      return look(method.toUpperCase(), `${at}?${search}`, text, body?.type);
    };
    const seen = await ask('acme', 'secret');
    expect(seen.status).toBe(404);
    expect(seen).toEqual(await ask('acme', 'never-was'));
    expect(seen).toEqual(await ask('nobody', 'never-was'));
    expect(seen.text).not.toContain('secret');
  },
);

test('S105 knowing the hash of another org’s file tells nothing', async () => {
  const { look, owner } = await home();
  const held = await owner.ask('GET', '/api/stores/acme/secret/entries/plan');
  expect(JSON.stringify(held.json)).toContain(hashOf('the plan'));
  const seen = await look('GET', `/api/files/${hashOf('the plan')}`);
  expect(seen).toEqual(await look('GET', `/api/files/${hashOf('another plan')}`));
  const there = await look('GET', `/api/files/${hashOf('the plan')}?store=acme/secret&path=plan`);
  const nowhere = await look('GET', `/api/files/${hashOf('x')}?store=nobody/no&path=plan`);
  expect(there).toEqual(nowhere);
});

test('S105 a file that only another org holds cannot be named in an own store', async () => {
  const { look } = await home();
  const name = (text: string): Promise<Sight> =>
    look('PUT', '/api/stores/evil/own/entries/stolen', envelopeOf(text));
  const seen = await name('the plan');
  const unknown = await name('no plans');
  expect([seen.status, seen.text]).toEqual([422, expect.stringContaining('unknown_file')]);
  expect(seen.text.replaceAll(/[0-9a-f]{64}/g, '')).toBe(
    unknown.text.replaceAll(/[0-9a-f]{64}/g, ''),
  );
});

test('S105 who says that they bring what another org holds, and brings something else, does not hold it', async () => {
  const { place, stranger, look } = await home();
  const name = (text: string): Promise<Sight> =>
    look('PUT', '/api/stores/evil/own/entries/stolen', envelopeOf(text));
  const bring = async (text: string): Promise<readonly [number, string]> => {
    const headers = {
      authorization: `Bearer ${stranger.raw}`,
      'content-type': 'text/plain',
      'holdfast-content-hash': hashOf(text),
      'content-range': 'bytes 0-7/8',
    };
    const path = '/api/stores/evil/own/files/stolen';
    const init = { method: 'PUT', headers, body: '8 bytes.' };
    const answer = await place.app.request(path, init);
    return [answer.status, await answer.text()];
  };
  const refused = [422, '{"error":"digest_mismatch"}'];
  expect([await bring('the plan'), await bring('no plans')]).toEqual([refused, refused]);
  expect([(await name('the plan')).status, (await name('no plans')).status]).toEqual([422, 422]);
});

test('S105 no token can be made for another org’s store, and none of its tokens is seen or revoked', async () => {
  const { look, owner, theirs } = await home();
  const make = (stores: object): Promise<Sight> =>
    look('POST', '/api/tokens', JSON.stringify({ name: 't', read: true, ...stores }));
  expect(await make({ store_ids: [theirs.id] })).toEqual(await make({ store_ids: [absent] }));
  expect(await make({ store_names: ['acme/secret'] })).toEqual(
    await make({ store_names: ['acme/never-was'] }),
  );
  expect((await look('GET', '/api/tokens')).text).not.toContain(owner.id);
  expect(await look('DELETE', `/api/tokens/${owner.id}`)).toEqual(
    await look('DELETE', `/api/tokens/${absent}`),
  );
  expect((await owner.ask('GET', '/api/whoami')).status).toBe(200);
});

test('S105 no store can be made in another org, whether or not the name is taken there', async () => {
  const { look } = await home();
  const make = (name: string): Promise<Sight> =>
    look('POST', '/api/stores', JSON.stringify({ name }));
  expect((await make('acme/secret')).status).toBe(422);
  expect(await make('acme/secret')).toEqual(await make('acme/never-was'));
  expect((await look('GET', '/api/stores')).text).not.toContain('secret');
});

test('S105 no topic tells whether another org’s store exists, by name or by id', async () => {
  const known = { dev: { subject: 'dev' }, mallory: { subject: 'mallory', orgs: ['evil'] } };
  const { connect, storeId } = await world({ authenticate: principals(known) });
  const peer = await connect({ token: 'mallory' });
  const seen = await Promise.all(
    ['store:demo/main', `store:${storeId}`, 'store:demo/never-was', `store:${absent}`].map(
      (topic) => peer.join(topic),
    ),
  );
  for (const reply of seen) expect(reply).toMatchObject({ status: 'error' });
  expect(new Set(seen.map((reply) => JSON.stringify(reply))).size).toBe(1);
  const present = await Promise.all(
    ['presence:demo/main:room', 'presence:demo/never-was:room'].map((topic) => peer.join(topic)),
  );
  expect(new Set(present.map((reply) => JSON.stringify(reply))).size).toBe(1);
});

test('the API that is tried above is all of it', () => {
  expect(scoped.length).toBeGreaterThan(15);
  expect(JSON.stringify(openApiDocument('1.0.0'))).toContain('/api/files/{hash}');
});
