import { type Envelope, decodeExact } from '@holdfast/protocol/record';
import { type Json, type Params, passthrough, record, source } from '@holdfast/protocol';
import type { RecordFault, SourceOptions } from '@holdfast/server';
import { expect, expectTypeOf, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import { world } from '../conversation/world.ts';
import { post } from './sse-reader.ts';

const Sum = source({
  name: 'sum',
  params: z.object({ a: z.number() }),
  schema: z.object({ total: z.number() }),
  version: '1.0',
});

const Item = record({
  name: 'item',
  store: 'demo/main',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<{ n?: number }>(),
});

async function site(options: SourceOptions<typeof Sum>) {
  const clock = new VirtualClock();
  const faults: RecordFault[] = [];
  const { server } = await world({ clock, onError: (fault) => faults.push(fault) });
  const items = server.record(Item);
  server.source(Sum, options);
  const handler = server.syncHandler({ authorize: 'public', heartbeat: 1e9 });
  const follow = async (name: string, who: object | string = 'eve') => {
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    const principal = typeof who === 'string' ? { subject: who } : { subject: null, ...who };
    const key = encodeURIComponent(name);
    const request = new Request(`http://x/api/records?key=${key}`, { signal: abort.signal });
    const response = await handler.GET(request, { principal, now: 0 });
    return { response, abort, heard: heardOf(response) };
  };
  const open = (a: unknown, who?: object | string) =>
    follow(`src/sum/${JSON.stringify({ a })}`, who);
  return { server, items, clock, faults, open, follow };
}

/** The sequences and totals that a stream has told; it is read to where it stands. */
function heardOf(response: Response) {
  const reader = response.ok ? response.body?.getReader() : undefined;
  const told: (readonly [number, unknown])[] = [];
  const read = async (): Promise<void> => {
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      const text = new TextDecoder().decode(part.value);
      const data = /data: (.*)/.exec(text)?.[1];
      const message = decodeExact(JSON.parse(data ?? '{}') as Json) as { envelope?: Envelope };
      const { envelope } = message;
      if (envelope) told.push([envelope.sequence, (envelope.value as { total: number }).total]);
    }
  };
  void read().catch(() => undefined);
  return told;
}

test('R229 a source has exactly one policy', async () => {
  const { server } = await world();
  for (const policy of [{}, { every: 1, once: true }, { never: true }]) {
    expect(() => server.source(Sum, { policy, run: () => ({ total: 1 }) } as never)).toThrow(
      /every, on or once/,
    );
  }
});

test('what a source is asked with, reads and comes to are what its schemas take and give', async () => {
  const Ago = source({
    name: 'ago',
    params: z.object({ since: z.string().transform((text) => new Date(text)) }),
    schema: z.object({ total: z.number(), unit: z.string().default('days') }),
    version: '1.0',
  });
  const { server, follow } = await site({ policy: { once: true }, run: ({ a }) => ({ total: a }) });
  server.source(Ago, {
    policy: { once: true },
    run: ({ since }) => {
      expectTypeOf(since).toEqualTypeOf<Date>();
      return { total: since.getTime() / 86_400_000 };
    },
  });
  expectTypeOf<Params<typeof Ago>>().toEqualTypeOf<{ since: string }>();
  const { heard } = await follow(Ago.key({ since: '1970-01-08' }));
  await expect.poll(() => heard).toEqual([[1, 7]]);
  const bad = (): void => {
    // @ts-expect-error -- the parameter is given as text
    Ago.key({ since: new Date() });
    // @ts-expect-error -- it comes to a number of days
    server.source(Ago, { policy: { once: true }, run: () => ({ total: '7' }) });
    // @ts-expect-error -- there is one policy
    server.source(Ago, { policy: { every: 5, once: true }, run: () => ({ total: 7 }) });
  };
  expect(bad).toThrow();
});

test('R79 whoever knows a source in another major is told so, and not what it cannot read', async () => {
  const { server } = await world();
  server.source(Sum, { policy: { once: true }, run: ({ a }) => ({ total: a }) });
  const handler = server.syncHandler({ authorize: 'public' });
  const key = 'src/sum/{"a":1}';
  const types: unknown[] = [];
  for (const version of ['1.7', '2.0', '']) {
    const request = new Request(
      'http://x/api/records/handshake',
      post([{ key, client_version: version }]),
    );
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const response = await handler.POST(request, { principal: { subject: 'eve' }, now: 0 });
    // oxlint-disable-next-line no-await-in-loop -- the same
    types.push(...((await response.json()) as { answers: object[] }).answers);
  }
  expect(types).toMatchObject([
    { key, type: 'snapshot' },
    { key, type: 'skew', server_version: '1.0' },
    { key, type: 'snapshot' },
  ]);
  expect(types[1]).not.toHaveProperty('envelope');
});

test('R230 R235 R237 once: the seed has sequence 1, and bad params are invalid_params', async () => {
  const { open } = await site({ policy: { once: true }, run: ({ a }) => ({ total: a + 100 }) });
  const { heard } = await open(7);
  await expect.poll(() => heard).toEqual([[1, 107]]);
  const { response } = await open('x');
  expect([response.status, await response.json()]).toMatchObject([
    400,
    { error: 'invalid_params' },
  ]);
});

