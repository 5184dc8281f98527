import type { Client } from '@holdfast/client';
import { keptIn } from '@holdfast/client/cache';
import { RecordConflictError, records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { messagePack } from '@holdfast/client/codec/messagepack';
import { jsonCodec } from '@holdfast/protocol';
import type { Principal } from '@holdfast/server';
import { scopes } from '@holdfast/server';
import { expect, test } from 'vitest';
import { Disk, MapRows } from './cache/map-rows.ts';
import { apart, full, Item, lost, network, NoSocket, opened } from './records-http-setting.ts';

const n = (client: Client): number | undefined => client.record(Item, { id: '1' }).get()?.n;

test('a record that comes by events is written by HTTP, under the id of its write, and no socket is opened', async () => {
  const world = await opened();
  const { net, client, item } = await apart(world);
  const receipt = item.increment('n');
  expect([item.get()?.n, item.state.get().pendingIntents]).toEqual([6, 1]);
  const envelope = await receipt.committed;
  expect(envelope).toMatchObject({ value: { n: 6 }, op_id: receipt.opId });
  expect(net.posts.map(({ key }) => key)).toEqual([receipt.opId]);
  await expect.poll(() => item.state.get().sequence).toBe(envelope.sequence);
  expect(await world.items.get({ id: '1' })).toMatchObject({ value: { n: 6 } });
  await client.transact((tx) => {
    tx.record(item).patch({ n: 7 });
    tx.record(Item.ref({ id: '2' })).set({ n: 1 });
  }).committed;
  expect(net.posts).toHaveLength(2);
  expect([client.status.get().connection, NoSocket.opened]).toEqual(['connected', 0]);
});

test('a write whose answer was lost is sent again, and committed once', async () => {
  const world = await opened();
  const { net, item } = await apart(world);
  net.faults.push(lost, lost);
  const receipt = item.increment('n');
  const { sequence } = await receipt.committed;
  expect(net.posts.map(({ key }) => key)).toEqual([receipt.opId, receipt.opId, receipt.opId]);
  expect(await world.items.get({ id: '1' })).toMatchObject({ sequence, value: { n: 6 } });
  await expect.poll(() => item.state.get().sequence).toBe(sequence);
  expect(item.get()?.n).toBe(6);
});

test('R120 an increment that a snapshot holds already counts twice until its reply at most, and never after', async () => {
  const world = await opened();
  let line = new AbortController();
  let isCut = false;
  const delivery = bySse({
    fetch: (url, init) =>
      isCut
        ? Promise.reject(new TypeError('fetch failed'))
        : fetch(url, { ...init, signal: AbortSignal.any([init.signal, line.signal]) }),
  });
  const { net, item } = await apart(world, { records: records([Item], { delivery }) });
  const seen: (number | undefined)[] = [];
  item.subscribe(() => seen.push(item.get()?.n));
  let shown: number | undefined;
  net.faults.push(
    (init, send) => {
      isCut = true;
      line.abort(new Error('cut'));
      return lost(init, send);
    },
    async (_, send) => {
      line = new AbortController();
      isCut = false;
      await expect.poll(() => item.state.get().sequence).toBe(3);
      shown = item.get()?.n;
      return send();
    },
  );
  await item.increment('n').committed;
  expect([shown, item.get()?.n]).toEqual([7, 6]);
  await world.items.write({ id: '1' }, { patch: { tags: ['a'] } });
  await expect.poll(() => item.get()).toEqual({ n: 6, tags: ['a'] });
  expect(seen.filter((each) => each === 7)).toHaveLength(1);
});

test('a request whose first attempt is still being answered waits for that', async () => {
  const world = await opened();
  const { net, item } = await apart(world);
  const busy = Response.json({ error: 'idempotency_in_progress' }, { status: 409 });
  net.faults.push(() => Promise.resolve(busy));
  await item.increment('n').committed;
  expect([net.posts.length, n(world.client({ records: records([Item]) }))]).toEqual([2, undefined]);
  expect((await world.items.get({ id: '1' })).value).toEqual({ n: 6 });
});

test('a guarded write that met another is a conflict, and can be resolved', async () => {
  const world = await opened();
  const { item, conflicts, net } = await apart(world);
  net.faults.push(async (_, send) => {
    await world.items.write({ id: '1' }, { patch: { n: 50 } });
    return send();
  });
  const late = item.patch({ n: 9 }, { precondition: 'unchanged' });
  await expect(late.committed).rejects.toBeInstanceOf(RecordConflictError);
  expect(conflicts).toMatchObject([{ kind: 'precondition', mine: { n: 9 }, base: { n: 5 } }]);
  await expect.poll(() => item.get()?.n).toBe(50);
  await conflicts[0]?.resolve('mine')?.committed;
  expect((await world.items.get({ id: '1' })).value).toEqual({ n: 9 });
});

test('what is refused for now is sent again, and nothing overtakes it', async () => {
  const world = await opened();
  const { net, item } = await apart(world);
  net.faults.push((_, send) => send(), full);
  const receipts = Array.from({ length: 60 }, (_, at) => item.patch({ tags: [`${at}`] }));
  const done = await Promise.all(receipts.map(({ committed }) => committed));
  const sequences = done.map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
  await expect.poll(() => item.state.get().sequence).toBe(62);
  expect(item.get()?.tags).toEqual(['59']);
});

test('writes without a server wait in the outbox of the store, over a restart, and go in order', async () => {
  const world = await opened();
  const disk = new Disk();
  const shared = () => ({ cache: keptIn(new MapRows(disk)), deviceId: 'd' });
  const before = await apart(world, shared());
  before.net.down(true);
  const receipts = [
    before.item.increment('n'),
    before.item.mutate('six', null),
    before.item.increment('n'),
  ];
  await Promise.all(receipts.map(({ durable }) => durable));
  expect(before.item.get()?.n).toBe(7);
  await before.client.close();
  const { net, client, item } = await apart(world, shared());
  await client.flush();
  await expect.poll(async () => (await world.items.get({ id: '1' })).value).toEqual({ n: 7 });
  expect(net.posts.map(({ key }) => key)).toEqual(receipts.map(({ opId }) => opId));
  await expect.poll(() => [item.get()?.n, item.state.get().pendingIntents]).toEqual([7, 0]);
});

test('a mutation runs by HTTP as the server has it; one that changes nothing is settled', async () => {
  const world = await opened();
  const { item } = await apart(world);
  await item.mutate('sign', null).committed;
  await expect.poll(() => item.get()).toEqual({ n: 5, by: 'server' });
  await world.items.write({ id: '1' }, { patch: { n: 6 } });
  await item.mutate('six', null).committed;
  await expect.poll(() => item.state.get().sequence).toBe(4);
  await item.patch({ n: 7 }, { precondition: 'unchanged' }).committed;
  expect(item.state.get().conflicts).toEqual([]);
});

test('who may not write is told so, and what was shown vanishes', async () => {
  const world = await opened();
  const { rawToken: token } = await world.issue(['entries:read']);
  const { item } = await apart(world, { token });
  await expect(item.increment('n').committed).rejects.toMatchObject({ code: 'missing_scope' });
  expect([item.get()?.n, item.state.get().pendingIntents]).toEqual([5, 0]);
});

test('C18 a page of a captive portal that passed for a token is refused though no header can carry it, and another is asked for', async () => {
  const world = await opened();
  const asked: (string | undefined)[] = [];
  const { item } = await apart(world, {
    // Who writes asks first, and the stream beside it.
    token: (refused) => {
      asked.push(refused);
      return asked.length === 1 ? '<html>\nWi-Fi' : world.token;
    },
  });
  await item.increment('n').committed;
  expect(asked).toContain('<html>\nWi-Fi');
});

test('the source of tokens is asked once more where a token is refused', async () => {
  const world = await opened();
  const first = await world.issue(['entries:read', 'entries:write']);
  let token = first.rawToken;
  let asked = 0;
  const { item } = await apart(world, {
    token: () => {
      asked += 1;
      return token;
    },
  });
  const before = asked;
  token = world.token;
  await world.server.tokens.revoke(first.id);
  await item.increment('n').committed;
  expect(asked).toBeGreaterThan(before);
  expect((await world.items.get({ id: '1' })).value).toEqual({ n: 6 });
});

test('a page of a strange origin writes nothing with the cookies of its user', async () => {
  const somebody: Principal = {
    subject: 'ann',
    orgs: ['acme'],
    scopes: new Set(scopes),
    storeAccess: { mode: 'all' },
    expiresAt: null,
    tokenId: null,
    pathRules: null,
  };
  const world = await opened(({ token, headers }) =>
    Promise.resolve(token === null && headers['cookie'] === 'who=ann' ? somebody : null),
  );
  for (const [origin, value] of [
    ['https://evil.example', 5],
    [world.url.replace('ws', 'http'), 6],
  ] as const) {
    const net = network();
    const fetchAs = (url: string, init: RequestInit): Promise<Response> => {
      const headers = new Headers(init.headers);
      expect(init.credentials).toBe('include');
      expect(headers.has('authorization')).toBe(false);
      headers.set('cookie', 'who=ann');
      headers.set('origin', origin);
      return net.env.fetch(url, { ...init, headers });
    };
    const client = world.client({
      token: null,
      webSocket: NoSocket,
      env: { ...net.env, fetch: fetchAs },
      records: records([Item], { delivery: byTransport({ transport: new InProcessTransport() }) }),
    });
    const receipt = client.record(Item, { id: '1' }).set({ n: 6 });
    if (value === 5) await expect(receipt.committed).rejects.toThrow();
    else await receipt.committed;
    expect((await world.items.get({ id: '1' })).value).toEqual({ n: value });
  }
});

test('what wants to read a store has a socket; what is under way moves there, and is committed once', async () => {
  const world = await opened();
  const net = network();
  for (const codec of [jsonCodec, messagePack()]) {
    const client = world.client({
      env: net.env,
      codec,
      records: records([Item], { delivery: bySse() }),
    });
    const item = client.record(Item, { id: '1' });
    item.retain();
    await item.ready();
    const before = item.get()?.n ?? 0;
    net.faults.push(lost);
    const first = item.increment('n');
    const store = client.store('acme/app', { scope: ['items/**'] });
    await store.ready;
    const second = item.increment('n');
    await Promise.all([first.committed, second.committed]);
    await expect.poll(() => store.get('items/1/n')).toBe(before + 2);
    await expect.poll(() => item.get()?.n).toBe(before + 2);
    expect((await world.items.get({ id: '1' })).value).toEqual({ n: before + 2 });
    await client.close();
  }
});

test('writes of a store handle that reads nothing go the same way, and a lease has its socket', async () => {
  const world = await opened();
  const net = network();
  const client = world.client({ env: net.env, records: records([Item], { delivery: bySse() }) });
  const store = client.store('acme/app', { scope: [] });
  expect(await store.put('a', 1).committed).toMatchObject({ seq: 3 });
  expect(net.posts).toHaveLength(1);
  const lease = await store.lease('lock');
  await lease?.release();
  expect(net.posts).toHaveLength(1);
  await store.delete('a').committed;
  await expect(store.put('a', 1, { ifMatch: 3 }).committed).rejects.toMatchObject({
    code: 'conflict',
    details: { current_revision: null },
  });
});

test('with `writes: "socket"`, or a link of one’s own, writes go by that', async () => {
  const world = await opened();
  const net = network();
  const client = world.client({
    env: net.env,
    records: records([Item], { delivery: bySse({ writes: 'socket' }) }),
  });
  const item = client.record(Item, { id: '1' });
  item.retain();
  await item.ready();
  await item.increment('n').committed;
  expect(net.posts).toEqual([]);
});
