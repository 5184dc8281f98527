import { deferred } from '@holdfast/engine/registry';
import { expect, test } from 'vitest';

import { StorageError } from '../../src/storage/port.ts';
import { dawn, World } from './world.ts';

const rates = {
  writes_per_minute: 60,
  write_burst: 4,
  reads_per_minute: 50,
  read_burst: 50,
  joins_per_minute: 10,
};

async function open(changes = {}) {
  const world = new World(changes);
  await world.store('acme/blog');
  return { world, ...(await world.token()) };
}

const key = (name: string) => ({ 'Idempotency-Key': name });

test('S106 a token is made once by the same key, and told as it was; another request with the key is refused', async () => {
  const { ask, world } = await open();
  const body = { name: 'ci', read: true };
  const first = await ask('POST', '/api/tokens', body, key('k1'));
  expect(first.status).toBe(201);
  const again = await ask('POST', '/api/tokens', body, key('k1'));
  expect([again.status, again.json]).toEqual([201, first.json]);
  expect(again.headers.get('idempotent-replay')).toBe('true');
  expect(first.headers.get('idempotent-replay')).toBe(null);
  const other = await ask('POST', '/api/tokens', { ...body, name: 'other' }, key('k1'));
  expect([other.status, other.json['error']]).toEqual([422, 'idempotency_key_reuse']);
  const stranger = await world.token();
  expect((await stranger.ask('POST', '/api/tokens', body, key('k1'))).json).not.toEqual(first.json);
  expect((await ask('POST', '/api/tokens', body, key('k2'))).json['id']).not.toBe(first.json['id']);
});

test('S106 the same key for another store is another request', async () => {
  const { ask, world } = await open();
  await world.store('acme/shop');
  const body = { url: 'https://example.org/hook' };
  const made = await Promise.all(
    ['blog', 'shop'].map((name) =>
      ask('POST', `/api/stores/acme/${name}/webhooks`, body, key('hook')),
    ),
  );
  expect(made.map(({ status }) => status)).toEqual([201, 201]);
  expect(made[0]?.json['id']).not.toBe(made[1]?.json['id']);
});

test('S106 stores, webhooks and clones are made, and deleted, once by the same key', async () => {
  const { ask } = await open();
  const S = '/api/stores/acme/blog';
  const acts: readonly (readonly [string, string, object?])[] = [
    ['POST', '/api/stores', { name: 'fresh' }],
    ['POST', `${S}/clone`, { name: 'copy' }],
    ['POST', `${S}/webhooks`, { url: 'https://example.org/hook' }],
    ['DELETE', `${S}?purge=true`],
  ];
  for (const [index, [method, path, body]] of acts.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const first = await ask(method, path, body, key(`a${index}`));
    expect(first.status, path).toBeLessThan(300);
    // oxlint-disable-next-line no-await-in-loop -- the same
    const again = await ask(method, path, body, key(`a${index}`));
    expect([again.status, again.json, again.headers.get('idempotent-replay')]).toEqual([
      first.status,
      first.json,
      'true',
    ]);
  }
});

test('S106 a refusal is an answer too, one for the rate is not, and all are forgotten after a day', async () => {
  const { ask, world } = await open({ rates });
  const taken = { name: 'blog' };
  expect((await ask('POST', '/api/stores', taken, key('t'))).status).toBe(422);
  const again = await ask('POST', '/api/stores', taken, key('t'));
  expect([again.status, again.headers.get('idempotent-replay')]).toEqual([422, 'true']);
  for (const name of ['b', 'c', 'd']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await ask('POST', '/api/stores', { name }, key(name))).status).toBe(201);
  }
  expect((await ask('POST', '/api/stores', { name: 'e' }, key('e'))).status).toBe(429);
  world.clock.at = dawn + 24 * 3_600_000;
  expect((await ask('POST', '/api/stores', taken, key('t'))).headers.get('idempotent-replay')).toBe(
    'true',
  );
  world.clock.at += 1;
  expect((await ask('POST', '/api/stores', { name: 'e' }, key('e'))).status).toBe(201);
  expect((await ask('POST', '/api/stores', taken, key('t'))).headers.get('idempotent-replay')).toBe(
    null,
  );
});

