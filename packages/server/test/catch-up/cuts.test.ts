import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import type { Knock, Peer } from '../conversation/peer.ts';
import { put, tongues, write } from '../conversation/talk.ts';
import { type World, world } from '../conversation/world.ts';
import { DustCache } from '../phoenix/dust-cache.ts';
import { OldReader, type Reader, readerFor } from './readers.ts';
import { expectEqual, ride, writerOf } from './ride.ts';

/** A history with everything that a broken-off reader could lose: groups of equal seqs, removals, implied deletes. */
async function history(writer: Peer): Promise<void> {
  await put(writer, 'gone/early', 1);
  await put(writer, 'post', { title: 'a', meta: { author: 'b', draft: true }, tags: ['x'] });
  await put(writer, 'scalar', 1);
  await put(writer, 'scalar/below', 2);
  await write(writer, 'increment', 'hits', { value: 3 });
  await write(writer, 'add', 'members', { value: 'elixir' });
  await write(writer, 'delete', 'gone');
  await put(writer, 'wide', { a: 1, b: 2, c: 3, d: {} });
  await write(writer, 'merge', 'post', { value: { meta: { draft: false } } });
  await put(writer, 'wide', { b: 5, z: 6 });
  await write(writer, 'lease', 'lock', { ttl_ms: 60_000, holder: 'me' });
  await write(writer, 'increment', 'hits', { value: -1 });
}

/**
 * Cuts a reader off after each number of frames, twice in a row, then lets it finish. `start` gives a reader in its
 * first state. Returns how many cuts there were.
 */
async function cutEverywhere(
  of: World,
  knock: Knock,
  start: (device: string) => Promise<Reader>,
): Promise<number> {
  const whole = await ride(of, await start('uncut'), { knock: { ...knock, device: 'uncut' } });
  for (let frames = 1; frames < whole.length; frames += 1) {
    const device = `reader-${frames}`;
    const reader = await start(device);
    const how = { knock: { ...knock, device } };
    const taken = await ride(of, reader, { ...how, frames });
    expect(taken).toHaveLength(frames);
    await ride(of, reader, { ...how, frames });
    await expectEqual(of, reader, how);
  }
  return whole.length;
}

test.each(tongues)(
  'S55 on %s a socket cut between any two frames of a tail leaves no gap after the rejoin',
  async (_name, knock) => {
    const here = await world();
    const writer = await writerOf(here);
    await put(writer, 'base', 0);
    const first = await ride(here, readerFor(knock), { knock });
    await history(writer);
    // Values so large that a capver-4 tail needs several frames.
    for (let n = 0; n < 16; n += 1) await put(writer, `large/${n % 12}`, 'x'.repeat(60_000));
    const cuts = await cutEverywhere(here, knock, async () => {
      const reader = readerFor(knock);
      for (const frame of first) reader.take(frame);
      return reader;
    });
    expect(cuts).toBeGreaterThan(knock.capver === '3' ? 28 : 5);
  },
);

test.each(tongues.filter(([, { capver }]) => capver === '4'))(
  'S55 on %s a socket cut between any two frames of a snapshot leaves no gap after the rejoin',
  async (_name, knock) => {
    const here = await world();
    const writer = await writerOf(here);
    await history(writer);
    for (let n = 0; n < 16; n += 1) await put(writer, `large/${n}`, 'x'.repeat(60_000));
    const cuts = await cutEverywhere(here, knock, async () => readerFor(knock));
    expect(cuts).toBeGreaterThan(6);
  },
);

test.each(
  tongues.flatMap(([name, knock]) =>
    knock.capver === '3'
      ? ([true, false] as const).map((clears) => [name, clears, knock] as const)
      : [],
  ),
)(
  'S55 on %s (cache cleared by snapshots: %s) a socket cut between any two frames of a snapshot, also inside a group of equal seqs, leaves no gap after the rejoin',
  async (_name, clearsOnSnapshot, knock) => {
    const storage = memory();
    const here = await world({ storage });
    const writer = await writerOf(here);
    await put(writer, 'gone/early', 0);
    await put(writer, 'gone/early', 1);
    const first = await ride(here, readerFor(knock), { knock });
    await history(writer);
    const cuts = await cutEverywhere(here, knock, async (device) => {
      const reader = new OldReader(new DustCache({ clearsOnSnapshot }));
      for (const frame of first) reader.take(frame);
      // The device never confirmed its last snapshot: it starts over, and its cache keeps rows that are gone.
      const row = await storage.stores.get(here.storeId);
      const record = { incarnation: row?.incarnation ?? '', scope: 'all', unconfirmed: true };
      await storage.devices.put(row?.name ?? ('' as never), device, record);
      return reader;
    });
    expect(cuts).toBeGreaterThan(15);
  },
);
