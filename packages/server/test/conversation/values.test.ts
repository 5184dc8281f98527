import { isDeepStrictEqual } from 'node:util';
import { jsonCodec, setOwn } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Peer } from './peer.ts';
import { assemble, legacyStateOf, LegacyReplica, stateOf } from './replica.ts';
import { ask, hear, logOf, opsIn, put, tongues, write } from './talk.ts';
import { topic, type World, world } from './world.ts';

const typed: readonly (readonly [string, string])[] = [
  ['decimal', '29.990'],
  ['decimal', '-0.10e-05'],
  ['datetime', '2026-03-31T12:00:00.120+02:00'],
  ['datetime', '2024-02-29T23:59:59Z'],
  ['bigint', '-9007199254740993000000000000001'],
  ['bytes', 'AAEC/w=='],
  ['bytes', ''],
];

function envelope(type: string, typedText: unknown): object {
  return { _type: type, _typed: typedText };
}

test.each(tongues)(
  'S30 in %s typed values keep type and exact text live, in catch-up and in both snapshots',
  async (_name, knock) => {
    const home = await world();
    const [peer, other] = [await home.joined(knock), await home.joined({ ...knock, device: 'd2' })];
    const values = typed.map(([type, text]) => envelope(type, text));
    for (const [i, value] of values.entries()) await put(peer, `v/${i}`, value);
    expect((await hear(other, values.length)).map((op) => op.value)).toEqual(values);
    const late = await home.connect({ ...knock, device: 'd3' });
    await late.join(topic, { last_store_seq: 1 });
    expect(opsIn(await late.caughtUp()).map((op) => op.value)).toEqual(values.slice(1));
    const { leaves } = await stateOf(home, { vsn: knock.vsn ?? null });
    expect([...leaves.values()].map(({ value, type }) => [value, type])).toEqual(
      values.map((value, i) => [value, typed[i]?.[0]]),
    );
    expect([...(await legacyStateOf(home, knock)).values()]).toEqual(values);
  },
);

test.each([
  ['decimal', '1.'],
  ['decimal', '.5'],
  ['decimal', 'NaN'],
  ['decimal', '1e12345'],
  ['datetime', 'x'],
  ['datetime', '2026-02-30T12:00:00Z'],
  ['datetime', '2026-03-31T12:00:00'],
  ['bigint', '007'],
  ['bigint', '-0'],
  ['bytes', 'AAE'],
  ['bytes', 'AAF='],
  ['bytes', '*'],
  ['decimal', 7],
])('S30 a %s of %j is an invalid typed value, inside a list too', async (type, typedText) => {
  const { joined } = await world();
  const peer = await joined();
  const bad = envelope(type, typedText);
  for (const value of [bad, { deep: bad }, [bad], [{ deep: bad }]]) {
    const { response } = await write(peer, 'set', 'a', { value });
    expect(response).toMatchObject({ reason: 'invalid_typed_value', path: expect.any(String) });
  }
  expect(await put(peer, 'a', 1)).toBe(1);
});

const lease = { _type: 'lease', holder: null, token: 1, expires_at: 1 };

test.each<[string, string, unknown]>([
  ['a lease', 'p', lease],
  ['a lease in a map', 'p', { a: { b: lease } }],
  ['a lease in a list', 'p', [lease]],
  ['a counter', 'p', { _type: 'counter' }],
  ['a counter with text', 'p', { _type: 'counter', _typed: '1' }],
  ['a set', 'p', { _type: 'set', _typed: [] }],
  ['a decimal with other keys', 'p', { _type: 'decimal', x: 1 }],
  ['a decimal with a key too many', 'p', { _type: 'decimal', _typed: '1', x: 1 }],
  ['a file in a list', 'p', [{ _type: 'file', hash: 'x' }]],
  ['a leaf _type', 'p/_type', 'decimal'],
  ['a leaf _type at the top', '_type', 'lease'],
])('S32 a set of %s is refused as a reserved type', async (_what, path, value) => {
  const { joined } = await world();
  const peer = await joined();
  const { response } = await write(peer, 'set', path, { value });
  expect(response['reason']).toBe('reserved_type');
  expect(await put(peer, 'next', 1)).toBe(1);
});

test('S32 a merge cannot bring in a reserved type either', async () => {
  const { joined } = await world();
  const peer = await joined();
  for (const value of [{ _type: 'decimal' }, { a: lease }, { _type: 'bigint', b: 1 }]) {
    const { response } = await write(peer, 'merge', 'p', { value });
    expect(response['reason']).toBe('reserved_type');
  }
  expect(await put(peer, 'next', 1)).toBe(1);
});

