import { presenceLimits } from '@holdfast/protocol/presence';
import type { Authenticate } from '@holdfast/server';
import { expect, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { principals } from '../conversation/principals.ts';
import { logOf, put, reasonOf, tongues } from '../conversation/talk.ts';
import type { Peer } from '../conversation/peer.ts';
import { topic, world } from '../conversation/world.ts';
import { attend, heard, present, room } from './peers.ts';

const fourTongues = tongues.filter(([name]) => name.includes('capver 4'));
const people = principals({ ann: {}, bob: {} });

test.each(fourTongues)(
  'S85 in %s the list comes after the join reply, then differences; an update names what it replaces',
  async (_name, knock) => {
    const home = await world({ authenticate: people });
    const ann = await home.connect({ ...knock, token: 'ann' });
    const { reply, list } = await attend(ann, { peer: 'tab' });
    expect(reply).toEqual({ status: 'ok', response: { key: 'ann', peer: 'tab' } });
    expect(list).toEqual({});
    const bob = await home.connect({ ...knock, token: 'bob', device: 'phone' });
    await attend(bob, { peer: 'b1', state: { x: 1 } });
    const joined = await heard(ann, 'presence_diff');
    const meta = { device_id: 'phone', peer: 'b1', state: { x: 1 } };
    expect(joined).toMatchObject({ joins: { bob: { metas: [meta] } }, leaves: {} });
    const tracked = await bob.ask(room, 'presence_track', { state: { x: 2 } });
    const update = await heard(ann, 'presence_diff');
    expect(update).toMatchObject({
      joins: { bob: { metas: [{ ...meta, state: { x: 2 }, ...tracked.response }] } },
      leaves: { bob: { metas: [meta] } },
    });
    const [before, after] = [joined, update].map((diff) => {
      const joins = diff['joins'] as { bob: { metas: [{ phx_ref: string }] } };
      return joins.bob.metas[0];
    });
    expect(after).toHaveProperty('phx_ref_prev', before?.phx_ref);
    expect(await bob.ask(room, 'presence_untrack', {})).toEqual({ status: 'ok', response: {} });
    expect(await heard(ann, 'presence_diff')).toMatchObject({ joins: {}, leaves: { bob: {} } });
    expect(present(ann.heard)).toEqual([]);
    const shape = ann.heard.find((frame) => frame[3] === 'presence_diff')?.slice(0, 4);
    expect(shape).toEqual([null, null, room, 'presence_diff']);
  },
);

test('S85 two tabs are two metas of one key, and a peer that gives no name is given one', async () => {
  const home = await world({ authenticate: people });
  const tabs = [];
  for (const _ of [1, 2]) {
    const tab = await home.connect({ token: 'bob' });
    tabs.push((await attend(tab, { state: {} })).reply.response['peer']);
  }
  const { list } = await attend(await home.connect({ token: 'ann' }));
  expect(list['bob']?.metas.map(({ peer }) => peer)).toEqual(tabs);
  expect(new Set(tabs).size).toBe(2);
});

test('S85 a payload that names another key, device or time is not believed', async () => {
  const home = await world({ authenticate: people });
  const bob = await home.connect({ token: 'bob', device: 'd9' });
  const lie = { key: 'ann', device_id: 'd1', online_at: 5, phx_ref: 'mine', subject: 'ann' };
  await attend(bob, { ...lie, peer: 'p', state: {} });
  await bob.ask(room, 'presence_track', { ...lie, state: { again: true } });
  const ann = await home.connect({ token: 'ann' });
  const { list } = await attend(ann);
  await expect.poll(() => present(ann.heard)).toEqual(['bob/p {"again":true}']);
  expect(Object.keys(list)).toEqual(['bob']);
  const [meta] = list['bob']?.metas ?? [];
  expect(meta).toMatchObject({ device_id: 'd9', peer: 'p' });
  expect(meta?.['online_at']).toBeGreaterThan(1_000_000);
  expect(meta?.['phx_ref']).not.toBe('mine');
});

test('S85 a lost socket shows no leave for 5 s, a rejoin within them is an update, longer shows one', async () => {
  const clock = new VirtualClock();
  const home = await world({ authenticate: people, clock });
  const ann = await home.connect({ token: 'ann' });
  await attend(ann);
  for (const again of [true, false]) {
    const bob = await home.connect({ token: 'bob' });
    await attend(bob, { peer: 'p', state: { first: true } });
    await clock.pass(100);
    await expect.poll(() => present(ann.heard)).toEqual(['bob/p {"first":true}']);
    const sockets = home.server.describe().sockets;
    bob.cut();
    await expect.poll(() => home.server.describe().sockets).toBe(sockets - 1);
    const told = ann.heard.length;
    await clock.pass(4900);
    expect(ann.heard.slice(told).filter((frame) => frame[3] === 'presence_diff')).toEqual([]);
    if (again) {
      const back = await home.connect({ token: 'bob' });
      await attend(back, { peer: 'p', state: { first: false } });
      await clock.pass(100);
      await expect.poll(() => present(ann.heard)).toEqual(['bob/p {"first":false}']);
      expect(ann.heard.at(-1)?.[4]).toMatchObject({ leaves: { bob: {} } });
      await back.ask(room, 'phx_leave', {});
    }
    await clock.pass(300);
    await expect.poll(() => present(ann.heard)).toEqual([]);
  }
});

test('S85 leaving is told at once, and so is a token that may no longer be used', async () => {
  const known: { [token: string]: object } = { ann: {}, bob: {}, eve: {} };
  const clock = new VirtualClock();
  const authenticate: Authenticate = (credentials) => principals(known)(credentials);
  const home = await world({ authenticate, clock });
  const ann = await home.connect({ token: 'ann' });
  await attend(ann);
  const [bob, eve] = [await home.connect({ token: 'bob' }), await home.connect({ token: 'eve' })];
  for (const each of [bob, eve]) {
    await attend(each, { peer: 'p', state: {} });
    await clock.pass(100);
  }
  await expect.poll(() => present(ann.heard)).toEqual(['bob/p {}', 'eve/p {}']);
  await bob.ask(room, 'phx_leave', {});
  await clock.pass(100);
  await expect.poll(() => present(ann.heard)).toEqual(['eve/p {}']);
  delete known['eve'];
  await clock.pass(4000);
  expect(await eve.closed()).toBe(4001);
  expect(eve.heard.some((frame) => frame[2] === room && frame[3] === 'phx_close')).toBe(true);
  // Not the 5 s of a lost socket.
  await clock.pass(100);
  await expect.poll(() => present(ann.heard)).toEqual([]);
});

test('S85 presence is granted with the store, unless the principal has it not', async () => {
  const home = await world({
    authenticate: principals({
      mute: { presence: false },
      ruled: { pathRules: [{ pattern: '**', allow: ['read', 'write'] }] },
      let: { presence: true, pathRules: [{ pattern: 'a/**', allow: ['read'] }] },
      other: { orgs: ['elsewhere'] },
      blind: { scopes: new Set(['entries:write']) },
      anonymous: { subject: null },
    }),
  });
  const refusal = async (token: string, name = room, payload: object = {}): Promise<unknown> =>
    (await (await home.connect({ token })).join(name, payload)).response;
  for (const token of ['mute', 'ruled']) {
    expect(await refusal(token)).toMatchObject({ reason: 'presence_not_allowed' });
  }
  expect(await refusal('let')).toMatchObject({ key: expect.any(String) });
  expect(await refusal('other')).toEqual({ reason: 'unauthorized' });
  expect(await refusal('blind')).toMatchObject({ reason: 'missing_scope', scope: 'entries:read' });
  expect(await refusal('dev', 'presence:demo/none:a')).toEqual({ reason: 'unauthorized' });
  expect(await refusal('dev', 'presence:demo/main')).toEqual({ reason: 'unauthorized' });
  expect(await refusal('dev', 'presence:demo/main:')).toMatchObject({ reason: 'empty_path' });
  expect(await refusal('dev', 'presence:demo/main:a//b')).toMatchObject({
    reason: 'empty_segment',
  });
  expect(await refusal('dev', room, { peer: 7 })).toMatchObject({ field: 'peer' });
  expect(await refusal('dev', room, { peer: 'x'.repeat(129) })).toMatchObject({ field: 'peer' });
  expect(await refusal('dev', room, { peer: 'x'.repeat(128) })).toMatchObject({ key: 'dev' });
  expect(await refusal('dev', room, { state: [] })).toMatchObject({ field: 'state' });
  expect(await refusal('anonymous')).toMatchObject({ key: 'anonymous' });
  const old = await home.connect({ capver: '3' });
  expect((await old.join(room, {})).response).toEqual({ reason: 'unmatched topic' });
});

/** A state of so many bytes. */
const stateOf = (bytes: number): object => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) });

