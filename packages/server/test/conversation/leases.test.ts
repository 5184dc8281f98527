import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from './clock.ts';
import type { Peer, Reply } from './peer.ts';
import { stateOf, valuesOf } from './replica.ts';
import { ask, dialects, hear, logOf, opsIn, put, reasonOf, seqOf, tongues, write } from './talk.ts';
import { topic, type World, world } from './world.ts';

/** A world whose time stands still unless a test moves it. */
async function still(): Promise<World & { readonly clock: VirtualClock }> {
  const clock = new VirtualClock();
  const home = await world({ clock, storage: memory({ now: clock.wall }) });
  return { ...home, clock };
}

async function acquire(
  peer: Peer,
  path = 'lock',
  more: object = { ttl_ms: 1000 },
): Promise<number> {
  const { response } = await write(peer, 'lease', path, more);
  return Number(response['token']);
}

test.each(tongues)(
  'S44 in %s a lease of nothing is acquired, and held against others',
  async (_n, knock) => {
    const { joined, clock } = await still();
    const peer = await joined(knock);
    const expiresAt = clock.wall() + 60_000;
    expect(await write(peer, 'lease', 'lock', { ttl_ms: 60_000, holder: 'me' })).toEqual({
      status: 'ok',
      response: { store_seq: 1, token: 1, holder: 'me', expires_at: expiresAt },
    });
    const other = await joined({ ...knock, device: 'd2' });
    expect(await write(other, 'lease', 'lock', { holder: 'other' })).toEqual({
      status: 'error',
      response: { reason: 'held', holder: 'me', expires_at: expiresAt },
    });
    expect(reasonOf(await write(peer, 'lease', 'lock', { holder: 'me' }))).toBe('held');
  },
);

test('S44 without holder and ttl a lease is anonymous and lasts 30 s; its event and leaf are the envelope', async () => {
  const home = await still();
  const [peer, old] = [await home.joined(), await home.joined({ capver: '3', device: 'd2' })];
  const { response } = await write(peer, 'lease', 'lock');
  const value = { _type: 'lease', holder: null, token: 1, expires_at: home.clock.wall() + 30_000 };
  expect(response).toMatchObject({ holder: null, expires_at: value.expires_at });
  expect((await hear(old, 1))[0]).toMatchObject({ op: 'lease', path: 'lock', value });
  expect((await stateOf(home)).leaves.get('lock')).toEqual({ value, type: 'lease', revision: 1 });
});

test('S44 an expired lease is stolen with a higher token, exactly from its deadline on', async () => {
  const { joined, clock } = await still();
  const peer = await joined();
  expect(await acquire(peer)).toBe(1);
  await clock.pass(999);
  expect(reasonOf(await write(peer, 'lease', 'lock'))).toBe('held');
  await clock.pass(1);
  expect(await acquire(peer)).toBe(2);
});

test('S44 a lease on a plain leaf or a map is refused, and removes nothing', async () => {
  const home = await still();
  const peer = await home.joined();
  await put(peer, 'leaf', 1);
  await put(peer, 'map/a', 1);
  for (const path of ['leaf', 'map']) {
    expect((await write(peer, 'lease', path)).response).toEqual({ reason: 'occupied' });
  }
  expect(await valuesOf(home)).toEqual({ leaf: 1, 'map/a': 1 });
});

test.each(dialects)(
  'S45 on %s renew keeps the token and extends from now',
  async (_name, knock) => {
    const { joined, clock } = await still();
    const peer = await joined(knock);
    const token = await acquire(peer, 'lock', { ttl_ms: 1000, holder: 'me' });
    await clock.pass(600);
    expect(await write(peer, 'renew', 'lock', { token, ttl_ms: 1000 })).toEqual({
      status: 'ok',
      response: { store_seq: 2, token, holder: 'me', expires_at: clock.wall() + 1000 },
    });
    await clock.pass(999);
    expect(reasonOf(await write(peer, 'lease', 'lock'))).toBe('held');
    expect(reasonOf(await write(peer, 'renew', 'lock', { token: token + 1 }))).toBe('not_held');
    expect(reasonOf(await write(peer, 'renew', 'none', { token }))).toBe('not_held');
    await clock.pass(1);
    expect(reasonOf(await write(peer, 'renew', 'lock', { token }))).toBe('not_held');
  },
);

