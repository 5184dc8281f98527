import { memoryCache } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { tabs } from '@holdfast/client/tabs';
import { asStoreName } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { openWorld } from '../world.ts';
import { hearing, opened, Profile } from './profile.ts';

test('what the server refuses of a tab is refused there, and told to nobody else', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const told: string[] = [];
  const open = (who: string) =>
    profile.open({ onRejected: ({ error }) => told.push(`${who} ${error.code}`) });
  const [a, b] = [await open('a'), await open('b')];
  const other = world.client().store('acme/app');
  await other.ready;
  a.valve.holdIn();
  await other.put('x', 1).committed;
  const claim = b.store.put('x', 2, { ifAbsent: true });
  // Nobody waits for this one.
  b.store.put('x', 3, { ifAbsent: true });
  const next = b.store.put('y', 2);
  expect(b.store.get('x')).toBe(3);
  await expect
    .poll(() => a.valve.sent.filter((data) => String(data).includes('"y"')).length)
    .toBe(1);
  a.valve.letIn();
  await expect(claim.committed).rejects.toMatchObject({ code: 'exists' });
  await next.committed;
  expect([a, b].map(({ store }) => store.get('x'))).toEqual([1, 1]);
  await expect.poll(() => told).toEqual(['b exists']);
  expect(opened(a, b)).toEqual([1, 0]);
  expect(world.errors).toEqual([]);
});

test('what a tab writes while the leading one has as many writes on their way as it may have is written when it has fewer', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  let ends = 0;
  const platform = hearing((_name, message, hear) => {
    if (/phx_(close|error)/.test(JSON.stringify(message))) ends += 1;
    hear?.(message);
  });
  const a = await profile.open({ outboxMax: { requests: 3 } });
  const b = await profile.open({ tabs: tabs({ name: profile.name, platform }) });
  a.valve.holdOut();
  const own = [1, 2, 3].map((n) => a.store.put(`a/${n}`, n));
  const others = [1, 2, 3].map((n) => b.store.put(`b/${n}`, n));
  const committed = Promise.all([...own, ...others].map((each) => each.committed));
  // It is told nothing, and begins again.
  await expect.poll(() => ends, { timeout: 20_000 }).toBeGreaterThan(1);
  a.valve.letOut();
  const seqs = (await committed).map(({ seq }) => seq);
  expect(seqs).toEqual(seqs.toSorted((one, other) => one - other));
  expect(opened(a, b)).toEqual([1, 0]);
  expect(world.errors).toEqual([]);
});

test('what became of a write is asked for a tab through the leading one', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const [a, b] = [await profile.open(), await profile.open()];
  const write = b.store.put('x', 1);
  const { seq } = await write.committed;
  expect(await b.store.opStatus(write.opId)).toMatchObject({ state: 'committed', seq });
  expect(opened(a, b)).toEqual([1, 0]);
});

test('what a tab has written, and the leading one has not sent, is shown offline by a tab that is loaded when both are gone', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const [a, b] = [await profile.open(), await profile.open()];
  a.valve.holdOut();
  const write = b.store.put('x', 1);
  await write.durable;
  await expect.poll(() => a.store.status.get().pending).toBe(1);
  // The leading one has kept by then what it keeps of it.
  await a.store.put('y', 1).durable;
  await b.client.close();
  await a.client.close();
  const { store } = profile.sit({ link: memoryLink(() => null) });
  await expect.poll(() => [store.get('x'), store.get('y')]).toEqual([1, 1]);
});

test('what a tab has to send for another that lives it neither lists nor takes back', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const [a, b] = [await profile.open(), await profile.open()];
  a.valve.holdOut();
  // As many as may be on their way at once: what comes after them is not sent yet.
  const own = Array.from({ length: 256 }, (_, n) => a.store.put(`own/${n}`, n));
  const write = b.store.put('x', 1);
  await expect.poll(() => a.store.status.get().pending).toBe(257);
  expect(a.store.outbox.list().map(({ opId }) => opId)).toEqual(own.map(({ opId }) => opId));
  expect(a.store.outbox.discard(write.opId)).toBe(false);
  expect(b.store.outbox.list()).toMatchObject([{ opId: write.opId }]);
  a.valve.letOut();
  await write.committed;
  expect(a.store.get('x')).toBe(1);
  expect(world.errors).toEqual([]);
});

test('what a tab that is gone had given the leading one, and somebody has decided since that one lost its connection, it does not send again', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const cache = memoryCache();
  const [a, b] = [await profile.open({ cache }), await profile.open({ cache })];
  const writer = await world.store();
  await writer.put('taken', 1).committed;
  a.valve.holdIn();
  const { opId, durable } = b.store.put('taken', 2, { ifAbsent: true });
  await durable;
  await expect.poll(() => a.store.status.get().pending).toBe(1);
  a.valve.down();
  await expect.poll(() => a.client.status.get().connection).toBe('reconnecting');
  await b.client.close();
  // Another tab that led meanwhile was refused.
  await cache.sharing?.keep(asStoreName('acme/app'), [[opId, null]]);
  await writer.delete('taken').committed;
  a.valve.up();
  await a.store.put('own', 1).committed;
  await expect.poll(() => writer.get('own')).toBe(1);
  expect([writer.get('taken'), a.store.status.get().pending]).toEqual([undefined, 0]);
  expect(world.errors).toEqual([]);
});