/** A state of so many levels. */
function nested(levels: number): object {
  return levels === 1 ? {} : { a: nested(levels - 1) };
}

test('S85 4 KiB and 32 levels of state are taken, one byte or level more is refused; what is no state, too', async () => {
  const home = await world();
  const peer = await home.connect();
  await attend(peer);
  const track = (payload: object) => peer.ask(room, 'presence_track', payload);
  expect((await track({ state: stateOf(4096) })).status).toBe('ok');
  const tooLarge = await track({ state: stateOf(4097) });
  expect(tooLarge).toMatchObject({ status: 'error', response: { limit: 4096 } });
  expect(reasonOf(tooLarge)).toBe('value_too_large');
  expect((await track({ state: nested(32) })).status).toBe('ok');
  const none = [{}, { state: null }, { state: 'x' }, { state: [1] }, { state: nested(33) }];
  for (const payload of none) {
    expect(reasonOf(await track(payload))).toBe('invalid_payload');
  }
  expect(reasonOf(await peer.ask(room, 'write', {}))).toBe('unknown_event');
  expect((await track({ state: {} })).status).toBe('ok');
});

test('S85 nothing of it is in the log', async () => {
  const home = await world();
  const peer = await home.connect();
  await attend(peer, { state: { secret: true } });
  await peer.ask(room, 'presence_track', { state: { secret: 2 } });
  const writer = await home.joined({ device: 'w' });
  expect(await put(writer, 'a', 1)).toBe(1);
  expect(await logOf(home)).toHaveLength(1);
  expect((await writer.ask(topic, 'status', {})).response).toMatchObject({ op_count: 1 });
});

