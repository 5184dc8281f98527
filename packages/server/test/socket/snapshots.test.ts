import { grantsOf } from '../../src/access/index.ts';
import { channelScope, everything } from '../../src/socket/scope.ts';
import { Tree } from '@holdfast/engine/data';
import { asGlob, asPath, asStoreName, defaultLimits, type Json } from '@holdfast/protocol';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { collect } from '../../../../tools/garbage.ts';
import { memoryBus } from '../../src/bus/memory.ts';
import { systemClock } from '../../src/host/clock.ts';
import { StoreHost } from '../../src/host/store-host.ts';
import { Meters } from '../../src/metrics/index.ts';
import { type Reading, Snapshot } from '../../src/socket/snapshot.ts';
import { Snapshots } from '../../src/socket/snapshots.ts';
import { memory } from '../../src/storage/memory.ts';
import { VirtualClock } from '../conversation/clock.ts';

function report(what: string, error: unknown): void {
  throw new Error(what, { cause: error });
}

async function openHost(): Promise<StoreHost> {
  const storage = memory();
  const row = await storage.stores.create({
    id: '00000000-0000-4000-8000-000000000000',
    name: asStoreName('demo/main'),
    incarnation: 'i',
    expiresAt: null,
  });
  if (row === null) throw new Error('no store');
  const limits = defaultLimits;
  const stopped = report.bind(null, 'stopped');
  const base = { storage, bus: memoryBus(), clock: systemClock, limits, report, stopped };
  const room = { ...base, meters: new Meters(), slow: null };
  return StoreHost.open(room, row);
}

/** Sets a leaf and resolves when that is answered. */
async function put(host: StoreHost, path: string, value: Json): Promise<void> {
  const ticket = host.ticket();
  await new Promise<void>((resolve) => {
    host.submit(
      {
        ticket,
        channel: 1,
        blocks: false,
        unblock: false,
        dialect: 4,
        deviceId: 'd',
        opId: `op-${ticket}`,
        fingerprint: ticket,
        principal: null,
        rate: null,
        request: { op: 'set', path: asPath(path), value },
      },
      { answered: () => resolve() },
    );
  });
}

function indexes(count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => at);
}

/** The next chunk; null after the last. */
function partOf(reading: Reading): Exclude<ReturnType<Reading['next']>, 'later'> {
  const part = reading.next();
  return part === 'later' ? partOf(reading) : part;
}

/** The texts of all chunks that are still to come. */
function textsOf(reading: Reading): readonly string[] {
  const texts: string[] = [];
  for (let part = partOf(reading); part !== null; part = partOf(reading)) texts.push(part.json());
  return texts;
}

function weakly(part: ReturnType<Reading['next']>): WeakRef<object> {
  if (part === null || part === 'later') throw new Error('there is no chunk');
  return new WeakRef(part);
}

const scope = channelScope(everything, grantsOf(null).read);

test('of snapshots that are too much to keep, those wanted longest ago are let go', async () => {
  const host = await openHost();
  const text = 'x'.repeat(1000);
  const snapshots = new Snapshots(4500);
  const cut: Snapshot[] = [];
  for (let i = 0; i < 3; i += 1) {
    await put(host, 'a', `${text}${i}`);
    const reading = snapshots.current(host, scope, 0);
    expect(reading.next()).not.toBeNull();
    cut.push(reading.snapshot);
  }
  const resumes = (of: Snapshot | undefined): boolean =>
    of !== undefined &&
    snapshots.resume({ host, scope }, { id: of.id, next: 1 }, 0)?.snapshot === of;
  expect(cut.map(resumes)).toEqual([true, true, true]);
  expect(snapshots.current(host, scope, 0).snapshot).toBe(cut[2]);
  // The first is wanted again, so the second has waited longest when room is needed.
  expect(resumes(cut[0])).toBe(true);
  await put(host, 'b', text);
  snapshots.current(host, scope, 0).next();
  snapshots.sweep(0);
  expect(cut.map(resumes)).toEqual([true, false, true]);
});

test('a snapshot larger than all that may be kept can still be resumed while it is the newest, for two minutes', async () => {
  const host = await openHost();
  await put(host, 'a', 'x'.repeat(5000));
  const snapshots = new Snapshots(100);
  const reading = snapshots.current(host, scope, 0);
  const { snapshot: only } = reading;
  reading.next();
  for (const now of [0, 120_000]) {
    snapshots.sweep(now);
    expect(snapshots.resume({ host, scope }, { id: only.id, next: 1 }, 0)?.snapshot).toBe(only);
  }
  snapshots.sweep(121_000);
  expect(snapshots.resume({ host, scope }, { id: only.id, next: 1 }, 0)).toBeNull();
});

