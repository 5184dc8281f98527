import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Storage } from '../../src/storage/port.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { principals } from '../conversation/principals.ts';
import { put, write } from '../conversation/talk.ts';
import { set, topic, world } from '../conversation/world.ts';
import { Raw } from '../security/raw.ts';
import { Scrape } from './scrape.ts';

test('S111 `/metrics` parses, and counts commits, ops, refusals, repeats, sockets, channels, catch-ups and the rest', async () => {
  const { url, joined, connect } = await world();
  const writer = await joined({ device: 'writer' });
  await put(writer, 'a', 1);
  await joined({ device: 'reader' });
  await put(writer, 'b', 2);
  await writer.ask(topic, 'write', set('c', 3, 'again'));
  await writer.ask(topic, 'write', set('c', 3, 'again'));
  expect(await write(writer, 'set', 'a', { value: 2, if_match: 99 })).toMatchObject({
    status: 'error',
  });
  await (await connect()).join('store:demo/none');
  await expect(connect({ token: 'wrong' })).rejects.toThrow('403');
  const strange = { headers: { origin: 'https://evil.example' } };
  await expect(connect(strange)).rejects.toThrow('403');
  await fetch(`${url}/api/whoami`);

  const scrape = await Scrape.of(url);
  expect(scrape.value('holdfast_commits_total')).toBe(3);
  expect(scrape.value('holdfast_ops_total', { op: 'set' })).toBe(3);
  expect(scrape.value('holdfast_refusals_total', { reason: 'conflict', surface: 'push' })).toBe(1);
  expect(scrape.value('holdfast_refusals_total', { surface: 'join' })).toBe(1);
  expect(scrape.value('holdfast_refusals_total', { reason: 'unauthorized', surface: 'http' })).toBe(
    1,
  );
  expect(scrape.value('holdfast_upgrades_total', { result: 'unauthorized' })).toBe(1);
  expect(scrape.value('holdfast_upgrades_total', { result: 'origin' })).toBe(1);
  expect(scrape.value('holdfast_upgrades_total', { result: 'accepted' })).toBe(3);
  expect(scrape.value('holdfast_dedupe_hits_total')).toBe(1);
  expect(scrape.value('holdfast_sockets')).toBe(3);
  expect(scrape.value('holdfast_channels', { kind: 'store' })).toBe(2);
  expect(scrape.value('holdfast_catch_ups_total', { kind: 'none' })).toBe(1);
  expect(scrape.value('holdfast_catch_ups_total', { kind: 'snapshot', why: 'fresh' })).toBe(1);
  expect(scrape.value('holdfast_leaves')).toBe(3);
  expect(scrape.value('holdfast_queued_writes')).toBe(0);
  expect(scrape.value('holdfast_open_stores')).toBe(1);
  expect(scrape.value('holdfast_sent_bytes_total')).toBeGreaterThan(500);
  expect(scrape.value('holdfast_received_frames_total')).toBeGreaterThan(6);
  expect(
    scrape.value('holdfast_http_requests_total', { route: '/api/whoami', status: '401' }),
  ).toBe(1);
  expect(scrape.value('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  for (const time of ['commit', 'append', 'fanout']) {
    expect(scrape.count(`holdfast_${time}_seconds`), time).toBe(3);
  }
  for (const { type, name } of scrape.families.values()) {
    expect(name.endsWith('_total'), name).toBe(type === 'COUNTER');
  }
});

test('the buckets of a histogram add up, and its sum is a time', async () => {
  const { url, joined } = await world();
  await put(await joined(), 'a', 1);
  const [time] = (await Scrape.of(url)).families.get('holdfast_commit_seconds')?.metrics ?? [];
  const buckets = Object.entries(time?.buckets ?? {}).map(([le, count]) => ({
    le: le === '+Inf' ? Infinity : Number(le),
    count: Number(count),
  }));
  const counts = buckets.toSorted((a, b) => a.le - b.le).map(({ count }) => count);
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(counts.at(-1)).toBe(1);
  expect(Number(time?.sum)).toBeGreaterThan(0);
  expect(Number(time?.sum)).toBeLessThan(10);
});

test('`/metrics` names no store, path, device or token, and can be turned off', async () => {
  const { url, joined } = await world();
  const peer = await joined({ device: 'device-of-somebody' });
  await put(peer, 'secret/path', 1);
  await fetch(`${url}/api/stores/demo/main/entries/secret/path`, {
    headers: { Authorization: 'Bearer dev' },
  });
  const { text } = await Scrape.of(url);
  for (const name of ['demo', 'secret', 'device-of-somebody', 'dev"']) {
    expect(text).not.toContain(name);
  }
  const silent = await world({ metrics: false });
  expect((await fetch(`${silent.url}/metrics`)).status).toBe(404);
});

test('`/metrics` answers to that spelling alone: a proxy that denies it to the world sees paths as they were sent', async () => {
  const { url } = await world();
  const head = async (path: string): Promise<string> => {
    const raw = await Raw.open(url);
    raw.say(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    return (await raw.closed()).slice(0, 12);
  };
  expect(await head('/metrics?from=here')).toBe('HTTP/1.1 200');
  for (const path of ['/%6detrics', '/./metrics', '/x/../metrics', `${url}/metrics`]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await head(path), path).toBe('HTTP/1.1 404');
  }
});

test('a client that acknowledges what it has applied makes the time of delivery known', async () => {
  const { url, joined } = await world();
  const [writer, reader] = [await joined({ device: 'w' }), await joined({ device: 'r' })];
  const seq = await put(writer, 'a', 1);
  await reader.ask(topic, 'ack_seq', { seq });
  // Of the past, and of what has not happened yet, nothing is known.
  await reader.ask(topic, 'ack_seq', { seq: 0 });
  await reader.ask(topic, 'ack_seq', { seq: seq + 1 });
  expect((await Scrape.of(url)).count('holdfast_delivery_seconds')).toBe(1);
});

test('an administrator sees what is open, and of the stores those that the token may see', async () => {
  const { url, joined, server } = await world({
    authenticate: principals({
      dev: {},
      admin: { scopes: new Set(['admin'] as const) },
      stranger: { orgs: ['other'], scopes: new Set(['admin'] as const) },
      reader: { scopes: new Set(['entries:read'] as const) },
    }),
  });
  await put(await joined(), 'a', 1);
  const ask = async (token: string): Promise<{ status: number; json: object }> => {
    const response = await fetch(`${url}/api/server`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    return { status: response.status, json: (await response.json()) as object };
  };
  expect(await ask('admin')).toMatchObject({
    status: 200,
    json: {
      ready: true,
      sockets: 1,
      channels: { store: 1, presence: 0 },
      commits: 1,
      stores: [{ name: 'demo/main', head: 1, leaves: 1, queued: 0 }],
    },
  });
  expect(await ask('stranger')).toMatchObject({ status: 200, json: { stores: [] } });
  expect((await ask('reader')).status).toBe(403);
  expect(server.describe().sockets).toBe(1);
});

/** A storage whose appends take longer than the test calls slow. */
function slowStorage(ms: number): Storage {
  const storage = memory();
  return new Proxy(storage, {
    get: (target, name) => {
      if (name === 'append') {
        return async (...args: Parameters<Storage['append']>) => {
          await new Promise((resolve) => setTimeout(resolve, ms));
          return target.append(...args);
        };
      }
      const part: unknown = Reflect.get(target, name);
      return typeof part === 'function' ? part.bind(target) : part;
    },
  });
}

test('a commit slower than the threshold is told to the log, and a faster one is not', async () => {
  const told: object[] = [];
  const log = {
    info: (details: object, message: string) => void told.push({ ...details, message }),
    error: () => undefined,
  };
  const { url, joined } = await world({ storage: slowStorage(30), slowCommitMs: 10, log });
  const peer = await joined({ device: 'd1' });
  await peer.ask(topic, 'write', set('a', 1, 'slow-one'));
  expect(told).toEqual([
    {
      store: 'demo/main',
      seq: 1,
      ms: expect.any(Number),
      device_id: 'd1',
      client_op_id: 'slow-one',
      message: 'slow commit',
    },
  ]);
  expect((await Scrape.of(url)).value('holdfast_slow_commits_total')).toBe(1);
  const calm = await world({ storage: slowStorage(30), slowCommitMs: false, log });
  await put(await calm.joined(), 'a', 1);
  expect(told.length).toBe(1);
});

const full: Storage['append'] = async () => {
  return { status: 'failed', reason: 'full', message: 'There is no space left.' };
};

test('of writes that fail alike ten a second are told to the log, and each is counted', async () => {
  const told: string[] = [];
  const log = { info: () => undefined, error: (_: object, what: string) => void told.push(what) };
  const { url } = await world({
    storage: Object.assign(memory(), { append: full }),
    clock: new VirtualClock(),
    log,
  });
  for (let at = 0; at < 25; at += 1) {
    const { status } = await fetch(`${url}/api/stores/demo/main/entries/a${at}`, {
      method: 'PUT',
      body: '1',
      headers: { authorization: 'Bearer dev', 'content-type': 'application/json' },
    });
    expect(status).toBe(503);
  }
  expect(told).toEqual(Array.from({ length: 10 }, () => 'append failed'));
  expect((await Scrape.of(url)).value('holdfast_errors_total')).toBe(25);
});

test('of many slow commits ten a second are told to the log, and of the others how many they are', async () => {
  const told: { readonly untold?: number }[] = [];
  const log = { info: (details: object) => void told.push(details), error: () => undefined };
  const clock = new VirtualClock();
  const { url, joined } = await world({ clock, log, slowCommitMs: 0 });
  const peer = await joined();
  for (let at = 0; at < 25; at += 1) await put(peer, `a${at}`, at);
  expect(told.length).toBe(10);
  await clock.pass(1000);
  await put(peer, 'b', 1);
  expect(told.slice(10)).toMatchObject([{ untold: 15 }]);
  expect((await Scrape.of(url)).value('holdfast_slow_commits_total')).toBe(26);
});

test('an upload that is kept deletes no file, and one that is not what it was said to be deletes its own', async () => {
  const { url } = await world();
  const upload = async (headers: { readonly [name: string]: string } = {}): Promise<number> => {
    const { status } = await fetch(`${url}/api/stores/demo/main/files/a`, {
      method: 'PUT',
      body: 'hello',
      headers: { authorization: 'Bearer dev', ...headers },
    });
    return status;
  };
  const deleted = async () => (await Scrape.of(url)).value('holdfast_files_deleted_total');
  expect([await upload(), await deleted()]).toEqual([201, 0]);
  const other = `sha-256=:${'A'.repeat(43)}=:`;
  expect([await upload({ 'repr-digest': other }), await deleted()]).toEqual([422, 1]);
});

test.runIf(process.platform === 'linux')(
  'the descriptors of the process are told beside how many it may have',
  async () => {
    const { url } = await world();
    const scrape = await Scrape.of(url);
    const open = scrape.value('process_open_fds');
    expect(open).toBeGreaterThan(2);
    expect(scrape.value('process_max_fds')).toBeGreaterThan(open);
  },
);

test('a process that has no descriptor left to ask the kernel with answers a scrape all the same', async () => {
  const { url } = await world();
  const rss = vi.spyOn(process.memoryUsage, 'rss').mockImplementation(() => {
    throw new Error('EMFILE: too many open files, uv_resident_set_memory');
  });
  onTestFinished(() => rss.mockRestore());
  const scrape = await Scrape.of(url);
  expect(scrape.text).not.toMatch(/^process_resident_memory_bytes/m);
  expect(scrape.value('holdfast_sockets')).toBe(0);
});
