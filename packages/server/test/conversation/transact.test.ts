import { expect, test } from 'vitest';
import type { Peer, Reply, WireFrame } from './peer.ts';
import { stateOf, valuesOf } from './replica.ts';
import { brief, hear, logOf, opsIn, put, tongues } from './talk.ts';
import { set, topic, world } from './world.ts';

let transactions = 0;

function transact(peer: Peer, ops: readonly object[], more: object = {}): Promise<Reply> {
  transactions += 1;
  return peer.ask(topic, 'transact', { client_op_id: `tx-${transactions}`, ops, ...more });
}

function sets(count: number): object[] {
  return Array.from({ length: count }, (_, i) => ({ op: 'set', path: `k/${i}`, value: i }));
}

test('S81 a thousand ops are one commit with one reply, and a capver-3 client hears them one after the other', async () => {
  const home = await world();
  const peer = await home.joined();
  const old = await home.joined({ capver: '3', device: 'd2' });
  const other = await home.joined({ device: 'd3' });
  const { status, response } = await transact(peer, sets(1000));
  expect(status).toBe('ok');
  expect(response).toEqual({
    store_seq: 1000,
    first_seq: 1,
    results: Array.from({ length: 1000 }, (_, i) => ({ store_seq: i + 1 })),
  });
  expect((await hear(old, 1000)).map(({ seq }) => seq)).toEqual(upTo(1000));
  const [, , , event, frame] = await other.next();
  expect([event, frame['from_seq'], frame['to_seq']]).toEqual(['events', 0, 1000]);
  const txs = new Set((frame['ops'] as unknown[][]).map((op) => op[6]));
  expect(txs).toEqual(new Set([1000]));
});

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

test.each(tongues.slice(2))(
  'S81 in %s a failing precondition refuses the whole and names its place',
  async (_n, knock) => {
    const home = await world();
    const peer = await home.joined(knock);
    await put(peer, 'here', { a: 1 });
    const refused = async (...preconditions: object[]): Promise<unknown> =>
      (await transact(peer, sets(3), { preconditions })).response;
    const holds = [
      { path: 'here', exists: true },
      { path: 'here/a', if_match: 1 },
      { path: 'here', if_match: 1 },
      { path: 'none', if_absent: true },
      { path: 'here', equals: { a: 1 } },
    ];
    const at = { precondition_index: 5 };
    expect(await refused(...holds, { path: 'here/a', if_match: 2 })).toEqual({
      reason: 'conflict',
      current_revision: 1,
      path: 'here/a',
      ...at,
    });
    expect(await refused(...holds, { path: 'none', exists: true })).toEqual({
      reason: 'conflict',
      current_revision: null,
      path: 'none',
      ...at,
    });
    expect(await refused(...holds, { path: 'here', if_absent: true })).toEqual({
      reason: 'exists',
      current_revision: 1,
      path: 'here',
      ...at,
    });
    expect(await refused(...holds, { path: 'here', equals: { a: 2 } })).toMatchObject({
      reason: 'conflict',
      ...at,
    });
    expect(await refused(...holds, { fence: { key: 'lock', token: 1 } })).toEqual({
      reason: 'fenced',
      ...at,
    });
    expect(await refused(...holds, { path: 'here' })).toEqual({
      reason: 'invalid_precondition',
      ...at,
    });
    expect(await refused(...holds, { path: 'a//b', exists: true })).toEqual({
      reason: 'empty_segment',
      ...at,
    });
    expect(await valuesOf(home)).toEqual({ 'here/a': 1 });
    expect(await refused(...holds)).toMatchObject({ store_seq: 4, first_seq: 2 });
  },
);

test('S81 an op sees the effect of those before it, guards see the state before', async () => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'c', 5);
  const counted = await transact(peer, [
    { op: 'set', path: 'c', value: 10, if_match: 1 },
    { op: 'increment', path: 'c', value: 1, if_absent: null },
    { op: 'delete', path: 'c', if_match: 1 },
    { op: 'increment', path: 'c', value: 2 },
  ]);
  expect(counted.response).toMatchObject({ store_seq: 5, first_seq: 2 });
  expect(brief(await logOf(home))).toEqual([
    [1, 'set', 'c', 5],
    [2, 'set', 'c', 10],
    [3, 'increment', 'c', 11],
    [4, 'delete', 'c', null],
    [5, 'increment', 'c', 2],
  ]);
  const late = await transact(peer, [
    { op: 'set', path: 'new', value: 1 },
    { op: 'set', path: 'new', value: 2, if_match: 6 },
  ]);
  expect(late.response).toEqual({
    reason: 'conflict',
    current_revision: null,
    path: 'new',
    op_index: 1,
  });
  expect(await valuesOf(home)).toEqual({ c: 2 });
});