test('S85 the topics of a store close with it', async () => {
  const home = await world();
  const peer = await home.connect();
  await attend(peer, { state: {} });
  await home.server.stores.archive(home.storeId);
  expect(await heard(peer, 'phx_close')).toEqual({});
  expect((await peer.join(room, {})).response).toEqual({ reason: 'unauthorized' });
});

test('S85 who reads too slowly gets the list instead of the diffs, and nobody waits for it', async () => {
  const home = await world({ limits: { socket_soft_bytes: 65_536 } });
  const [slow, quick, actor] = [await home.connect(), await home.connect(), await home.connect()];
  await slow.join(topic);
  for (const each of [slow, quick]) await attend(each);
  await attend(actor, { peer: 'actor', state: { n: 0 } });
  await expect.poll(() => present(slow.heard)).toEqual(['dev/actor {"n":0}']);
  slow.pause();
  const writer = await home.joined({ device: 'w' });
  const filler = 'x'.repeat(60_000);
  while (home.server.describe().unsentBytes <= 65_536) await put(writer, 'filler', filler);
  for (let n = 1; n <= 20; n++) {
    await actor.ask(room, 'presence_track', { state: { n } });
    await expect.poll(() => present(quick.heard)).toEqual([`dev/actor {"n":${n}}`]);
  }
  slow.resume();
  await expect.poll(() => present(slow.heard)).toEqual(['dev/actor {"n":20}']);
  const events = slow.heard.map((frame) => frame[3]).filter((name) => name.startsWith('presence'));
  expect(events.filter((name) => name === 'presence_state').length).toBeGreaterThan(1);
  expect(events.length).toBeLessThan(20);
});

/** Turns of the event loop that come when a test says so. */
class HeldClock extends VirtualClock {
  holds = false;
  #held: (() => void)[] = [];
  /** How long each piece of a turn takes: who lets others on looks at the clock at the beginning, and before each. */
  #pieceMs = 0;
  #looks = -1;

  readonly #epoch = this.wall();