test('S61 of a snapshot larger than may be held no more is held, and who is behind or comes back is sent the same chunks', async () => {
  const tree = Tree.empty();
  for (const at of indexes(10_500)) {
    const object = `${'abc'[at % 3]}/${at}`;
    tree.put(asPath(`${object}/x`), { value: at, type: 'integer', revision: at + 1 });
    tree.put(asPath(`${object}/y`), { value: 'v', type: 'string', revision: at + 1 });
  }
  // Maps whose last op removed: they have rows of their own, behind the leaves.
  for (const at of indexes(1200)) tree.remove(asPath(`b/${at * 3 + 1}/x`), 20_000 + at);
  for (const patterns of [everything, [asGlob('a/*/x'), asGlob('b/**')]]) {
    const part = channelScope(patterns, grantsOf(null).read);
    const snapshot = new Snapshot({ tree, seq: 30_000 }, part, 100_000);
    const [reading, slow] = [snapshot.from(0), snapshot.from(0)];
    const first = weakly(partOf(reading));
    const texts = textsOf(reading);
    expect(texts.at(-1)).toContain('"entries":[],"maps":[["b');
    expect(snapshot.bytes).toBeLessThan(100_000);
    // oxlint-disable-next-line no-await-in-loop -- what a turn has seen is collected after it only
    await turn();
    collect();
    expect(first.deref()).toBeUndefined();
    expect(textsOf(slow).slice(1)).toEqual(texts);
    for (const next of [1, 4, texts.length - 1, texts.length, texts.length + 1]) {
      expect(textsOf(snapshot.from(next))).toEqual(texts.slice(next - 1));
    }
    expect(() => snapshot.from(texts.length + 2)).toThrow('has no chunk');
  }
});

test('S61 of two who overtake each other in a snapshot, each chunk of which is larger than what is held, each is sent every chunk once, in their order', () => {
  const tree = Tree.empty();
  for (const at of indexes(4000)) {
    tree.put(asPath(`k/${at}`), { value: at, type: 'integer', revision: at + 1 });
  }
  const snapshot = new Snapshot({ tree, seq: 4000 }, scope, 10);
  const readings = [snapshot.from(0), snapshot.from(0)];
  const texts: string[][] = [[], []];
  for (const who of [0, 1, 1, 0, 0, 1, 1, 0]) {
    const reading = readings[who];
    if (reading !== undefined) texts[who]?.push(partOf(reading)?.json() ?? 'none');
  }
  const all = textsOf(snapshot.from(0));
  expect(all).toHaveLength(4);
  expect(texts).toEqual([all, all]);
});

test('a snapshot that is no longer kept is read to its end by who is sent it, and what all have been sent of it is freed', async () => {
  const host = await openHost();
  const leaves = Array.from({ length: 3500 }, (_, at) => [`${at}`, 'v'] as const);
  await put(host, 'map', Object.fromEntries(leaves));
  const snapshots = new Snapshots(1_000_000);
  const reading = snapshots.current(host, scope, 0);
  const first = weakly(reading.next());
  await put(host, 'other', 'v');
  snapshots.current(host, scope, 0).next();
  snapshots.sweep(121_000);
  const sizes: number[] = [];
  for (let part = reading.next(); part !== null; part = reading.next()) {
    if (part !== 'later') sizes.push(part.json().length);
    await turn();
    collect();
  }
  expect(sizes).toHaveLength(3);
  expect(reading.snapshot.count).toBe(3500);
  expect(first.deref()).toBeUndefined();
  // Nobody begins with it from now on.
  const { id } = reading.snapshot;
  expect(snapshots.resume({ host, scope }, { id, next: 0 }, 0)).toBeNull();
});

test('all who come to a large store that is written to, soon after somebody else, are sent one state of a little later', async () => {
  const host = await openHost();
  const clock = new VirtualClock();
  const snapshots = new Snapshots();
  const leaves = Array.from({ length: 9999 }, (_, at) => [`${at}`, at] as const);
  await put(host, 'map', Object.fromEntries(leaves));
  const come = async (): Promise<Snapshot> => (await snapshots.shared(host, scope, clock)).snapshot;
  const small = await come();
  await put(host, 'other', 'v');
  // Of fewer leaves one is cut for each who comes.
  const first = await come();
  expect(first).not.toBe(small);
  expect(await come()).toBe(first);
  let last: Promise<Snapshot> | null = null;
  const seen = new Set<Snapshot>();
  for (let at = 0; at < 10; at += 1) {
    await put(host, 'other', `${at}`);
    last = come();
    void last.then((snapshot) => seen.add(snapshot));
  }
  await turn();
  expect(seen.size).toBe(0);
  await clock.pass(50);
  expect((await last)?.seq).toBe(host.head);
  expect(seen.size).toBe(1);
  await put(host, 'other', 'later');
  await clock.pass(50);
  expect((await come()).seq).toBe(host.head);
});