test('S81 implied deletes apply per op, carry suffixed ids, and count as ops of the one commit', async () => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'x/y', 1);
  const reply = await peer.ask(topic, 'transact', {
    client_op_id: 'mine',
    ops: [
      { op: 'set', path: 'x', value: 1 },
      { op: 'set', path: 'x/z', value: 2 },
    ],
  });
  expect(reply.response).toEqual({
    store_seq: 5,
    first_seq: 2,
    results: [{ store_seq: 3 }, { store_seq: 5 }],
  });
  const log = await logOf(home);
  expect(log.slice(1).map(({ op, path, id }) => [op, path, id])).toEqual([
    ['delete', 'x', 'mine#1'],
    ['set', 'x', 'mine'],
    ['delete', 'x', 'mine#2'],
    ['set', 'x/z', 'mine'],
  ]);
});

test('S81 a failing op refuses the whole and names its place', async () => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'text', 'x');
  const ok = { op: 'set', path: 'a', value: 1 };
  const cases: [object, object][] = [
    [{ op: 'increment', path: 'text', value: 1 }, { reason: 'type_mismatch' }],
    [{ op: 'put_file', path: 'f', content: '' }, { reason: 'invalid op' }],
    [{ op: 'set', path: '_dust:last_seq', value: 1 }, { reason: 'reserved_path' }],
    [{ op: 'set', value: 1 }, { reason: 'missing_path' }],
    [{ op: 'release', path: 'none', token: 1 }, { reason: 'not_held' }],
    [{ op: 'increment', path: 'c', value: 1, if_match: 1 }, { reason: 'if_match_unsupported_op' }],
  ];
  for (const [bad, refusal] of cases) {
    const { status, response } = await transact(peer, [ok, ok, bad, ok]);
    expect([status, response]).toEqual([
      'error',
      expect.objectContaining({ ...refusal, op_index: 2 }),
    ]);
  }
  expect((await transact(peer, [])).response).toEqual({ reason: 'invalid_payload', field: 'ops' });
  const odd = await peer.ask(topic, 'transact', { client_op_id: 'odd', ops: [7] });
  expect(odd.response).toMatchObject({ reason: 'invalid_payload', op_index: 0 });
  expect(await valuesOf(home)).toEqual({ text: 'x' });
  expect(await put(peer, 'next', 1)).toBe(2);
});

test('S81 leases in a transaction are answered in the result of their op', async () => {
  const { joined } = await world();
  const peer = await joined();
  const { response } = await transact(peer, [
    { op: 'set', path: 'a', value: 1 },
    { op: 'lease', path: 'lock', holder: 'me', ttl_ms: 60_000 },
  ]);
  const results = response['results'] as object[];
  expect(results[0]).toEqual({ store_seq: 1 });
  expect(results[1]).toEqual({
    store_seq: 2,
    token: 2,
    holder: 'me',
    expires_at: expect.any(Number),
  });
});

test.each(tongues.slice(2))(
  'S81 in %s a repeat gets the same reply, and other content is refused',
  async (_n, knock) => {
    const home = await world();
    const peer = await home.joined(knock);
    const payload = {
      client_op_id: 'once',
      ops: sets(3),
      preconditions: [{ path: 'k', if_absent: true }],
    };
    const first = await peer.ask(topic, 'transact', payload);
    expect(first.response).toMatchObject({ store_seq: 3, first_seq: 1 });
    expect(await peer.ask(topic, 'transact', payload)).toEqual(first);
    const again = await home.joined(knock);
    expect(await again.ask(topic, 'transact', payload)).toEqual(first);
    const changed = await peer.ask(topic, 'transact', { ...payload, ops: sets(2) });
    expect(changed.response).toEqual({ reason: 'duplicate_op_id' });
    expect(await logOf(home)).toHaveLength(3);
  },
);

