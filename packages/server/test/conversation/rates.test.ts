import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';

import { Rates } from '../../src/access/rates.ts';
import { defaultRates, type RateLimits } from '../../src/access/rate-limits.ts';
import { slowClock, VirtualClock } from './clock.ts';
import { ask, dialects, put, reasonOf, write } from './talk.ts';
import { everything, set, topic, world } from './world.ts';

const rates = { writes_per_minute: 60, write_burst: 3, joins_per_minute: 2 };

test.each(dialects)(
  'S103 writes beyond the burst are rate_limited, repeats are free: %s',
  async (_, knock) => {
    const clock = new VirtualClock();
    const here = await world({ clock, rates });
    const peer = await here.joined(knock);
    const first = set('a', 1, 'first');
    expect((await peer.ask(topic, 'write', first)).status).toBe('ok');
    await write(peer, 'set', 'a', { value: 2 });
    await write(peer, 'set', 'a', { value: 3 });
    const limited = await write(peer, 'set', 'a', { value: 4 });
    expect(limited).toMatchObject({
      status: 'error',
      response: { reason: 'rate_limited', retry_after_ms: 1000 },
    });
    expect(await peer.ask(topic, 'write', first)).toMatchObject({ response: { store_seq: 1 } });
  },
);

test('S67 of ten pipelined writes the third is limited and the rest are blocked; in order after it', async () => {
  const clock = new VirtualClock();
  const here = await world({ clock, rates: { ...rates, write_burst: 2 } });
  const peer = await here.joined();
  const payloads = Array.from({ length: 10 }, (_, at) => ask('set', 'last', { value: at }));
  const refs = payloads.map((payload) => peer.push(topic, 'write', payload));
  const replies = await inOrder(refs, (ref) => peer.reply(ref));
  expect(replies.map((reply) => (reply.status === 'ok' ? 'ok' : reasonOf(reply)))).toEqual([
    'ok',
    'ok',
    'rate_limited',
    ...Array.from({ length: 7 }, () => 'blocked'),
  ]);
  for (const [index, payload] of payloads.slice(2).entries()) {
    // oxlint-disable-next-line no-await-in-loop -- as a client does, after the time told
    await clock.pass(1000);
    const unblock = index === 0 ? { unblock: true } : {};
    // oxlint-disable-next-line no-await-in-loop -- in order
    const reply = await peer.ask(topic, 'write', { ...payload, ...unblock });
    expect(reply).toMatchObject({ status: 'ok', response: { store_seq: index + 3 } });
  }
});

test.each([60, 7, 600])(
  'S66 at %i a minute who is refused for its rate, or blocked, is told within 20 % when the next write passes',
  async (writes_per_minute) => {
    const clock = new VirtualClock();
    const here = await world({ clock, rates: { ...rates, writes_per_minute, write_burst: 1 } });
    const peer = await here.joined();
    await put(peer, 'a', 1);
    const told = async (id: string, more = {}): Promise<unknown> =>
      (await peer.ask(topic, 'write', set('a', 2, id, more))).response['retry_after_ms'];
    const ms = Number(await told('first'));
    await clock.pass(10);
    expect(await told('second')).toBe(ms - 10);
    await clock.pass(0.8 * ms - 10);
    expect(await told('first', { unblock: true })).toBeGreaterThan(0);
    await clock.pass(0.4 * ms);
    expect(await told('first', { unblock: true })).toBeUndefined();
  },
);

test('S67 a rollback that is refused for its rate blocks nothing, and passes when its time has come', async () => {
  const clock = new VirtualClock();
  const here = await world({ clock, rates });
  const peer = await here.joined();
  const value = 'first';
  for (const seq of [1, 2, 3]) expect(await put(peer, 'a', value)).toBe(seq);
  const back = () => peer.ask(topic, 'rollback', { path: 'a', to_seq: 0 });
  expect(reasonOf(await back())).toBe('rate_limited');
  await clock.pass(1000);
  expect(await put(peer, 'a', value)).toBe(4);
  expect(reasonOf(await back())).toBe('rate_limited');
  await clock.pass(1000);
  expect((await back()).response).toEqual({ store_seq: 5 });
});

test('who has the store go back by much again and again is rate_limited, and told when it passes; by little it may (§12.2)', async () => {
  const clock = slowClock();
  const here = await world({ clock, rates: { look_ms_per_minute: 600, look_burst_ms: 100 } });
  const peer = await here.joined();
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [`k${at}`, at]));
  await put(peer, 'many', many);
  await put(peer, 'few', 1);
  const back = (path: string) => peer.ask(topic, 'rollback', { path, to_seq: 1 });
  const refs = Array.from({ length: 20 }, () =>
    peer.push(topic, 'rollback', { path: 'many', to_seq: 1 }),
  );
  const replies = await inOrder(refs, (ref) => peer.reply(ref));
  expect(replies[0]).toMatchObject({ status: 'ok', response: { noop: true } });
  expect(new Set(replies.slice(-5).map(reasonOf))).toEqual(new Set(['rate_limited']));
  expect((await back('few')).status).toBe('ok');
  const limited = await back('many');
  clock.pass(Number(limited.response['retry_after_ms']));
  expect((await back('many')).status).toBe('ok');
});

