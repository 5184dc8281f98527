import { defaultLimits, jsonCodec, type Limits } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { expect, test } from 'vitest';
import { type Knock, UpgradeRefused } from './peer.ts';
import { valuesOf } from './replica.ts';
import { ask, put, reasonOf, write } from './talk.ts';
import { topic, world } from './world.ts';

/** Nested so many levels deep, a scalar in the middle. */
function lists(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i += 1) value = [value];
  return value;
}

function maps(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i += 1) value = { k: value };
  return value;
}

function leaves(count: number): object {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));
}

type Case = {
  readonly what: string;
  readonly limits: Partial<Limits>;
  readonly reason: string;
  readonly limit: number;
  readonly fits: object;
  readonly exceeds: object;
};

/** A set at the limit and one past it. */
function sets(
  what: string,
  [name, limit]: readonly [keyof Limits, number],
  [reason, fits, exceeds]: readonly [string, object, object],
): Case {
  return { what, limits: { [name]: limit }, reason, limit, fits, exceeds };
}

const value = 'max_value_bytes';
const depth = 'max_depth';
const cases: readonly Case[] = [
  sets(
    'text',
    [value, 100],
    ['value_too_large', { value: 'x'.repeat(98) }, { value: 'x'.repeat(99) }],
  ),
  sets(
    'text beyond ASCII',
    [value, 100],
    ['value_too_large', { value: 'é'.repeat(49) }, { value: 'é'.repeat(50) }],
  ),
  sets(
    'text with escapes',
    [value, 100],
    ['value_too_large', { value: '"'.repeat(49) }, { value: '"'.repeat(50) }],
  ),
  sets(
    'a list',
    [value, 9],
    ['value_too_large', { value: [1, 2, 3, 4] }, { value: [1, 2, 3, 45] }],
  ),
  sets(
    'a leaf of a map',
    [value, 4],
    ['value_too_large', { value: { a: 1234, b: 'xx' } }, { value: { a: 1234, b: 'xxx' } }],
  ),
  sets(
    'leaves',
    ['max_leaves_per_write', 3],
    ['too_many_leaves', { value: leaves(3) }, { value: leaves(4) }],
  ),
  sets('the depth of a path', [depth, 4], ['too_deep', { path: 'a/b/c/d' }, { path: 'a/b/c/d/e' }]),
  sets(
    'the depth of a map',
    [depth, 4],
    ['too_deep', { path: 'a', value: maps(3) }, { path: 'a', value: maps(4) }],
  ),
  sets('levels inside a leaf', [depth, 4], ['too_deep', { value: lists(4) }, { value: lists(5) }]),
  sets('maps inside a leaf', [depth, 4], ['too_deep', { value: [maps(3)] }, { value: [maps(4)] }]),
  sets(
    'a segment',
    ['max_segment_bytes', 10],
    ['segment_too_long', { path: 'é'.repeat(5) }, { path: `${'é'.repeat(5)}x` }],
  ),
  sets(
    'a segment, escapes counted as rendered',
    ['max_segment_bytes', 10],
    [
      'segment_too_long',
      { path_segments: ['/'.repeat(5)] },
      { path_segments: [`${'/'.repeat(5)}x`] },
    ],
  ),
  sets(
    'a key',
    ['max_segment_bytes', 10],
    ['segment_too_long', { value: { ['k'.repeat(10)]: 1 } }, { value: { ['k'.repeat(11)]: 1 } }],
  ),
  sets(
    'a path',
    ['max_path_bytes', 30],
    [
      'path_too_long',
      { path: `${'x'.repeat(20)}/${'x'.repeat(9)}` },
      { path: `${'x'.repeat(20)}/${'x'.repeat(10)}` },
    ],
  ),
  sets(
    'the path of a leaf of a map',
    ['max_path_bytes', 30],
    [
      'path_too_long',
      { path: 'x'.repeat(20), value: { ['k'.repeat(9)]: 1 } },
      { path: 'x'.repeat(20), value: { ['k'.repeat(10)]: 1 } },
    ],
  ),
];

