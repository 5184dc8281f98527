import { inspect } from 'node:util';
import type { Authenticate, Principal, TokenRequest } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from './clock.ts';
import { principals } from './principals.ts';
import { SlowDisk } from './slow-disk.ts';
import { arrived, ask, dialects, opsIn, put, reasonOf, write } from './talk.ts';
import { everything, set, topic, world } from './world.ts';

const grant: TokenRequest = {
  name: 't',
  org: 'demo',
  scopes: ['entries:read', 'entries:write'],
  storeAccess: { mode: 'all' },
  expiresAt: null,
  createdBy: null,
};
const imported = 'dust_tok_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG';
const jwt = `eyJhbGciOiJIUzI1NiJ9.${Buffer.from('{"sub":"ann"}').toString('base64url')}.c2lnbmF0dXJl`;

test('S10 issued, imported and JWT tokens work where the authenticator takes them', async () => {
  const known = { [imported]: { subject: 'import' }, [jwt]: { subject: 'ann' } };
  const { server, connect } = await world({ authenticate: principals(known) });
  const { rawToken } = await server.tokens.issue(grant);
  for (const token of [rawToken, imported, jwt]) {
    const peer = await connect({ token, device: token.slice(0, 5) });
    expect((await peer.join(topic)).status).toBe('ok');
    const byHeader = await connect({ token: null, headers: { authorization: `Bearer ${token}` } });
    expect((await byHeader.join(topic)).status).toBe('ok');
  }
  await expect(connect({ token: `${imported}x` })).rejects.toThrow('unauthorized');
});

test('S10 no token appears in any log, whatever fails', async () => {
  const lines: string[] = [];
  const note = (details: object, message: string): void => {
    lines.push(message, inspect(details, { depth: 20, showHidden: true }));
  };
  const opaque = 's3cret/without+any-shape';
  const tokens = [opaque, imported, jwt, `hf_tok_${'A'.repeat(43)}`];
  let broken = true;
  const authenticate = async (credentials: {
    readonly token: string | null;
  }): Promise<Principal | null> => {
    if (!broken) return everything;
    const cause = new Error(`cause: ${credentials.token}`);
    const asked = `/users/${encodeURIComponent(credentials.token ?? '')}`;
    throw Object.assign(new Error(`no such user: ${credentials.token} at ${asked}`, { cause }), {
      credentials,
    });
  };
  const { connect, url } = await world({ authenticate, log: { info: note, error: note } });
  for (const token of tokens) {
    await expect(connect({ token })).rejects.toThrow('unauthorized');
    await fetch(`${url}/api/whoami`, { headers: { authorization: `Bearer ${token}` } });
    broken = false;
    const peer = await connect({ token });
    broken = true;
    peer.send([null, 'renew', 'phoenix', 'access_token', { token }]);
    await peer.closed().catch(() => undefined);
    broken = true;
  }
  expect(lines.length).toBeGreaterThan(tokens.length * 2);
  for (const token of tokens) {
    expect(lines.filter((line) => line.includes(token))).toEqual([]);
    expect(lines.filter((line) => line.includes(encodeURIComponent(token)))).toEqual([]);
  }
});

/** An authenticator whose grants a test may change, by token. */
function registry(): {
  known: { [token: string]: Partial<Principal> };
  authenticate: ReturnType<typeof principals>;
} {
  const known: { [token: string]: Partial<Principal> } = {};
  return { known, authenticate: async (credentials) => principals(known)(credentials) };
}

test.each(dialects)(
  'S86 on %s a renewed token of the same subject keeps the socket and its channels',
  async (_n, knock) => {
    const { known, authenticate } = registry();
    const expiresAt = Date.now() + 3_600_000;
    known['old'] = { subject: 'ann', expiresAt };
    known['new'] = { subject: 'ann', expiresAt: expiresAt + 1000 };
    const { joined } = await world({ authenticate });
    const peer = await joined({ ...knock, token: 'old' });
    peer.send([null, 'renew', 'phoenix', 'access_token', { token: 'new' }]);
    expect(await peer.next()).toEqual([
      null,
      'renew',
      'phoenix',
      'phx_reply',
      { status: 'ok', response: { expires_at: expiresAt + 1000 } },
    ]);
    expect(await put(peer, 'a', 1)).toBe(1);
  },
);