test('status tells who may read a part that the server has looked for long enough (§7.5, §12.2)', async () => {
  const pathRules = [{ pattern: 'k/**', allow: ['read', 'write'] as const }];
  const here = await world({
    clock: slowClock(),
    rates: { look_ms_per_minute: 60, look_burst_ms: 10 },
    authenticate: async () => ({ ...everything, pathRules }),
  });
  const peer = await here.joined();
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [`k${at}`, at]));
  await put(peer, 'k', many);
  const told: unknown[] = [];
  for (let each = 0; each < 5; each += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { status, response } = await peer.ask(topic, 'status', {});
    told.push(status === 'ok' ? response['entry_count'] : response['reason']);
  }
  expect([told[0], told.at(-1)]).toEqual([1001, 'rate_limited']);
});

test('the files of a store are counted for status once for each state, and that is paid for (§7.5, §12.2)', async () => {
  const clock = slowClock(0);
  const storage = memory({ now: clock.wall });
  let counts = 0;
  storage.files.usage = async () => {
    counts += 1;
    clock.pass(50);
    return counts;
  };
  const looks = { look_ms_per_minute: 600, look_burst_ms: 200 };
  const here = await world({ clock, storage, rates: looks });
  const peer = await here.joined();
  const refs = Array.from({ length: 10 }, () => peer.push(topic, 'status', {}));
  for (const { response } of await inOrder(refs, (ref) => peer.reply(ref))) {
    expect(response).toMatchObject({ file_storage_bytes: 1 });
  }
  const told: unknown[] = [];
  for (let each = 1; each < 8; each += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await put(peer, 'a', each);
    // oxlint-disable-next-line no-await-in-loop -- the same
    const { status, response } = await peer.ask(topic, 'status', {});
    told.push(status === 'ok' ? response['file_storage_bytes'] : response['reason']);
  }
  expect([told[0], told.at(-1)]).toEqual([2, 'rate_limited']);
});

test('joins beyond their rate are told when to come again', async () => {
  const here = await world({ clock: new VirtualClock(), rates });
  await here.joined({ device: 'a' });
  await here.joined({ device: 'b' });
  const third = await here.connect({ device: 'c' });
  expect(await third.join(topic)).toMatchObject({
    status: 'error',
    response: { reason: 'rate_limited', retry_after_ms: 30_000 },
  });
});

test('a part that a scope push adds is a join of that part to the rate; what adds nothing is free (§10.4.4)', async () => {
  const here = await world({ clock: new VirtualClock(), rates });
  const peer = await here.joined({}, { last_store_seq: 0, patterns: [] });
  await put(peer, 'a/x', 1);
  const change = (add: readonly string[], remove: readonly string[] = []) =>
    peer.ask(topic, 'scope', { add, remove });
  expect((await change(['a/**'])).response).toMatchObject({ patterns: ['a/**'] });
  expect((await change(['a/**'], ['a/**'])).status).toBe('ok');
  expect((await change([], ['a/**'])).status).toBe('ok');
  expect(await change(['a/**', 'b/**'], ['c'])).toMatchObject({
    status: 'error',
    response: { reason: 'rate_limited', retry_after_ms: 30_000 },
  });
  const heard = peer.heard.length;
  expect((await change([])).response).toMatchObject({ patterns: [], scope: 'none' });
  expect(peer.heard.length).toBe(heard + 1);
});

test('an authenticator gives a principal rates of its own', async () => {
  const here = await world({
    clock: new VirtualClock(),
    rates,
    authenticate: async () => ({ ...everything, limits: { write_burst: 1 } }),
  });
  const peer = await here.connect();
  expect((await peer.join(topic)).response['limits']).toMatchObject({ ...rates, write_burst: 1 });
  await write(peer, 'set', 'a', { value: 1 });
  expect(reasonOf(await write(peer, 'set', 'a', { value: 2 }))).toBe('rate_limited');
});

test('a principal that is given other rates has them from then on, and has used what it has used', () => {
  let now = 0;
  const buckets = new Rates({ ...defaultRates, write_burst: 3 }, () => now);
  const verdicts = (count: number, limits?: Partial<RateLimits>): readonly unknown[] => {
    const principal = { ...everything, ...(limits && { limits }) };
    return Array.from({ length: count }, () => buckets.write(principal, 1)()?.code ?? 'ok');
  };
  expect(verdicts(4)).toEqual(['ok', 'ok', 'ok', 'rate_limited']);
  const wider = { writes_per_minute: 60_000, write_burst: 5 };
  expect(verdicts(1, wider)).toEqual(['rate_limited']);
  now = 10;
  expect(verdicts(6, wider)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'rate_limited']);
  now = 20;
  expect(verdicts(2)).toEqual(['ok', 'rate_limited']);
});

