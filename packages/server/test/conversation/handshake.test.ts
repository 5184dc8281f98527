import { expect, test } from 'vitest';
import { type Knock, UpgradeRefused } from './peer.ts';
import { set, topic, world } from './world.ts';

test.each(['/ws/sync/websocket', '/socket/websocket'])(
  'S1 at %s vsn 2.0.0 speaks text and vsn 3.0.0 MessagePack',
  async (mount) => {
    const { connect } = await world();
    const text = await connect({ mount });
    expect((await text.join(topic)).status).toBe('ok');
    const binary = await connect({ mount, vsn: '3.0.0', device: 'd2' });
    expect((await binary.join(topic)).status).toBe('ok');
    expect((await binary.ask(topic, 'write', set('a', 1, 'x'))).response).toEqual({ store_seq: 1 });
  },
);

test('S1 at /socket/websocket without capver a socket opens, but joins no store', async () => {
  const { connect } = await world();
  const peer = await connect({ mount: '/socket/websocket', capver: null, device: null });
  const reply = await peer.join(topic);
  expect(reply).toEqual({ status: 'error', response: { reason: 'unauthorized' } });
});

test.each<[string, Knock, string]>([
  ['an unknown token', { token: 'nobody' }, 'unauthorized'],
  ['no token', { token: null }, 'unauthorized'],
  ['capver 1', { capver: '1' }, 'capver_unsupported'],
  ['capver 2', { capver: '2' }, 'capver_unsupported'],
  ['no capver', { capver: null }, 'capver_unsupported'],
  ['capver x', { capver: 'x' }, 'capver_unsupported'],
  ['no device', { device: null }, 'invalid_params'],
  ['a device with a reserved prefix', { device: 'system:x' }, 'invalid_params'],
  ['a device of 129 bytes', { device: 'x'.repeat(129) }, 'invalid_params'],
  ['no vsn', { vsn: null }, 'vsn_unsupported'],
  ['vsn 1.0.0', { vsn: '1.0.0' }, 'vsn_unsupported'],
])('S2 the upgrade with %s is refused with 403 and says why', async (_what, knock, error) => {
  const { connect } = await world();
  const refused = await connect(knock).catch((cause: unknown) => cause);
  if (!(refused instanceof UpgradeRefused)) throw new Error('the upgrade was not refused');
  expect(refused.status).toBe(403);
  expect(refused.body['error']).toBe(error);
  expect(typeof refused.body['detail']).toBe('string');
});

test('S2 revoked and expired tokens are refused', async () => {
  const { server, connect } = await world();
  const grant = { name: 't', org: 'demo', scopes: ['entries:read'], createdBy: null } as const;
  const storeAccess = { mode: 'all' } as const;
  const revoked = await server.tokens.issue({ ...grant, storeAccess, expiresAt: null });
  const expired = await server.tokens.issue({ ...grant, storeAccess, expiresAt: 1 });
  await connect({ token: revoked.rawToken });
  await server.tokens.revoke(revoked.id);
  await expect(connect({ token: revoked.rawToken })).rejects.toThrow('unauthorized');
  await expect(connect({ token: expired.rawToken })).rejects.toThrow('unauthorized');
});

test('S2 capver 99 is told 4, capver 3 is told 3', async () => {
  const { connect } = await world();
  const modern = await connect({ capver: '99' });
  expect((await modern.join(topic)).response['capver']).toBe(4);
  const old = await connect({ capver: '3', device: 'd2' });
  expect((await old.join(topic)).response['capver']).toBe(3);
});

test('S3 control frames are exactly those of Phoenix', async () => {
  const { connect } = await world();
  const peer = await connect();
  peer.send([null, '7', 'phoenix', 'heartbeat', {}]);
  expect(await peer.next()).toEqual([
    null,
    '7',
    'phoenix',
    'phx_reply',
    { status: 'ok', response: {} },
  ]);
  await peer.join(topic);
  await peer.caughtUp();
  const reply = await peer.ask(topic, 'write', set('a', 1, 'x'));
  expect(Object.keys(reply.response)).not.toEqual([]);
  for (const [joinRef, ref, , event] of peer.heard) {
    if (event === 'events' || event === 'catch_up_complete') {
      expect([joinRef, ref]).toEqual([null, null]);
    }
  }
  const joins = peer.heard.filter(([joinRef, ref]) => ref !== null && ref === joinRef);
  expect(joins).toHaveLength(1);
});

test('S4 a join of an empty store at 0 is answered in full, then catch-up completes', async () => {
  const { connect, storeId } = await world();
  const peer = await connect({ capver: '3' });
  const { response } = await peer.join(topic);
  expect(response).toMatchObject({
    store_seq: 0,
    capver: 3,
    capver_min: 3,
    permissions: { read: true, write: true },
    store_access: { mode: 'all', store_ids: [] },
  });
  expect(response['scopes']).toEqual([...(response['scopes'] as string[])].toSorted());
  expect(await peer.next()).toEqual([null, null, topic, 'catch_up_complete', { through_seq: 0 }]);
  const byId = await connect({ capver: '4', device: 'd2' });
  const modern = await byId.join(`store:${storeId}`);
  expect(modern.response).toMatchObject({
    scope: 'all',
    sync: 'tail',
    why: null,
    patterns: ['**'],
  });
});
