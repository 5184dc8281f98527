import { expect, test } from 'vitest';
import type { Peer } from '../conversation/peer.ts';
import { put, seqOf, write } from '../conversation/talk.ts';
import { topic, world } from '../conversation/world.ts';
import { PartReplica } from './part.ts';

const KEYS = 10_000;
const big = (value: unknown) =>
  Object.fromEntries(Array.from({ length: KEYS }, (_, i) => [`k${i}`, value]));

/** One commit of more than ten thousand ops: each member clears the map that was in its place. */
async function replaceAll(peer: Peer): Promise<number> {
  seqOf(await write(peer, 'set', 'big', { value: big({ a: 1 }) }));
  return seqOf(await write(peer, 'merge', 'big', { value: big(2) }));
}

function kinds(peer: Peer): readonly string[] {
  return peer.heard.map(([, , , event]) => event).filter((event) => event !== 'phx_reply');
}

test('S80 a commit too large for a frame comes as the state after it, in its place, live and in a tail', async () => {
  const { joined, connect } = await world();
  const writer = await joined({ device: 'w', vsn: '3.0.0' }, { last_store_seq: 0, patterns: [] });
  await put(writer, 'small', 0);
  const live = await joined({ device: 'live' });
  const part = await joined({ device: 'part' }, { last_store_seq: 0, patterns: ['big/k7/**'] });
  const kept = new PartReplica();
  kept.take(live);
  const last = await replaceAll(writer);
  expect(last).toBe(KEYS + 3);
  const next = await put(writer, 'small', 1);
  for (const peer of [live, part]) {
    // The state may be that after the next commit already.
    await peer.until(([, , , event, { to_seq: to, seq }]) =>
      event === 'events' ? to === next : event === 'snapshot_end' && seq === next,
    );
  }
  const follower = new PartReplica();
  follower.take(live);
  expect(follower.cursor).toBe(next);
  expect(follower.tree.size).toBe(KEYS + 1);
  expect(follower.snapshots).toEqual([null, null]);
  expect(follower.tree.read('big/k7' as never)).toMatchObject({ value: 2, revision: last });
  // What a scope shows of it fits a frame.
  const small = new PartReplica();
  small.take(part);
  expect(small.values).toEqual({ 'big/k7': 2 });
  expect(kinds(part).slice(4)).not.toContain('snapshot_begin');
  // The same on the way through the log.
  const tail = await connect({ device: 'tail' });
  const { response } = await tail.join(topic, kept.join(['**']));
  expect(response).toMatchObject({ sync: 'tail' });
  await tail.caughtUp();
  kept.follow();
  kept.take(tail);
  expect(kept.cursor).toBe(next);
  expect(kept.values).toEqual(follower.values);
  await put(writer, 'small', 2);
  await tail.until(([, , , event]) => event === 'events');
  kept.take(tail);
  expect(kept.cursor).toBe(next + 1);
});

test('S80 the writer of such a commit, and of one right behind it, is answered after the state', async () => {
  const { joined } = await world();
  const writer = await joined();
  const replica = new PartReplica();
  const last = await replaceAll(writer);
  const refs = [1, 2, 3].map((n) =>
    writer.push(topic, 'write', { op: 'set', path: 'small', value: n, client_op_id: `s${n}` }),
  );
  for (const ref of refs) await writer.reply(ref);
  replica.take(writer);
  expect(replica.cursor).toBe(last + 3);
  expect(replica.tree.size).toBe(KEYS + 1);
});

test('a capver-3 client has every op of it as an event', async () => {
  const { joined } = await world();
  const writer = await joined({ capver: '3' });
  const last = await replaceAll(writer);
  const events = writer.heard.filter(([, , , event]) => event === 'event');
  expect(events).toHaveLength(last);
});
