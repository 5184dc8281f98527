import { setImmediate as loop } from 'node:timers/promises';
import { defaultLimits } from '@holdfast/protocol';
import { expect, test } from 'vitest';

import { dawn, World } from './world.ts';

const S = '/api/stores/acme/blog';
const rates = {
  writes_per_minute: 100,
  write_burst: 100,
  reads_per_minute: 50,
  read_burst: 50,
  joins_per_minute: 10,
  look_ms_per_minute: 6000,
  look_burst_ms: 5000,
};

async function open(changes = {}) {
  const world = new World({ rates, ...changes });
  await world.store('acme/blog');
  const { ask } = await world.token();
  const put = (at: number, headers = {}) => ask('PUT', `${S}/entries/k/${at}`, at, headers);
  return { world, ask, put };
}

test('S103 the 101st write is rate_limited, with headers that say how long; a minute later it passes', async () => {
  const { world, put } = await open();
  for (let at = 0; at < 100; at += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { status, headers } = await put(at);
    expect(status).toBe(200);
    expect(headers.get('x-ratelimit-remaining')).toBe(String(99 - at));
  }
  const limited = await put(100);
  expect([limited.status, limited.json]).toEqual([
    429,
    { error: 'rate_limited', retry_after_ms: 600 },
  ]);
  expect(limited.headers.get('retry-after')).toBe('1');
  expect(limited.headers.get('x-ratelimit-limit')).toBe('100');
  expect(limited.headers.get('x-ratelimit-reset')).toBe('60');
  world.clock.at = dawn + 599;
  expect((await put(100)).status).toBe(429);
  world.clock.at = dawn + 600;
  expect((await put(100)).status).toBe(200);
  expect((await put(101)).status).toBe(429);
});

test('S103 reads are counted apart, repeats are free, and a transaction counts as so many', async () => {
  const { ask, put } = await open();
  const key = { 'Idempotency-Key': 'once' };
  await put(0, key);
  const ops = Array.from({ length: 98 }, (_, at) => ({ op: 'delete', path: `x${at}` }));
  expect((await ask('POST', `${S}/transact`, { ops: ops.slice(0, 49) })).status).toBe(200);
  expect((await ask('POST', `${S}/transact`, { ops: ops.slice(49) })).status).toBe(200);
  expect((await put(0, key)).headers.get('idempotent-replay')).toBe('true');
  expect((await put(1)).status).toBe(200);
  expect((await put(2)).status).toBe(429);
  const read = await ask('GET', `${S}/entries/k/0`);
  expect([read.status, read.headers.get('x-ratelimit-remaining')]).toEqual([200, '49']);
  for (let at = 1; at < 50; at += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await ask('GET', `${S}/entries`);
  }
  expect((await ask('GET', `${S}/entries`)).status).toBe(429);
});

test('what is written at a path that ends as the address of a batch is charged as a write only', async () => {
  const { ask } = await open();
  const path = `${S}/entries/list/entries/batch`;
  expect((await ask('PUT', path, 1)).headers.get('x-ratelimit-limit')).toBe('100');
  expect((await ask('DELETE', path)).headers.get('x-ratelimit-limit')).toBe('100');
  const read = await ask('POST', `${S}/entries/batch`, { paths: ['a'] });
  expect(read.headers.get('x-ratelimit-remaining')).toBe('49');
});

test('S103 what no bucket can ever hold is too_many_ops, not rate_limited for ever; what fills it passes', async () => {
  const { ask } = await open({ limits: defaultLimits });
  const ops = Array.from({ length: 101 }, (_, at) => ({ op: 'delete', path: `x${at}` }));
  const { status, json } = await ask('POST', `${S}/transact`, { ops });
  expect([status, json]).toEqual([400, { error: 'too_many_ops', limit: 100 }]);
  expect((await ask('POST', `${S}/transact`, { ops: ops.slice(1) })).status).toBe(200);
});

test('one token does not pay for another', async () => {
  const { world, put } = await open();
  for (let at = 0; at <= 100; at += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await put(at);
  }
  const other = await world.token();
  expect((await other.ask('PUT', `${S}/entries/a`, 1)).status).toBe(200);
});

test('a rollback beyond the rate looks at no log, and one that is repeated does not again', async () => {
  const limits = { ...defaultLimits, max_json_body: 1_000_000 };
  const world = new World({ limits, rates: { ...rates, write_burst: 20_002 } });
  await world.store('acme/blog');
  const { ask } = await world.token();
  const ops = Array.from({ length: 1000 }, () => ({ op: 'set', path: 'n', value: 1 }));
  for (let at = 0; at < 20; at += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await ask('POST', `${S}/transact`, { ops });
  }
  const back = async (key: string): Promise<readonly [number, boolean]> => {
    let answer: Awaited<ReturnType<typeof ask>> | null = null;
    const asked = { path: 'n', to_seq: 0 };
    const asking = ask('POST', `${S}/rollback`, asked, { 'Idempotency-Key': key });
    let turns = 0;
    for (; answer === null; turns += 1) {
      // oxlint-disable-next-line no-await-in-loop -- turn by turn
      answer = await Promise.race([asking, loop(null)]);
    }
    return [answer.status, turns > 15];
  };
  expect(await back('first')).toEqual([200, true]);
  expect(await back('first')).toEqual([200, false]);
  await ask('PUT', `${S}/entries/n`, 2);
  expect(await back('second')).toEqual([429, false]);
});