const formats: readonly (readonly [string, Knock])[] = [
  ['capver 3 in JSON', { capver: '3' }],
  ['capver 4 in MessagePack', { vsn: '3.0.0' }],
];

test.each(
  formats.flatMap(([tongue, knock]) =>
    cases.map((each) => ({ tongue, knock, each, what: each.what, reason: each.reason })),
  ),
)(
  'S29 in $tongue $what at the limit passes, one above is refused with $reason, and the socket stays up',
  async ({ knock, each: { limits, reason, limit, fits, exceeds } }) => {
    const { joined } = await world({ limits });
    const peer = await joined(knock);
    expect((await write(peer, 'set', 'p', { value: 1, ...fits })).status).toBe('ok');
    const { status, response } = await write(peer, 'set', 'q', { value: 1, ...exceeds });
    expect([status, response]).toEqual(['error', expect.objectContaining({ reason, limit })]);
    expect(await put(peer, 'r', 1)).toBe(2);
  },
);

test('S29 the result of an add counts as the value', async () => {
  const home = await world({ limits: { max_value_bytes: 20 } });
  const peer = await home.joined();
  // Two members of 8 bytes, brackets and a comma are 19 bytes, one byte more in the second is 20.
  await write(peer, 'add', 's', { value: 'abcdef' });
  expect((await write(peer, 'add', 's', { value: 'bcdefgh' })).status).toBe('ok');
  const { response } = await write(peer, 'add', 's', { value: '' });
  expect(response).toMatchObject({ reason: 'value_too_large', limit: 20, path: 's' });
  expect(await valuesOf(home)).toEqual({ s: ['bcdefgh', 'abcdef'] });
  expect((await write(peer, 'remove', 's', { value: 'abcdef' })).status).toBe('ok');
});

test('S29 ops and preconditions of a transaction are counted', async () => {
  const { joined } = await world({ limits: { max_tx_ops: 2 } });
  const peer = await joined();
  const op = { op: 'increment', path: 'c', value: 1 };
  const condition = { path: 'none', if_absent: true };
  const transact = (id: string, ops: number, preconditions: number): Promise<unknown> =>
    peer
      .ask(topic, 'transact', {
        client_op_id: id,
        ops: Array.from({ length: ops }, () => op),
        preconditions: Array.from({ length: preconditions }, () => condition),
      })
      .then(({ response }) => response);
  expect(await transact('fits', 2, 2)).toMatchObject({ store_seq: 2 });
  expect(await transact('ops', 3, 0)).toEqual({ reason: 'too_many_ops', limit: 2 });
  expect(await transact('conditions', 1, 3)).toEqual({ reason: 'too_many_ops', limit: 2 });
  expect(await put(peer, 'a', 1)).toBe(3);
});

test.each([
  ['2.0.0', jsonCodec],
  ['3.0.0', messagePackCodec()],
])('S29 on vsn %s a frame at the limit passes, one byte more is refused', async (vsn, codec) => {
  const limit = 5000;
  const { joined } = await world({ limits: { max_frame_bytes: limit } });
  const peer = await joined({ vsn });
  const sized = (ref: string, bytes: number): string | Uint8Array => {
    const frame = (filler: number) =>
      codec.encode([
        peer.joinRef,
        ref,
        topic,
        'write',
        ask('set', 'a', { value: 'x'.repeat(filler) }),
      ]);
    const spare = bytes - Buffer.byteLength(frame(1000));
    // The op id may have grown a digit between the two.
    const made = frame(1000 + spare);
    return Buffer.byteLength(made) === bytes ? made : sized(ref, bytes);
  };
  peer.sendRaw(sized('fits', limit));
  expect((await peer.reply('fits')).response).toEqual({ store_seq: 1 });
  peer.sendRaw(sized('over', limit + 1));
  expect(await peer.reply('over')).toEqual({
    status: 'error',
    response: { reason: 'frame_too_large', limit },
  });
  expect(await put(peer, 'b', 1)).toBe(2);
});