test('S86 the renewed token is the one in force: the old one may end', async () => {
  const { known, authenticate } = registry();
  const clock = new VirtualClock();
  known['old'] = { subject: 'ann', expiresAt: clock.wall() + 10_000 };
  known['new'] = { subject: 'ann', expiresAt: clock.wall() + 20_000 };
  const { joined } = await world({ authenticate, clock, storage: memory({ now: clock.wall }) });
  const peer = await joined({ token: 'old' });
  peer.send([null, 'renew', 'phoenix', 'access_token', { token: 'new' }]);
  await peer.reply('renew');
  await clock.pass(15_000);
  expect(await put(peer, 'a', 1)).toBe(1);
  await clock.pass(10_000);
  expect(await peer.closed()).toBe(4001);
});

test.each<[string, unknown]>([
  ['an unknown token', 'nobody'],
  ["another subject's token", 'bob'],
  ['no token', undefined],
  ['a token that is no text', 7],
])('S86 %s is refused, and the old one stays in force', async (_what, token) => {
  const { known, authenticate } = registry();
  known['ann'] = { subject: 'ann' };
  known['bob'] = { subject: 'bob' };
  const { joined } = await world({ authenticate });
  const peer = await joined({ token: 'ann' });
  peer.send([null, 'renew', 'phoenix', 'access_token', { token }]);
  expect(await peer.next()).toEqual([
    null,
    'renew',
    'phoenix',
    'phx_reply',
    { status: 'error', response: { reason: 'unauthorized' } },
  ]);
  expect(await put(peer, 'a', 1)).toBe(1);
});

test('S86 a token with narrower grants closes the channels, and the rejoin has the new grants', async () => {
  const { known, authenticate } = registry();
  known['wide'] = { subject: 'ann' };
  known['narrow'] = { subject: 'ann', scopes: new Set(['entries:read']) };
  const { joined } = await world({ authenticate });
  const peer = await joined({ token: 'wide' });
  peer.send([null, 'renew', 'phoenix', 'access_token', { token: 'narrow' }]);
  expect(await peer.next()).toEqual([peer.joinRef, peer.joinRef, topic, 'phx_close', {}]);
  expect((await peer.reply('renew')).status).toBe('ok');
  const { response } = await peer.join(topic);
  expect(response).toMatchObject({ permissions: { read: true, write: false } });
  await peer.caughtUp();
  expect(reasonOf(await write(peer, 'set', 'a', { value: 1 }))).toBe('missing_scope');
});

test('S86 of two renewals at once the last is in force, however long the first is looked at', async () => {
  const { known, authenticate } = registry();
  const clock = new VirtualClock();
  known['old'] = { subject: 'ann' };
  known['short'] = { subject: 'ann', expiresAt: clock.wall() + 10_000 };
  known['long'] = { subject: 'ann', expiresAt: clock.wall() + 100_000 };
  const looks: (() => void)[] = [];
  const slowly: Authenticate = async (credentials) => {
    if (credentials.token === 'short') await new Promise<void>((look) => void looks.push(look));
    return authenticate(credentials);
  };
  const storage = memory({ now: clock.wall });
  const { joined } = await world({ authenticate: slowly, clock, storage });
  const peer = await joined({ token: 'old' });
  peer.send([null, 'first', 'phoenix', 'access_token', { token: 'short' }]);
  peer.send([null, 'last', 'phoenix', 'access_token', { token: 'long' }]);
  peer.send([null, 'alive', 'phoenix', 'heartbeat', {}]);
  await peer.reply('alive');
  looks.forEach((look) => look());
  await peer.reply('last');
  await clock.pass(15_000);
  expect(await put(peer, 'a', 1)).toBe(1);
});

test('S86 a join under way while the grants narrow is judged by the new ones', async () => {
  const { known, authenticate } = registry();
  known['wide'] = { subject: 'ann' };
  known['narrow'] = { subject: 'ann', scopes: new Set() };
  const disk = new SlowDisk(memory());
  const { connect } = await world({ authenticate, storage: disk.storage });
  const peer = await connect({ token: 'wide', capver: '3' });
  disk.hold();
  peer.send(['1', '1', topic, 'phx_join', { last_store_seq: 0 }]);
  await disk.reached();
  peer.send([null, 'renew', 'phoenix', 'access_token', { token: 'narrow' }]);
  expect((await peer.reply('renew')).status).toBe('ok');
  disk.release();
  expect((await peer.reply('1')).response).toMatchObject({ reason: 'missing_scope' });
});