test('other rates hold for open sockets too, as soon as their tokens have been looked at again', async () => {
  const clock = new VirtualClock();
  let limits: Partial<RateLimits> = { write_burst: 1 };
  const here = await world({
    clock,
    rates,
    authenticate: async () => ({ ...everything, limits }),
  });
  const peer = await here.joined();
  const reasons = async (count: number) =>
    (await inOrder(Array.from({ length: count }), () => write(peer, 'set', 'a', { value: 1 }))).map(
      (reply) => (reply.status === 'ok' ? 'ok' : reasonOf(reply)),
    );
  expect(await reasons(2)).toEqual(['ok', 'rate_limited']);
  limits = { write_burst: 3, writes_per_minute: 60_000 };
  await clock.pass(5000);
  const rest = ask('set', 'a', { value: 1, unblock: true });
  expect((await peer.ask(topic, 'write', rest)).status).toBe('ok');
  expect(await reasons(3)).toEqual(['ok', 'ok', 'rate_limited']);
});

test('rates that limit nothing, or are misspelt, are errors of the caller', async () => {
  await expect(world({ rates: { write_burst: 0 } })).rejects.toThrow(RangeError);
  const misspelt: object = { writes: 3 };
  await expect(world({ rates: misspelt })).rejects.toThrow('no rate "writes"');
});

async function inOrder<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  // oxlint-disable-next-line no-await-in-loop -- replies come in this order
  for (const item of items) results.push(await run(item));
  return results;
}

const brisk = { ...rates, writes_per_minute: 6000, write_burst: 5 };

test('S103 a client of capver 3 is kept waiting for its rate, and refused nothing (§10.6)', async () => {
  const clock = new VirtualClock();
  const here = await world({ clock, rates: brisk });
  const peer = await here.joined({ capver: '3' });
  const refs = Array.from({ length: 20 }, (_, at) =>
    peer.push(topic, 'write', ask('set', 'last', { value: at })),
  );
  const replies = inOrder(refs, (ref) => peer.reply(ref));
  const statuses = (await whilePassing(clock, replies)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set(['ok']));
  // Fifteen writes too many, at a hundred a second.
  const late = peer.push(topic, 'write', ask('set', 'last', { value: 'late' }));
  const reply = await whilePassing(clock, peer.reply(late));
  expect(reply).toMatchObject({ status: 'ok', response: { store_seq: 21 } });
  expect(clock.now()).toBeGreaterThanOrEqual(150);
});

/** Lets time pass, a millisecond after the other, until it has come. */
async function whilePassing<T>(clock: VirtualClock, coming: Promise<T>): Promise<T> {
  const state = { isDue: true };
  void coming.finally(() => (state.isDue = false));
  while (state.isDue) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await clock.pass(1);
  }
  return coming;
}

test('who is kept waiting may be 5 s ahead of its rate, and no more; a rate of few writes gives no credit', () => {
  const waits: number[] = [];
  const slow = (ms: number): void => void waits.push(ms);
  const verdicts = (perMinute: number, burst: number, count: number): readonly unknown[] => {
    const limits = { ...defaultRates, writes_per_minute: perMinute, write_burst: burst };
    const buckets = new Rates(limits, () => 0);
    return Array.from({ length: count }, () => buckets.write(everything, 1, slow)()?.code ?? 'ok');
  };
  expect(verdicts(6000, 5, 506)).toEqual([
    ...Array.from({ length: 505 }, () => 'ok'),
    'rate_limited',
  ]);
  expect([waits.length, waits[0], waits.at(-1)]).toEqual([500, 10, 5000]);
  expect(verdicts(100, 3, 4)).toEqual(['ok', 'ok', 'ok', 'rate_limited']);
});

test('S103 among tens of thousands who come at once each is limited as before, and none costs a look at all of them', () => {
  let looks = 0;
  const buckets = new Rates({ ...defaultRates, write_burst: 2 }, () => {
    looks += 1;
    return 0;
  });
  const charge = (subject: string) => buckets.write({ ...everything, subject }, 1)();
  const first = Array.from({ length: 3 }, () => charge('first'));
  expect(first.map((refusal) => refusal?.code)).toEqual([undefined, undefined, 'rate_limited']);
  const count = 40_000;
  for (let i = 0; i < count; i++) charge(`visitor ${i}`);
  expect(charge('first')?.code).toBe('rate_limited');
  // One for the bucket, one for the charge, and some more for all.
  expect(looks).toBeLessThan(2 * count + 20);
});
