import { memoryLink } from '@holdfast/client/link/memory';
import type { Store } from '@holdfast/client';
import { asPath } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { openWorld, type World } from '../world.ts';
import { Profile } from './profile.ts';

const letters = ({ outbox }: Store): readonly string[] =>
  outbox.deadLetters().map(({ opId }) => opId);

/** A page that is gone, and a write of it that was refused, which would not be by now. */
async function refused(world: World) {
  const profile = new Profile(world);
  const before = await profile.open();
  const writer = await world.store();
  before.valve.holdIn();
  await writer.put('taken', 1).committed;
  const { opId } = before.store.put('taken', 2, { ifAbsent: true });
  before.valve.letIn();
  await expect.poll(() => letters(before.store)).toEqual([opId]);
  await before.client.close();
  await writer.delete('taken').committed;
  return { profile, writer, opId };
}

/** A tab has edited the dead letter of a page that is gone, and retried it, offline. */
async function retriedOffline(world: World) {
  const { profile, writer, opId } = await refused(world);
  const edited = { op: 'set', path: asPath('edited'), value: 2 } as const;
  const offline = profile.sit({ link: memoryLink(() => null) });
  await expect.poll(() => letters(offline.store)).toEqual([opId]);
  await offline.store.outbox.retry(opId, edited)?.durable;
  return { profile, writer, opId, offline };
}

test('a dead letter of a page that is gone is listed no more when a tab has retried it', async () => {
  await using world = await openWorld();
  const { profile, writer, opId } = await refused(world);
  const { store } = await profile.open();
  expect(letters(store)).toEqual([opId]);
  await store.outbox.retry(opId)?.committed;
  await expect.poll(() => [writer.get('taken'), letters(store)]).toEqual([2, []]);
});

test('a dead letter of a page that is gone, which a tab retries offline, is sent by the page that comes next', async () => {
  await using world = await openWorld();
  const { profile, writer, offline } = await retriedOffline(world);
  await offline.client.close();
  const { store } = await profile.open();
  await expect.poll(() => [writer.get('edited'), letters(store)]).toEqual([2, []]);
});

test('a dead letter of a page that is gone, which a tab retries offline and takes back, is sent by no tab that was opened meanwhile', async () => {
  await using world = await openWorld();
  const { profile, writer, opId, offline: one } = await retriedOffline(world);
  const other = profile.sit();
  const own = other.store.put('own', 1);
  await own.durable;
  expect(other.store.outbox.list().map((each) => each.opId)).toEqual([own.opId]);
  expect(one.store.outbox.discard(opId)).toBe(true);
  await one.client.close();
  await own.committed;
  expect(writer.get('edited')).toBe(undefined);
});