test('R231 R233 every: only changes are published, and what fails is told of and leaves no gap', async () => {
  const results: (Error | { total: number })[] = [
    { total: 1 },
    { total: 1 },
    new Error('no'),
    { total: 'bad' as never },
    { total: 2 },
  ];
  const { open, clock, faults } = await site({
    policy: { every: 1000, jitter: 0 },
    run: () => {
      const result = results.shift() ?? { total: 2 };
      if (result instanceof Error) throw result;
      return result;
    },
  });
  const { heard } = await open(1);
  for (let i = 0; i < 5; i++) await clock.pass(1000);
  await expect
    .poll(() => heard)
    .toEqual([
      [1, 1],
      [2, 2],
    ]);
  expect(faults.map(({ phase }) => phase)).toEqual(['run', 'parse']);
});

test('R232 on: it runs when its keys change, and not for others, nor when nobody has followed it for a while', async () => {
  let runs = 0;
  const { open, items, clock } = await site({
    policy: { on: ['rec/demo/main/items/a'] },
    run: () => ({ total: (runs += 1) }),
  });
  const { heard, abort } = await open(1);
  await items.write({ id: 'b' }, { set: { n: 1 } });
  await items.write({ id: 'a' }, { set: { n: 1 } });
  await expect
    .poll(() => heard)
    .toEqual([
      [1, 1],
      [2, 2],
    ]);
  abort.abort();
  await clock.pass(31_000);
  await items.write({ id: 'a' }, { set: { n: 2 } });
  expect(runs).toBe(2);
});

test('R234 R236 triggers during a run cause exactly one more', async () => {
  let runs = 0;
  const gates: (() => void)[] = [];
  const { open, server } = await site({
    policy: { once: true },
    run: async () => {
      runs += 1;
      await new Promise<void>((resolve) => gates.push(resolve));
      return { total: runs };
    },
  });
  const opening = open(1);
  await expect.poll(() => gates.length).toBe(1);
  for (let i = 0; i < 3; i++) server.invalidateSource('sum', { a: 1 });
  gates[0]?.();
  await expect.poll(() => gates.length).toBe(2);
  gates[1]?.();
  const { heard } = await opening;
  await expect.poll(() => heard.at(-1)).toEqual([2, 2]);
  expect(runs).toBe(2);
});

test('R244 two clients share one, other params are another, and an invalidation reaches all of them', async () => {
  let base = 100;
  let runs = 0;
  const { open, server } = await site({
    policy: { once: true },
    run: ({ a }) => {
      runs += 1;
      return { total: a + base };
    },
  });
  const [one, two, other] = [await open(7), await open(7), await open(8)];
  expect(runs).toBe(2);
  base = 200;
  server.invalidateSource('sum', { a: 7 });
  for (const { heard } of [one, two]) await expect.poll(() => heard.at(-1)).toEqual([2, 207]);
  expect(other.heard.at(-1)).toEqual([1, 108]);
});

test('R244 a source is told its parameters as they were given, and is one however its key spells them', async () => {
  const Since = source({
    name: 'since',
    params: z.object({ at: z.date(), n: z.bigint() }),
    schema: z.object({ total: z.number() }),
    version: '1.0',
  });
  const { server, follow } = await site({ policy: { once: true }, run: () => ({ total: 1 }) });
  let runs = 0;
  const params = { at: new Date(5), n: 7n };
  server.source(Since, {
    policy: { once: true },
    run: ({ at, n }) => {
      runs += 1;
      return { total: at.getTime() + Number(n) + 100 * runs };
    },
  });
  const key = Since.key(params);
  const spelt = key.replace(/\{(.*)\}$/, '{ $1 }');
  expect(spelt).not.toBe(key);
  const [one, two] = [await follow(key), await follow(spelt)];
  server.invalidateSource('since', params);
  for (const { heard } of [one, two]) await expect.poll(() => heard.at(-1)).toEqual([2, 212]);
  const { response } = await follow(
    'src/since/{"at":{"_type":"datetime"},"n":{"_type":"integer","_typed":"x"}}',
  );
  expect([response.status, await response.json()]).toMatchObject([
    400,
    { error: 'invalid_params' },
  ]);
});

test('a source of each principal is shared by nobody whose claims are others, though neither has a subject', async () => {
  const { open } = await site({
    policy: { once: true },
    perPrincipal: true,
    run: ({ a }, ctx) => ({ total: a + String(ctx?.principal['home']).length }),
  });
  const [near, far] = [new URL('https://a.example'), new URL('https://far.example')];
  const readers = [await open(1, { home: near }), await open(1, { home: far })];
  await expect.poll(() => readers.map(({ heard }) => heard)).toEqual([[[1, 19]], [[1, 21]]]);
});

