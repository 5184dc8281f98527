import { deferred } from '@holdfast/engine/registry';
import { app, stream, view } from '@holdfast/server';
import { expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import type { Envelope } from '@holdfast/protocol/views';
import { VirtualClock } from '../conversation/clock.ts';
import { principals } from '../conversation/principals.ts';
import { everything, world } from '../conversation/world.ts';
import { Scrape } from '../metrics/scrape.ts';
import { Root } from './root.ts';

const banned = new Set<string>();
const room = view({
  name: 'Room',
  scope: 'shared',
  streams: { log: stream<{ id: string; text: string }>({ limit: 20 }) },
  authorize: ({ principal }) => !banned.has(principal.subject ?? ''),
  mount: () => ({ n: 0, text: '' }),
  render: (state, h) => ({ ...state, log: h.stream('log') }),
  commands: {
    say: {
      input: z.object({ text: z.string() }),
      run: (ctx, { text }) => {
        ctx.update((s) => {
          s.n += 1;
          s.text = text;
        });
        ctx.stream('log').insert({ id: String(ctx.state.n), text });
      },
    },
    whoami: {
      reply: z.object({ subject: z.string().nullable() }),
      run: ({ principal }) => ({ subject: principal.subject }),
    },
    fail: { run: () => Promise.reject(new Error('secret words')) },
    echo: { input: z.unknown(), reply: z.unknown(), run: (_ctx, input) => ({ got: input }) },
  },
  messages: { nudge: { run: (ctx) => ctx.update((s) => void (s.n += 100)) } },
});
const views = app({ views: [room] });
const authenticate = principals({ ada: {}, ben: {} });
const join = { module: 'Room', id: 'r' };

it('V71 recheck ends whom authorize refuses by now, and nobody else notices', async () => {
  banned.clear();
  const { connect, server } = await world({ app: views, authenticate });
  const [ada, ben] = [
    new Root(await connect({ token: 'ada' }), 'Room', 'r'),
    new Root(await connect({ token: 'ben', device: 'd2' }), 'Room', 'r'),
  ];
  for (const root of [ada, ben]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await root.join(join);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await root.envelope();
  }
  banned.add('ben');
  await server.recheck(room, 'elsewhere');
  await ada.command('say', { text: 'to both' });
  for (const root of [ada, ben]) expect(await root.envelope()).toMatchObject({ version: 2 });
  await server.recheck(room);
  expect((await ben.next())[3]).toBe('phx_error');
  expect(await ben.join(join)).toMatchObject({ response: { reason: 'unauthorized' } });
  await ada.command('say', { text: 'still here' });
  expect(await ada.envelope()).toMatchObject({ version: 3 });
});

it('V10 who comes back is looked at again: where authorize refuses by now, nothing of what was missed is told', async () => {
  banned.clear();
  const { connect } = await world({ app: views, authenticate });
  const peer = await connect({ token: 'ben' });
  const root = new Root(peer, 'Room', 'r');
  const ours = { ...join, capver: 4 };
  const { response } = await root.join({ ...ours, resume: { instance: null, version: 0 } });
  await root.envelope();
  peer.cut();
  banned.add('ben');
  const other = await connect({ token: 'ben', device: 'd2' });
  const back = new Root(other, 'Room', 'r');
  const again = { ...ours, resume: { instance: response['instance'], version: 1 } };
  const refused = { status: 'error', response: { reason: 'unauthorized' } };
  expect(await back.join(again)).toEqual(refused);
  expect(await back.join(join)).toEqual(refused);
  banned.clear();
  expect(await back.join(again)).toMatchObject({ response: { resumed: true, version: 1 } });
  expect(other.heard.filter(([, , , event]) => event === 'patch')).toEqual([]);
});

it('recheck asks again where authorize fails, and ends those alone of whom it learns nothing (views.md §11.7)', async () => {
  const asked: string[] = [];
  const errors: object[] = [];
  const failures = new Map<string, number>();
  const doubtful = view({
    name: 'Doubtful',
    scope: 'shared',
    authorize: ({ principal: { subject } }) => {
      asked.push(subject ?? '');
      const left = failures.get(subject ?? '') ?? 0;
      failures.set(subject ?? '', left - 1);
      if (left > 0) throw new Error('the database is away');
      return true;
    },
    mount: () => ({ n: 0 }),
    render: (state) => state,
    messages: { count: { run: (ctx) => ctx.update((s) => void (s.n += 1)) } },
  });
  const clock = new VirtualClock();
  const log = { info: () => undefined, error: (details: object) => errors.push(details) };
  const names = ['ada', 'ben', 'eve'];
  const { connect, server } = await world({
    app: app({ views: [doubtful] }),
    authenticate: principals({ ada: {}, ben: {}, eve: {} }),
    clock,
    log,
  });
  const roots: Root[] = [];
  for (const token of names) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const root = new Root(await connect({ token, device: token }), 'Doubtful', 'd');
    roots.push(root);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await root.join({ module: 'Doubtful', id: 'd' });
    // oxlint-disable-next-line no-await-in-loop -- the same
    await root.envelope();
  }
  asked.length = 0;
  for (const [name, times] of [
    ['ada', 0],
    ['ben', 2],
    ['eve', Infinity],
  ] as const) {
    failures.set(name, times);
  }
  const done = server.recheck(doubtful);
  for (let second = 0; second < 3; second += 1) {
    // oxlint-disable-next-line no-await-in-loop -- until all have been asked
    await new Promise(setImmediate);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await clock.pass(1000);
  }
  await done;
  const times = (name: string): number => asked.filter((each) => each === name).length;
  expect(names.map(times)).toEqual([1, 3, 4]);
  expect(errors.length).toBe(6);
  const [ada, ben, eve] = roots;
  expect((await eve?.next())?.[3]).toBe('phx_error');
  server.tell(doubtful, 'd', 'count');
  expect(await ada?.envelope()).toMatchObject({ version: 2 });
  expect(await ben?.envelope()).toMatchObject({ version: 2 });
});