test.each(['2.0.0', '3.0.0'])(
  'S29 on vsn %s a frame above the hard cap closes the socket with 1009, and nobody else notices',
  async (vsn) => {
    const { joined } = await world({ limits: { max_frame_bytes: 2000, hard_frame_bytes: 10_000 } });
    const [peer, other] = [await joined({ vsn }), await joined({ device: 'd2' })];
    peer.sendRaw(vsn === '3.0.0' ? Buffer.alloc(10_001, 0xc0) : ' '.repeat(10_001));
    expect(await peer.closed()).toBe(1009);
    const flood = await joined({ vsn, device: 'd3' });
    flood.sendRaw(Buffer.alloc(8_000_000, ' ').toString());
    expect(await flood.closed()).toBe(1009);
    expect(await put(other, 'a', 1)).toBe(1);
  },
);

test('S29 a frame between the limits that cannot be read is dropped, one at the hard cap does not close', async () => {
  const { joined } = await world({ limits: { max_frame_bytes: 2000, hard_frame_bytes: 10_000 } });
  const peer = await joined();
  peer.sendRaw(' '.repeat(10_000));
  expect(await put(peer, 'a', 1)).toBe(1);
});

test('S29 a socket joins as many channels as the limit says, and another once it has left one', async () => {
  const { server, connect } = await world({ limits: { max_channels_per_socket: 2 } });
  for (const name of ['demo/b', 'demo/c']) await server.stores.create(name);
  const peer = await connect();
  expect((await peer.join(topic)).status).toBe('ok');
  const first = peer.joinRef;
  expect((await peer.join('store:demo/b')).status).toBe('ok');
  expect(await peer.join('store:demo/c')).toEqual({
    status: 'error',
    response: { reason: 'too many channels joined' },
  });
  // A second join on a joined topic takes the place of the first.
  expect((await peer.join('store:demo/b')).status).toBe('ok');
  peer.send([first, 'leave', topic, 'phx_leave', {}]);
  expect((await peer.reply('leave')).status).toBe('ok');
  expect((await peer.join('store:demo/c')).status).toBe('ok');
});

test('S29 a token opens as many sockets as the limit says, and another once one has closed', async () => {
  const { server, connect } = await world({ limits: { max_sockets_per_token: 2 } });
  const knocks = await Promise.allSettled([1, 2, 3].map((i) => connect({ device: `d${i}` })));
  const opened = knocks.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const refused = knocks.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  expect(opened).toHaveLength(2);
  if (!(refused[0] instanceof UpgradeRefused)) throw new Error('no upgrade was refused');
  expect([refused[0].status, refused[0].body['error']]).toEqual([403, 'too_many_connections']);
  opened[0]?.close();
  await opened[0]?.closed();
  await expect.poll(() => server.describe().sockets).toBe(1);
  expect(reasonOf(await (await connect({ device: 'd4' })).join('store:none'))).toBe('unauthorized');
});

test('S29 a join names as many patterns as the limit says', async () => {
  const { connect } = await world({ limits: { max_patterns: 1 } });
  const peer = await connect();
  const join = (patterns: readonly string[]) => peer.join(topic, { last_store_seq: 0, patterns });
  expect((await join(['**'])).status).toBe('ok');
  expect((await join(['**', 'a'])).response).toEqual({ reason: 'too_many_patterns', limit: 1 });
});

test('S29 a capver-4 join is told the limits in force', async () => {
  const { connect } = await world({ limits: { max_tx_ops: 7 } });
  const peer = await connect();
  const { response } = await peer.join(topic);
  expect(response['limits']).toEqual({ ...defaultLimits, max_tx_ops: 7 });
});

