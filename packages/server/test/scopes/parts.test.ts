import { Scope } from '@holdfast/engine/data';
import { asGlob, jsonCodec } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type ChannelScope, channelScope, patternOf } from '../../src/socket/scope.ts';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer, WireFrame } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { ask, hear, opsIn, put, reasonOf, seqOf, write } from '../conversation/talk.ts';
import { topic, world } from '../conversation/world.ts';
import { PartReplica } from './part.ts';

const codecs = [
  ['JSON', {}],
  ['MessagePack', { vsn: '3.0.0' }],
] as const;

const reading = (patterns: readonly string[]) => ({
  me: { pathRules: patterns.map((pattern) => ({ pattern, allow: ['read'] as const })) },
});

const mine = { last_store_seq: 0, patterns: ['tenants/1/**'] };

/** The payloads of the next `events` frames, up to one that reaches a seq. */
async function events(peer: Peer, to: number): Promise<readonly (readonly unknown[])[]> {
  const frames: unknown[][] = [];
  for (;;) {
    const [, , , , payload] = await peer.until(([, , , event]) => event === 'events');
    const ops = (payload['ops'] as unknown[][]).map(([seq, op, path, value]) => [
      seq,
      op,
      path,
      value,
    ]);
    frames.push([payload['from_seq'], payload['to_seq'], ops]);
    if (Number(payload['to_seq']) >= to) return frames;
  }
}

function kinds(frames: readonly WireFrame[]): readonly string[] {
  return frames.map(([, , , event]) => event);
}

test.each(codecs)(
  'S83 in %s a replica of one tenant is told of that tenant only, and of silence',
  async (_name, knock) => {
    const { joined, connect } = await world();
    const writer = await joined({ device: 'w' });
    await put(writer, 'tenants/1/name', 'one');
    await put(writer, 'tenants/2/name', 'hush-2');
    const peer = await connect(knock);
    const reply = await peer.join(topic, mine);
    expect(reply.response).toMatchObject({
      patterns: ['tenants/1/**'],
      sync: 'snapshot',
      why: 'fresh',
    });
    const caughtUp = await peer.caughtUp();
    expect(kinds(caughtUp)).toEqual([
      'snapshot_begin',
      'snapshot_chunk',
      'snapshot_end',
      'catch_up_complete',
    ]);
    expect(caughtUp[0]?.[4]).toMatchObject({ seq: 2, entries: null, within: null });
    expect(caughtUp[1]?.[4]).toMatchObject({
      entries: [['tenants/1/name', 'one', 'string', 1]],
      maps: [],
    });
    const steps: [string, string, object, unknown[]][] = [
      [
        'set',
        'tenants',
        { value: { 1: { a: 1 }, 2: { a: 'hush' } } },
        ['set', 'tenants', { 1: { a: 1 } }],
      ],
      [
        'merge',
        'tenants',
        { value: { 1: { b: 2 }, 3: { c: 'hush' } } },
        ['merge', 'tenants', { 1: { b: 2 } }],
      ],
      ['set', 'tenants', { value: { 2: { a: 'hush' } } }, ['delete', 'tenants', null]],
      ['increment', 'tenants/1/n', { value: 3 }, ['increment', 'tenants/1/n', 3]],
      ['delete', 'tenants', {}, ['delete', 'tenants', null]],
    ];
    let from = 2;
    for (const [op, path, more, expected] of steps) {
      const seq = seqOf(await write(writer, op, path, more));
      const frames = await events(peer, seq);
      const ops = frames.flatMap(([, , each]) => each as unknown[][]);
      expect(ops.map((each) => each.slice(1)).at(-1)).toEqual(expected);
      expect(frames.at(0)?.[0]).toBe(from);
      from = Number(frames.at(-1)?.[1]);
    }
    const silent = await put(writer, 'tenants/2/name', 'hush');
    expect(await events(peer, silent)).toEqual([[from, silent, []]]);
    // Nothing of others: not a path, not a value, be it in a frame that is told for another reason.
    expect(JSON.stringify(peer.heard)).not.toMatch(/hush|tenants\/2|tenants\/3/);
  },
);

test('S83 the cursor advances in silence within a second of the commit', async () => {
  const clock = new VirtualClock();
  const { joined } = await world({ clock });
  const writer = await joined({ device: 'w' });
  const peer = await joined({}, mine);
  const seq = await put(writer, 'elsewhere', 1);
  await clock.pass(1000);
  expect(await events(peer, seq)).toEqual([[0, seq, []]]);
});