test.each(dialects)(
  'S45 on %s release removes the lease, and one with a wrong token does nothing',
  async (_n, knock) => {
    const home = await still();
    const [peer, other] = [await home.joined(knock), await home.joined({ ...knock, device: 'd2' })];
    const token = await acquire(peer);
    for (const [path, wrong] of [
      ['lock', token + 1],
      ['none', token],
    ] as const) {
      expect(await write(peer, 'release', path, { token: wrong })).toEqual({
        status: 'ok',
        response: { released: false },
      });
    }
    expect(await write(peer, 'release', 'lock', { token })).toEqual({
      status: 'ok',
      response: { store_seq: 2 },
    });
    const heard = await hear(other, 2);
    expect(heard.map(({ seq, op, value }) => [seq, op, value])).toEqual([
      [1, 'lease', expect.anything()],
      [2, 'release', null],
    ]);
    expect(await valuesOf(home)).toEqual({});
    expect(reasonOf(await write(peer, 'renew', 'lock', { token }))).toBe('not_held');
  },
);

test('S45 renew and release need a token that is an integer, and holders are short text', async () => {
  const { joined } = await still();
  const peer = await joined();
  for (const token of ['1', 1.5, null, undefined]) {
    for (const op of ['renew', 'release']) {
      expect(reasonOf(await write(peer, op, 'lock', { token }))).toBe('invalid_lease_op');
    }
  }
  for (const holder of [7, {}, 'x'.repeat(257)]) {
    expect(reasonOf(await write(peer, 'lease', 'lock', { holder }))).toBe('invalid_lease_op');
  }
  expect(seqOf(await write(peer, 'lease', 'lock', { holder: 'x'.repeat(256) }))).toBe(1);
});

test.each(dialects)(
  'S46 on %s a fenced set passes with the live token only',
  async (_name, knock) => {
    const { joined, clock } = await still();
    const peer = await joined(knock);
    const fenced = async (token: number, key = 'lock'): Promise<unknown> =>
      (await write(peer, 'set', 'a', { value: 1, fence: { key, token } })).response['reason'];
    expect(await fenced(1)).toBe('fenced');
    const token = await acquire(peer);
    expect(await fenced(token)).toBeUndefined();
    expect(await fenced(token + 1)).toBe('fenced');
    expect(await fenced(token, 'a')).toBe('fenced');
    await clock.pass(1000);
    expect(await fenced(token)).toBe('fenced');
    const next = await acquire(peer);
    expect(await fenced(token)).toBe('fenced');
    expect(await fenced(next)).toBeUndefined();
    await write(peer, 'release', 'lock', { token: next });
    expect(await fenced(next)).toBe('fenced');
  },
);

test('S46 fences hold in a transaction, listed or per op, and on every op but those of leases', async () => {
  const { joined } = await still();
  const peer = await joined();
  const token = await acquire(peer);
  const transact = (fence: object, per: object): Promise<unknown> =>
    peer
      .ask(topic, 'transact', {
        client_op_id: JSON.stringify([fence, per]),
        preconditions: [{ fence }],
        ops: [{ op: 'set', path: 'a', value: 1, fence: per }],
      })
      .then(({ response }) => [
        response['reason'],
        response['precondition_index'],
        response['op_index'],
      ]);
  const [good, bad] = [
    { key: 'lock', token },
    { key: 'lock', token: 99 },
  ];
  expect(await transact(good, good)).toEqual([undefined, undefined, undefined]);
  expect(await transact(bad, good)).toEqual(['fenced', 0, undefined]);
  expect(await transact(good, bad)).toEqual(['fenced', undefined, 0]);
  const values = { delete: null, merge: { a: 1 }, increment: 1, add: 1, remove: 1 };
  for (const [op, value] of Object.entries(values)) {
    expect(reasonOf(await write(peer, op, 'x', { value, fence: bad }))).toBe('fenced');
    expect((await write(peer, op, 'y/z', { value, fence: good })).status).toBe('ok');
    await write(peer, 'delete', 'y');
  }
  // A fence beside the ops is a condition behind those that are listed.
  const beside = (fence: unknown, id: string): Promise<Reply> => {
    const ops = [{ op: 'set', path: 'a', value: 1 }];
    const preconditions = [{ path: 'lock', exists: true }];
    return peer.ask(topic, 'transact', { client_op_id: id, ops, preconditions, fence });
  };
  expect((await beside(good, 'beside-1')).status).toBe('ok');
  expect((await beside(null, 'beside-2')).status).toBe('ok');
  expect((await beside(bad, 'beside-3')).response).toEqual({
    reason: 'fenced',
    precondition_index: 1,
  });
  expect(reasonOf(await beside('lock', 'beside-4'))).toBe('invalid_precondition');
  const renewal = await write(peer, 'renew', 'lock', { token, fence: good });
  expect(renewal.response).toEqual({ reason: 'invalid_precondition' });
});