test('S32 a map with a _type that is no typed name is a plain map', async () => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'p', { _type: 'animal', _typed: 1 });
  await put(peer, 'q', { _type: { a: 1 } });
  await put(peer, 'r/_type', 'animal');
  const { leaves } = await stateOf(home);
  expect([...leaves].map(([path, { value }]) => [path, value])).toEqual([
    ['p/_type', 'animal'],
    ['p/_typed', 1],
    ['q/_type/a', 1],
    ['r/_type', 'animal'],
  ]);
});

test.each(['9007199254740993', '9007199254740992', '-9007199254740992', '1e300', '1e999'])(
  'S33 the JSON number %s is out of range, wherever it stands',
  async (digits) => {
    const { joined } = await world();
    const peer = await joined();
    for (const value of ['@', { a: '@' }, ['@'], [{ a: '@' }]]) {
      const ref = peer.ref();
      const frame = [peer.joinRef, ref, topic, 'write', ask('set', 'a', { value })];
      peer.sendRaw(String(jsonCodec.encode(frame)).replace('"@"', digits));
      expect((await peer.reply(ref)).response['reason']).toBe('number_out_of_range');
    }
    expect(await put(peer, 'a', Number.MAX_SAFE_INTEGER)).toBe(1);
  },
);

test.each([
  ['uint64 max', [0xcf, 255, 255, 255, 255, 255, 255, 255, 255]],
  ['int64 min', [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]],
  ['NaN', [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]],
  ['infinity', [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]],
  ['1e300', [0xcb, 0x7e, 0x37, 0xe4, 0x3c, 0x88, 0x00, 0x75, 0x9c]],
])('S33 the MessagePack number %s is out of range', async (_what, bytes) => {
  const { joined } = await world();
  const peer = await joined({ vsn: '3.0.0' });
  const ref = peer.ref();
  // A text of eight letters takes as many bytes as a number of eight bytes.
  const frame = [peer.joinRef, ref, topic, 'write', ask('set', 'a', { value: ['@@@@@@@@'] })];
  const encoded = Buffer.from(messagePackCodec().encode(frame));
  encoded.set(bytes, encoded.indexOf('@@@@@@@@') - 1);
  peer.sendRaw(encoded);
  expect((await peer.reply(ref)).response['reason']).toBe('number_out_of_range');
  expect(await put(peer, 'a', 1)).toBe(1);
});

test('S33 as a bigint the number is exact', async () => {
  const home = await world();
  const peer = await home.joined();
  const value = { _type: 'bigint', _typed: '18446744073709551615' };
  await put(peer, 'a', value);
  expect((await stateOf(home)).leaves.get('a')?.value).toEqual(value);
});

const key = fc.oneof(
  fc.constantFrom('_scalar', '_json', '_type', '_typed', '__proto__', 'constructor', 'toString'),
  fc.constantFrom('a', 'b/c', 'd~e', '0', '*', 'é', '\u{1f600}', ''),
  fc.string({ maxLength: 4, unit: 'binary' }),
);
const text = fc.oneof(
  fc.constantFrom('decimal', 'lease', 'set', '\u0000', 'a\u0000b', '\ud800', '1.5', '\u2028'),
  fc.string({ maxLength: 6, unit: 'binary' }),
);
const json = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    text,
    fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(0, -0, 2 ** 53, 1e300, 0.1),
    ),
    fc.constantFrom(null, true, false, {}, [], { _type: 'decimal', _typed: '1.50' }),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.array(fc.tuple(key, tie('json')), { maxLength: 3 }).map(objectOf),
  ),
})).json;

function objectOf(pairs: readonly (readonly [string, unknown])[]): object {
  const object: { [name: string]: unknown } = {};
  for (const [name, value] of pairs) setOwn(object, name, value);
  return object;
}

/** What a reader may expect: a zero has no sign, and UTF-8 cannot carry half a character to begin with. */
function expected(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (typeof value === 'string') return wellFormed(value);
  if (Array.isArray(value)) return value.map(expected);
  if (typeof value !== 'object' || value === null) return value;
  return objectOf(
    Object.entries(value).map(([name, each]) => [wellFormed(name), expected(each)] as const),
  );
}

function wellFormed(half: string): string {
  return Buffer.from(half).toString();
}

