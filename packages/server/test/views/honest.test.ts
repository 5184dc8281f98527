import { deferred } from '@holdfast/engine/registry';
import { app, stream, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { SlowDisk } from '../conversation/slow-disk.ts';
import { everything, set, topic, world } from '../conversation/world.ts';
import { Root } from './root.ts';

const quiet = { info: () => undefined, error: () => undefined };

const feed = view({
  name: 'Feed',
  streams: { log: stream<{ id: string }>() },
  mount: (ctx) => {
    ctx.stream('log').insert({ id: '1' });
    return {};
  },
  render: (_s, h) => ({ log: h.stream('log') }),
});

it('V61 a token whose stream cannot be made up for mounts afresh, each time that it is brought', async () => {
  const { connect } = await world({ app: app({ views: [feed] }) });
  const root = new Root(await connect(), 'Feed', 'f');
  const wish = { module: 'Feed', id: 'f', capver: 4 };
  const { response } = await root.join({ ...wish, resume: { instance: null, version: 0 } });
  const resume = { instance: response['instance'], version: 999_999 };
  for (let time = 0; time < 2; time += 1) {
    const back = new Root(await connect(), 'Feed', 'f');
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await back.join({ ...wish, resume })).response).toMatchObject({
      resumed: false,
      resend: true,
    });
  }
});

/** What not even a look at it survives. */
const untouchable = new Proxy(new Error('untouchable'), {
  getPrototypeOf: () => {
    throw new Error('do not look');
  },
});
const brittle = view({
  name: 'Brittle',
  scope: 'shared',
  mount: () => ({ n: 0 }),
  render: ({ n }) => ({ n }),
  commands: {
    add: { run: (ctx) => ctx.update((s) => void (s.n += 1)) },
    stop: { run: () => Promise.reject(untouchable) },
  },
});

it('V74 an instance that a bug has stopped ends all its channels by phx_error, and is mounted afresh', async () => {
  const { connect } = await world({ app: app({ views: [brittle] }), log: quiet });
  const wish = { module: 'Brittle', id: 'b', capver: 4 };
  const roots = [0, 1].map(async () => {
    const root = new Root(await connect(), 'Brittle', 'b');
    const { response } = await root.join({ ...wish, resume: { instance: null, version: 0 } });
    await root.envelope();
    return { root, resume: { instance: response['instance'], version: 2 } };
  });
  const [one, two] = await Promise.all(roots);
  if (one === undefined || two === undefined) throw new Error('two');
  await one.root.command('add');
  for (const { root } of [one, two]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await root.envelope()).toMatchObject({ version: 2 });
  }
  one.root.push('command', { name: 'stop' });
  for (const { root, resume } of [one, two]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await root.next())[3]).toBe('phx_error');
    // oxlint-disable-next-line no-await-in-loop -- the same
    const { response } = await root.join({ ...wish, resume });
    expect(response).toMatchObject({ version: 1, resumed: false });
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect(await root.envelope()).toMatchObject({ base_version: 0, ops: [{ value: { n: 0 } }] });
  }
});

const tenants = view({
  name: 'Tenants',
  scope: 'shared',
  params: z.object({ of: z.string() }).transform(({ of }) => ({ tenant: new Set([of]) })),
  render: (_s, _h, { params }) => ({ tenant: [...params.tenant] }),
});
const counted = view({
  name: 'Counted',
  params: z.object({ n: z.string() }).transform(({ n }) => ({ n: BigInt(n) })),
  render: (_s, _h, { params }) => ({ n: String(params.n) }),
});

it('params that their schema makes more than JSON of share no instance with others', async () => {
  const { connect } = await world({ app: app({ views: [tenants, counted] }) });
  for (const of of ['a', 'b']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const root = new Root(await connect(), 'Tenants', 't');
    // oxlint-disable-next-line no-await-in-loop -- the same
    await root.join({ module: 'Tenants', id: 't', params: { of } });
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect((await root.envelope()).ops).toMatchObject([{ value: { tenant: [of] } }]);
  }
  const root = new Root(await connect(), 'Counted', 'c');
  const reply = await root.join({ module: 'Counted', id: 'c', params: { n: '7' } });
  expect(reply.status).toBe('ok');
});