test('R237 more than may live are limit_exceeded; each principal may have its own', async () => {
  const { open } = await site({
    policy: { once: true },
    perPrincipal: true,
    maxLive: 2,
    run: ({ a }, ctx) => ({ total: a + (ctx?.principal.subject?.length ?? 0) }),
  });
  const [eve, barbara] = [await open(1, 'eve'), await open(1, 'barbara')];
  await expect.poll(() => [eve.heard, barbara.heard]).toEqual([[[1, 4]], [[1, 8]]]);
  const { response } = await open(2);
  expect([response.status, await response.json()]).toMatchObject([
    400,
    { error: 'limit_exceeded' },
  ]);
  // What nobody follows any more goes on for a while, but takes nobody's place.
  eve.abort.abort();
  await expect.poll(async () => (await open(2)).response.status).toBe(200);
});

test('R237 one principal may begin so many, and keeps no other from its own; who is nobody in particular is not counted', async () => {
  const { open } = await site({
    policy: { once: true },
    maxLivePerPrincipal: 2,
    run: ({ a }) => ({ total: a }),
  });
  const statusOf = async (a: number, who: string | object): Promise<number> =>
    (await open(a, who)).response.status;
  expect([await statusOf(1, 'eve'), await statusOf(2, 'eve')]).toEqual([200, 200]);
  expect([await statusOf(3, 'eve'), await statusOf(2, 'eve')]).toEqual([400, 200]);
  expect([await statusOf(3, 'bob'), await statusOf(3, 'eve')]).toEqual([200, 200]);
  for (const a of [4, 5, 6]) expect(await statusOf(a, {})).toBe(200);
});

test('R233 a result that cannot travel is told of, and the next one is published', async () => {
  const Any = source({
    name: 'any',
    params: z.object({}),
    schema: passthrough<unknown>(),
    version: '1.0',
  });
  const results: unknown[] = [{ f: () => 1 }, { at: new Date(NaN) }, { total: 3 }];
  const { server, faults, follow } = await site({
    policy: { once: true },
    run: () => ({ total: 1 }),
  });
  server.source(Any, { policy: { once: true }, run: () => results.shift() });
  const { heard } = await follow('src/any/{}');
  for (const runs of [1, 2]) {
    await expect.poll(() => faults.map(({ phase }) => phase)).toHaveLength(runs);
    server.invalidateSource('any', {});
  }
  await expect.poll(() => heard).toEqual([[1, 3]]);
  expect(faults.map(({ phase, record: name }) => [phase, name])).toEqual([
    ['parse', 'any'],
    ['parse', 'any'],
  ]);
});

test('R233 a result that no client could read by the schema that it has passed is told of, and not published', async () => {
  const Length = source({
    name: 'length',
    params: z.object({}),
    schema: z.string().transform((text) => text.length),
    version: '1.0',
  });
  const { server, faults, follow } = await site({
    policy: { once: true },
    run: ({ a }) => ({ total: a }),
  });
  server.source(Length, { policy: { once: true }, run: () => 'four' });
  const { heard } = await follow(Length.key({}));
  expect(heard).toEqual([]);
  expect(faults).toMatchObject([{ phase: 'parse', record: 'length' }]);
  expect(String(faults[0]?.error)).toContain('schema is not stable');
});

test('R232 a key that cannot be listened to is told of, and keeps no other from being let go of in the end', async () => {
  let runs = 0;
  const { server, open, items, clock, faults } = await site({
    policy: { on: ['rec/demo/main/items/a', 'rec/demo/main/nothing/x'] },
    run: () => ({ total: (runs += 1) }),
  });
  const { heard, abort } = await open(1);
  await items.write({ id: 'a' }, { set: { n: 1 } });
  await expect.poll(() => heard.length).toBe(2);
  expect(faults.map(({ phase }) => phase)).toEqual(['run']);
  abort.abort();
  await clock.pass(31_000);
  await items.write({ id: 'a' }, { set: { n: 2 } });
  await items.write({ id: 'a' }, { set: { n: 3 } });
  expect(runs).toBe(2);
  // Nor does it keep the store of what it listened to.
  await clock.pass(16 * 60_000);
  await expect.poll(() => server.describe().stores).toHaveLength(0);
});

test('R237 a source lives while anybody follows it, and thirty seconds more: who comes meanwhile finds the same', async () => {
  let runs = 0;
  const { open, server, clock } = await site({
    policy: { once: true },
    run: () => ({ total: (runs += 1) }),
  });
  const [one, other] = [await open(1), await open(1)];
  one.abort.abort();
  await clock.pass(40_000);
  server.invalidateSource('sum', { a: 1 });
  await expect.poll(() => other.heard.at(-1)).toEqual([2, 2]);
  other.abort.abort();
  await clock.pass(29_000);
  const { heard, abort } = await open(1);
  await clock.pass(40_000);
  server.invalidateSource('sum', { a: 1 });
  await expect
    .poll(() => heard)
    .toEqual([
      [2, 2],
      [3, 3],
    ]);
  abort.abort();
  await clock.pass(31_000);
  await expect.poll(async () => (await open(1)).heard).toEqual([[1, 4]]);
});
