import { SseTransport } from '@holdfast/client/link/sse';
import { records } from '@holdfast/client/records';
import { transportLaw, type TransportSubject } from '@holdfast/client/records/conformance';
import { byTransport } from '@holdfast/client/records/transport';
import { record } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../engine/test/virtual-clock.ts';
import { heard, Item, key, opened, site, someone } from './records-sse-setting.ts';

/** A transport with a key of its own, by whose messages it is known that those before have come. */
async function subject(): Promise<TransportSubject> {
  const { transport, write, problems, end } = await site();
  let told = 0;
  const arrivals = new Map<number, () => void>();
  await transport.subscribe(key('own'), (message) => {
    arrivals.get(((message as Envelope).value as { n: number }).n)?.();
  }).ready;
  return {
    transport,
    key,
    publish: (at, n) => write(at.slice(at.lastIndexOf('/') + 1), n),
    settled: async () => {
      told += 1;
      const arrived = new Promise<void>((resolve) => arrivals.set(told, resolve));
      await write('own', told);
      await arrived;
    },
    problems,
    ownKeys: 1,
    end,
  };
}

describe('R1 R2 R3 R4 R5 R6 R7 R8 R9 R10 R11 R12 R13 R14 R17 R18 R23 R24 server-sent events', () => {
  for (const { name, run } of transportLaw(subject)) test(name, run);
});

test('R27 R246 a record is there, follows, and knows what its server has; bigints come as they are', async () => {
  const { world, items, transport } = await opened();
  await items.write({ id: '1' }, { set: { n: 1, big: 2n ** 80n } });
  const client = world.client({
    records: records([Item], { delivery: byTransport({ transport }) }),
  });
  const item = client.record(Item, { id: '1' });
  await item.ready();
  expect(item.get()).toEqual({ n: 1, big: 2n ** 80n });
  const release = item.retain();
  const gone = client.record(Item, { id: '2' });
  await gone.ready();
  expect(gone.state.get().status).toBe('gone');
  await items.write({ id: '1' }, { patch: { n: 2 } });
  await expect.poll(() => item.get()?.n).toBe(2);
  expect(item.state.get()).toMatchObject({ status: 'ok', connected: true, source: 'receipt' });
  release();
});

test('R248 keys that come while events flow: none is lost or told twice, and the stream before goes on', async () => {
  const here = await opened();
  const { write, transport, posts } = here;
  const first = await heard(here, 'a');
  const others: Promise<number[]>[] = [];
  for (let n = 1; n <= 60; n++) {
    if (n % 10 === 0) others.push(heard(here, `b${n}`));
    await write('a', n);
  }
  await Promise.all(others);
  await write('a', 61);
  await expect.poll(() => first.at(-1)).toBe(61);
  const sorted = first.toSorted((x, y) => x - y);
  expect(first).toEqual(sorted);
  expect(new Set(first).size).toBe(first.length);
  expect(transport.keyCount()).toBe(7);
  const streams = posts.filter(({ path }) => path === '/stream').length;
  expect(streams).toBeLessThanOrEqual(7);
});

test('keys of one turn are one stream, and more of them than a stream takes are another', async () => {
  const here = await opened({ keysMax: 2 });
  const seen = await Promise.all(['a', 'b', 'c'].map((id) => heard(here, id)));
  expect(here.posts.map(({ requests }) => requests.map((each) => each.key))).toEqual([
    [key('a'), key('b')],
    [key('c')],
  ]);
  for (const id of ['a', 'b', 'c']) await here.write(id, 1);
  await expect.poll(() => seen).toEqual([[1], [1], [1]]);
  expect(here.transport.status.get()).toBe('open');
});

test('R31 R249 after a lost connection each key asks once, by how far it is, and gets what it has missed', async () => {
  const here = await opened();
  const { items, write, cut, posts, transport } = here;
  await write('a', 1);
  await write('b', 2);
  const client = here.world.client({
    records: records([Item], { delivery: byTransport({ transport }) }),
  });
  const [a, b] = ['a', 'b'].map((id) => client.record(Item, { id }));
  if (a === undefined || b === undefined) throw new Error('two');
  const releases = [a.retain(), b.retain()];
  await Promise.all([a.ready(), b.ready()]);
  const raw = await heard(here, 'a');
  const before = posts.length;
  const [{ sequence: seqA }, { sequence: seqB }] = [a.state.get(), b.state.get()];
  const states: boolean[] = [];
  a.state.subscribe(() => states.push(a.state.get().connected));
  cut();
  await write('a', 3);
  await expect.poll(() => a.get()?.n).toBe(3);
  await expect.poll(() => a.state.get()).toMatchObject({ connected: true, status: 'ok' });
  expect(states).toContain(false);
  const asked = posts
    .slice(before)
    .flatMap(({ path, requests }) => requests.map((each) => [path, each.key, each.sequence]));
  expect(new Set(asked.map(String))).toEqual(
    new Set(
      [
        ['/stream', key('a'), seqA],
        ['/stream', key('b'), seqB],
      ].map(String),
    ),
  );
  expect(raw).toEqual([3]);
  expect(b.stats()).toMatchObject({ applied: 1, ignoredStale: 0 });
  await items.write({ id: 'b' }, { set: { n: 4 } });
  await expect.poll(() => b.get()?.n).toBe(4);
  for (const release of releases) release();
});

