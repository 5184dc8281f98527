import { jsonCodec } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { expect, test } from 'vitest';
import { principals } from './principals.ts';
import type { Knock, Peer } from './peer.ts';
import { arrived, ask, dialects, hear, put, reasonOf, tongues, write } from './talk.ts';
import { set, topic, world } from './world.ts';

test.each(dialects)(
  'S5 on %s a token that may only read joins, is told so, and its write is refused for the scope',
  async (_name, knock) => {
    const reader = { scopes: new Set(['entries:read'] as const) };
    const { connect, joined } = await world({ authenticate: principals({ reader }) });
    const peer = await connect({ ...knock, token: 'reader' });
    const { status, response } = await peer.join(topic);
    expect(status).toBe('ok');
    expect(response).toMatchObject({
      permissions: { read: true, write: false },
      scopes: ['entries:read'],
    });
    await peer.caughtUp();
    const refused = await peer.ask(topic, 'write', set('a', 1, 'x'));
    expect(refused).toEqual({
      status: 'error',
      response: { reason: 'missing_scope', scope: 'entries:write', message: expect.any(String) },
    });
    // The scope is looked at before anything in the payload.
    expect(reasonOf(await peer.ask(topic, 'write', {}))).toBe('missing_scope');
    const writer = await joined({ device: 'd2' });
    expect(await put(writer, 'a', 1)).toBe(1);
  },
);

test.each(dialects)('S6 on %s a token for another store is told so', async (_name, knock) => {
  const known: { [token: string]: object } = {};
  const { server, connect } = await world({
    authenticate: async (credentials) => principals(known)(credentials),
  });
  const other = await server.stores.create('demo/other');
  const selected = { mode: 'selected', storeIds: [other?.id ?? ''] };
  known['other'] = { storeAccess: selected };
  known['blind'] = { storeAccess: selected, scopes: new Set() };
  const peer = await connect({ ...knock, token: 'other' });
  expect(await peer.join(topic)).toEqual({
    status: 'error',
    response: { reason: 'store_not_allowed', message: expect.any(String) },
  });
  const reply = await peer.join('store:demo/other');
  expect(reply.response).toMatchObject({
    store_access: { mode: 'selected', store_ids: [other?.id] },
  });
  const blind = await connect({ ...knock, token: 'blind', device: 'd2' });
  expect(reasonOf(await blind.join(topic))).toBe('store_not_allowed');
  expect(await blind.join('store:demo/other')).toEqual({
    status: 'error',
    response: { reason: 'missing_scope', scope: 'entries:read', message: expect.any(String) },
  });
});

test.each(dialects)(
  'S6 on %s stores that are unknown, archived or malformed are all unauthorized',
  async (_name, knock) => {
    const { server, connect } = await world();
    const old = await server.stores.create('demo/old');
    await server.stores.archive(old?.id ?? '');
    const peer = await connect(knock);
    const refs = [
      'demo/none demo/old 00000000-0000-4000-8000-000000000000 demo demo/ /main Demo/main'.split(
        ' ',
      ),
      'demo/main/x ../main demo/ma%69n'.split(' '),
      [old?.id, ''],
    ];
    for (const ref of refs.flat()) {
      expect(await peer.join(`store:${ref}`)).toEqual({
        status: 'error',
        response: { reason: 'unauthorized' },
      });
    }
    expect((await peer.join(topic)).status).toBe('ok');
  },
);

test.each(tongues)(
  'S7 in %s a push to a topic that is not joined is unmatched',
  async (_n, knock) => {
    const { connect } = await world();
    const peer = await connect(knock);
    peer.send([null, '9', topic, 'write', set('a', 1, 'x')]);
    expect(await peer.next()).toEqual([
      null,
      '9',
      topic,
      'phx_reply',
      { status: 'error', response: { reason: 'unmatched topic' } },
    ]);
    peer.send(['1', '10', topic, 'phx_leave', {}]);
    expect((await peer.next()).slice(1)).toEqual(['10', topic, 'phx_reply', okEmpty]);
  },
);

const okEmpty = { status: 'ok', response: {} };

test.each(tongues)(
  'S7 in %s a push with a stale join_ref is ignored, one with none is taken',
  async (_name, knock) => {
    const { joined } = await world();
    const peer = await joined(knock);
    peer.send(['of-another-life', 'stale', topic, 'write', set('a', 1, 'x')]);
    peer.send([null, 'plain', topic, 'write', set('a', 2, 'y')]);
    const [event, reply] = [await peer.next(), await peer.next()];
    expect(event[3]).toMatch(/^events?$/);
    expect(reply).toEqual([
      peer.joinRef,
      'plain',
      topic,
      'phx_reply',
      { status: 'ok', response: { store_seq: 1 } },
    ]);
  },
);