const valueReasons = new Set<unknown>(
  ['invalid_value', 'invalid_typed_value', 'reserved_type', 'number_out_of_range'].concat([
    'empty_segment',
    'invalid_segment',
    'segment_too_long',
    'path_too_long',
    'too_deep',
  ]),
);

test('S31 arbitrary JSON that is accepted comes back the same by every way and in every tongue', async () => {
  const home = await world();
  const peers: Peer[] = [];
  for (const [i, [, knock]] of tongues.entries()) {
    peers.push(await home.joined({ ...knock, device: `writer-${i}` }));
  }
  const accepted = new Map<string, unknown>();
  let tried = 0;
  const writeOne = async (value: unknown): Promise<void> => {
    tried += 1;
    const path = `f/${tried}`;
    const peer = peers[tried % peers.length];
    if (peer === undefined) throw new Error('no peer');
    const { status, response } = await write(peer, 'set', path, { value });
    if (status === 'ok') accepted.set(path, expected(value));
    else if (!valueReasons.has(response['reason'])) throw new Error(JSON.stringify(response));
  };
  await fc.assert(fc.asyncProperty(json, writeOne), { numRuns: 1500 });
  expect(accepted.size).toBeGreaterThan(500);
  const replica = new LegacyReplica();
  for (const op of await logOf(home)) replica.apply(op);
  const ways: [string, ReadonlyMap<string, unknown>][] = [['the log', replica.leaves]];
  for (const vsn of ['2.0.0', '3.0.0']) {
    const { leaves } = await stateOf(home, { vsn });
    ways.push([
      `a snapshot, ${vsn}`,
      new Map([...leaves].map(([path, leaf]) => [path, leaf.value])),
    ]);
    ways.push([`an old snapshot, ${vsn}`, await legacyStateOf(home, { vsn })]);
  }
  ways.push(['GET', await readEach(home.url, accepted.keys())]);
  for (const peer of peers) expect((await peer.ask(topic, 'status', {})).status).toBe('ok');
  for (const [way, leaves] of ways) {
    for (const [path, value] of accepted) {
      const found = assemble(leaves, path);
      if (!isDeepStrictEqual(found, value)) expect([way, found]).toEqual([way, value]);
    }
    expect([...leaves.keys()].every((leaf) => /^f\/\d+(\/|$)/.test(leaf))).toBe(true);
  }
  const leaves = new Map(
    [...(await stateOf(home)).leaves].map(([path, { value }]) => [path, value]),
  );
  expect(isDeepStrictEqual(await listed(home.url, 'main'), leaves)).toBe(true);
  expect(isDeepStrictEqual(await copied(home), leaves)).toBe(true);
}, 120_000);

type Answer = { readonly [field: string]: unknown };

async function fetched(url: string, route: string, body?: string): Promise<string> {
  const headers = { authorization: 'Bearer dev', 'content-type': 'application/x-ndjson' };
  const request = body === undefined ? { headers } : { method: 'POST', headers, body };
  const answer = await fetch(`${url}/api/stores/demo/${route}`, request);
  const told = await answer.text();
  if (!answer.ok) throw new Error(`${route}: ${told}`);
  return told;
}

/** What is read at each path: a leaf, or a whole map. */
async function readEach(
  url: string,
  paths: Iterable<string>,
): Promise<ReadonlyMap<string, unknown>> {
  const values = new Map<string, unknown>();
  for (const path of paths) {
    const answer: Answer = JSON.parse(await fetched(url, `main/entries/${path}`));
    values.set(path, answer['value']);
  }
  return values;
}

/** All leaves, page by page. */
async function listed(url: string, store: string): Promise<ReadonlyMap<string, unknown>> {
  const leaves = new Map<string, unknown>();
  for (let after = ''; ;) {
    const answer: Answer = JSON.parse(await fetched(url, `${store}/entries?limit=500${after}`));
    const items = answer['items'] as { path: string; value: unknown }[];
    for (const { path, value } of items) leaves.set(path, value);
    const { next_cursor: next } = answer;
    if (typeof next !== 'string') return leaves;
    after = `&after=${encodeURIComponent(next)}`;
  }
}

/** The leaves of another store into which the export of this one was imported. */
async function copied({ server, url }: World): Promise<ReadonlyMap<string, unknown>> {
  await server.stores.create('demo/copy');
  const report: Answer = JSON.parse(
    await fetched(url, 'copy/import', await fetched(url, 'main/export')),
  );
  expect(report).toMatchObject({ ok: true, failed_total: 0 });
  return listed(url, 'copy');
}
