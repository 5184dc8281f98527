import { expect, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import type { Knock, Peer } from '../conversation/peer.ts';
import { ask, hear, opsIn, put, tongues } from '../conversation/talk.ts';
import { topic, type World, world } from '../conversation/world.ts';
import { type Reader, readerFor } from './readers.ts';
import { board, heldByServer, ride, writerOf } from './ride.ts';

const WRITERS = 50;
const OPS_PER_WRITER = 200;

/** Small numbers that are the same in every run. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % below;
  };
}

/** Any op on any of a few paths, some of which lie below others. */
function anyOp(draw: (below: number) => number): object {
  const path = ['a', 'a/b', 'a/b/c', 'd', 'e/f'][draw(5)] ?? 'a';
  switch (draw(6)) {
    case 0:
      return ask('delete', path);
    case 1:
      return ask('merge', path, { value: { [`k${draw(3)}`]: draw(9) } });
    case 2:
      return ask('set', path, { value: { b: { c: draw(9) }, x: draw(9) } });
    case 3:
      return ask('increment', `count/${draw(3)}`, { value: 1 });
    case 4:
      return ask('add', `members/${draw(2)}`, { value: draw(5) });
  }
  return ask('set', path, { value: draw(100) });
}

async function writeAll(here: World, seed: number): Promise<void> {
  const draw = chance(seed);
  const writer = await here.connect({ device: `w${seed}` });
  await writer.join(topic, { last_store_seq: 0, patterns: [] });
  for (let left = OPS_PER_WRITER; left > 0; left -= 20) {
    let ref = '';
    for (let n = 0; n < 20; n += 1) ref = writer.push(topic, 'write', anyOp(draw));
    await writer.reply(ref);
  }
  writer.cut();
}

/** Joins and drops at odd moments until the writers are done, then catches up. */
async function readOn(
  here: World,
  { reader, knock, seed }: { reader: Reader; knock: Knock; seed: number },
  over: AbortSignal,
): Promise<number> {
  const draw = chance(seed);
  let rides = 0;
  while (!over.aborted) {
    rides += 1;
    const peer = await board(here, reader, { knock: { ...knock, pongs: false } });
    for (let frames = 1 + draw(knock.capver === '3' ? 100 : 10); frames > 0; frames -= 1) {
      const frame = await Promise.race([peer.next(), aborted(over)]);
      if (frame === null) break;
      reader.take(frame);
    }
    peer.cut();
  }
  await ride(here, reader, { knock });
  return rides;
}

function aborted(signal: AbortSignal): Promise<null> {
  if (signal.aborted) return Promise.resolve(null);
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(null)));
}

test('S54 five readers that join and drop amid 50 writers × 200 ops miss nothing, hear nothing twice and end equal to the server', async () => {
  const here = await world();
  const readers = [...tongues, ...tongues.slice(0, 1)].map(([, knock], at) => ({
    reader: readerFor(knock),
    knock: { ...knock, device: `reader-${at}` },
    seed: 1000 + at,
  }));
  const over = new AbortController();
  const reading = readers.map((each) => readOn(here, each, over.signal));
  await Promise.all(Array.from({ length: WRITERS }, (_, at) => writeAll(here, at + 1)));
  over.abort();
  for (const rides of await Promise.all(reading)) expect(rides).toBeGreaterThan(3);
  const { rows, maps } = await heldByServer(here);
  expect(rows.length).toBeGreaterThan(5);
  for (const { reader } of readers) {
    expect(reader.cursor).toBeGreaterThanOrEqual(WRITERS * OPS_PER_WRITER);
    expect(reader.held().rows).toEqual(rows);
    expect(reader.held().maps ?? maps).toEqual(maps);
  }
}, 120_000);

test('S41 writes from sockets of every dialect and format reach a joined capver-3 client within 1 s, in seq order', async () => {
  // It never moves: nothing waits for time to pass.
  const here = await world({ clock: new VirtualClock() });
  const listener = await here.joined({ capver: '3', device: 'listener' });
  const writers: Peer[] = [];
  for (const [name, knock] of tongues) writers.push(await here.joined({ ...knock, device: name }));
  const written = await Promise.all(
    writers.map(async (writer, at) => {
      const seqs: number[] = [];
      for (let n = 0; n < 25; n += 1) seqs.push(await put(writer, `w/${at}/${n}`, n));
      return seqs;
    }),
  );
  const heard = await hear(listener, 100);
  expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
  for (const [at, seqs] of written.entries()) {
    const own = heard.filter(({ path }) => path.startsWith(`w/${at}/`));
    expect(own.map(({ seq }) => seq)).toEqual(seqs);
  }
});

test('S41 each write has reached a joined capver-3 client within 1 s of its reply', async () => {
  const here = await world({ clock: new VirtualClock() });
  const listener = await here.joined({ capver: '3', device: 'listener' });
  const writer = await writerOf(here);
  for (let n = 1; n <= 20; n += 1) {
    const seq = await put(writer, 'k', n);
    const frame = await listener.next();
    expect(opsIn([frame]).map((op) => [op.seq, op.value])).toEqual([[seq, n]]);
  }
});
