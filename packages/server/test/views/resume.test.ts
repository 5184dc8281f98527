import { app, stream, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { world } from '../conversation/world.ts';
import { Root } from './root.ts';

const ended: string[] = [];
const runs: number[] = [];
const gates: (() => void)[] = [];
const counter = view({
  name: 'Counter',
  mount: ({ signal, id }) => {
    signal.addEventListener('abort', () => ended.push(id));
    return { n: 0 };
  },
  render: ({ n }) => ({ n }),
  commands: {
    add: {
      run: (ctx) => {
        runs.push(ctx.state.n);
        ctx.update((s) => void (s.n += 1));
      },
    },
  },
});
const feed = view({
  name: 'Feed',
  scope: 'shared',
  streams: { log: stream<{ id: string }>({ limit: 10 }) },
  mount: () => ({ n: 0 }),
  render: ({ n }, h) => ({ n, log: h.stream('log') }),
  commands: {
    add: {
      run: (ctx) => {
        ctx.update((s) => void (s.n += 1));
        ctx.stream('log').insert({ id: String(ctx.state.n) });
      },
    },
    wait: { run: () => new Promise<void>((resolve) => void gates.push(resolve)) },
  },
});
const slow = view({
  name: 'Slow',
  mount: async ({ signal, id }) => {
    signal.addEventListener('abort', () => ended.push(id));
    await new Promise<void>((resolve) => void gates.push(resolve));
    return {};
  },
  render: () => ({}),
});
const broken = { is: false };
const brittle = view({
  name: 'Broken',
  scope: 'shared',
  mount: () => {
    if (broken.is) throw new Error('broken');
    return {};
  },
  render: () => ({}),
});
const apps = {
  app: app({ views: [counter, feed, slow, brittle] }),
  authenticate: principals({ other: {}, nobody: { subject: null } }),
};

const join = { module: 'Counter', id: 'a', capver: 4 };

type Resume = { readonly instance: string | null; readonly version: number };

async function joined(
  peer: Peer,
  resume: Resume = { instance: null, version: 0 },
): Promise<[Root, string]> {
  const root = new Root(peer, 'Counter', 'a');
  const { response } = await root.join({ ...join, resume });
  return [root, String(response['instance'])];
}

it('a command that comes by another connection happens once, also where nothing was asked for long before (views.md §7.3)', async () => {
  runs.length = 0;
  const clock = new VirtualClock();
  const { connect } = await world({ ...apps, clock, storage: memory({ now: clock.wall }) });
  const [root] = await joined(await connect());
  await root.envelope();
  await clock.pass(60_000);
  const once = { client_op_id: 'op1' };
  await root.command('add', {}, once);
  const [other] = await joined(await connect({ device: 'd2' }));
  await other.envelope();
  expect(await other.command('add', {}, once)).toMatchObject({ status: 'ok' });
  expect(runs).toEqual([0]);
});

it('V60 who comes back gets just what it missed; nothing, where it missed nothing', async () => {
  const { connect } = await world(apps);
  const first = await connect();
  const [root, instance] = await joined(first);
  await root.envelope();
  for (let i = 0; i < 3; i += 1) root.push('command', { name: 'add' });
  const seen = [];
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  while (seen.length < 6) seen.push((await root.next())[4]);
  first.cut();
  const second = await connect();
  const back = new Root(second, 'Counter', 'a');
  const reply = await back.join({ ...join, resume: { instance, version: 1 } });
  expect(reply.response).toMatchObject({ version: 4, instance, resumed: true, resend: true });
  const missed = seen.filter((payload) => payload['type'] === 'patch');
  expect([await back.envelope(), await back.envelope(), await back.envelope()]).toEqual(missed);
  second.cut();
  const third = new Root(await connect(), 'Counter', 'a');
  await third.join({ ...join, resume: { instance, version: 4 } });
  await third.command('add');
  expect(await third.envelope()).toMatchObject({ base_version: 4, version: 5 });
});

it('a client of less than capver 4 resumes nothing: it gets its first envelope, whatever it sends', async () => {
  const { connect } = await world(apps);
  const first = await connect();
  const [root, instance] = await joined(first);
  await root.envelope();
  first.cut();
  const musubi = new Root(await connect(), 'Counter', 'a');
  const resume = { instance, version: 1 };
  const { response } = await musubi.join({ ...join, capver: 3, resume });
  expect(response).toEqual({ root_id: 'Counter:a' });
  expect(await musubi.envelope()).toMatchObject({ base_version: 0, version: 1 });
});

it('V28 a command that is sent again after it ran is answered from its record', async () => {
  const { connect } = await world(apps);
  const first = await connect();
  const [root, instance] = await joined(first);
  runs.length = 0;
  const once = { client_op_id: 'op-1' };
  expect(await root.command('add', {}, once)).toMatchObject({ status: 'ok', version: 2 });
  first.cut();
  const [back] = await joined(await connect(), { instance, version: 2 });
  expect(await back.command('add', {}, once)).toMatchObject({ status: 'ok' });
  expect(runs).toEqual([0]);
});

it('V28 by its token also who did not sign in has a command once, though the instance is gone (views.md §7.3)', async () => {
  runs.length = 0;
  const { connect } = await world(apps);
  const once = { client_op_id: 'op-1' };
  const first = await connect({ token: 'nobody' });
  const [root, instance] = await joined(first);
  await root.command('add', {}, once);
  await root.ask('phx_leave', {});
  const back = new Root(await connect({ token: 'nobody' }), 'Counter', 'a');
  const { response } = await back.join({ ...join, resume: { instance, version: 2 } });
  expect(response).toMatchObject({ version: 1, resumed: false, resend: true });
  await back.envelope();
  expect(await back.command('add', {}, once)).toMatchObject({ status: 'ok' });
  const [stranger] = await joined(await connect({ token: 'nobody' }));
  await stranger.envelope();
  await stranger.command('add', {}, once);
  expect(runs).toEqual([0, 0]);
});

it('who comes back is told to send nothing again where an answer that it may lack is forgotten', async () => {
  const clock = new VirtualClock();
  const viewLimits = { dedupe_count: 1, dedupe_ms: 1 };
  const { connect } = await world({
    ...apps,
    clock,
    storage: memory({ now: clock.wall }),
    viewLimits,
  });
  const twice = async (root: Root): Promise<void> => {
    for (const id of ['op-1', 'op-2']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await root.command('add', {}, { client_op_id: `${id} ${clock.now()}` });
      // oxlint-disable-next-line no-await-in-loop -- the same
      await clock.pass(10);
    }
  };
  const [root, instance] = await joined(await connect());
  await twice(root);
  const resends = [];
  for (const ms of [0, 121_000]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await clock.pass(ms);
    const back = new Root(await connect(), 'Counter', 'a');
    // oxlint-disable-next-line no-await-in-loop -- the same
    const { response } = await back.join({ ...join, resume: { instance, version: 3 } });
    resends.push([response['resumed'], response['resend']]);
  }
  expect(resends).toEqual([
    [true, false],
    [true, true],
  ]);
  const [other, token] = await joined(await connect());
  await twice(other);
  await other.ask('phx_leave', {});
  const anew = new Root(await connect(), 'Counter', 'a');
  const { response } = await anew.join({ ...join, resume: { instance: token, version: 3 } });
  expect(response).toMatchObject({ resumed: false, resend: false });
});

it('what is mounted for who has gone meanwhile ends at once', async () => {
  ended.length = 0;
  const { connect } = await world(apps);
  const peer = await connect();
  const ref = peer.ref();
  const topic = 'musubi:connection:Slow:s';
  peer.send([ref, ref, topic, 'phx_join', { ...join, module: 'Slow', id: 's' }]);
  await expect.poll(() => gates.length).toBe(1);
  peer.cut();
  const again = await connect();
  again.send([null, 'beat', 'phoenix', 'heartbeat', {}]);
  await again.reply('beat');
  gates.pop()?.();
  await expect.poll(() => ended).toEqual(['s']);
});

it('V28 a command of who signed in, without a token to come back by, happens once within five minutes', async () => {
  runs.length = 0;
  const clock = new VirtualClock();
  const { connect } = await world({ ...apps, clock, storage: memory({ now: clock.wall }) });
  for (const ms of [0, 61_000, 400_000]) {
    // oxlint-disable no-await-in-loop -- one after the other
    await clock.pass(ms);
    const peer = await connect();
    const root = new Root(peer, 'Counter', 'a');
    await root.join(join);
    await root.command('add', {}, { client_op_id: 'op-1' });
    await root.ask('phx_leave', {});
    // oxlint-enable no-await-in-loop
  }
  // Nor is it remembered for ever.
  expect(runs).toEqual([0, 0]);
});

it('a shared view that could not be mounted is mounted for the next who comes', async () => {
  const { connect } = await world(apps);
  const outcomes = [];
  const peer = await connect();
  for (const isBroken of [true, false]) {
    broken.is = isBroken;
    const root = new Root(peer, 'Broken', 'x');
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    outcomes.push((await root.join({ ...join, module: 'Broken', id: 'x' })).status);
  }
  expect(outcomes).toEqual(['error', 'ok']);
});

it('V62 a token of somebody else, of another place or of nobody mounts afresh', async () => {
  const { connect } = await world(apps);
  const first = await connect();
  const [root, instance] = await joined(first);
  const once = { client_op_id: 'op-1' };
  await root.command('add', {}, once);
  first.cut();
  const fresh = { version: 1, resumed: false, resend: false };
  const stranger = await connect({ token: 'other' });
  const own = new Root(stranger, 'Counter', 'a');
  const { response } = await own.join({ ...join, resume: { instance, version: 1 } });
  expect(response).toMatchObject(fresh);
  expect(response['instance']).not.toBe(instance);
  await own.envelope();
  // Nor is the stranger told what others' commands were answered.
  await own.command('add', {}, once);
  expect(await own.envelope()).toMatchObject({ version: 2 });
  const peer = await connect();
  const elsewhere = new Root(peer, 'Counter', 'b');
  const other = await elsewhere.join({ ...join, id: 'b', resume: { instance, version: 1 } });
  expect(other.response).toMatchObject(fresh);
  const forged = new Root(peer, 'Counter', 'a');
  const reply = await forged.join({ ...join, resume: { instance: `${instance}x`, version: 1 } });
  expect(reply.response).toMatchObject(fresh);
});

it('V62 who comes back with other rights mounts afresh, by a renewed token of the same rights does not', async () => {
  const ada = { subject: 'ada', tokenId: 'old' };
  const authenticate = principals({
    ada,
    renewed: { ...ada, tokenId: 'new' },
    narrowed: { ...ada, tokenId: 'new', scopes: new Set(['entries:read'] as const) },
  });
  const { connect } = await world({ ...apps, authenticate });
  const [, instance] = await joined(await connect({ token: 'ada' }));
  const at = { instance, version: 1 };
  const [, same] = await joined(await connect({ token: 'renewed' }), at);
  expect(same).toBe(instance);
  const [, other] = await joined(await connect({ token: 'narrowed' }), at);
  expect(other).not.toBe(instance);
});

it('V63 who comes back before its old socket is known to be dead has its place, and the old channel ends', async () => {
  const { connect } = await world(apps);
  const half = await connect();
  const [root, instance] = await joined(half);
  await root.envelope();
  const [back, same] = await joined(await connect(), { instance, version: 1 });
  expect(same).toBe(instance);
  expect((await root.next())[3]).toBe('phx_close');
  await back.command('add');
  expect(await back.envelope()).toMatchObject({ base_version: 1, version: 2 });
});

it('V64 who leaves without a word to keep it, or is away too long, finds a fresh instance', async () => {
  ended.length = 0;
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const { connect, server } = await world({ ...apps, clock, storage });
  const peer = await connect();
  const [kept, token] = await joined(peer);
  await kept.ask('phx_leave', { keep: true });
  expect(ended).toEqual([]);
  const [left, same] = await joined(peer, { instance: token, version: 1 });
  expect(same).toBe(token);
  await left.ask('phx_leave', {});
  expect(ended).toEqual(['a']);
  const [, instance] = await joined(peer, { instance: token, version: 1 });
  expect(instance).not.toBe(token);
  peer.cut();
  await expect.poll(() => server.describe().sockets).toBe(0);
  await clock.pass(29_000);
  expect(ended).toEqual(['a']);
  await clock.pass(1000);
  await expect.poll(() => ended).toEqual(['a', 'a']);
});

it('V66, V68 a shared view has one instance: who joins later begins at its version, the rest is the same for all', async () => {
  const { connect } = await world(apps);
  const [ours, theirs] = [await connect(), await connect({ device: 'd2' })];
  const one = new Root(ours, 'Feed', 'f');
  await one.join({ module: 'Feed', id: 'f', capver: 4 });
  for (let i = 0; i < 6; i += 1) one.push('command', { name: 'add' });
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- until it is at the version
    const [, , , , payload] = await one.next();
    if (payload['version'] === 7 && payload['type'] === 'patch') break;
  }
  const two = new Root(theirs, 'Feed', 'f');
  await two.join({ module: 'Feed', id: 'f', capver: 0 });
  const first = await two.envelope();
  expect(first).toMatchObject({ base_version: 0, version: 1 });
  expect(first.ops).toMatchObject([{ op: 'replace', path: '', value: { n: 6 } }]);
  expect(first.stream_ops).toHaveLength(7);
  const reply = await two.command('add');
  expect(reply).toEqual({ status: 'ok', response: {} });
  const [mine, other] = [await one.envelope(), await two.envelope()];
  expect(mine).toMatchObject({ base_version: 7, version: 8 });
  expect(other).toMatchObject({ base_version: 1, version: 2 });
  expect({ ...other, base_version: 7, version: 8 }).toEqual(mine);
  // Who leaves takes nobody else's answer along.
  const waiting = one.push('command', { name: 'wait' });
  await expect.poll(() => gates.length).toBe(1);
  await two.ask('phx_leave', {});
  gates.pop()?.();
  expect(await ours.reply(waiting)).toMatchObject({ status: 'ok', version: 8 });
});

it('what speaks MessagePack has the same envelopes (views.md §5.5)', async () => {
  const { connect } = await world(apps);
  const [text, packed] = [await connect(), await connect({ device: 'd2', vsn: '3.0.0' })];
  const roots = [new Root(text, 'Feed', 'm'), new Root(packed, 'Feed', 'm')];
  const envelopes = [];
  for (const root of roots) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await root.join({ module: 'Feed', id: 'm', capver: 4 });
    // oxlint-disable-next-line no-await-in-loop -- the same
    envelopes.push(await root.envelope());
  }
  expect(envelopes[1]).toEqual(envelopes[0]);
  await roots[0]?.command('add');
  expect(await roots[1]?.envelope()).toEqual(await roots[0]?.envelope());
});
