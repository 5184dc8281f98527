import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import type { Peer, WireFrame } from './peer.ts';
import { stateOf, valuesOf } from './replica.ts';
import { SlowDisk } from './slow-disk.ts';
import { arrived, ask, dialects, hear, opsIn, put, reasonOf, seqOf, write } from './talk.ts';
import { topic, world } from './world.ts';

test.each(dialects)(
  'S35 on %s if_match passes for the current revision and conflicts for any other',
  async (_name, knock) => {
    const home = await world();
    const peer = await home.joined(knock);
    await put(peer, 'a', 1);
    await put(peer, 'b', 1);
    expect(seqOf(await write(peer, 'set', 'a', { value: 2, if_match: 1 }))).toBe(3);
    for (const ifMatch of [0, 1, 2, 4]) {
      for (const op of ['set', 'delete']) {
        expect(await write(peer, op, 'a', { value: 9, if_match: ifMatch })).toEqual({
          status: 'error',
          response: { reason: 'conflict', current_revision: 3 },
        });
      }
    }
    for (const ifMatch of [0, 1]) {
      expect(await write(peer, 'set', 'none', { value: 9, if_match: ifMatch })).toEqual({
        status: 'error',
        response: { reason: 'conflict', current_revision: null },
      });
    }
    expect(seqOf(await write(peer, 'delete', 'a', { if_match: 3 }))).toBe(4);
    expect(await valuesOf(home)).toEqual({ b: 1 });
  },
);

test('S35 a capver-3 if_match takes no map value, and no map', async () => {
  const { joined } = await world();
  const peer = await joined({ capver: '3' });
  await put(peer, 'm/a', 1);
  const map = await write(peer, 'set', 'm/a', { value: { b: 1 }, if_match: 1 });
  expect(map.response).toEqual({ reason: 'if_match_multi_leaf' });
  const at = await write(peer, 'set', 'm', { value: 1, if_match: 1 });
  expect(at.response).toEqual({ reason: 'conflict', current_revision: null });
  expect(seqOf(await write(peer, 'set', 'm/a', { value: {}, if_match: 1 }))).toBe(2);
});

test.each(dialects)(
  'S35 on %s ops other than set and delete take no if_match',
  async (_n, knock) => {
    const { joined } = await world();
    const peer = await joined(knock);
    const values = { increment: 1, merge: { a: 1 }, add: 1, remove: 1, lease: null };
    for (const [op, value] of Object.entries(values)) {
      const { response } = await write(peer, op, 'a', { value, if_match: 1 });
      expect(response).toEqual({ reason: 'if_match_unsupported_op', op });
    }
    expect(await put(peer, 'a', 1)).toBe(1);
  },
);

test.each(dialects)('S37 on %s if_absent claims a path once', async (_name, knock) => {
  const { joined } = await world();
  const peer = await joined(knock);
  const claim = { value: 1, if_absent: true };
  expect(seqOf(await write(peer, 'set', 'a', claim))).toBe(1);
  expect(await write(peer, 'set', 'a', claim)).toEqual({
    status: 'error',
    response: { reason: 'exists', current_revision: 1 },
  });
  const both = await write(peer, 'set', 'b', { ...claim, if_match: 1 });
  expect(both.response).toEqual({ reason: 'invalid_precondition' });
  for (const op of ['delete', 'merge', 'increment', 'add']) {
    const { response } = await write(peer, op, 'b', {
      value: op === 'merge' ? {} : 1,
      if_absent: true,
    });
    expect(response).toEqual({ reason: 'if_absent_unsupported_op', op });
  }
  await write(peer, 'delete', 'a');
  expect(seqOf(await write(peer, 'set', 'a', claim))).toBe(3);
});

test('S37 a map is claimed as a whole on capver 4, and not at all on capver 3', async () => {
  const home = await world();
  const [old, peer] = [await home.joined({ capver: '3' }), await home.joined({ device: 'd2' })];
  const claim = { value: { a: 1, b: 2 }, if_absent: true };
  const refused = await write(old, 'set', 'm', claim);
  expect(refused.response).toEqual({ reason: 'if_absent_multi_leaf' });
  expect(seqOf(await write(peer, 'set', 'm', claim))).toBe(1);
  expect(reasonOf(await write(peer, 'set', 'm', claim))).toBe('exists');
});

test('S37 of fifty that claim a path at once exactly one wins', async () => {
  const home = await world();
  const peers = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      home.joined({ device: `claimer-${i}`, capver: i % 2 === 0 ? '3' : '4' }),
    ),
  );
  const replies = await Promise.all(
    peers.map((peer) => write(peer, 'set', 'claim', { value: peer.device, if_absent: true })),
  );
  const winners = peers.filter((_, i) => replies[i]?.status === 'ok');
  expect(winners).toHaveLength(1);
  for (const { status, response } of replies) {
    if (status === 'error') expect(response).toEqual({ reason: 'exists', current_revision: 1 });
  }
  expect(await valuesOf(home)).toEqual({ claim: winners[0]?.device });
});

test.each(dialects)(
  'S38 on %s if_absent on a path with only descendants finds it taken',
  async (_name, knock) => {
    const { joined } = await world();
    const peer = await joined(knock);
    await put(peer, 'p/a', 1);
    await put(peer, 'p/b', 1);
    expect(await write(peer, 'set', 'p', { value: 1, if_absent: true })).toEqual({
      status: 'error',
      response: { reason: 'exists', current_revision: 2 },
    });
    expect(await put(peer, 'p/c', 1)).toBe(3);
  },
);