test('S106 a key has 1 to 128 characters, and is of one token alone', async () => {
  const { ask, world } = await open();
  const stranger = await world.token();
  const path = '/api/stores/acme/blog/transact';
  const body = { ops: [{ op: 'increment', path: 'n', value: 1 }] };
  for (const name of ['', 'k'.repeat(129), 'kö']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { status, json } = await ask('POST', path, body, key(name));
    expect([status, json['error']]).toEqual([400, 'invalid_params']);
  }
  for (const name of ['k', 'k'.repeat(128)]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const replies = [await ask('POST', path, body, key(name))];
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    replies.push(await stranger.ask('POST', path, body, key(name)));
    expect(replies.map(({ headers }) => headers.get('idempotent-replay'))).toEqual([null, null]);
  }
  const { json } = await ask('GET', '/api/stores/acme/blog/entries/n');
  expect(json['value']).toBe(4);
});

test('S106 a repeat that comes while the first is on its way is told so', async () => {
  const { ask, world } = await open();
  const body = { name: 'slow' };
  const entered = deferred<void>();
  const gate = deferred<void>();
  const { create } = world.storage.stores;
  const stores = world.storage.stores as { create: typeof create };
  stores.create = async (row) => {
    entered.resolve();
    await gate.promise;
    return create.call(world.storage.stores, row);
  };
  const first = ask('POST', '/api/stores', body, key('k'));
  await entered.promise;
  const again = await ask('POST', '/api/stores', body, key('k'));
  expect([again.status, again.json['error']]).toEqual([409, 'idempotency_in_progress']);
  gate.resolve();
  expect((await first).status).toBe(201);
});

test('S106 a request beyond the rate writes nothing down, though it has a key', async () => {
  const { ask, world } = await open({ rates });
  const { keys } = world.storage;
  for (const name of ['a', 'b', 'c', 'd']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await ask('POST', '/api/stores', { name }, key(name));
  }
  const names: string[] = [];
  const take = keys.take.bind(keys);
  Object.assign(keys, {
    take: (row: Parameters<typeof take>[0]) => {
      names.push(row.name);
      return take(row);
    },
  });
  expect((await ask('POST', '/api/stores', { name: 'e' }, key('e'))).status).toBe(429);
  expect(names).toEqual([]);
});

test('S103 what administrators change counts as writes', async () => {
  const { ask } = await open({ rates });
  const made = await ask('POST', '/api/tokens', { name: 'a', read: true });
  expect(made.headers.get('x-ratelimit-remaining')).toBe('3');
  const S = '/api/stores/acme/blog';
  await ask('POST', `${S}/webhooks`, { url: 'https://example.org/hook' });
  await ask('POST', `${S}/clone`, { name: 'copy' });
  await ask('DELETE', `/api/tokens/${String(made.json['id'])}`);
  const limited = await ask('POST', '/api/stores', { name: 'more' });
  expect([limited.status, limited.json['error']]).toEqual([429, 'rate_limited']);
});

test('S106 a key whose request the server did not live to finish is told so, and one of a request that failed is free', async () => {
  const { ask, world } = await open();
  const stores = world.storage.stores as { create: typeof world.storage.stores.create };
  const { create } = stores;
  const { free } = world.storage.keys;
  const keys = world.storage.keys as { free: typeof free };
  stores.create = () => Promise.reject(new Error('the disk is full'));
  // As if the process had ended there.
  keys.free = () => Promise.resolve();
  expect((await ask('POST', '/api/stores', { name: 'x' }, key('k'))).status).toBe(500);
  keys.free = (name) => free.call(world.storage.keys, name);
  expect((await ask('POST', '/api/stores', { name: 'y' }, key('l'))).status).toBe(500);
  stores.create = (row) => create.call(world.storage.stores, row);
  const again = await ask('POST', '/api/stores', { name: 'x' }, key('k'));
  expect([again.status, again.json['error']]).toEqual([409, 'idempotency_outcome_unknown']);
  expect((await ask('POST', '/api/stores', { name: 'y' }, key('l'))).status).toBe(201);
});

test('where a disk is full, acts of administration may come again later, as writes may; its log has what is wrong', async () => {
  const { ask, world } = await open();
  const stores = world.storage.stores as { create: typeof world.storage.stores.create };
  const { create } = stores;
  const full = new StorageError('full', 'There is no space left.');
  stores.create = () => Promise.reject(full);
  const refused = await ask('POST', '/api/stores', { name: 'x' }, key('k'));
  expect([refused.status, refused.json]).toEqual([
    503,
    { error: 'unavailable', retry_after_ms: 1000 },
  ]);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(world.failures).toEqual([full]);
  stores.create = (row) => create.call(world.storage.stores, row);
  expect((await ask('POST', '/api/stores', { name: 'x' }, key('k'))).status).toBe(201);
});