test.each(tongues)(
  'S47 in %s the same lease frame again gets the same token, not held',
  async (_n, knock) => {
    const home = await still();
    const peer = await home.joined(knock);
    const payload = ask('lease', 'lock', { ttl_ms: 1000, holder: 'me' });
    const first = await peer.ask(topic, 'write', payload);
    expect(first.response['token']).toBe(1);
    await home.clock.pass(500);
    expect(await peer.ask(topic, 'write', payload)).toEqual(first);
    const again = await home.joined(knock);
    expect(await again.ask(topic, 'write', payload)).toEqual(first);
    expect(await logOf(home)).toHaveLength(1);
  },
);

const assaults: readonly (readonly [string, string, object])[] = [
  ['a set of it', 'set', { path: 'jobs/lock', value: 1 }],
  ['a set to a map', 'set', { path: 'jobs/lock', value: { a: 1 } }],
  ['a delete of it', 'delete', { path: 'jobs/lock' }],
  ['a merge over it', 'merge', { path: 'jobs', value: { lock: 1 } }],
  ['a merge into it', 'merge', { path: 'jobs/lock', value: { a: 1 } }],
  ['a set of an ancestor', 'set', { path: 'jobs', value: 1 }],
  ['a map set at an ancestor', 'set', { path: 'jobs', value: { other: 1 } }],
  ['a delete of an ancestor', 'delete', { path: 'jobs' }],
  ['a write below it', 'set', { path: 'jobs/lock/below', value: 1 }],
];

test.each(assaults)(
  'S48 %s is held while a lease lives, unless it is fenced by that lease',
  async (_w, op, target) => {
    const home = await still();
    const peer = await home.joined();
    const token = await acquire(peer, 'jobs/lock', { ttl_ms: 1000, holder: 'me' });
    const other = await acquire(peer, 'other/lock', { ttl_ms: 1000 });
    const { response } = await write(peer, op, '', target);
    expect(response).toEqual({
      reason: 'held',
      holder: 'me',
      expires_at: home.clock.wall() + 1000,
    });
    const elsewhere = { fence: { key: 'other/lock', token: other } };
    expect(reasonOf(await write(peer, op, '', { ...target, ...elsewhere }))).toBe('held');
    expect(await logOf(home)).toHaveLength(2);
    const fence = { key: 'jobs/lock', token };
    expect((await write(peer, op, '', { ...target, fence })).status).toBe('ok');
  },
);

test.each(['increment', 'add', 'remove'])(
  'S48 %s of a live lease is held, and fenced by it a mismatch of types',
  async (op) => {
    const { joined } = await still();
    const peer = await joined();
    const token = await acquire(peer);
    expect(reasonOf(await write(peer, op, 'lock', { value: 1 }))).toBe('held');
    const fenced = await write(peer, op, 'lock', { value: 1, fence: { key: 'lock', token } });
    expect(fenced.response).toEqual({ reason: 'type_mismatch', type: 'lease' });
  },
);

test.each(assaults.filter(([, op]) => op === 'set' || op === 'delete'))(
  'S48 %s is allowed once the lease has expired',
  async (_what, op, target) => {
    const { joined, clock } = await still();
    const peer = await joined();
    await acquire(peer, 'jobs/lock');
    await clock.pass(1000);
    expect((await write(peer, op, '', target)).status).toBe('ok');
  },
);

test.each([0, -1, 'x', 1e12, 1.5, 86_400_001, {}, true])(
  'S49 a ttl_ms of %j is invalid',
  async (ttlMs) => {
    const { joined } = await still();
    const peer = await joined();
    for (const op of ['lease', 'renew']) {
      const { response } = await write(peer, op, 'lock', { ttl_ms: ttlMs, token: 1 });
      expect(response).toEqual({ reason: 'invalid_ttl' });
    }
    const ref = peer.push(topic, 'write', ask('lease', 'lock', { ttl_ms: 86_400_000 }));
    expect(opsIn([await peer.next()])).toHaveLength(1);
    expect((await peer.reply(ref)).status).toBe('ok');
  },
);