it('V68 a command in a shared view has its sender as principal', async () => {
  banned.clear();
  const { connect } = await world({ app: views, authenticate });
  for (const token of ['ada', 'ben']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const root = new Root(await connect({ token, device: token }), 'Room', 'r');
    // oxlint-disable-next-line no-await-in-loop -- the same
    await root.join(join);
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect(await root.command('whoami')).toMatchObject({ response: { subject: token } });
  }
});

it('server.tell runs a message at a root, and says whether there is one', async () => {
  const { connect, server } = await world({ app: views });
  expect(server.tell(room, 'r', 'nudge')).toBe(false);
  const root = new Root(await connect(), 'Room', 'r');
  await root.join(join);
  await root.envelope();
  expect(server.tell(room, 'r', 'nudge')).toBe(true);
  expect(await root.envelope()).toMatchObject({ ops: [{ path: '/n', value: 100 }] });
});

it('server.renderOnce gives what a view shows at first, and nothing of it stays', async () => {
  const { server } = await world({ app: views });
  const shown = await server.renderOnce(room, { principal: everything });
  expect(shown).toMatchObject({ tree: { n: 0, log: { __musubi_stream__: 'log' } } });
  expect(server.describe().views).toEqual([]);
});

it('V24 what a handler throws is in the log under its id, and never on the wire', async () => {
  const logged: string[] = [];
  const log = {
    info: () => undefined,
    error: (details: object, message: string) =>
      logged.push(`${message} ${Object.values(details).map(String).join()}`),
  };
  const { connect } = await world({ app: views, log });
  const root = new Root(await connect(), 'Room', 'r');
  await root.join(join);
  const { status, response } = await root.command('fail');
  expect([status, response['reason']]).toEqual(['error', 'internal_error']);
  expect(JSON.stringify(response)).not.toContain('secret');
  expect(logged.some((line) => line.includes(String(response['id'])))).toBe(true);
  expect((await root.command('say', { text: 'a' })).status).toBe('ok');
});

