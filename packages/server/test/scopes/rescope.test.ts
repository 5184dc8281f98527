import { Tree, apply } from '@holdfast/engine/data';
import { asPath, type Json, type Op } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { ask, put, reasonOf, write } from '../conversation/talk.ts';
import { stateOf } from '../conversation/replica.ts';
import { topic, world, type World } from '../conversation/world.ts';
import { PartReplica, visible } from './part.ts';

const nothing = { last_store_seq: 0, patterns: [] };

function rescope(peer: Peer, add: readonly string[], remove: readonly string[] = []) {
  return peer.ask(topic, 'scope', { add, remove });
}

/** The state of the store, as somebody knows it who may have all of it. */
async function stateIn(at: World): Promise<Tree> {
  const { leaves } = await stateOf(at);
  const tree = Tree.empty();
  for (const [path, { value, revision }] of leaves) {
    const op: Pick<Op, 'op' | 'arg' | 'deviceId' | 'clientOpId' | 'tx' | 'at' | 'principal'> = {
      op: 'set',
      arg: null,
      deviceId: 'd',
      clientOpId: 'x',
      tx: null,
      at: 0,
      principal: null,
    };
    apply(tree, { ...op, seq: revision, path: asPath(path), value: value as Json });
  }
  return tree;
}

test('S83 a scope push adds a part by a snapshot of that part alone, and drops another without a word', async () => {
  const { joined } = await world();
  const writer = await joined({ device: 'w' });
  await put(writer, 'a/x', 1);
  await put(writer, 'b/x', 2);
  const peer = await joined({}, nothing);
  const added = await rescope(peer, ['a/**']);
  expect(added.response).toEqual({
    patterns: ['a/**'],
    scope: expect.any(String),
    seq: 2,
    denied: [],
  });
  const begin = await peer.next();
  expect(begin[4]).toMatchObject({ seq: 2, within: ['a/**'], entries: null });
  expect((await peer.next())[4]).toMatchObject({ entries: [['a/x', 1, 'integer', 1]] });
  expect((await peer.next())[4]).toMatchObject({ seq: 2, chunks: 1, entries: 1 });
  await put(writer, 'a/x', 3);
  expect((await peer.next())[4]).toMatchObject({ from_seq: 2, to_seq: 3 });
  await put(writer, 'b/x', 4);
  // A change of the scope tells of all that was silent before it.
  const both = peer.push(topic, 'scope', { add: ['b/**', 'a/**'] });
  expect((await peer.next())[4]).toMatchObject({ from_seq: 3, to_seq: 4, ops: [] });
  expect((await peer.reply(both)).response).toMatchObject({ patterns: ['a/**', 'b/**'], seq: 4 });
  expect((await peer.next())[4]).toMatchObject({ seq: 4, within: ['b/**'] });
  await peer.until(([, , , event]) => event === 'snapshot_end');
  const narrowed = await rescope(peer, ['b/**'], ['a/**', 'c']);
  expect(narrowed.response).toMatchObject({ patterns: ['b/**'], seq: 4, denied: [] });
  await put(writer, 'a/x', 5);
  await put(writer, 'b/x', 6);
  const [, , , , next] = await peer.until(([, , , event]) => event !== 'phx_reply');
  expect(JSON.stringify(next)).toContain('b/x');
  expect(JSON.stringify(next)).not.toContain('a/x');
  // A pattern that is put in and taken out at once stays as it was.
  expect((await rescope(peer, ['b/**'], ['b/**'])).response).toMatchObject({ patterns: ['b/**'] });
  expect((await rescope(peer, [], ['b/**'])).response).toMatchObject({
    patterns: [],
    scope: 'none',
  });
});

test('S83 what may not be read is not added but denied; a push that is bad or adds too much changes nothing', async () => {
  const pathRules = [{ pattern: 'a/**', allow: ['read' as const] }];
  const { joined } = await world({
    authenticate: principals({ one: { pathRules } }),
    limits: { max_patterns: 3 },
  });
  const peer = await joined({ token: 'one' }, nothing);
  const reply = await rescope(peer, ['a/x', 'b/**', '*/y']);
  expect(reply.response).toMatchObject({ patterns: ['a/x', '*/y'], denied: ['b/**'] });
  expect(await rescope(peer, ['a/z', 'a/w'])).toMatchObject({
    status: 'error',
    response: { reason: 'too_many_patterns', limit: 3 },
  });
  expect(reasonOf(await rescope(peer, ['a/**/b']))).toBe('invalid_pattern');
  expect(reasonOf(await peer.ask(topic, 'scope', { add: 'a' }))).toBe('invalid_payload');
  expect((await rescope(peer, [])).response).toMatchObject({ patterns: ['a/x', '*/y'] });
  expect((await rescope(peer, ['a/z'])).response).toMatchObject({
    patterns: ['a/x', '*/y', 'a/z'],
  });
  const old = await joined({ token: 'one', capver: '3', device: 'old' });
  expect(reasonOf(await rescope(old, ['a/x']))).toBe('unknown_event');
});

test('S83 pushes are answered in their order, changes of the scope among writes', async () => {
  const { joined } = await world();
  const peer = await joined({}, nothing);
  const replica = new PartReplica();
  replica.follow();
  const refs = [
    peer.push(topic, 'write', ask('set', 'a/1', { value: 1 })),
    peer.push(topic, 'scope', { add: ['a/**'] }),
    peer.push(topic, 'write', ask('set', 'a/2', { value: 2 })),
    peer.push(topic, 'scope', { add: ['b/**'] }),
    peer.push(topic, 'write', ask('set', 'b/1', { value: 3 })),
    peer.push(topic, 'scope', { remove: ['a/**'] }),
    peer.push(topic, 'write', ask('set', 'a/3', { value: 4 })),
    peer.push(topic, 'op_status', { client_op_id: 'none' }),
  ];
  for (const ref of refs) await peer.reply(ref);
  replica.take(peer);
  expect(replica.values).toEqual({ 'b/1': 3 });
  const replies = peer.heard.filter(([, ref]) => refs.includes(ref ?? '')).map(([, ref]) => ref);
  expect(replies).toEqual(refs);
});