it('a root that is being joined while the server closes is mounted no more, and its client is told to come back', async () => {
  const asked = deferred<void>();
  const held = deferred<void>();
  let mounts = 0;
  const late = view({
    name: 'Late',
    authorize: async () => {
      asked.resolve(undefined);
      await held.promise;
      return true;
    },
    mount: () => void (mounts += 1),
    render: () => ({ a: 1 }),
  });
  const disk = new SlowDisk(memory());
  const storage = disk.storage;
  const { server, connect, joined } = await world({ app: app({ views: [late] }), storage });
  const [peer, writer] = [await connect(), await joined({ device: 'd2' })];
  disk.hold();
  const written = writer.push(topic, 'write', set('a', 1, 'x'));
  await disk.reached();
  const ref = peer.ref();
  const wish = { module: 'Late', id: 'l', capver: 4 };
  peer.send([ref, ref, 'musubi:connection:Late:l', 'phx_join', wish]);
  await asked.promise;
  const closed = server.close();
  held.resolve(undefined);
  await new Promise((resolve) => void setImmediate(resolve));
  disk.release();
  expect((await writer.reply(written)).status).toBe('ok');
  await closed;
  expect(await peer.closed()).toBe(1001);
  expect(peer.heard.map(([, , , event]) => event)).toEqual(['retry_after']);
  expect(mounts).toBe(0);
});

const plain = view({ name: 'Plain', render: () => ({ a: 1 }) });

it('telemetry that throws costs nobody a root', async () => {
  const { connect } = await world({
    app: app({ views: [plain] }),
    viewLimits: { roots: 1 },
    log: quiet,
    telemetry: () => {
      throw new Error('telemetry');
    },
  });
  const root = new Root(await connect(), 'Plain', 'a');
  for (let time = 0; time < 2; time += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await root.join({ module: 'Other', id: 'a' })).toMatchObject({ status: 'error' });
  }
  expect((await root.join({ module: 'Plain', id: 'a' })).status).toBe('ok');
});

it('a join that is being decided while the rights change is decided again, by those that hold then', async () => {
  const asked = deferred<void>();
  const held = deferred<void>();
  const secret = view({
    name: 'Secret',
    authorize: async ({ principal }) => {
      asked.resolve(undefined);
      await held.promise;
      return principal.scopes.has('entries:write');
    },
    render: () => ({ secret: 42 }),
  });
  const less = new Set(everything.scopes);
  less.delete('entries:write');
  const { connect } = await world({
    app: app({ views: [secret] }),
    authenticate: async ({ token }) =>
      token === 'less' ? { ...everything, scopes: less } : everything,
  });
  const peer = await connect();
  const [joinRef, ref] = [peer.ref(), peer.ref()];
  const wish = { module: 'Secret', id: 's' };
  peer.send([joinRef, joinRef, 'musubi:connection:Secret:s', 'phx_join', wish]);
  await asked.promise;
  peer.send([null, ref, 'phoenix', 'access_token', { token: 'less' }]);
  expect((await peer.reply(ref)).status).toBe('ok');
  held.resolve(undefined);
  expect(await peer.reply(joinRef)).toEqual({
    status: 'error',
    response: { reason: 'unauthorized' },
  });
});

it('params are changed no faster than commands are sent (views.md §15)', async () => {
  const pages = view({ name: 'Pages', onParams: () => undefined, render: () => ({ a: 1 }) });
  const { connect } = await world({
    app: app({ views: [pages] }),
    viewLimits: { commands_burst: 2, commands_per_second: 1 },
  });
  const root = new Root(await connect(), 'Pages', 'p');
  await root.join({ module: 'Pages', id: 'p', capver: 4 });
  const statuses = [];
  for (let page = 0; page < 3; page += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    statuses.push((await root.ask('params', { params: { page } })).response['reason'] ?? 'ok');
  }
  expect(statuses).toEqual(['ok', 'ok', 'rate_limited']);
});

it('joins of views are charged like those of stores (views.md §15)', async () => {
  const { connect } = await world({
    app: app({ views: [plain] }),
    rates: { joins_per_minute: 1 },
  });
  const peer = await connect();
  const first = new Root(peer, 'Plain', 'a');
  expect((await first.join({ module: 'Plain', id: 'a' })).status).toBe('ok');
  const second = new Root(peer, 'Plain', 'b');
  expect(await second.join({ module: 'Plain', id: 'b' })).toMatchObject({
    status: 'error',
    response: { reason: 'rate_limited' },
  });
});

it('of the roots that a connection leaves to come back to, no more are kept than it may have', async () => {
  const { connect } = await world({ app: app({ views: [plain] }), viewLimits: { roots: 2 } });
  const peer = await connect();
  const tokens: unknown[] = [];
  for (const id of ['a', 'b', 'c']) {
    const root = new Root(peer, 'Plain', id);
    const wish = { module: 'Plain', id, capver: 4, resume: { instance: null, version: 0 } };
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    tokens.push((await root.join(wish)).response['instance']);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await root.ask('phx_leave', { keep: true });
  }
  const resumed = [];
  for (const [index, id] of ['a', 'b', 'c'].entries()) {
    const root = new Root(peer, 'Plain', id);
    const resume = { instance: tokens[index], version: 1 };
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { response } = await root.join({ module: 'Plain', id, capver: 4, resume });
    resumed.push(response['resumed']);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await root.ask('phx_leave', {});
  }
  expect(resumed).toEqual([false, true, true]);
});