it('that clients leave while their commands run is in no log and counts as no error', async () => {
  const [begun, over] = [deferred<void>(), deferred<void>()];
  let running = 0;
  const slow = view({
    name: 'Slow',
    render: () => ({}),
    commands: {
      wait: {
        run: async (ctx) => {
          running += 1;
          if (running === 2) begun.resolve();
          await over.promise;
          ctx.update({});
        },
      },
    },
  });
  const logged: string[] = [];
  const log = { info: () => undefined, error: (_: object, what: string) => logged.push(what) };
  const { connect, server, url } = await world({ app: app({ views: [slow] }), log });
  const [leaver, closer] = [await connect(), await connect()];
  const roots = [new Root(leaver, 'Slow', 's'), new Root(closer, 'Slow', 's')];
  for (const root of roots) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await root.join({ module: 'Slow', id: 's' });
    root.push('command', { name: 'wait', payload: {} });
  }
  await begun.promise;
  roots[0]?.push('phx_leave', {});
  closer.cut();
  await expect.poll(() => server.describe().views).toEqual([]);
  over.resolve();
  await leaver.ask('phoenix', 'heartbeat', {});
  expect(logged).toEqual([]);
  expect((await Scrape.of(url)).value('holdfast_errors_total')).toBe(0);
});

it('V70 who does not read is sent what is newest when it reads again, and nobody else notices', async () => {
  const { connect } = await world({ app: views, limits: { socket_soft_bytes: 64 * 1024 } });
  const [slow, quick] = [await connect({ device: 'd2' }), await connect()];
  const [late, live] = [new Root(slow, 'Room', 'r'), new Root(quick, 'Room', 'r')];
  await late.join({ ...join, capver: 4 });
  await late.envelope();
  await live.join({ ...join, capver: 4 });
  await live.envelope();
  slow.pause();
  const text = 'x'.repeat(256 * 1024);
  for (let i = 1; i <= 40; i += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await live.command('say', { text: `${i} ${text}` })).status).toBe('ok');
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect((await live.envelope()).version).toBe(i + 1);
  }
  slow.resume();
  const heard: Envelope[] = [];
  while (heard.at(-1)?.version !== 41) {
    // oxlint-disable-next-line no-await-in-loop -- until it has caught up
    heard.push(await late.envelope());
  }
  expect(heard.length).toBeLessThan(40);
  const last = heard.at(-1);
  expect(last).toMatchObject({ base_version: 0, ops: [{ op: 'replace', path: '' }] });
  expect(last?.stream_ops).toHaveLength(21);
  await live.command('say', { text: 'end' });
  expect(await late.envelope()).toMatchObject({ base_version: 41, version: 42 });
});

it.each([0, 4])(
  'commands beyond the rate (capver %i) are refused in their place in the order',
  async (capver) => {
    const { connect } = await world({
      app: views,
      viewLimits: { commands_per_second: 1, commands_burst: 3 },
    });
    const root = new Root(await connect(), 'Room', 'r');
    await root.join({ ...join, capver });
    await root.envelope();
    const refs = Array.from({ length: 5 }, () =>
      root.push('command', { name: 'say', payload: { text: 'a' } }),
    );
    const replies = [];
    while (replies.length < 5) {
      // oxlint-disable-next-line no-await-in-loop -- until all are there
      const [, ref, , event, payload] = await root.next();
      if (event === 'phx_reply') replies.push([ref, payload['status'], payload['response']]);
    }
    const after = expect.toSatisfy((ms: number) => ms > 0 && ms <= 1000) as number;
    const limited = { reason: 'rate_limited', ...(capver === 4 && { retry_after_ms: after }) };
    expect(replies).toEqual(
      refs.map((ref, i) => (i < 3 ? [ref, 'ok', {}] : [ref, 'error', limited])),
    );
  },
);

it('a render that is async and rejects is refused, and the server goes on', async () => {
  const late = view({
    name: 'Late',
    mount: () => ({}),
    render: () => Promise.reject(new Error('later')) as never,
  });
  const { connect } = await world({ app: app({ views: [late] }) });
  const root = new Root(await connect(), 'Late', 'l');
  const refused = await root.join({ module: 'Late', id: 'l', capver: 4 });
  expect(refused).toMatchObject({ status: 'error', response: { reason: 'internal error' } });
});