test('S101 a join under way while the token is revoked does not get in', async () => {
  const disk = new SlowDisk(memory());
  const { server, connect } = await world({ storage: disk.storage });
  const { id, rawToken } = await server.tokens.issue(grant);
  const peer = await connect({ token: rawToken, capver: '3' });
  disk.hold();
  peer.send(['1', '1', topic, 'phx_join', { last_store_seq: 0 }]);
  await disk.reached();
  await server.tokens.revoke(id);
  disk.release();
  expect(await peer.closed()).toBe(4001);
  expect(peer.heard).toEqual([]);
});

test.each(dialects)(
  'S101 on %s a revoked token closes its sockets with 4001 at once, and nothing is delivered after (P41)',
  async (_name, knock) => {
    const { server, connect, joined } = await world();
    const { id, rawToken } = await server.tokens.issue(grant);
    const peer = await joined({ ...knock, token: rawToken });
    const other = await joined({ device: 'd2' });
    await put(other, 'before', 1);
    await server.tokens.revoke(id);
    expect(await peer.closed()).toBe(4001);
    await put(other, 'after', 1);
    expect(peer.heard.at(-1)).toEqual([peer.joinRef, peer.joinRef, topic, 'phx_close', {}]);
    expect(opsIn(peer.heard).map(({ path }) => path)).toEqual(['before']);
    await expect(connect({ ...knock, token: rawToken })).rejects.toThrow('unauthorized');
    expect(await put(other, 'more', 1)).toBe(3);
  },
);

test('S101 a token revoked over HTTP is unauthorized at the next request, and its sockets close', async () => {
  const { server, joined, url } = await world();
  const { id, rawToken } = await server.tokens.issue(grant);
  const peer = await joined({ token: rawToken });
  const whoami = (): Promise<number> =>
    fetch(`${url}/api/whoami`, { headers: { authorization: `Bearer ${rawToken}` } }).then(
      ({ status }) => status,
    );
  expect(await whoami()).toBe(200);
  const revoked = await fetch(`${url}/api/tokens/${id}`, {
    method: 'DELETE',
    headers: { authorization: 'Bearer dev' },
  });
  expect(revoked.status).toBe(200);
  expect(await whoami()).toBe(401);
  expect(await peer.closed()).toBe(4001);
});

test('S101 what a revoked client sends while its socket closes is not taken', async () => {
  const { server, joined } = await world();
  const { id, rawToken } = await server.tokens.issue(grant);
  const peer = await joined({ token: rawToken });
  const other = await joined({ device: 'd2' });
  // It does not hear that it is being closed.
  peer.pause();
  await server.tokens.revoke(id);
  for (let i = 0; i < 10; i += 1) {
    peer.send(['again', 'again', topic, 'phx_join', { last_store_seq: 0 }]);
    peer.send(['again', 'w', topic, 'write', set('late', 1, 'late')]);
    await arrived(other);
  }
  peer.resume();
  expect(await peer.closed()).toBe(4001);
  expect(await put(other, 'next', 1)).toBe(1);
});

test('S101 an expired token closes its sockets within 5 s', async () => {
  const clock = new VirtualClock();
  const { server, joined } = await world({ clock, storage: memory({ now: clock.wall }) });
  const expiresAt = clock.wall() + 60_000;
  const { rawToken } = await server.tokens.issue({ ...grant, expiresAt });
  const peer = await joined({ token: rawToken });
  for (let i = 0; i < 3; i += 1) {
    await clock.pass(19_000);
    expect((await peer.ask(topic, 'ack_seq', { seq: 0 })).status).toBe('ok');
  }
  await clock.pass(3000 + 5000);
  expect(await peer.closed()).toBe(4001);
});

const narrowings: readonly (readonly [string, Partial<Principal>])[] = [
  ['a scope less', { scopes: new Set(['entries:read']) }],
  ['other stores', { storeAccess: { mode: 'selected', storeIds: ['x'] } }],
  ['another org', { orgs: ['elsewhere'] }],
];