test('S83 a reply that names a seq comes after the cursor has reached it, own writes out of scope included', async () => {
  const { connect } = await world();
  const peer = await connect();
  await peer.join(topic, mine);
  await peer.caughtUp();
  const outside = peer.push(topic, 'write', ask('set', 'tenants/2/x', { value: 1 }));
  const inside = peer.push(topic, 'write', ask('set', 'tenants/1/x', { value: 1 }));
  await peer.reply(outside);
  await peer.reply(inside);
  const replica = new PartReplica();
  replica.take(peer);
  expect(replica.values).toEqual({ 'tenants/1/x': 1 });
  expect(replica.cursor).toBe(2);
});

test('S83 a channel without patterns is told of nothing, and has its writes answered', async () => {
  const { joined } = await world();
  const writer = await joined({ device: 'w' });
  const peer = await joined({}, { last_store_seq: 0, patterns: [] });
  await put(writer, 'a', 1);
  await put(peer, 'b', 2);
  await put(writer, 'c', 3);
  await put(peer, 'd', 4);
  expect(kinds(peer.heard)).toEqual(['phx_reply', 'catch_up_complete', 'phx_reply', 'phx_reply']);
});

test('S83 a replica resumes by a tail of what it lacks; another scope, or none known, starts over', async () => {
  const { joined, connect } = await world();
  const writer = await joined({ device: 'w' });
  await put(writer, 'tenants/1/a', 1);
  const replica = new PartReplica();
  const first = await connect({ device: 'r' });
  await first.join(topic, mine);
  await first.caughtUp();
  replica.take(first);
  first.cut();
  await put(writer, 'tenants/2/a', 2);
  await put(writer, 'tenants/1/a', 3);
  await put(writer, 'tenants/2/a', 4);
  const second = await connect({ device: 'r' });
  const resumed = await second.join(topic, replica.join());
  expect(resumed.response).toMatchObject({ sync: 'tail', why: null });
  const frames = await second.caughtUp();
  expect(opsIn(frames).map(({ seq, path }) => [seq, path])).toEqual([[3, 'tenants/1/a']]);
  replica.follow();
  replica.take(second);
  expect([replica.cursor, replica.values]).toEqual([4, { 'tenants/1/a': 3 }]);
  const third = await connect({ device: 'r' });
  const widened = await third.join(topic, replica.join(['tenants/**']));
  expect(widened.response).toMatchObject({ sync: 'snapshot', why: 'scope' });
  // The order in which patterns are given makes no difference.
  const [a, b] = await Promise.all(
    [
      ['a', 'b'],
      ['b', 'a', 'b'],
    ].map(async (patterns) => (await connect()).join(topic, { last_store_seq: 0, patterns })),
  );
  expect(a?.response['scope']).toBe(b?.response['scope']);
});

test('S83 many more ops than leaves in scope are cheaper as a snapshot', async () => {
  const { joined, connect } = await world();
  const writer = await joined({ device: 'w' });
  await put(writer, 'tenants/1/a', 1);
  const ops = Array.from({ length: 600 }, () => ({ op: 'increment', path: 'elsewhere', value: 1 }));
  for (let i = 0; i < 2; i += 1) {
    seqOf(await writer.ask(topic, 'transact', { client_op_id: `many-${i}`, ops }));
  }
  const peer = await connect();
  const { scope, incarnation } = (await peer.join(topic, mine)).response;
  const near = { ...mine, last_store_seq: 202, scope, incarnation };
  expect((await peer.join(topic, near)).response).toMatchObject({ sync: 'tail' });
  const far = { ...near, last_store_seq: 200 };
  expect((await peer.join(topic, far)).response).toMatchObject({
    sync: 'snapshot',
    why: 'cheaper',
  });
});

test('S83 bad patterns are refused, and too many; good ones are taken up to the limit', async () => {
  const { connect } = await world({ limits: { max_patterns: 3 } });
  const peer = await connect();
  const join = async (patterns: unknown) => {
    const { status, response } = await peer.join(topic, { last_store_seq: 0, patterns });
    return status === 'ok' ? status : response['reason'];
  };
  expect(await join(['a', 'b', 'c'])).toBe('ok');
  expect(await join(['a', 'b', 'c', 'd'])).toBe('too_many_patterns');
  expect(await join(['a/**/b'])).toBe('invalid_pattern');
  expect(await join('a')).toBe('invalid_payload');
});