const malformed: readonly object[] = [
  ...['7', false, -1, 1.5, {}, []].map((each) => ({ if_match: each })),
  ...[1, false, 'true', {}].map((each) => ({ if_absent: each })),
  ...['k', [], {}, { key: 'k' }, { token: 5 }].map((each) => ({ fence: each })),
  ...['5', null, 1.5].map((token) => ({ fence: { key: 'k', token } })),
  { fence: { key: 7, token: 5 } },
  { fence: { key: '', token: 5 } },
];

test.each(
  dialects.flatMap(([dialect, knock]) => malformed.map((more) => ({ dialect, knock, more }))),
)(
  'S39 on $dialect the malformed guard $more is refused, and nothing is written (P15)',
  async ({ knock, more }) => {
    const home = await world();
    const peer = await home.joined(knock);
    const { response } = await write(peer, 'set', 'a', { value: 1, ...more });
    expect(response).toEqual({ reason: 'invalid_precondition' });
    expect(await valuesOf(home)).toEqual({});
    expect(seqOf(await write(peer, 'set', 'a', { value: 1 }))).toBe(1);
  },
);

test.each(dialects)('S39 on %s a guard that is null is absent', async (_name, knock) => {
  const { joined } = await world();
  const peer = await joined(knock);
  const guards = { if_match: null, if_absent: null, fence: null };
  expect(seqOf(await write(peer, 'set', 'a', { value: 1, ...guards }))).toBe(1);
});

test('S43 a leaf deleted elsewhere makes the old revision of its map conflict, and a fresh replica knows the new one', async () => {
  const home = await world();
  const [peer, other] = [await home.joined(), await home.joined({ device: 'd2' })];
  await put(peer, 'm', { a: 1, b: { c: 2 } });
  await put(peer, 'elsewhere', 1);
  expect(seqOf(await write(other, 'delete', 'm/a'))).toBe(3);
  await hear(peer, 3);
  const stale = await write(peer, 'set', 'm', { value: { d: 1 }, if_match: 1 });
  expect(stale.response).toEqual({ reason: 'conflict', current_revision: 3 });
  // The greatest leaf revision below is 1; only the snapshot's maps can tell.
  const { leaves, maps } = await stateOf(home);
  expect(leaves.get('m/b/c')?.revision).toBe(1);
  expect([...maps]).toEqual([['m', 3]]);
  const deep = await write(peer, 'set', 'm/b', { value: { e: 1 }, if_match: 1 });
  expect(seqOf(deep)).toBe(4);
  expect(seqOf(await write(peer, 'delete', 'm', { if_match: 4 }))).toBe(5);
  const gone = await write(peer, 'set', 'm', { value: 1, if_match: 5 });
  expect(gone.response).toEqual({ reason: 'conflict', current_revision: null });
});

test('S43 a map that comes into existence again starts over with its revision', async () => {
  const home = await world();
  const peer = await home.joined();
  await put(peer, 'm', { a: 1, b: 1 });
  await write(peer, 'delete', 'm/b');
  await write(peer, 'delete', 'm/a');
  await put(peer, 'm/c', 1);
  expect([...(await stateOf(home)).maps]).toEqual([]);
  const { status } = await peer.ask(topic, 'transact', {
    client_op_id: 'tx',
    preconditions: [{ path: 'm', if_match: 4 }],
    ops: [{ op: 'set', path: 'm/c', value: 2 }],
  });
  expect(status).toBe('ok');
});

/** What a peer has heard when a reply comes, the reply itself included. */
async function heardWith(peer: Peer, ref: string): Promise<readonly WireFrame[]> {
  const frames: WireFrame[] = [];
  await peer.until((frame) => {
    frames.push(frame);
    return frame[1] === ref && frame[3] === 'phx_reply';
  });
  return frames;
}

test.each(dialects)(
  'on %s who is refused for what another has written at the same time has heard of that before',
  async (_name, knock) => {
    const disk = new SlowDisk(memory());
    const home = await world({ storage: disk.storage });
    const [one, two] = [await home.joined(knock), await home.joined({ ...knock, device: 'd2' })];
    await put(one, 'a', 1);
    await hear(two, 1);
    disk.hold();
    one.push(topic, 'write', ask('set', 'b', { value: 1 }));
    await disk.reached();
    one.push(topic, 'write', ask('set', 'a', { value: 2 }));
    await arrived(one);
    const ref = two.push(topic, 'write', ask('set', 'a', { value: 3, if_match: 1 }));
    await arrived(two);
    disk.release();
    const frames = await heardWith(two, ref);
    expect(frames.at(-1)?.[4]['response']).toMatchObject({
      reason: 'conflict',
      current_revision: 3,
    });
    expect(opsIn(frames).map(({ seq }) => seq)).toEqual([2, 3]);
  },
);

test.each(dialects)(
  'on %s who comes back is refused for what it has missed once it has been told of that',
  async (_name, knock) => {
    const home = await world();
    const writer = await home.joined({ device: 'd2' });
    for (let i = 1; i <= 3; i += 1) {
      const ops = Array.from({ length: 500 }, (_op, at) => ({
        op: 'set',
        path: `k/${at}`,
        value: i,
      }));
      await writer.ask(topic, 'transact', { ops, client_op_id: `t-${i}` });
    }
    await put(writer, 'a', 1);
    const peer = await home.connect(knock);
    await peer.join(topic, { last_store_seq: 0 });
    const ref = peer.push(topic, 'write', ask('set', 'a', { value: 2, if_absent: true }));
    const frames = await heardWith(peer, ref);
    expect(frames.at(-1)?.[4]['response']).toEqual({ reason: 'exists', current_revision: 1501 });
    expect(JSON.stringify(frames.slice(0, -1))).toContain('1501');
  },
);
