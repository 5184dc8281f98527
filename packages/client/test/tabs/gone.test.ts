import { memoryCache } from '@holdfast/client';
import { deferred } from '@holdfast/engine/registry';
import { asPath } from '@holdfast/protocol';
import { expect, test, vi } from 'vitest';
import { openWorld, type World } from '../world.ts';
import { bell, looks } from './bell.ts';
import { Profile, type Tab } from './profile.ts';

const listed = ({ store }: Tab): readonly string[] => store.outbox.list().map(({ opId }) => opId);

/** Two tabs of a browser, and one more for which the first goes on looking; `looked` reads something of the first, after that has looked for tabs that are gone. */
async function couple(profile: Profile) {
  const look = bell(2000);
  const a = await profile.open({ env: look.env });
  const [b] = [await profile.open(), await profile.open()];
  const looked =
    <T>(read: () => T) =>
    (): T => {
      look.ring();
      return read();
    };
  return { a, b, look, looked };
}

/** As many as may be on their way at once: what comes after them is not sent yet. */
const full = Array.from({ length: 256 }, (_, n) => n);

test('what a tab that is gone has left is listed in the leading one that has it to send, and cannot be taken back there', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const { a, b, looked } = await couple(profile);
  a.valve.holdOut();
  const own = full.map((n) => a.store.put(`own/${n}`, n).opId);
  const left = b.store.put('left', 1);
  await left.durable;
  await expect.poll(() => a.store.status.get().pending).toBe(257);
  expect(listed(a)).toEqual(own);
  let told = 0;
  a.store.outbox.subscribe(() => (told += 1));
  await b.client.close();
  await expect.poll(looked(() => listed(a))).toEqual([...own, left.opId]);
  expect(told).toBeGreaterThan(0);
  expect(a.store.outbox.discard(left.opId)).toBe(false);
  a.valve.letOut();
  await expect.poll(() => a.store.get('left')).toBe(1);
  expect(listed(a)).toEqual([]);
  expect(world.errors).toEqual([]);
});

/** The second tab has given the first one to send what the server refuses; the first hears of nothing yet. */
async function relayed(world: World) {
  const tabs = await couple(new Profile(world));
  const { a, b } = tabs;
  const writer = await world.store();
  a.valve.holdIn();
  await writer.put('taken', 1).committed;
  const { opId, durable } = b.store.put('taken', 2, { ifAbsent: true });
  await durable;
  await expect.poll(() => a.store.status.get().pending).toBe(1);
  return { ...tabs, opId };
}

test('what a tab that is gone had given the leading one to send, and the server refuses, is a dead letter there', async () => {
  await using world = await openWorld();
  const { a, b, look, looked, opId } = await relayed(world);
  await b.client.close();
  await expect.poll(looked(() => listed(a))).toEqual([opId]);
  // It knows by then what is kept of it.
  await looks(look, 3);
  a.valve.letIn();
  await expect.poll(() => a.store.outbox.deadLetters()).toMatchObject([{ opId }]);
  expect([listed(a), world.errors]).toEqual([[], []]);
});

test('what a tab that is gone had given the leading one to send, and the server refuses, is a dead letter there where that one finds it as it connects again, before it has missed the tab', async () => {
  await using world = await openWorld();
  const { a, b, opId } = await relayed(world);
  a.valve.down();
  await b.client.close();
  a.valve.loses = (data) => {
    if (String(data).includes('"sync"')) a.valve.holdOut();
    return false;
  };
  a.valve.up();
  await expect.poll(() => listed(a)).toEqual([opId]);
  a.valve.letOut();
  await expect.poll(() => a.store.outbox.deadLetters()).toMatchObject([{ opId }]);
  expect([listed(a), world.errors]).toEqual([[], []]);
});

test('a dead letter of a page that is gone, which two tabs send again, is committed once, and both are told', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const before = await profile.open();
  const writer = await world.store();
  before.valve.holdIn();
  await writer.put('taken', 1).committed;
  const { opId } = before.store.put('taken', 2, { ifAbsent: true });
  before.valve.letIn();
  await expect.poll(() => before.store.outbox.deadLetters()).toMatchObject([{ opId }]);
  await before.client.close();
  const [a, b] = [await profile.open(), await profile.open()];
  const request = { op: 'set', path: asPath('again'), value: 3 } as const;
  a.valve.holdOut();
  const inA = a.store.outbox.retry(opId, request);
  const inB = b.store.outbox.retry(opId, request);
  await expect.poll(() => b.store.outbox.list()).toMatchObject([{ state: 'sent' }]);
  a.valve.letOut();
  const [one, other] = await Promise.all([inA?.committed, inB?.committed]);
  expect([one?.seq, writer.get('again')]).toEqual([other?.seq, 3]);
  expect(world.errors).toEqual([]);
});