test('S83 channels of equal scope get the very same frames', async () => {
  const { joined } = await world();
  const writer = await joined({ device: 'w' });
  const [one, two] = await Promise.all([
    joined({ device: '1' }, mine),
    joined({ device: '2' }, mine),
  ]);
  for (let i = 0; i < 5; i += 1) await put(writer, `tenants/${i % 3}/x`, i);
  const last = await put(writer, 'tenants/1/x', 'last');
  const frames = await Promise.all([events(one, last), events(two, last)]);
  expect(frames[0]).toEqual(frames[1]);
});

test('a commit is encoded once for all channels of one dialect, format and part, and not at all for those that see nothing of it (§10.2.0)', async () => {
  const { joined } = await world();
  const writer = await joined({ device: 'w' }, { last_store_seq: 0, patterns: [] });
  const parts = [{ last_store_seq: 0 }, mine, { last_store_seq: 0, patterns: ['tenants/2/**'] }];
  const peers: Peer[] = [];
  for (let n = 0; n < 12; n += 1) {
    for (const part of parts) peers.push(await joined({ device: `j${peers.length}` }, part));
    peers.push(await joined({ device: `m${n}`, vsn: '3.0.0' }, mine));
    peers.push(await joined({ device: `o${n}`, capver: '3' }));
  }
  const encode = vi.spyOn(jsonCodec, 'encode');
  onTestFinished(() => encode.mockRestore());
  const seq = await put(writer, 'tenants/1/x', 'told');
  const heard = peers.filter((_, at) => at % 5 !== 2);
  for (const peer of heard) expect(await hear(peer, seq)).toMatchObject([{ value: 'told' }]);
  const frames = encode.mock.calls.map(([frame]) => (Array.isArray(frame) ? frame[3] : null));
  const told = ['event', 'events'].map((event) => frames.filter((each) => each === event).length);
  expect(told).toEqual([1, 2]);
});

/** What is had of `lots` under these read rules. */
function scopeOf(...rules: readonly string[]): ChannelScope {
  const readable = new Scope(rules.map((rule) => patternOf(asGlob(rule))));
  return channelScope([asGlob('lots/**')], readable);
}

test('channels whose rules differ elsewhere hold the same, and are told it together, under the names of their own scopes', () => {
  const ann = scopeOf('lots/**', 'users/ann/**');
  const bob = scopeOf('users/bob/**', 'lots/**');
  expect(bob.told).toBe(ann.told);
  expect(bob.hash).not.toBe(ann.hash);
  expect(scopeOf('**').told).toBe(ann.told);
  expect(scopeOf('lots/1/**').told).not.toBe(ann.told);
});

test('S102 a join of which nothing may be read is refused, on both dialects', async () => {
  const pathRules = [{ pattern: 'tenants/1/**', allow: ['read' as const] }];
  const { connect } = await world({
    authenticate: principals({ one: { pathRules }, none: { pathRules: [] } }),
  });
  const peer = await connect({ token: 'one' });
  const outside = await peer.join(topic, { last_store_seq: 0, patterns: ['tenants/2/**', 'x'] });
  expect(outside.response).toEqual({
    reason: 'path_not_allowed',
    path: 'tenants/2/**',
    message: expect.any(String),
  });
  const partly = await peer.join(topic, { last_store_seq: 0, patterns: ['tenants/*/a', 'x'] });
  expect(partly.status).toBe('ok');
  for (const capver of ['3', '4']) {
    const nobody = await connect({ token: 'none', capver, device: capver });
    expect(reasonOf(await nobody.join(topic))).toBe('path_not_allowed');
  }
});