it('hostile payloads are refused or echoed as data, and touch no prototype', async () => {
  const { connect } = await world({ app: views });
  const root = new Root(await connect(), 'Room', 'r');
  await root.join(join);
  await root.envelope();
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await root.command(name)).toMatchObject({ response: { reason: 'unknown command' } });
  }
  for (const storeId of [['__proto__'], ['constructor', 'x'], 'x', 7, { a: 1 }]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const reply = await root.ask('command', { name: 'say', store_id: storeId, payload: {} });
    expect(reply).toMatchObject({ status: 'error', response: { reason: 'unknown store' } });
  }
  const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"x":1}}}');
  const reply = await root.command('echo', hostile);
  expect(reply.status).toBe('ok');
  expect(JSON.stringify(reply.response)).toBe(JSON.stringify({ got: hostile }));
  expect(Reflect.get({}, 'polluted')).toBeUndefined();
  for (const payload of [[], null, 7, 'x']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const bad = await root.ask('command', { name: 'say', payload });
    expect(bad).toMatchObject({ response: { reason: 'invalid_payload' } });
  }
});

it('a timer of years wakes nobody before (views.md §11.2)', async () => {
  const timers = vi.spyOn(globalThis, 'setTimeout');
  onTestFinished(() => timers.mockRestore());
  const patient = view({
    name: 'Patient',
    linger: 2 ** 41,
    timeout: 2 ** 41,
    mount: (ctx) => {
      ctx.after(2 ** 40, (task) => task.update({ n: 1 }));
      return { n: 0 };
    },
    render: (state) => state,
    commands: { look: { run: () => undefined } },
  });
  const { connect } = await world({ app: app({ views: [patient] }) });
  const root = new Root(await connect(), 'Patient', 'p');
  await root.join({ module: 'Patient', id: 'p' });
  await root.envelope();
  expect((await root.command('look')).status).toBe('ok');
  // What is longer rings at once.
  const delays = timers.mock.calls.map(([, ms = 0]) => ms);
  expect(delays.filter((ms) => ms >= 2 ** 31)).toEqual([]);
  expect(delays).toContain(2 ** 31 - 1);
});

it('a server that closes gives the commands that it has taken their grace, and takes no other', async () => {
  const begun = deferred<void>();
  const gates = { quick: deferred<void>(), never: deferred<void>() };
  const desk = view({
    name: 'Desk',
    mount: () => ({ n: 0 }),
    render: ({ n }) => ({ n }),
    commands: {
      write: {
        input: z.enum(['quick', 'never']),
        run: async (ctx, gate) => {
          begun.resolve();
          await gates[gate].promise;
          await ctx.store('demo/main').put('n', 1);
          ctx.update((s) => void (s.n += 1));
        },
      },
    },
  });
  for (const [gate, graceMs] of [
    ['quick', 5000],
    ['never', 20],
  ] as const) {
    // oxlint-disable no-await-in-loop -- one server after the other
    const { connect, server } = await world({ app: app({ views: [desk] }), authenticate });
    const peer = await connect();
    const root = new Root(peer, 'Desk', 'd');
    await root.join({ module: 'Desk', id: 'd', capver: 4 });
    await root.envelope();
    const taken = root.push('command', { name: 'write', payload: gate });
    await begun.promise;
    const closing = server.close({ graceMs });
    const late = root.push('command', { name: 'write', payload: gate });
    gates.quick.resolve();
    await closing;
    expect(await peer.closed()).toBe(1001);
    const replies = peer.heard.filter(([, ref]) => ref === taken || ref === late);
    const done = [taken, { status: 'ok', response: {}, version: 2 }];
    expect(replies.map(([, ref, , , payload]) => [ref, payload])).toEqual(
      gate === 'quick' ? [done] : [],
    );
    // oxlint-enable no-await-in-loop
  }
});