test('given a cache that answers no more, when a tab that has found something there of one that is gone connects anew, then it is connected all the same, and leaves that to whoever can read it', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const cache = memoryCache();
  const before = await profile.open({ cache });
  before.valve.down();
  const { opId, durable } = before.store.put('left', 1);
  await durable;
  await before.client.close();
  const late = bell(5000);
  const { sharing } = cache;
  if (sharing === undefined) throw new Error('it is shared');
  let isStuck = false;
  const outbox: typeof sharing.outbox = (store) =>
    isStuck ? new Promise(() => undefined) : sharing.outbox(store);
  const a = profile.sit({ cache: { ...cache, sharing: { ...sharing, outbox } }, env: late.env });
  a.valve.holdOut();
  await expect.poll(() => listed(a)).toEqual([opId]);
  isStuck = true;
  a.valve.cut();
  await looks(late, 1);
  await a.store.put('own', 1).committed;
  expect([listed(a), a.store.get('left')]).toEqual([[], undefined]);
  await a.client.close();
  const b = await profile.open({ cache });
  await expect.poll(() => listed(b)).toEqual([]);
  expect([b.store.get('left'), world.errors]).toEqual([1, []]);
});

test('given a platform that does not say which locks are held, what a tab has made that lives is taken for that of one that is gone neither by the leading one nor by one that opens', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const { a, b, look } = await couple(profile);
  a.valve.holdOut();
  const { opId, durable, committed } = b.store.put('own', 1);
  await durable;
  await expect.poll(() => a.store.status.get().pending).toBe(1);
  const query = vi.spyOn(navigator.locks, 'query').mockRejectedValue(new Error('not now'));
  try {
    await looks(look, 4);
    const c = await profile.open();
    expect([a, b, c].map(listed)).toEqual([[], [opId], []]);
  } finally {
    query.mockRestore();
  }
  a.valve.letOut();
  await committed;
  expect(world.errors).toEqual([]);
});

/** A cache, and one by which what it has of requests is told late: it is read before `go`, or after. */
function lately(isReadBefore: boolean) {
  const cache = memoryCache();
  const { sharing } = cache;
  if (sharing === undefined) throw new Error('it is shared');
  const { promise, resolve: go } = deferred<void>();
  let reached = 0;
  const outbox: typeof sharing.outbox = async (store) => {
    const before = await sharing.outbox(store);
    reached += 1;
    await promise;
    return isReadBefore && reached === 1 ? before : sharing.outbox(store);
  };
  return {
    cache,
    slow: { ...cache, sharing: { ...sharing, outbox } },
    go,
    reached: () => reached,
  };
}

test('what a tab stores that begins while the leading one reads what others have left passes for nothing that was left', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const { cache, slow, go, reached } = lately(false);
  const a = await profile.open({ cache: slow });
  await expect.poll(reached).toBe(1);
  const b = await profile.open({ cache });
  a.valve.holdOut();
  await b.store.put('own', 1).durable;
  await expect.poll(() => a.store.status.get().pending).toBe(1);
  go();
  await b.store.put('next', 2).durable;
  await expect.poll(() => a.store.status.get().pending).toBe(2);
  expect(listed(a)).toEqual([]);
});

test('what a tab was refused that goes while the leading one reads what others have left is not sent once more', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const { cache, slow, go, reached } = lately(true);
  const c = await profile.open({ cache });
  const a = profile.sit({ cache: slow });
  const b = await profile.open({ cache });
  const writer = await world.store();
  await a.store.ready;
  await writer.put('taken', 1).committed;
  c.valve.down();
  const { opId, durable } = b.store.put('taken', 2, { ifAbsent: true });
  await durable;
  await c.client.close();
  await expect.poll(reached).toBe(1);
  await expect.poll(() => b.store.outbox.deadLetters()).toMatchObject([{ opId }]);
  await b.client.close();
  await writer.delete('taken').committed;
  go();
  for (const n of [1, 2, 3]) await a.store.put('own', n).committed;
  expect(writer.get('taken')).toBe(undefined);
});
