import { expect, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer } from '../conversation/peer.ts';
import { ask, hear, put, tongues } from '../conversation/talk.ts';
import { topic, world } from '../conversation/world.ts';
import { readerFor } from './readers.ts';
import { board, flood, followTo, heldByServer, writerOf } from './ride.ts';

const soft = 64 * 1024;
const hard = 512 * 1024;
const limits = { socket_soft_bytes: soft, socket_hard_bytes: hard };
// What one turn may add on top of the limit before anybody looks: a frame of the log, and a commit or two.
const slack = 1024 * 1024;
// More than the kernel buffers between two sockets on one machine.
const values = 600;
const valueBytes = 40_000;

test.each(tongues)(
  'S61 on %s a reader that stops reading costs the server no more than the limit, disturbs nobody, and catches up when it reads on (P26)',
  async (_name, knock) => {
    const here = await world({ limits });
    const writer = await writerOf(here);
    const healthy = await here.joined({ ...knock, device: 'healthy' });
    const reader = readerFor(knock);
    const slow = await board(here, reader, { knock: { ...knock, device: 'slow' } });
    await followTo(slow, reader, await put(writer, 'first', 0));
    slow.pause();
    const text = 'x'.repeat(valueBytes);
    let unsent = 0;
    let last = 0;
    for (let n = 0; n < values; n += 20) {
      last = await flood(
        writer,
        20,
        (k) => `k/${n + k}`,
        () => text,
      );
      await hear(healthy, last);
      unsent = Math.max(unsent, here.server.describe().unsentBytes);
    }
    expect(unsent).toBeGreaterThan(soft);
    expect(unsent).toBeLessThan(hard + slack);
    slow.resume();
    await followTo(slow, reader, last);
    expect(reader.held().rows).toEqual((await heldByServer(here)).rows);
  },
);

test.each(tongues)(
  'S61 on %s a reader that takes nothing for 30 s is closed with 1013',
  async (_name, knock) => {
    const clock = new VirtualClock();
    const here = await world({ limits, clock });
    const writer = await writerOf(here);
    const slow = await here.joined({ ...knock, device: 'slow' });
    slow.pause();
    await fill(writer);
    expect(here.server.describe().unsentBytes).toBeGreaterThan(0);
    await clock.pass(29_000);
    expect(here.server.describe().sockets).toBe(2);
    await clock.pass(3000);
    slow.resume();
    expect(await slow.closed()).toBe(1013);
    expect(await put(writer, 'others', 'go on')).toBe(values + 1);
  },
);

test('S61 a reader that is closed as too slow and reads on only after the grace is cut off', async () => {
  const clock = new VirtualClock();
  const here = await world({ limits, clock });
  const writer = await writerOf(here);
  const slow = await here.joined({ device: 'slow' });
  slow.pause();
  await fill(writer);
  await clock.pass(40_000);
  await expect.poll(() => here.server.describe()).toMatchObject({ sockets: 1, unsentBytes: 0 });
  slow.resume();
  expect([1006, 1013]).toContain(await slow.closed());
});

test('S61 a peer that asks without reading the answers is closed with 1013 before they fill the memory', async () => {
  const here = await world({ limits });
  const slow = await here.joined({ device: 'slow' });
  slow.pause();
  const ref = 'r'.repeat(20_000);
  let unsent = 0;
  for (let n = 0; n < 1500; n += 1) {
    slow.send([null, ref, 'phoenix', 'heartbeat', {}]);
    if (n % 50 === 0) await turn();
    unsent = Math.max(unsent, here.server.describe().unsentBytes);
  }
  await expect.poll(() => here.server.describe().unsentBytes).toBeGreaterThan(hard);
  unsent = Math.max(unsent, here.server.describe().unsentBytes);
  expect(unsent).toBeLessThan(hard + slack);
  slow.resume();
  expect(await slow.closed()).toBe(1013);
});

test.each(tongues)(
  'S61 on %s a snapshot and a long tail leave no faster than their reader takes them',
  async (_name, knock) => {
    const here = await world({ limits });
    const writer = await writerOf(here);
    await put(writer, 'first', 0);
    const reader = readerFor(knock);
    const early = await board(here, reader, { knock: { ...knock, device: 'early' } });
    await followTo(early, reader, 1);
    await drop(early);
    await fill(writer);
    const fresh = readerFor(knock);
    for (const each of [reader, fresh]) {
      const peer = await board(here, each, { knock: { ...knock, device: 'slow' } });
      await peer.next().then((reply) => each.take(reply));
      peer.pause();
      let unsent = 0;
      for (let n = 0; n < 50; n += 1) {
        await turn();
        unsent = Math.max(unsent, here.server.describe().unsentBytes);
      }
      expect(unsent).toBeLessThan(hard + slack);
      peer.resume();
      await followTo(peer, each, values + 1);
      await drop(peer);
    }
    expect(reader.held().rows).toEqual((await heldByServer(here)).rows);
    expect(fresh.held().rows).toEqual(reader.held().rows);
  },
);

test.each(tongues)(
  'S111 on %s a drain answers who wrote while it was behind, once it reads on, and only then sends it away (P46)',
  async (_name, knock) => {
    const here = await world({ limits, clock: new VirtualClock() });
    const writer = await writerOf(here);
    const slow = await here.joined({ ...knock, device: 'slow' });
    slow.pause();
    await fill(writer);
    const ref = slow.push(topic, 'write', ask('set', 'mine', { value: 1 }));
    await expect
      .poll(() => here.server.describe())
      .toMatchObject({ stores: [{ head: values + 1 }] });
    const closed = here.server.close({ retryAfterMs: 500 });
    expect(await writer.closed()).toBe(1001);
    slow.resume();
    expect(await slow.reply(ref)).toMatchObject({
      status: 'ok',
      response: { store_seq: values + 1 },
    });
    await slow.until(([, , , event]) => event === 'retry_after');
    expect(await slow.closed()).toBe(1001);
    await closed;
  },
);

test('S111 a drain waits no longer than a grace for who is behind and does not read on', async () => {
  const clock = new VirtualClock();
  const here = await world({ limits, clock });
  const writer = await writerOf(here);
  const slow = await here.joined({ device: 'slow' });
  slow.pause();
  await fill(writer);
  slow.push(topic, 'write', ask('set', 'mine', { value: 1 }));
  await expect.poll(() => here.server.describe()).toMatchObject({ stores: [{ head: values + 1 }] });
  const closed = here.server.close();
  expect(await writer.closed()).toBe(1001);
  await clock.pass(12_000);
  await closed;
  slow.resume();
  expect([1001, 1006]).toContain(await slow.closed());
});

/** Writes more than a reader that stands still is sent. */
function fill(writer: Peer): Promise<number> {
  return flood(
    writer,
    values,
    (n) => `k/${n}`,
    () => 'x'.repeat(valueBytes),
  );
}

async function drop(peer: Peer): Promise<void> {
  peer.cut();
  await peer.closed();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