test.each(narrowings)(
  'S101 grants with %s close the sockets with 4002 within 5 s',
  async (_what, grants) => {
    const { known, authenticate } = registry();
    const clock = new VirtualClock();
    known['ann'] = {};
    const { joined } = await world({ authenticate, clock, storage: memory({ now: clock.wall }) });
    const [peer, other] = [await joined({ token: 'ann' }), await joined({ device: 'd2' })];
    await clock.pass(5000);
    await put(other, 'before', 1);
    known['ann'] = grants;
    await clock.pass(5000);
    expect(await peer.closed()).toBe(4002);
    await put(other, 'after', 1);
    expect(peer.heard.at(-1)?.slice(0, 4)).toEqual([
      peer.joinRef,
      peer.joinRef,
      topic,
      'phx_close',
    ]);
    expect(opsIn(peer.heard).map(({ path }) => path)).toEqual(['before']);
  },
);

test('S101 a principal that the authenticator no longer knows is closed with 4001, one that it cannot check with 4002, for its token may be good', async () => {
  const { known, authenticate } = registry();
  const clock = new VirtualClock();
  known['gone'] = {};
  known['unsure'] = {};
  let failing = false;
  const { joined } = await world({
    clock,
    storage: memory({ now: clock.wall }),
    authenticate: async (credentials) => {
      if (failing && credentials.token === 'unsure') throw new Error('the directory is down');
      return authenticate(credentials);
    },
  });
  const gone = await joined({ token: 'gone' });
  const unsure = await joined({ token: 'unsure', device: 'd2' });
  delete known['gone'];
  failing = true;
  await clock.pass(5000);
  expect(await gone.closed()).toBe(4001);
  expect(await unsure.closed()).toBe(4002);
});

/** An authenticator that leaves the checks of a token without an answer, once told to, until `answer` is called. */
function hesitant(known: { readonly [token: string]: Partial<Principal> }) {
  const waiting: (() => void)[] = [];
  const state = { hesitates: false, asked: 0 };
  const authenticate: Authenticate = async (credentials) => {
    if (state.hesitates && credentials.token === 'old') {
      state.asked += 1;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    return principals(known)(credentials);
  };
  const answer = (): void => {
    for (const go of waiting.splice(0)) go();
  };
  return { state, authenticate, answer };
}

test('S101 an authenticator that does not answer is asked once at a time, and counts as failed within 5 s', async () => {
  const clock = new VirtualClock();
  const { state, authenticate } = hesitant({ old: {} });
  const { joined } = await world({ authenticate, clock, storage: memory({ now: clock.wall }) });
  const peer = await joined({ token: 'old' });
  state.hesitates = true;
  await clock.pass(5000);
  expect(await peer.closed()).toBe(4002);
  expect(state.asked).toBe(1);
});

test('S86 a check of the old token that ends after the new one is in force does not close the socket', async () => {
  const clock = new VirtualClock();
  const known: { [token: string]: Partial<Principal> } = { old: { subject: 'ann' } };
  known['new'] = { subject: 'ann' };
  const { state, authenticate, answer } = hesitant(known);
  const { joined } = await world({ authenticate, clock, storage: memory({ now: clock.wall }) });
  const peer = await joined({ token: 'old' });
  state.hesitates = true;
  while (state.asked === 0) await clock.pass(1000);
  peer.send([null, 'renew', 'phoenix', 'access_token', { token: 'new' }]);
  expect((await peer.reply('renew')).status).toBe('ok');
  delete known['old'];
  answer();
  await clock.pass(10_000);
  expect(await put(peer, 'a', 1)).toBe(1);
});

test.each(dialects)(
  "S105 on %s no topic tells another org's store from one that does not exist",
  async (_n, knock) => {
    const foreign = { orgs: ['elsewhere'] };
    const { server, connect, storeId } = await world({ authenticate: principals({ foreign }) });
    const archived = await server.stores.create('demo/old');
    await server.stores.archive(archived?.id ?? '');
    const peer = await connect({ ...knock, token: 'foreign' });
    const unknown = await peer.join('store:demo/none');
    expect(unknown).toEqual({ status: 'error', response: { reason: 'unauthorized' } });
    for (const ref of ['demo/main', storeId, 'demo/old', archived?.id, 'demo/main/']) {
      for (const payload of [{ last_store_seq: 0 }, {}]) {
        expect(await peer.join(`store:${ref}`, payload)).toEqual(unknown);
      }
      expect(reasonOf(await peer.ask(`store:${ref}`, 'write', ask('set', 'a')))).toBe(
        'unmatched topic',
      );
    }
  },
);