test('S102 a capver-3 client that starts over is told what was deleted meanwhile, as far as its rules show the path or what went with it', async () => {
  const shown = ['a/**', 'deep/in/x/**', '*/notes/**'];
  let known = reading([...shown, 'b/**']);
  const { joined, connect } = await world({
    authenticate: async (credentials) => principals(known)(credentials),
  });
  const owner = await joined({ device: 'w' });
  const paths = ['a/x', 'b/x', 'deep/in/x/v', 'deep/z', 'w/notes/1', 'w/z', 'q/z', 'a/y'];
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (const path of paths) await put(owner, path, 1);
  const me = { capver: '3', token: 'me', device: 'me' };
  const before = await joined(me);
  // oxlint-disable-next-line no-await-in-loop -- the same
  for (const path of ['a/x', 'b/x', 'deep', 'w', 'q']) await write(owner, 'delete', path);
  known = reading(shown);
  expect(await before.closed()).toBe(4002);
  const after = await connect(me);
  await after.join(topic, { last_store_seq: paths.length });
  await after.caughtUp();
  const told = opsIn(after.heard).map(({ op, path }) => [op, path]);
  expect(told).toEqual([
    ['set', 'a/y'],
    ['delete', 'a/x'],
    ['delete', 'deep'],
    ['delete', 'w'],
  ]);
});

test('given much that was deleted, when a capver-3 client that reads a part starts over, then others have their turns while it is looked up what of that it may know', async () => {
  const storage = memory();
  const read = storage.read.bind(storage);
  const perTurn = [0];
  storage.read = (...asked) => {
    perTurn[perTurn.length - 1] = (perTurn.at(-1) ?? 0) + 1;
    return read(...asked);
  };
  const known = reading(['b/*/kept']);
  const { joined, connect } = await world({ storage, authenticate: principals(known) });
  const owner = await joined({ device: 'w' });
  const paths = Array.from({ length: 600 }, (_, n) => `b/${n}`);
  const all = async (opOf: (path: string) => object, id: string): Promise<void> => {
    const halves = [paths.slice(0, 300), paths.slice(300)];
    const refs = halves.map((half, at) =>
      owner.push(topic, 'transact', { client_op_id: `${id} ${at}`, ops: half.map(opOf) }),
    );
    for (const ref of refs) expect((await owner.reply(ref)).status).toBe('ok');
  };
  await all((path) => ({ op: 'set', path: `${path}/x`, value: 1 }), 'set');
  await all((path) => ({ op: 'delete', path }), 'delete');
  const peer = await connect({ capver: '3', token: 'me', device: 'me' });
  let isOver = false;
  const count = (): void => {
    perTurn.push(0);
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await peer.join(topic, { last_store_seq: 1 });
  await peer.caughtUp();
  isOver = true;
  expect(perTurn.reduce((sum, reads) => sum + reads, 0)).toBeGreaterThanOrEqual(paths.length);
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(110);
});

test('S83 S102 a join is told which of its patterns can match nothing that may be read, and is as one without them', async () => {
  let known = reading(['a/**']);
  const { joined, connect } = await world({
    authenticate: async (credentials) => principals(known)(credentials),
  });
  const owner = await joined({ device: 'w' });
  await put(owner, 'a/x', 1);
  await put(owner, 'b/x', 'hush');
  const patterns = ['b/**', '*/y', 'a/**', 'c', 'b/**'];
  const join = async (payload: object, capver = '4') => {
    const peer = await connect({ token: 'me', capver, device: capver });
    const { response } = await peer.join(topic, { last_store_seq: 0, ...payload });
    await peer.caughtUp();
    return { peer, response };
  };
  const { peer, response } = await join({ patterns });
  expect(response).toMatchObject({ patterns: ['*/y', 'a/**'], denied: ['b/**', 'c'] });
  const replica = new PartReplica();
  replica.take(peer);
  expect(replica.values).toEqual({ 'a/x': 1 });
  // One that asks for no more than it may read resumes what this one has, and is told of nothing.
  for (const again of [['*/y', 'a/**'], patterns]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const resumed = await join(replica.join(again));
    expect(resumed.response).toMatchObject({ scope: replica.scope, sync: 'tail' });
    expect('denied' in resumed.response).toBe(again === patterns);
  }
  // A push that asks for it is answered alike, and is no way around.
  const pushed = await peer.ask(topic, 'scope', { add: ['b/**', 'a/x'] });
  expect(pushed.response).toMatchObject({ patterns: ['*/y', 'a/**', 'a/x'], denied: ['b/**'] });
  expect('denied' in (await join({ patterns }, '3')).response).toBe(false);
  expect('denied' in (await join({ patterns: [] })).response).toBe(false);
  known = reading(['a/**', 'b/**']);
  const more = await join(replica.join(patterns));
  expect(more.response).toMatchObject({
    why: 'scope',
    patterns: ['b/**', '*/y', 'a/**'],
    denied: ['c'],
  });
});
