import { memoryCache, type RejectedWrite, type Revocation } from '@holdfast/client';
import { asStoreName } from '@holdfast/protocol';
import type { GivenPrincipal } from '@holdfast/server';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { passUntil } from './pass-until.ts';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

const full: GivenPrincipal = {
  subject: 'u',
  orgs: ['acme'],
  scopes: ['entries:read', 'entries:write'],
};

test('S101 S102 given writes that wait without a connection, when their author comes back with fewer rights, then those that may not be made leave the outbox, in the cache too, within 5 s, and it is told of each; what may not be read goes with them (P76)', async () => {
  const clock = new VirtualClock();
  let mine: Partial<GivenPrincipal> = {};
  await using world = await openWorld(
    async ({ token }) => (token === 'me' ? { ...full, subject: 'me', ...mine } : full),
    { clock },
  );
  const writer = await world.store();
  await writer.transact((tx) => {
    tx.put('mine/a', 1);
    tx.put('theirs/b', 2);
  }).committed;
  const [cache, valve] = [memoryCache(), new Valve()];
  const revoked: Revocation[] = [];
  const rejected: RejectedWrite[] = [];
  const store = await world.store({
    token: 'me',
    cache,
    link: valve,
    env: { random: () => 0 },
    onRevoked: (each) => revoked.push(each),
    onRejected: (each) => rejected.push(each),
  });
  valve.down();
  const [lost, kept] = [store.put('theirs/b', 'own'), store.put('mine/a', 3)];
  await Promise.all([lost.durable, kept.durable]);
  const image = async () =>
    (await cache.load(asStoreName('acme/app'))) ?? { outbox: [], entries: [] };
  expect((await image()).outbox).toHaveLength(2);
  mine = { pathRules: [{ pattern: 'mine/**', allow: ['read', 'write'] }] };
  const start = clock.now();
  valve.up();
  await passUntil(clock, store.settled());
  expect(clock.now() - start).toBeLessThan(5000);
  expect(await kept.committed).toMatchObject({ seq: 3 });
  expect(lost.outcome).toMatchObject({ status: 'refused', reason: 'path_not_allowed' });
  const told = { opId: lost.opId, error: { code: 'path_not_allowed' } };
  await expect.poll(() => clock.pass(0).then(() => rejected)).toMatchObject([told]);
  expect(revoked).toEqual([{ store: 'acme/app', patterns: ['**'], error: null }]);
  expect([store.get('theirs'), store.outbox.list(), writer.get('theirs/b')]).toEqual([
    undefined,
    [],
    2,
  ]);
  await expect.poll(async () => (await image()).outbox).toEqual([]);
  expect([...(await image()).entries].map(({ path }) => path)).toEqual(['mine/a']);
});