test.each(tongues)(
  'S7 in %s a leave is answered ok, then the channel closes',
  async (_n, knock) => {
    const { joined } = await world();
    const peer = await joined(knock);
    const ref = peer.push(topic, 'phx_leave', {});
    expect(await peer.next()).toEqual([peer.joinRef, ref, topic, 'phx_reply', okEmpty]);
    expect(await peer.next()).toEqual([peer.joinRef, peer.joinRef, topic, 'phx_close', {}]);
    expect(reasonOf(await write(peer, 'set', 'a', { value: 1 }))).toBe('unmatched topic');
  },
);

test.each(tongues)(
  'S8 in %s a second join closes the first channel, and each op is heard once',
  async (_name, knock) => {
    const { connect } = await world();
    const peer = await connect(knock);
    await peer.join(topic);
    await peer.caughtUp();
    const old = peer.joinRef;
    peer.send(['again', 'again', topic, 'phx_join', { last_store_seq: 0 }]);
    expect(await peer.next()).toEqual([old, old, topic, 'phx_close', {}]);
    const reply = await peer.next();
    expect(reply.slice(0, 4)).toEqual(['again', 'again', topic, 'phx_reply']);
    expect((await peer.next())[3]).toBe('catch_up_complete');
    peer.send([old, 'old', topic, 'write', set('a', 1, 'x')]);
    peer.send(['again', 'new', topic, 'write', set('a', 2, 'y')]);
    expect((await hear(peer, 1)).map(({ value }) => value)).toEqual([2]);
    expect((await peer.next())[1]).toBe('new');
    // A round trip later nothing else has come.
    peer.send(['again', 'last', topic, 'ack_seq', { seq: 1 }]);
    expect(await peer.next()).toEqual(['again', 'last', topic, 'phx_reply', okEmpty]);
  },
);

const badPushes: readonly (readonly [string, string, object, object])[] = [
  ['an unknown event', 'wrote', {}, { reason: 'unknown_event' }],
  ['a write without path', 'write', { op: 'set', client_op_id: 'x' }, { reason: 'missing_path' }],
  ['a write without op', 'write', { path: 'a', client_op_id: 'x' }, { reason: 'invalid op' }],
  ['a write with no known op', 'write', ask('put', 'a'), { reason: 'invalid op' }],
  ['a write named put_file', 'write', ask('put_file', 'a'), { reason: 'invalid op' }],
  ['a write named like a method', 'write', ask('toString', 'a'), { reason: 'invalid op' }],
  [
    'a write without client_op_id',
    'write',
    { op: 'set', path: 'a', value: 1 },
    field('client_op_id'),
  ],
  ['an empty client_op_id', 'write', ask('set', 'a', { client_op_id: '' }), field('client_op_id')],
  [
    'a client_op_id that is a number',
    'write',
    ask('set', 'a', { client_op_id: 7 }),
    field('client_op_id'),
  ],
  ['a path that is a number', 'write', ask('set', 'a', { path: 7 }), { reason: 'invalid_path' }],
  [
    'path_segments of numbers',
    'write',
    ask('set', 'a', { path_segments: [1] }),
    { reason: 'not_a_string' },
  ],
  [
    'path_segments that are text',
    'write',
    ask('set', 'a', { path_segments: 'a' }),
    { reason: 'not_a_list' },
  ],
  ['an empty key', 'write', ask('set', 'a', { value: { '': 1 } }), { reason: 'empty_segment' }],
  ['rollback without to_seq', 'rollback', { path: 'a' }, field('to_seq')],
  ['put_file without content', 'put_file', { path: 'a', client_op_id: 'x' }, field('content')],
  ['ack_seq without seq', 'ack_seq', {}, field('seq')],
];

function field(name: string): object {
  return { reason: 'invalid_payload', field: name };
}

const cases = tongues.flatMap(([tongue, knock]) =>
  badPushes.map(([what, event, payload, refusal]) => ({
    tongue,
    knock,
    what,
    event,
    payload,
    refusal,
  })),
);

test.each(cases)(
  'S9 in $tongue $what is refused, and a valid write on the same channel succeeds (P2)',
  async ({ knock, event, payload, refusal }) => {
    const { joined } = await world();
    const peer = await joined(knock);
    const { status, response } = await peer.ask(topic, event, payload);
    expect(status).toBe('error');
    expect(response).toMatchObject(refusal);
    expect(await put(peer, 'a', 1)).toBe(1);
  },
);

test.each(tongues)(
  'S9 in %s a join without last_store_seq is refused, and the next join succeeds',
  async (_name, knock) => {
    const { connect } = await world();
    const peer = await connect(knock);
    for (const payload of [
      {},
      { last_store_seq: -1 },
      { last_store_seq: '0' },
      { last_store_seq: 0.5 },
    ]) {
      const reply = await peer.join(topic, payload);
      expect(reply).toEqual({ status: 'error', response: field('last_store_seq') });
    }
    expect((await peer.join(topic)).status).toBe('ok');
    await peer.caughtUp();
    expect(await put(peer, 'a', 1)).toBe(1);
  },
);

