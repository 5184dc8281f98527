import { defaultLimits } from '@holdfast/protocol';
import type { Principal } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { everything, world } from '../conversation/world.ts';
import { Agent, type Told } from './agent.ts';

const store = 'demo/main';
const always = { store, pattern: '**', since: 0 };

const pathsOf = ({ ops }: Told): unknown[] =>
  JSON.parse(JSON.stringify(ops)).map(({ path }: { readonly path: string }) => path);

test('watchers that have been told, and those that have hung up, take no place', async () => {
  const limits = { ...defaultLimits, max_sockets_per_token: 2 };
  const clock = new VirtualClock();
  const { url } = await world({ limits, clock });
  const agent = await Agent.connect(url, 'dev');
  await agent.call('put', { store, path: 'a', value: 1 });
  for (let time = 0; time < 4; time += 1) {
    expect(await agent.call('watch_once', always)).toMatchObject({ seq: 1, timed_out: false });
  }
  const asked = { store, pattern: 'never', timeout_ms: 60_000 };
  const patient: Agent[] = [];
  for (let one = 0; one < 2; one += 1) {
    const { timers } = clock;
    const each = await Agent.connect(url, 'dev');
    void each.told('watch_once', asked).catch(() => undefined);
    // Asking whether there is a place would take one.
    await expect.poll(() => clock.timers).toBeGreaterThan(timers);
    patient.push(each);
  }
  const full = { error: 'too_many_connections', limit: 2 };
  expect(await agent.told('watch_once', always)).toMatchObject(full);
  for (const each of patient) await each.client.close();
  await expect
    .poll(() => agent.told('watch_once', always))
    .toMatchObject({ seq: 1, timed_out: false });
});

const somebody: Principal = { ...everything, subject: 'guest' };

test.each([
  ['ends is told so', null, { error: 'unauthorized' }],
  [
    'comes to grant something else is told to ask again',
    { ...somebody, claims: { role: 'lead' } },
    { error: 'unavailable', retry_after_ms: 1000 },
  ],
])('a watcher whose token %s, and nothing goes on for it', async (_what, then, refusal) => {
  const clock = new VirtualClock();
  const known = new Map<string, Principal>([
    ['dev', everything],
    ['guest', somebody],
  ]);
  const { url } = await world({
    clock,
    authenticate: async ({ token }) => known.get(token ?? '') ?? null,
  });
  const [dev, agent] = [await Agent.connect(url, 'dev'), await Agent.connect(url, 'guest')];
  await dev.call('put', { store, path: 'a', value: 1 });
  await agent.call('watch_once', always);
  const { timers } = clock;
  const waiting = agent.refused('watch_once', { store, pattern: 'never', timeout_ms: 60_000 });
  await expect.poll(() => clock.timers).toBeGreaterThan(timers);
  if (then === null) known.delete('guest');
  else known.set('guest', then);
  await clock.pass(4000);
  expect(await waiting).toEqual(refusal);
  await expect.poll(() => clock.timers).toBe(timers);
});

test('a watcher from before what the log retains is told from where it can be read', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const home = await world({ clock, storage, retention: { ms: 1000, ops: 2 } });
  const agent = await Agent.connect(home.url, 'dev');
  for (const value of [1, 2, 3, 4, 5]) await agent.call('put', { store, path: 'a', value });
  await clock.pass(3_600_000);
  await expect.poll(async () => (await storage.open(home.storeId))?.oldestSeq).toBe(4);
  expect(await agent.refused('watch_once', { ...always, since: 1 })).toEqual({
    error: 'beyond_retention',
    oldest_seq: 4,
  });
  const kept = await agent.call('watch_once', { ...always, since: 3 });
  expect(kept).toMatchObject({ seq: 5, timed_out: false });
});

test('a watcher whose rules have changed since is told of the ops, and to read afresh what it may read by now', async () => {
  const known = new Map<string, Principal>([['dev', everything]]);
  const { url } = await world({
    authenticate: async ({ token }) => known.get(token ?? '') ?? null,
  });
  const whole: Principal = { ...everything, subject: 'guest' };
  const narrow: Principal = { ...whole, pathRules: [{ pattern: 'a/**', allow: ['read'] }] };
  const dev = await Agent.connect(url, 'dev');
  const once = async (rules: Principal, since: unknown): Promise<Told> => {
    known.set('guest', rules);
    const guest = await Agent.connect(url, 'guest');
    return guest.call('watch_once', { store, pattern: '**', since });
  };
  await dev.call('put', { store, path: 'a/1', value: 1 });
  const first = await once(narrow, 0);
  expect(first).toMatchObject({ seq: expect.stringMatching(/^1~/), timed_out: false });
  expect(first).not.toHaveProperty('reset');
  await dev.call('put', { store, path: 'b/2', value: 1 });
  await dev.call('put', { store, path: 'a/3', value: 1 });
  const second = await once(narrow, first['seq']);
  expect(pathsOf(second)).toEqual(['a/3']);
  const third = await once(whole, second['seq']);
  expect(third).toEqual({ ops: [], seq: 3, timed_out: false, reset: 'scope' });
  await dev.call('put', { store, path: 'b/4', value: 1 });
  const fourth = await once(whole, third['seq']);
  expect([pathsOf(fourth), fourth['seq']]).toEqual([['b/4'], 4]);
  expect(fourth).not.toHaveProperty('reset');
});

test.each([-1, 1.5, {}, true, null])('what is no seq is no since: %j', async (since) => {
  const { url } = await world();
  const agent = await Agent.connect(url, 'dev');
  const asked = { store, pattern: '**', since, timeout_ms: 1 };
  const told = await agent.told('watch_once', asked);
  expect(told).toMatchObject(since === null ? { timed_out: true } : { field: 'since' });
});
