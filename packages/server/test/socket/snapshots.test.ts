import { grantsOf } from '../../src/access/index.ts';
import { channelScope, everything } from '../../src/socket/scope.ts';
import { Tree } from '@holdfast/engine/data';
import { asGlob, asPath, asStoreName, defaultLimits } from '@holdfast/protocol';
import { expect, test } from 'vitest';

import { memoryBus } from '../../src/bus/memory.ts';
import { systemClock } from '../../src/host/clock.ts';
import { StoreHost } from '../../src/host/store-host.ts';
import { Meters } from '../../src/metrics/index.ts';
import { Snapshot, Snapshots } from '../../src/socket/snapshots.ts';
import { memory } from '../../src/storage/memory.ts';

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
async function put(host: StoreHost, path: string, value: string): Promise<void> {
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

const scope = channelScope(everything, grantsOf(null).read);

test('of snapshots that are too much to keep, those wanted longest ago are let go', async () => {
  const host = await openHost();
  const text = 'x'.repeat(1000);
  const snapshots = new Snapshots(4500);
  const cut: Snapshot[] = [];
  for (let i = 0; i < 3; i += 1) {
    await put(host, 'a', `${text}${i}`);
    const snapshot = snapshots.current(host, scope, 0);
    expect(snapshot.chunk(0)).not.toBeNull();
    cut.push(snapshot);
  }
  const resumes = (of: Snapshot | undefined): boolean =>
    of !== undefined && snapshots.resume({ host, scope }, { id: of.id, next: 1 }, 0) === of;
  expect(cut.map(resumes)).toEqual([true, true, true]);
  expect(snapshots.current(host, scope, 0)).toBe(cut[2]);
  // The first is wanted again, so the second has waited longest when room is needed.
  expect(resumes(cut[0])).toBe(true);
  await put(host, 'b', text);
  snapshots.current(host, scope, 0).chunk(0);
  snapshots.sweep(0);
  expect(cut.map(resumes)).toEqual([true, false, true]);
});

test('a snapshot larger than all that may be kept can still be resumed while it is the newest', async () => {
  const host = await openHost();
  await put(host, 'a', 'x'.repeat(5000));
  const snapshots = new Snapshots(100);
  const only = snapshots.current(host, scope, 0);
  only.chunk(0);
  snapshots.sweep(0);
  expect(snapshots.resume({ host, scope }, { id: only.id, next: 1 }, 0)).toBe(only);
  snapshots.sweep(121_000);
  expect(snapshots.resume({ host, scope }, { id: only.id, next: 1 }, 0)).toBeNull();
});

test('S83 S102 a broken-off snapshot is not resumed in another scope', async () => {
  const host = await openHost();
  await put(host, 'a/x', 'v');
  await put(host, 'b/x', 'v');
  const snapshots = new Snapshots();
  const whole = snapshots.current(host, scope, 0);
  whole.chunk(0);
  const part = channelScope([asGlob('a/**')], grantsOf(null).read);
  expect(snapshots.resume({ host, scope: part }, { id: whole.id, next: 0 }, 0)).toBeNull();
  const mine = snapshots.current(host, part, 0);
  expect(mine.chunk(0)).toMatchObject({ payload: { entries: [['a/x', 'v', 'string', 1]] } });
  const addition = snapshots.current(host, { ...part, isAddition: true }, 0);
  expect([mine.within, addition.within]).toEqual([null, ['a/**']]);
  expect(snapshots.resume({ host, scope: part }, { id: addition.id, next: 0 }, 0)).toBeNull();
  expect(snapshots.resume({ host, scope: part }, { id: mine.id, next: 1 }, 0)).toBe(mine);
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
  const snapshot = new Snapshot({ tree, seq: 2000 }, scope);
  const sizes: number[] = [];
  for (;;) {
    const part = snapshot.chunk(sizes.length);
    if (part === null || part === 'later') break;
    sizes.push(Buffer.byteLength(part.json()));
  }
  expect(sizes.length).toBeGreaterThan(6);
  expect(Math.max(...sizes)).toBeLessThan(256 * 1024);
});