test('S29 where the limits of paths are wider, so are those of patterns: of a join, of a scope push', async () => {
  const { connect } = await world({
    limits: { max_segment_bytes: 2000, max_path_bytes: 4000, max_depth: 50 },
  });
  const deep = 'd/'.repeat(49);
  const long = 'x'.repeat(1500);
  const peer = await connect();
  const { status, response } = await peer.join(topic, {
    last_store_seq: 0,
    patterns: [`${deep}**`, `${long}/*`],
  });
  expect([status, response['patterns']]).toEqual(['ok', [`${deep}**`, `${long}/*`]]);
  await peer.caughtUp();
  const added = await peer.ask(topic, 'scope', { add: [`y${long}`] });
  expect(added).toMatchObject({ status: 'ok', response: { denied: [] } });
  expect(await put(peer, `y${long}`, 1)).toBe(1);
  expect(await put(peer, `${deep}e`, 1)).toBe(2);
});

test('S29 topics of each kind may be joined at once, as many as the limit says', async () => {
  const { server, connect } = await world({ limits: { max_channels_per_socket: 2 } });
  await server.stores.create('demo/b');
  const peer = await connect();
  const topics = [topic, 'store:demo/b', 'presence:demo/main:x', 'presence:demo/main:y'];
  const payload = { last_store_seq: 0 };
  for (const [ref, each] of topics.entries()) {
    peer.send([`${ref}`, `${ref}`, each, 'phx_join', payload]);
  }
  const replies = await Promise.all(
    topics.map(() => peer.until(([, , , event]) => event === 'phx_reply')),
  );
  expect(replies.map(([, , , , { status }]) => status)).toEqual(topics.map(() => 'ok'));
});

/** A line of an import, so many bytes long. */
function lineOf(bytes: number): string {
  return '{"path":"a","value":"","type":"string"}'.replace('""', `"${'x'.repeat(bytes - 39)}"`);
}

test('S29 the paths of a batch, a line of an import and the webhooks of a store are as many, and as long, as the limits say', async () => {
  const { url } = await world({
    limits: { max_batch_paths: 2, max_import_line: 60, max_webhooks: 1 },
    webhooks: { http: true },
  });
  const post = async (route: string, body: string, type = 'application/json'): Promise<unknown> => {
    const headers = { authorization: 'Bearer dev', 'content-type': type };
    const address = new URL(`/api/stores/demo/main/${route}`, url);
    const answer = await fetch(address, { method: 'POST', headers, body });
    return { status: answer.status, ...Object(await answer.json()) };
  };
  const batch = (count: number): Promise<unknown> =>
    post('entries/batch', JSON.stringify({ paths: Array.from({ length: count }, () => 'a') }));
  expect(await batch(2)).toEqual({ status: 200, entries: {}, missing: ['a'] });
  expect(await batch(3)).toEqual({ status: 400, error: 'too_many_ops', limit: 2 });
  const lines = ['{"_header":true,"path_schema_version":3}', lineOf(60), lineOf(61)];
  expect(await post('import', lines.join('\n'), 'application/x-ndjson')).toMatchObject({
    imported: 1,
    failed: [{ line: 3, reason: 'body_too_large' }],
  });
  const hook = JSON.stringify({ url: 'http://example.org/' });
  expect(await post('webhooks', hook)).toMatchObject({ status: 201 });
  expect(await post('webhooks', hook)).toMatchObject({ error: 'limit_exceeded', limit: 1 });
});

test('S29 a batch reads as many paths as the default says, and no more', async () => {
  const { url } = await world();
  const read = async (count: number): Promise<number> => {
    const answer = await fetch(new URL('/api/stores/demo/main/entries/batch', url), {
      method: 'POST',
      headers: { authorization: 'Bearer dev', 'content-type': 'application/json' },
      body: JSON.stringify({ paths: Array.from({ length: count }, (_, i) => `p/${i}`) }),
    });
    await answer.text();
    return answer.status;
  };
  expect([await read(1000), await read(1001)]).toEqual([200, 400]);
});