test('S83 given a part that is added behind a write which is answered as the channel falls silent, then nothing comes amid its snapshot, and nothing twice', async () => {
  const here = await world();
  const { joined } = here;
  const writer = await joined({ device: 'w' });
  for (let n = 0; n < 40; n += 1) await put(writer, `b/${n}`, 'x'.repeat(20_000));
  const peer = await joined({}, { last_store_seq: 0, patterns: ['a/**'] });
  const replica = new PartReplica();
  const own = (value: number) => peer.push(topic, 'write', ask('set', 'b/own', { value }));
  // Of three in a row the second waits for a turn behind itself, and in that the write is stored.
  const refs = ['a/**', 'a/**', 'a/**'].map((glob) =>
    peer.push(topic, 'scope', { remove: [glob] }),
  );
  refs.push(own(1), peer.push(topic, 'scope', { add: ['b/**'] }), own(2), own(3));
  for (const ref of refs) await peer.reply(ref);
  const last = await put(writer, 'b/last', 1);
  await peer.until(([, , , event, { to_seq: to }]) => event === 'events' && to === last);
  replica.take(peer);
  expect(replica.values).toEqual(visible(await stateIn(here), ['b/**']));
});

const universe = ['a/**', 'a/x', 'b/**', 'b/*/x', '*/y', 'c', '**'] as const;

/** Writes about a hundred a second all over the place until told to stop. */
async function load(writer: Peer, isOver: () => boolean): Promise<number> {
  let last = 0;
  for (let i = 0; !isOver(); i += 1) {
    const [top, middle, end] = ['a', 'b', 'c'].map((each, at) =>
      (i * (at + 3)) % 7 > 3 ? each : 'y',
    );
    const value = i % 5 === 0 ? { x: i, y: { x: i } } : i;
    const op = i % 9 === 0 ? 'delete' : 'set';
    const path = i % 4 === 0 ? `${top}` : `${top}/${middle}${i % 3 === 0 ? `/${end}` : ''}`;
    const { response } = await write(writer, op, path, op === 'set' ? { value } : {});
    last = Number(response['store_seq']);
    await new Promise<void>((resolve) => void setTimeout(resolve, 4));
  }
  return last;
}

test.each([1, 2, 3])(
  'S83 scope pushes at random moments under load leave nothing missing and nothing twice (seed %i)',
  async (seed) => {
    const at = await world();
    const writer = await at.joined({ device: 'w' });
    const peer = await at.joined({}, nothing);
    const replica = new PartReplica();
    let isOver = false;
    const writing = load(writer, () => isOver);
    const choices = fc.sample(
      fc.tuple(
        fc.subarray([...universe], { maxLength: 3 }),
        fc.subarray([...universe], { maxLength: 3 }),
        fc.integer({ min: 0, max: 20 }),
      ),
      { numRuns: 40, seed },
    );
    for (const [add, remove, waitMs] of choices) {
      const { response } = await rescope(peer, add, remove);
      expect(response['denied']).toEqual([]);
      await new Promise<void>((resolve) => void setTimeout(resolve, waitMs));
      replica.take(peer);
    }
    isOver = true;
    const last = await writing;
    await rescope(peer, ['c']);
    await write(peer, 'set', 'c', { value: 'end' });
    replica.take(peer);
    expect(replica.cursor).toBe(last + 1);
    expect(replica.values).toEqual(visible(await stateIn(at), replica.patterns));
    expect(new Set(replica.seqs).size).toBe(replica.seqs.length);
  },
);

test('S83 cut at any frame while a part is added, a rejoin resumes by tail and asks again', async () => {
  const at = await world();
  const writer = await at.joined({ device: 'w' });
  for (const path of ['a/x', 'a/y', 'b/x', 'b/y']) await put(writer, path, path);
  const script = async (peer: Peer): Promise<void> => {
    await rescope(peer, ['b/**']);
    await peer.until(([, , , event]) => event === 'snapshot_end');
    const seq = await put(writer, 'b/x', 'again');
    await peer.until(([, , , event, { to_seq: to }]) => event === 'events' && Number(to) >= seq);
  };
  const whole = await at.joined({ device: 'r' }, { last_store_seq: 0, patterns: ['a/**'] });
  await script(whole);
  const frames = whole.heard.length;
  whole.cut();
  for (let cut = 5; cut <= frames; cut += 1) {
    const replica = new PartReplica();
    const peer = await at.joined({ device: 'r' }, { last_store_seq: 0, patterns: ['a/**'] });
    // What is persisted goes together: until the end of the snapshot the old part.
    replica.take(peer);
    await script(peer);
    const kept = new PartReplica();
    kept.take(peer, cut);
    const isAdded = kept.snapshots.length === 2;
    const known = isAdded ? kept : replica;
    peer.cut();
    const again = await at.connect({ device: 'r' });
    const { response } = await again.join(topic, known.join());
    expect(response).toMatchObject({
      sync: 'tail',
      patterns: isAdded ? ['a/**', 'b/**'] : ['a/**'],
    });
    known.follow();
    await again.caughtUp();
    if (!isAdded) {
      await rescope(again, ['b/**']);
      await again.until(([, , , event]) => event === 'snapshot_end');
    }
    known.take(again);
    expect(known.values).toEqual(visible(await stateIn(at), ['a/**', 'b/**']));
  }
});