  override readonly now = (): number => {
    if (this.#pieceMs > 0) this.#looks += 1;
    return this.wall() - this.#epoch + this.#pieceMs * Math.max(0, this.#looks);
  };

  override setImmediate(run: () => void): void {
    if (this.holds) this.#held.push(run);
    else super.setImmediate(run);
  }

  /** Lets a turn come, in which each who goes on takes so long. */
  async turn(pieceMs: number): Promise<void> {
    const held = this.#held;
    this.#held = [];
    this.#pieceMs = pieceMs;
    for (const run of held) run();
    await new Promise<void>((resolve) => setImmediate(resolve));
    const ms = pieceMs * Math.max(0, this.#looks);
    this.#pieceMs = 0;
    this.#looks = -1;
    await this.pass(ms);
  }
}

test('S85 of those who join at once no more are told who is there in a turn of the event loop than take ten milliseconds', async () => {
  const clock = new HeldClock();
  const home = await world({ clock });
  const peers = await Promise.all(Array.from({ length: 6 }, () => home.connect()));
  /** What each has been told of presence once all that was sent to it so far is there. */
  const told = async (): Promise<readonly string[][]> => {
    await Promise.all(peers.map((peer) => peer.ask('phoenix', 'heartbeat', {})));
    const names = peers.map(({ heard: frames }) => frames.map((frame) => frame[3]));
    return names.map((all) => all.filter((name) => name.startsWith('presence')));
  };
  clock.holds = true;
  for (const [at, peer] of peers.entries()) await peer.join(room, { peer: `p${at}`, state: {} });
  await clock.pass(presenceLimits.collect_ms);
  expect((await told()).flat()).toEqual([]);
  for (const sum of [2, 4]) {
    await clock.turn(4);
    expect((await told()).flat()).toHaveLength(sum);
  }
  // Who has not had its turn finds in its list what all others are told of meanwhile.
  await peers[0]?.ask(room, 'presence_track', { peer: 'p0', state: { n: 1 } });
  await clock.pass(presenceLimits.collect_ms);
  await clock.turn(4);
  const [list, diff] = ['presence_state', 'presence_diff'];
  const early = [list, diff];
  expect(await told()).toEqual([early, early, early, early, [list], [list]]);
  const [first, ...others] = peers.map((peer) => present(peer.heard));
  expect(first).toHaveLength(6);
  expect(first?.[0]).toBe('dev/p0 {"n":1}');
  for (const each of others) expect(each).toEqual(first);
});

test('S85 one channel shows several tabs of its user, which go one by one, or with it', async () => {
  const home = await world({ authenticate: people });
  const ann = await home.connect({ ...fourTongues[0]?.[1], token: 'ann' });
  const bob = await home.connect({ ...fourTongues[0]?.[1], token: 'bob', device: 'phone' });
  await attend(bob);
  await attend(ann, { peer: 'tab-1', state: { x: 1 } });
  for (const peer of ['tab-2', 'tab-3']) {
    const told = await ann.ask(room, 'presence_track', { peer, state: { x: peer } });
    expect(told).toMatchObject({ status: 'ok', response: { phx_ref: expect.any(String) } });
  }
  await expect.poll(() => present(bob.heard).length).toBe(3);
  expect(await ann.ask(room, 'presence_untrack', { peer: 'tab-2' })).toMatchObject({
    status: 'ok',
  });
  await expect.poll(() => present(bob.heard).length).toBe(2);
  const wrong = await ann.ask(room, 'presence_track', { peer: '', state: {} });
  expect(reasonOf(wrong)).toBe('invalid_payload');
  await ann.ask(room, 'phx_leave', {});
  await expect.poll(() => present(bob.heard)).toEqual([]);
});

/** What becomes of the states of these tabs. */
async function trackAll(by: Peer, tabs: readonly string[], state: unknown = {}): Promise<unknown> {
  const asked = tabs.map((peer) => by.push(room, 'presence_track', { peer, state }));
  const became = new Set<unknown>();
  for (const ref of asked) {
    const { status, response } = await by.reply(ref);
    became.add(status === 'ok' ? status : response['reason']);
  }
  return [...became];
}

test('S85 a state that is refused takes no place of a tab, be it no state or one more than the topic holds', async () => {
  const home = await world({ authenticate: people });
  const [ann, ...crowd] = await Promise.all(
    Array.from({ length: 11 }, (_, at) => home.connect({ token: at === 0 ? 'ann' : 'bob' })),
  );
  if (ann === undefined) throw new Error('nobody is here');
  const { guests, metas } = presenceLimits;
  const tabs = (of: string): string[] => Array.from({ length: guests }, (_, at) => `${of}-${at}`);
  await attend(ann);
  expect(await trackAll(ann, tabs('wrong'), 'x')).toEqual(['invalid_payload']);
  expect(guests * crowd.length).toBe(metas);
  for (const [at, each] of crowd.entries()) {
    await attend(each);
    expect(await trackAll(each, tabs(`crowd-${at}`))).toEqual(['ok']);
  }
  expect(await trackAll(ann, tabs('late'))).toEqual(['limit_exceeded']);
  await crowd[0]?.ask(room, 'phx_leave', {});
  expect(await trackAll(ann, ['tab-0'])).toEqual(['ok']);
  // What has been shown stays, whatever is refused later.
  expect(await trackAll(ann, ['tab-0'], 'x')).toEqual(['invalid_payload']);
  expect(await trackAll(ann, tabs('tab'))).toEqual(['ok']);
  expect(await trackAll(ann, ['one-more'])).toEqual(['limit_exceeded']);
});

test('S103 to join presence counts as a join', async () => {
  const home = await world({ rates: { joins_per_minute: 1 }, clock: new VirtualClock() });
  const peer = await home.connect();
  expect((await peer.join('presence:demo/main:a', {})).status).toBe('ok');
  expect((await peer.join('presence:demo/main:b', {})).response).toEqual({
    reason: 'rate_limited',
    retry_after_ms: 60_000,
  });
});