test('S83 S102 a broken-off snapshot is not resumed in another scope', async () => {
  const host = await openHost();
  await put(host, 'a/x', 'v');
  await put(host, 'b/x', 'v');
  const snapshots = new Snapshots();
  const reading = snapshots.current(host, scope, 0);
  const { snapshot: whole } = reading;
  reading.next();
  const part = channelScope([asGlob('a/**')], grantsOf(null).read);
  expect(snapshots.resume({ host, scope: part }, { id: whole.id, next: 0 }, 0)).toBeNull();
  const inPart = snapshots.current(host, part, 0);
  const { snapshot: mine } = inPart;
  expect(inPart.next()).toMatchObject({ payload: { entries: [['a/x', 'v', 'string', 1]] } });
  const { snapshot: addition } = snapshots.current(host, { ...part, isAddition: true }, 0);
  expect([mine.within, addition.within]).toEqual([null, ['a/**']]);
  expect(snapshots.resume({ host, scope: part }, { id: addition.id, next: 0 }, 0)).toBeNull();
  const resumed = snapshots.resume({ host, scope: part }, { id: mine.id, next: 1 }, 0);
  expect(resumed?.snapshot).toBe(mine);
});

test('S82 a chunk holds no more than 256 KiB, whatever its text is made of and however long its paths are', () => {
  const tree = Tree.empty();
  const below = Array.from({ length: 4 }, () => 's'.repeat(200)).join('/');
  for (let at = 0; at < 500; at += 1) {
    const path = asPath(`${at}/${below}`);
    tree.put(asPath(`${path}/a`), { value: '漢'.repeat(300), type: 'string', revision: at + 1 });
    tree.put(asPath(`${path}/b`), { value: 1, type: 'integer', revision: at + 1 });
    tree.remove(asPath(`${path}/b`), 1000 + at);
  }
  const reading = new Snapshot({ tree, seq: 2000 }, scope, Infinity).from(0);
  const sizes: number[] = [];
  for (;;) {
    const part = reading.next();
    if (part === null || part === 'later') break;
    sizes.push(Buffer.byteLength(part.json()));
  }
  expect(sizes.length).toBeGreaterThan(6);
  expect(Math.max(...sizes)).toBeLessThan(256 * 1024);
});

test('S82 a chunk holds a thousand entries at most, and the number of each says where it stands', () => {
  const tree = Tree.empty();
  for (let at = 0; at < 2001; at += 1) {
    tree.put(asPath(`k/${at}`), { value: at, type: 'integer', revision: at + 1 });
  }
  const reading = new Snapshot({ tree, seq: 2001 }, scope, Infinity).from(0);
  const chunks: (readonly [number, number])[] = [];
  for (let part = reading.next(); part !== null; part = reading.next()) {
    if (part === 'later') continue;
    const { index, entries } = part.payload as { index: number; entries: readonly unknown[] };
    chunks.push([index, entries.length]);
  }
  expect(chunks).toEqual([
    [0, 1000],
    [1, 1000],
    [2, 1],
  ]);
});

test('who is sent a snapshot lets others have their turns while maps are looked through that only removed', () => {
  const tree = Tree.empty();
  for (const at of indexes(30_000)) {
    tree.put(asPath(`${at}/x`), { value: at, type: 'integer', revision: 1 });
  }
  tree.put(asPath('0/y'), { value: 0, type: 'integer', revision: 1 });
  tree.remove(asPath('0/y'), 2);
  const reading = new Snapshot({ tree, seq: 2 }, scope, Infinity).from(0);
  const parts: string[] = [];
  for (let part = reading.next(); part !== null; part = reading.next()) {
    parts.push(part === 'later' ? part : part.json().slice(-40));
  }
  expect(parts.filter((part) => part !== 'later')).toHaveLength(31);
  expect(parts.slice(-7, -1)).toEqual(Array.from({ length: 6 }, () => 'later'));
  expect(parts.at(-1)).toContain('"maps":[["0",2]]');
});
