import { createConnection } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { type Knock, UpgradeRefused } from './peer.ts';
import { everything, set, topic, world } from './world.ts';

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
  ['a device without a name', { device: '' }, 'invalid_params'],
  ...['system:', 'http:', 'web:', 'mcp:'].map((prefix): [string, Knock, string] => [
    `a device named ${prefix}x`,
    { device: `${prefix}x` },
    'invalid_params',
  ]),
  ['a device of 129 bytes', { device: 'x'.repeat(129) }, 'invalid_params'],
  ['no vsn', { vsn: null }, 'vsn_unsupported'],
  ['vsn 1.0.0', { vsn: '1.0.0' }, 'vsn_unsupported'],
])('S2 the upgrade with %s is refused with 403 and says why (P40)', async (_what, knock, error) => {
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

/** Sends an upgrade request of this target as it is, and returns the whole answer. */
async function knockAt(url: string, target: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  socket.write(
    `GET ${target} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  return textOf(socket);
}

test.each(['//?token=s3cret', 'http://[?token=s3cret', '/nowhere?token=s3cret'])(
  'S10 an upgrade at %s is refused as one without a socket, and its token reaches no log',
  async (target) => {
    const lines: string[] = [];
    const note = (details: object, message: string): void => {
      lines.push(message, inspect(details, { depth: 20 }));
    };
    const { url } = await world({ log: { info: note, error: note } });
    const answer = await knockAt(url, target);
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toContain('"invalid_params"');
    expect(lines.filter((line) => line.includes('s3cret'))).toEqual([]);
  },
);

/** An authenticator that takes its time: whoever knocks waits until `answer` is called. */
function slowly(): { authenticate: () => Promise<typeof everything>; answer: () => void } {
  const waiting: (() => void)[] = [];
  return {
    authenticate: async () => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return everything;
    },
    answer: () => {
      for (const go of waiting.splice(0)) go();
    },
  };
}

test('S111 who was being authenticated when the server began to drain is not let in, and does not hold up its end', async () => {
  const { authenticate, answer } = slowly();
  let asked = 0;
  const { server, connect } = await world({
    authenticate: () => {
      asked += 1;
      return authenticate();
    },
  });
  const knock = connect().catch((cause: unknown) => cause);
  await expect.poll(() => asked).toBe(1);
  const closed = server.close();
  answer();
  expect(await knock).toMatchObject({ status: 403, body: { error: 'too_many_connections' } });
  await closed;
});

test('S29 sockets that are authenticated in the same turn count as well', async () => {
  const { authenticate, answer } = slowly();
  let asked = 0;
  const { server, connect } = await world({
    limits: { max_sockets_per_token: 2 },
    authenticate: () => {
      asked += 1;
      return authenticate();
    },
  });
  const knocks = [1, 2, 3, 4].map((i) => connect({ device: `d${i}` }));
  const settled = Promise.allSettled(knocks);
  await expect.poll(() => asked).toBe(4);
  answer();
  const opened = (await settled).filter(({ status }) => status === 'fulfilled');
  expect(opened).toHaveLength(2);
  expect(server.describe().sockets).toBe(2);
});