test('S81 capver 3 knows no transact', async () => {
  const { joined } = await world();
  const peer = await joined({ capver: '3' });
  expect((await transact(peer, sets(1))).response).toEqual({ reason: 'unknown_event' });
});

/** Follows frames as a replica must: contiguous, ascending, each commit whole. */
function follow(frames: readonly WireFrame[], from: number): number {
  let cursor = from;
  for (const [, , , event, payload] of frames) {
    if (event !== 'events') continue;
    expect(payload['from_seq']).toBe(cursor);
    const ops = payload['ops'] as [number, string, string, unknown, string, string, number?][];
    cursor = Number(payload['to_seq']);
    expect(ops.map(([seq]) => seq)).toEqual(
      Array.from(
        { length: cursor - Number(payload['from_seq']) },
        (_, i) => Number(payload['from_seq']) + i + 1,
      ),
    );
    // The op that ends each commit is in the frame that begins it.
    for (const op of ops) expect(op[6] ?? op[0]).toBeLessThanOrEqual(cursor);
  }
  return cursor;
}

test.each(tongues.slice(2))(
  'S80 in %s frames are contiguous and split no commit, live and in catch-up',
  async (_name, knock) => {
    const home = await world();
    const [live, ...writers] = await Promise.all(
      ['live', 'w1', 'w2', 'w3'].map((device) => home.joined({ ...knock, device })),
    );
    if (live === undefined) throw new Error('no peer');
    await Promise.all(writers.map((writer, w) => scribble(writer, w)));
    const { leaves } = await stateOf(home);
    expect(leaves.size).toBeGreaterThan(100);
    const head = Math.max(...(await logSeqs(live)));
    expect(follow(live.heard, 0)).toBe(head);
    let tails = 0;
    for (const cursor of cuts(live.heard)) {
      const fresh = await home.connect({ ...knock, device: 'late' });
      const { response } = await fresh.join(topic, { last_store_seq: cursor });
      const frames = await fresh.caughtUp();
      if (response['sync'] !== 'tail') continue;
      tails += 1;
      expect(follow(frames, cursor)).toBe(head);
    }
    expect(tails).toBeGreaterThan(0);
  },
);

/** Twenty commits, pipelined: transactions of many sizes and long values. */
async function scribble(writer: Peer, seed: number): Promise<void> {
  const refs = Array.from({ length: 20 }, (_, i) => {
    const id = `scribble-${i}`;
    const size = (seed * 97 + i * 131) % 300;
    return i % 3 === 0
      ? writer.push(topic, 'write', set(`single/${size}`, 'x'.repeat(40_000), id))
      : writer.push(topic, 'transact', { client_op_id: id, ops: sets(size + 2) });
  });
  for (const ref of refs) expect((await writer.reply(ref)).status).toBe('ok');
}

async function logSeqs(live: Peer): Promise<number[]> {
  // The answer comes after everything that was committed before.
  await live.ask(topic, 'ack_seq', { seq: 0 });
  return opsIn(live.heard).map(({ seq }) => seq);
}

function cuts(frames: readonly WireFrame[]): number[] {
  const ends = frames
    .filter(([, , , event]) => event === 'events')
    .map(([, , , , payload]) => Number(payload['to_seq']));
  return ends.slice(-5);
}

test('a precondition that is as deep as a frame may be is compared as any other', async () => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'here', { a: 1, b: [1] });
  const asked = async (open: string, close: string): Promise<unknown> => {
    const ref = peer.ref();
    const deep = `${open.repeat(50_000)}1${close.repeat(50_000)}`;
    const payload = `{"client_op_id":"d${ref}","ops":[{"op":"set","path":"y","value":1}],"preconditions":[{"path":"here","equals":${deep}}]}`;
    peer.sendRaw(`["${peer.joinRef}","${ref}","${topic}","transact",${payload}]`);
    return (await peer.reply(ref)).response;
  };
  expect(await asked('[', ']')).toMatchObject({ reason: 'conflict' });
  expect(await asked('{"b":', '}')).toMatchObject({ reason: 'conflict' });
  expect(await put(peer, 'z', 1)).toBe(2);
});