test.each(tongues)(
  'S9 in %s a frame with a readable ref and topic but no payload is refused, and the channel lives on',
  async (_name, knock) => {
    const { joined } = await world();
    const peer = await joined(knock);
    for (const payload of [null, 7, 'x', [1]]) {
      const ref = peer.ref();
      peer.send([peer.joinRef, ref, topic, 'write', payload]);
      expect(await peer.reply(ref)).toEqual({ status: 'error', response: field('payload') });
    }
    const ref = peer.ref();
    peer.send([peer.joinRef, ref, topic, 7, {}]);
    expect(await peer.reply(ref)).toEqual({ status: 'error', response: field('event') });
    expect(await put(peer, 'a', 1)).toBe(1);
  },
);

// Three bytes of MessagePack text that are no UTF-8, in place of three letters.
const spoil = (bytes: Uint8Array): Uint8Array => {
  const at = Buffer.from(bytes).indexOf('@@@');
  return Buffer.concat([
    bytes.subarray(0, at),
    Buffer.from([0xff, 0xfe, 0xfd]),
    bytes.subarray(at + 3),
  ]);
};

test.each([
  ['the path', { path: '@@@' }, field('path')],
  ['the value', { value: '@@@' }, { reason: 'invalid_value' }],
  ['a value inside the value', { value: { b: ['@@@'] } }, { reason: 'invalid_value' }],
  ['a key of the value', { value: { '@@@': 1 } }, { reason: 'invalid_value' }],
  ['the op id', { client_op_id: '@@@' }, field('client_op_id')],
])(
  'S9 invalid UTF-8 in %s of a MessagePack write is refused, and a valid write succeeds',
  async (_w, more, refusal) => {
    const { joined } = await world();
    const peer = await joined({ vsn: '3.0.0' });
    const ref = peer.ref();
    const frame = [peer.joinRef, ref, topic, 'write', ask('set', 'a', more)];
    peer.sendRaw(spoil(messagePackCodec().encode(frame) as Uint8Array));
    const { response } = await peer.reply(ref);
    expect(response).toMatchObject(refusal);
    expect(await put(peer, 'a', 1)).toBe(1);
  },
);

const noise: readonly (readonly [string, Knock, string | Uint8Array])[] = [
  ['text that is no JSON', { vsn: '2.0.0' }, '{'],
  ['JSON that is no frame', { vsn: '2.0.0' }, '{"a":1}'],
  ['a binary frame on a JSON socket', { vsn: '2.0.0' }, Buffer.from([0x90])],
  ['bytes that are no MessagePack', { vsn: '3.0.0' }, Buffer.from([0xc1])],
  ['a frame cut off', { vsn: '3.0.0' }, Buffer.from([0x95, 0xc0])],
  ['no frame at all', { vsn: '3.0.0' }, Buffer.from([0x90])],
];

test.each(noise)(
  'S9 nine times %s is dropped, the tenth closes the socket with 1007',
  async (_w, knock, data) => {
    const { joined } = await world();
    const peer = await joined(knock);
    for (let i = 0; i < 9; i += 1) peer.sendRaw(data);
    expect(await put(peer, 'a', 1)).toBe(1);
    peer.sendRaw(data);
    expect(await peer.closed()).toBe(1007);
  },
);

test('S9 a MessagePack socket takes JSON text too, and answers in MessagePack', async () => {
  const { joined } = await world();
  const peer: Peer = await joined({ vsn: '3.0.0' });
  peer.sendRaw(jsonCodec.encode([peer.joinRef, 'text', topic, 'write', set('a', 1, 'x')]));
  expect((await peer.reply('text')).response).toEqual({ store_seq: 1 });
});

test.each(dialects)(
  'on %s whoever leaves at once hears nothing more of the topic (§7.3)',
  async (_name, knock) => {
    const { joined, connect } = await world();
    const filler = await joined();
    await put(
      filler,
      'all',
      Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, i])),
    );
    const peer = await connect({ ...knock, device: 'hasty' });
    peer.send(['1', '1', topic, 'phx_join', { last_store_seq: 0 }]);
    peer.send(['1', '2', topic, 'phx_leave', {}]);
    await peer.until(([, , , event]) => event === 'phx_close');
    // What would be sent in the turns to come is sent before what is asked later, elsewhere.
    for (let turn = 0; turn < 3; turn += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await put(filler, 'later', turn);
      // oxlint-disable-next-line no-await-in-loop -- the same
      await arrived(peer);
    }
    const heard = peer.heard.filter(([, , on]) => on === topic).map(([, , , event]) => event);
    expect(heard.slice(heard.indexOf('phx_close') + 1)).toEqual([]);
  },
);
