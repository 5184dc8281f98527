import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sqlite } from '../../src/storage/sqlite.ts';
import { turn } from '../../src/storage/turn.ts';
import { directory } from '../catch-up/directory.ts';
import { principals } from '../conversation/principals.ts';
import { world, type World } from '../conversation/world.ts';

const authenticate = principals({ other: { subject: 'dev' } });

type Ask = {
  readonly key: string;
  readonly token?: string;
  readonly body?: object;
  readonly method?: string;
};

async function ask(
  { url }: Pick<World, 'url'>,
  path: string,
  { key, token = 'dev', body = {}, method = 'POST' }: Ask,
): Promise<readonly [number, { readonly [field: string]: unknown }, string | null]> {
  const response = await fetch(`${url}/api/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    ...(method === 'POST' && { body: JSON.stringify(body) }),
  });
  const json = (await response.json()) as { readonly [field: string]: unknown };
  return [response.status, json, response.headers.get('idempotent-replay')];
}

const token = { name: 'ci', read: true };

test('S106 who repeats an administrative request after a restart gets the first answer', async () => {
  const data = directory();
  const first = await world({ data, authenticate });
  const store = await ask(first, 'stores', { key: 's', body: { name: 'fresh' } });
  const taken = await ask(first, 'stores', { key: 't', body: { name: 'main' } });
  const minted = await ask(first, 'tokens', { key: 'k', body: token });
  expect([store[0], taken[0], minted[0]]).toEqual([201, 422, 201]);
  await first.server.close();
  const again = await world({ data, authenticate });
  const repeat = (path: string, more: Ask) => ask(again, path, more);
  expect(await repeat('stores', { key: 's', body: { name: 'fresh' } })).toEqual([
    201,
    store[1],
    'true',
  ]);
  expect(await repeat('stores', { key: 't', body: { name: 'main' } })).toEqual([
    422,
    taken[1],
    'true',
  ]);
  expect(await repeat('tokens', { key: 'k', body: token })).toEqual([201, minted[1], 'true']);
  expect(await repeat('tokens', { key: 'k', body: { ...token, name: 'x' } })).toMatchObject([
    422,
    { error: 'idempotency_key_reuse' },
    null,
  ]);
});

test('S106 what is secret in an answer is nowhere in the data, and told only to the token that asked', async () => {
  const data = directory();
  const first = await world({ data, authenticate });
  const [, minted] = await ask(first, 'tokens', { key: 'k', body: token });
  const secret = String(minted['raw_token']);
  expect(secret).toMatch(/^hf_tok_/);
  // The same subject, by another token.
  const strange = { key: 'k', token: 'other', body: token };
  const sealed = [409, { error: 'idempotency_answer_sealed' }, null];
  expect(await ask(first, 'tokens', strange)).toMatchObject(sealed);
  expect(await ask(first, 'tokens', { key: 'k', body: token })).toEqual([201, minted, 'true']);
  await first.server.close();
  for (const name of readdirSync(data, { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue;
    expect(readFileSync(join(name.parentPath, name.name)).includes(secret)).toBe(false);
  }
  const again = await world({ data, authenticate });
  expect(await ask(again, 'tokens', strange)).toMatchObject(sealed);
  expect(await ask(again, 'tokens', { key: 'k', body: token })).toEqual([201, minted, 'true']);
  expect(await ask(again, 'tokens', strange)).toMatchObject(sealed);
});

/** Makes a store under a key; how that was answered, and how many writes are left. */
async function made({ url }: World, key: string): Promise<readonly [number, string | null]> {
  const { status, headers } = await fetch(`${url}/api/stores`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer dev',
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify({ name: key }),
  });
  return [status, headers.get('x-ratelimit-remaining')];
}

test('S103 an administrative request that is repeated after a restart is free, as every repeat is', async () => {
  const data = directory();
  const rates = { writes_per_minute: 1, write_burst: 3 };
  const first = await world({ data, authenticate, rates });
  expect(await made(first, 'a')).toEqual([201, '2']);
  await first.server.close();
  const again = await world({ data, authenticate, rates });
  expect(await made(again, 'b')).toEqual([201, '2']);
  expect(await made(again, 'a')).toEqual([201, '2']);
  expect(await made(again, 'c')).toEqual([201, '1']);
});

test('S106 S110 a store that is purged while its server closes is told and noted to be, and a repeat gets that answer', async () => {
  const data = directory();
  const storage = sqlite({ directory: data });
  const first = await world({ storage, authenticate });
  await ask(first, 'stores', { key: 's', body: { name: 'fresh' } });
  const { purge } = storage.stores;
  storage.stores.purge = async (id) => {
    const isDone = await purge.call(storage.stores, id);
    void first.server.close();
    // Its stores are let go of by then.
    for (let left = 10; left > 0; left--) await turn();
    return isDone;
  };
  const purged = { key: 'p', method: 'DELETE' };
  const path = 'stores/demo/fresh?purge=true';
  expect(await ask(first, path, purged)).toEqual([200, { ok: true }, null]);
  await first.server.close();
  const again = await world({ data, authenticate });
  expect(await ask(again, path, purged)).toEqual([200, { ok: true }, 'true']);
  const acts = await ask(again, 'audit?store=demo/fresh', { key: 'a', method: 'GET' });
  expect(acts[1]['acts']).toMatchObject([{ act: 'store.purged' }, { act: 'store.created' }]);
});
