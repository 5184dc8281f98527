import { expect } from 'vitest';
import type { Knock, Peer, WireFrame } from '../conversation/peer.ts';
import { ask, put, seqOf } from '../conversation/talk.ts';
import { topic, type World } from '../conversation/world.ts';
import { type Held, NewReader, type Reader } from './readers.ts';

/** Where there is a server to connect to. */
export type Place = Pick<World, 'connect'>;

/** How a reader rides along: by which socket, on which topic, and after how many frames it is cut off. */
export type Ride = { readonly knock?: Knock; readonly topic?: string; readonly frames?: number };

/** Joins where the reader stands; its peer's next frame is the join's reply. */
export async function board(world: Place, reader: Reader, how: Ride = {}): Promise<Peer> {
  const peer = await world.connect(how.knock);
  const ref = peer.ref();
  peer.send([ref, ref, how.topic ?? topic, 'phx_join', reader.joining()]);
  return peer;
}

/**
 * Joins and takes frames until catch-up is complete, or the socket is cut after so many of them: nothing after that
 * reaches the reader, and no ping that follows is answered. Returns the frames.
 */
export async function ride(world: Place, reader: Reader, how: Ride = {}): Promise<WireFrame[]> {
  const { frames = Infinity } = how;
  const knock = { ...how.knock, pongs: frames === Infinity };
  const peer = await board(world, reader, { ...how, knock });
  const taken: WireFrame[] = [];
  while (taken.length < frames && taken.at(-1)?.[3] !== 'catch_up_complete') {
    const frame = await peer.next();
    reader.take(frame);
    taken.push(frame);
  }
  peer.cut();
  return taken;
}

/** Takes what comes until the reader stands at a seq. */
export async function followTo(peer: Peer, reader: Reader, seq: number): Promise<void> {
  while (reader.cursor < seq) reader.take(await peer.next());
}

/** A peer that only writes: the store is not sent to it. */
export async function writerOf({ connect }: Place): Promise<Peer> {
  const writer = await connect({ device: 'writer' });
  await writer.join(topic, { last_store_seq: 0, patterns: [] });
  return writer;
}

/** Sets so many values, pipelined; resolves when the last is committed, with its seq. */
export async function flood(
  writer: Peer,
  count: number,
  pathOf: (n: number) => string,
  valueOf: (n: number) => unknown = (n) => n,
): Promise<number> {
  let last = '';
  for (let n = 0; n < count; n += 1) {
    last = writer.push(topic, 'write', ask('set', pathOf(n), { value: valueOf(n) }));
  }
  return seqOf(await writer.reply(last));
}

/** What the server holds, as a reader learns it that never was here before. */
export async function heldByServer(world: Place): Promise<Held> {
  const reader = new NewReader();
  await ride(world, reader, { knock: { device: 'newcomer' } });
  return reader.held();
}

/** Expects a reader to hold what the server holds, also after one more write. */
export async function expectEqual(world: Place, reader: Reader, how: Ride): Promise<void> {
  const peer = await board(world, reader, how);
  const writer = await world.connect({ device: 'last-writer' });
  await writer.join(topic, { last_store_seq: 0, patterns: [] });
  const seq = await put(writer, 'last', reader.cursor);
  await followTo(peer, reader, seq);
  while (peer.heard.every(([, , , event]) => event !== 'catch_up_complete')) await peer.next();
  peer.cut();
  writer.cut();
  const held = await heldByServer(world);
  expect(reader.held().rows).toEqual(held.rows);
  if (reader.held().maps !== null) expect(reader.held().maps).toEqual(held.maps);
}