test('R238 R79 a key that may not be read is denied, and the others go on; retry asks once more', async () => {
  let isOpen = false;
  const rules = [{ pattern: 'items/public/**', allow: ['read' as const] }];
  const { transport, world, write } = await opened({ token: 'ann' }, async ({ token }) =>
    token === 'ann' ? someone(isOpen ? null : rules) : null,
  );
  await write('public', 1);
  await write('secret', 2);
  const client = world.client({
    records: records([Item], { delivery: byTransport({ transport }) }),
  });
  const [open, secret] = ['public', 'secret'].map((id) => client.record(Item, { id }));
  if (open === undefined || secret === undefined) throw new Error('two');
  const releases = [open.retain(), secret.retain()];
  await open.ready();
  await expect(secret.ready()).rejects.toMatchObject({ code: 'denied' });
  expect(secret.state.get()).toMatchObject({ status: 'denied', value: undefined });
  await write('public', 3);
  await expect.poll(() => open.get()?.n).toBe(3);
  isOpen = true;
  secret.retry();
  await expect.poll(() => secret.get()?.n).toBe(2);
  for (const release of releases) release();
});

test('a key that is not served now keeps its value and is asked for again, and the others go on', async () => {
  let refusals = 0;
  let isFull = false;
  const clock = new VirtualClock();
  const { transport, world, write, problems } = await opened(
    {
      env: clock,
      fetch: async (url, init) => {
        if (!isFull || !init.body.includes(`"${key('full')}"`)) return fetch(url, init);
        refusals += 1;
        return Response.json({ error: 'limit_exceeded', key: key('full') }, { status: 400 });
      },
      token: 'ann',
    },
    async () => someone(),
  );
  await write('full', 1);
  await write('other', 1);
  const client = world.client({
    records: records([Item], { delivery: byTransport({ transport }) }),
  });
  const [full, other] = [client.record(Item, { id: 'full' }), client.record(Item, { id: 'other' })];
  const releases = [full.retain()];
  await full.ready();
  isFull = true;
  releases.push(other.retain());
  await other.ready();
  expect(other.get()?.n).toBe(1);
  full.retry();
  const later = (read: () => unknown) => expect.poll(() => clock.advance(250).then(read));
  await later(() => refusals).toBeGreaterThan(2);
  expect(full.state.get()).toMatchObject({ value: { n: 1 } });
  expect(full.state.get().status).not.toBe('denied');
  expect(problems).toContainEqual(expect.objectContaining({ phase: 'stream', key: key('full') }));
  await write('full', 2);
  isFull = false;
  await later(() => full.get()?.n).toBe(2);
  for (const release of releases) release();
});

test('nobody is told of a record that is let go before it was live, or after it was denied', async () => {
  const { transport, world, write } = await opened({ token: 'ann' }, async ({ token }) =>
    token === 'ann' ? someone([{ pattern: 'items/public/**', allow: ['read'] }]) : null,
  );
  await write('public', 1);
  const client = world.client({
    records: records([Item], { delivery: byTransport({ transport }) }),
  });
  const [open, secret] = [
    client.record(Item, { id: 'public' }),
    client.record(Item, { id: 'secret' }),
  ];
  const releases = [open.retain(), secret.retain()];
  await open.ready();
  await expect(secret.ready()).rejects.toMatchObject({ code: 'denied' });
  releases.push(client.record(Item, { id: 'early' }).retain());
  for (const release of releases) release();
  await client.close();
  expect(world.errors).not.toContainEqual(expect.objectContaining({ code: 'transport_closed' }));
});

test('a store that is none, or not ours, takes the stream from no other key', async () => {
  const { schema, version } = Item;
  const place = { store: 'acme/none', path: 'others/:id' } as const;
  const Other = record({ name: 'other', ...place, schema, version });
  const here = await opened();
  here.world.server.record(Other);
  const client = here.world.client({
    records: records([Item, Other], { delivery: byTransport({ transport: here.transport }) }),
  });
  await here.write('1', 1);
  const [item, other] = [client.record(Item, { id: '1' }), client.record(Other, { id: '1' })];
  const releases = [item.retain(), other.retain()];
  await item.ready();
  expect(item.get()?.n).toBe(1);
  expect(other.state.get().status).toBe('denied');
  for (const release of releases) release();
});

