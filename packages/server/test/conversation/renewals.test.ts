import type { Authenticate, Principal } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from './clock.ts';
import type { Peer } from './peer.ts';
import { principals } from './principals.ts';
import { put } from './talk.ts';
import { world } from './world.ts';

/** A member whose first token ends after `ms`, and an authenticator that never answers what it is asked of 'stuck'. */
async function stuckAfter(ms: number): Promise<{ peer: Peer; clock: VirtualClock }> {
  const clock = new VirtualClock();
  const old: Partial<Principal> = { subject: 'ann', expiresAt: clock.wall() + ms };
  const known = principals({ old, new: { subject: 'ann' } });
  const authenticate: Authenticate = (credentials) =>
    credentials.token === 'stuck' ? new Promise(() => undefined) : known(credentials);
  const storage = memory({ now: clock.wall });
  const { joined } = await world({ authenticate, clock, storage });
  const peer = await joined({ token: 'old' });
  for (const [ref, token] of [
    ['first', 'stuck'],
    ['last', 'new'],
  ] as const) {
    peer.send([null, ref, 'phoenix', 'access_token', { token }]);
  }
  // What the server has read before this, it is looking at.
  await put(peer, 'a', 1);
  return { peer, clock };
}

test('given an authenticator that never answers a renewal, then the socket ends after 5 s, as where it fails, so that no renewal waits for ever', async () => {
  const { peer, clock } = await stuckAfter(100_000);
  await clock.pass(4900);
  expect(await put(peer, 'b', 1)).toBe(2);
  await clock.pass(200);
  expect(await peer.closed()).toBe(1011);
});

test('given an authenticator that never answers a renewal, then the token in force still ends the socket when it expires', async () => {
  const { peer, clock } = await stuckAfter(2000);
  await clock.pass(4900);
  expect(await peer.closed()).toBe(4001);
});

test('given an authenticator that never answers, then an upgrade is refused after 5 s, and a request is told to come again', async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const authenticate: Authenticate = () => {
    asked += 1;
    return new Promise(() => undefined);
  };
  const { url, connect } = await world({ authenticate, clock });
  const knock = connect({ token: 'x' }).catch(String);
  const request = fetch(`${url}/api/stores`, { headers: { authorization: 'Bearer x' } });
  await expect.poll(() => asked).toBe(2);
  await clock.pass(5000);
  expect(await knock).toContain('403');
  expect((await request).status).toBe(503);
});

test('given a storage that never says whose a token is, then an upgrade is refused after 5 s, and a request is told to come again', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  let asked = 0;
  storage.tokens.find = () => {
    asked += 1;
    return new Promise(() => undefined);
  };
  const { url, connect } = await world({ authenticate: () => null, clock, storage });
  const token = `hf_tok_${'x'.repeat(43)}`;
  const knock = connect({ token }).catch(String);
  const request = fetch(`${url}/api/stores`, { headers: { authorization: `Bearer ${token}` } });
  await expect.poll(() => asked).toBe(2);
  await clock.pass(5000);
  expect(await knock).toContain('403');
  expect((await request).status).toBe(503);
});