test('R251 a sign-out forgets how far everything is, and asks for somebody else', async () => {
  const here = await opened();
  await here.write('a', 1);
  const seen = await heard(here, 'a');
  await here.write('a', 2);
  await expect.poll(() => seen).toEqual([2]);
  const count = here.posts.length;
  here.transport.forget();
  await expect.poll(() => here.posts.length).toBe(count + 1);
  const [asked] = here.posts.at(-1)?.requests ?? [];
  expect(asked).toEqual({ key: key('a'), record: '', params: {}, client_version: '' });
});

test('R251 what was kept of somebody and asked about is forgotten by a sign-out, too: who comes next is told what there is', async () => {
  const here = await opened();
  await here.write('a', 1);
  const { sequence, incarnation } = await here.items.get({ id: 'a' });
  if (typeof incarnation !== 'string') throw new Error('no incarnation');
  const seen: unknown[] = [];
  const { ready } = here.transport.subscribe(key('a'), (message) => seen.push(message));
  const bare = { key: key('a'), record: 'item', params: { id: 'a' }, client_version: '1.0' };
  const asked = { ...bare, sequence, incarnation };
  const signal = AbortSignal.timeout(60_000);
  const answers = await here.transport.handshake([asked], { signal });
  expect(answers).toMatchObject([{ type: 'current' }]);
  await ready;
  const count = here.posts.length;
  here.transport.forget();
  await expect.poll(() => here.posts.length, { timeout: 20_000 }).toBe(count + 1);
  expect(here.posts.at(-1)?.requests).toEqual([bare]);
  await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(1);
});

test('R245 it is the read side only', async () => {
  const { transport } = await opened();
  const envelope = { value: { n: 1 }, schema_version: '1.0', sequence: 1 };
  expect(() => transport.publish(key('a'), envelope)).toThrow(/read side/);
  expect(() => new SseTransport({ url: 'nowhere' })).toThrow(TypeError);
});

test('R242 signs of life are seen on the wire, and by no subscriber', async () => {
  const { world } = await opened();
  const here = world.server.syncHandler({ authorize: 'public', heartbeat: 1 });
  const abort = new AbortController();
  const request = new Request(`http://x/api/records?key=${key('a')}`, { signal: abort.signal });
  const { body } = await here.GET(request, { principal: { subject: null }, now: 0 });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let raw = '';
  while (!raw.includes(': heartbeat\n\n')) raw += (await reader?.read())?.value ?? '';
  const beaten = new SseTransport({
    url: world.url,
    fetch: async (url, init) =>
      here.POST(new Request(url, init), { principal: { subject: null }, now: 0 }),
  });
  const seen: unknown[] = [];
  await beaten.subscribe(key('a'), (message) => seen.push(message)).ready;
  while ((raw.match(/heartbeat/g) ?? []).length < 5) raw += (await reader?.read())?.value ?? '';
  await beaten.close();
  abort.abort();
  expect([seen, beaten.stats().decodeErrors]).toEqual([[], 0]);
});

test('who says nothing of who may read serves those who may read the store; who says so, others', async () => {
  const { world, transport, write } = await opened({ token: 'nobody' });
  await write('1', 1);
  const problem = transport.subscribe(key('1'), () => {});
  const asked = transport.handshake(
    [{ key: key('1'), record: 'item', params: {}, client_version: '1.0' }],
    {
      signal: AbortSignal.timeout(50),
    },
  );
  await expect(asked).rejects.toThrow();
  problem();
  const statusOf = async (init: RequestInit): Promise<number> => {
    const response = await fetch(`${world.url}/api/records?key=${key('1')}`, init);
    await response.body?.cancel();
    return response.status;
  };
  expect(await statusOf({})).toBe(401);
  expect(await statusOf({ headers: { authorization: `Bearer ${world.token}` } })).toBe(200);
  expect(
    await statusOf({ method: 'HEAD', headers: { authorization: `Bearer ${world.token}` } }),
  ).toBe(405);
});

test('a stream on which nothing comes any more, not even signs of life, is opened anew and brings what was missed', async () => {
  const clock = new VirtualClock();
  const { setTimeout, clearTimeout } = clock;
  const deaf: { isDeaf: boolean }[] = [];
  const here = await opened({
    env: { setTimeout, clearTimeout, random: () => 0 },
    fetch: async (url, init) => {
      const { body, status, headers } = await fetch(url, init);
      const line = { isDeaf: false };
      deaf.push(line);
      const heardOf = new TransformStream<Uint8Array, Uint8Array>({
        transform: (piece, to) => (line.isDeaf ? undefined : to.enqueue(piece)),
      });
      return new Response(body?.pipeThrough(heardOf) ?? null, { status, headers });
    },
  });
  await here.write('a', 1);
  const seen = await heard(here, 'a');
  for (const line of deaf.splice(0)) line.isDeaf = true;
  await here.write('a', 2);
  await clock.advance(45_000);
  expect(here.transport.status.get()).toBe('reconnecting');
  await clock.advance(30_000);
  await expect.poll(() => seen, { timeout: 20_000 }).toEqual([2]);
  expect(here.problems.map(({ error }) => String(error))).toEqual(['Error: The server is silent.']);
});
