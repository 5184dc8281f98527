import { isObject } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Agent } from '../mcp/agent.ts';
import { receiver } from '../webhooks/receiver.ts';
import { Site } from '../webhooks/site.ts';
import { Peer } from './peer.ts';
import { readSnapshot } from './replica.ts';
import { ask, hear, type HeardOp, opsIn, tongues } from './talk.ts';
import { topic } from './world.ts';

/** What is at a path: its value, and its type where the surface tells one. */
type Told = readonly [path: string, value: unknown, type?: unknown];

/** A leaf that is to be the same wherever it is told of, and how it is written. */
type Sample = { readonly op: string; readonly value: unknown; readonly type: string };

const typed = (type: string, text: string): object => ({ _type: type, _typed: text });
const set = (type: string, value: unknown): Sample => ({ op: 'set', value, type });

/** One of each type, in path order. */
const samples: { readonly [path: string]: Sample } = {
  'a/bigint': set('bigint', typed('bigint', '-9007199254740993000000000000001')),
  'a/boolean': set('boolean', false),
  'a/bytes': set('bytes', typed('bytes', 'AAEC/w==')),
  'a/datetime': set('datetime', typed('datetime', '2026-03-31T12:00:00.120+02:00')),
  'a/decimal': set('decimal', typed('decimal', '-0.10e-05')),
  'a/float': set('float', 0.1),
  'a/integer': set('integer', 9_007_199_254_740_991),
  'a/list': set('list', [1, [], {}, { _scalar: typed('decimal', '1.50') }, 'x\u0000']),
  'a/map': set('map', {}),
  'a/null': set('null', null),
  'a/string': set('string', 'x\u0000\u2028é\u{1f600}'),
  'b/counter': { op: 'increment', value: 2.5, type: 'counter' },
  'b/set': { op: 'add', value: { k: [1] }, type: 'set' },
  '_json/~1~0': set('string', '_scalar'),
};
const order = Object.keys(samples).toSorted((a, b) => (a < b ? -1 : 1));

/** A store with a leaf of each type, those of files and leases among them. */
async function filled() {
  const site = await Site.open();
  const peer = await connect(site, { device: 'writer' });
  const heard = await Promise.all(
    tongues.map(([name, knock]) => connect(site, { ...knock, device: name })),
  );
  const hook = await receiver();
  await site.hook(hook.url);
  let seq = 0;
  const push = async (event: string, payload: object): Promise<void> => {
    const reply = await peer.ask(topic, event, payload);
    if (reply.status !== 'ok') throw new Error(JSON.stringify(reply));
    seq += 1;
  };
  for (const path of order) {
    const sample = samples[path];
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    if (sample) await push('write', ask(sample.op, path, { value: sample.value }));
  }
  const name = { filename: 'é.txt', content_type: 'text/plain' };
  await push('put_file', ask('put_file', 'c/file', { content: 'aGVsbG8=', ...name }));
  await push('write', ask('lease', 'c/lease', { holder: 'me', ttl_ms: 60_000 }));
  const leaves = new Map<string, readonly [unknown, string]>();
  for (const [path, { op, value, type }] of Object.entries(samples)) {
    leaves.set(path, [op === 'add' ? [value] : value, type]);
  }
  const at = site.clock.wall();
  leaves.set('c/file', [expect.objectContaining({ _type: 'file', size: 5, ...name }), 'file']);
  const lease = { _type: 'lease', holder: 'me', token: seq, expires_at: at + 60_000 };
  leaves.set('c/lease', [lease, 'lease']);
  return { site, peer, heard, hook, seq, leaves };
}

type Filled = Awaited<ReturnType<typeof filled>>;

async function connect(site: Site, knock: object): Promise<Peer> {
  const peer = await Peer.connect(site.url, knock);
  await peer.join(topic);
  await peer.caughtUp();
  return peer;
}

/** What a surface tells is what was written, in these forms; `without` is left out by it. */
function same(told: Iterable<Told>, { leaves }: Filled, without: readonly string[] = []): void {
  const wanted = [...leaves].filter(([path]) => !without.includes(path));
  const found = new Map([...told].map(([path, ...leaf]) => [path, leaf]));
  const isTyped = [...found.values()].every((leaf) => leaf.length === 2);
  expect([...found].toSorted(byPath)).toEqual(
    wanted
      .map(([path, [value, type]]) => [path, isTyped ? [value, type] : [value]] as const)
      .toSorted(byPath),
  );
}

function byPath(
  [a]: readonly [string, ...unknown[]],
  [b]: readonly [string, ...unknown[]],
): number {
  return a < b ? -1 : 1;
}

type Row = { readonly [field: string]: unknown };

function rows(list: unknown): readonly Row[] {
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function untyped(ops: readonly Pick<HeardOp, 'path' | 'value'>[]): readonly Told[] {
  return ops.map(({ path, value }) => [path, value]);
}

const entry = ({ path, value, type }: Row): Told => [String(path), value, type];

/** The messages of an event stream up to and with the one that `isLast`. */
async function* messages(url: string): AsyncGenerator<{ event: string; data: Row }> {
  const quit = new AbortController();
  const headers = { authorization: 'Bearer dev', accept: 'text/event-stream' };
  const response = await fetch(url, { headers, signal: quit.signal });
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, event = ''] = /^event: ([^\n]*)/m.exec(block) ?? [];
        const [, data = '{}'] = /^data: ([^\n]*)/m.exec(block) ?? [];
        yield { event, data: JSON.parse(data) };
      }
    }
  } finally {
    quit.abort();
  }
}

async function streamed(site: Site, query: string, until: (m: Row, event: string) => boolean) {
  const told: { event: string; data: Row }[] = [];
  for await (const message of messages(`${site.url}/api/stores/demo/main/watch?${query}`)) {
    told.push(message);
    if (until(message.data, message.event)) break;
  }
  return told;
}

describe('S26 S30 a leaf of each type is the same', () => {
  test.each(tongues.map(([name], index) => [name, index] as const))(
    'in %s: live, in a tail and in a snapshot',
    async (_name, index) => {
      const home = await filled();
      const knock = tongues[index]?.[1] ?? {};
      const peer = home.heard[index];
      if (peer === undefined) throw new Error('no peer');
      same(untyped(await hear(peer, home.seq)), home);
      const late = await Peer.connect(home.site.url, { ...knock, device: 'late' });
      // A client of capver 4 that has nothing gets a snapshot, the other a tail.
      await late.join(topic, { last_store_seq: 0 });
      const frames = await late.caughtUp();
      const snapshot = [...readSnapshot(frames).leaves];
      same(
        knock.capver === '3'
          ? untyped(opsIn(frames))
          : snapshot.map(([path, { value, type }]): Told => [path, value, type]),
        home,
      );
      const old = await Peer.connect(home.site.url, { ...knock, capver: '3', device: 'old' });
      // No such seq: the server starts over with a snapshot.
      await old.join(topic, { last_store_seq: 1_000_000 });
      same(untyped(opsIn(await old.caughtUp())), home);
    },
  );

  test('over HTTP: read, listed, in a batch, in the log and in a difference', async () => {
    const home = await filled();
    const { site } = home;
    const read: Told[] = [];
    for (const path of home.leaves.keys()) {
      // oxlint-disable-next-line no-await-in-loop -- one by one
      const { json } = await site.ask('GET', `entry?path=${encodeURIComponent(path)}`);
      read.push(entry(json));
    }
    same(read, home);
    const listed = await site.ask('GET', 'entries?limit=1000');
    same(rows(listed.json['items']).map(entry), home);
    const then = await site.ask('GET', `entries?limit=1000&at_seq=${home.seq}`);
    expect(then.json).toEqual(listed.json);
    const batch = await site.ask('POST', 'entries/batch', { paths: [...home.leaves.keys()] });
    same(
      Object.entries(Object(batch.json['entries'])).map(([path, leaf]): Told =>
        entry({ ...Object(leaf), path }),
      ),
      home,
    );
    const log = await site.ask('GET', 'log?limit=1000');
    same(rows(log.json['ops']).map(entry), home);
    const diff = await site.ask('GET', 'diff?from_seq=0');
    same(
      rows(diff.json['changes']).map(({ path, after, after_type: type }): Told => [
        String(path),
        after,
        type,
      ]),
      home,
    );
  });

  test('in an event stream: of what is there, and of what happens', async () => {
    const home = await filled();
    const present = await streamed(
      home.site,
      'include_current=true',
      (_, event) => event === 'ready',
    );
    same(
      present.filter(({ event }) => event === 'present').map(({ data }) => entry(data)),
      home,
    );
    const past = await streamed(home.site, 'since=0', (m) => m['store_seq'] === home.seq);
    same(
      past.filter(({ event }) => event === 'op').map(({ data }) => entry(data)),
      home,
    );
  });

  test('to a webhook', async () => {
    const home = await filled();
    await home.hook.heard(home.seq);
    same(home.hook.bodies().map(entry), home);
  });

  test('to an agent: read, listed, in its log, its difference and while it watches', async () => {
    const home = await filled();
    const agent = await Agent.connect(home.site.url, 'dev');
    const store = 'demo/main';
    const read: Told[] = [];
    for (const path of home.leaves.keys()) {
      // oxlint-disable-next-line no-await-in-loop -- one by one
      read.push(entry(await agent.call('get', { store, path })));
    }
    same(read, home);
    const listed = await agent.call('entries', { store, pattern: '**', limit: 1000 });
    same(rows(listed['items'] ?? listed['entries']).map(entry), home);
    const log = await agent.call('log', { store, limit: 200 });
    same(rows(log['ops']).map(entry), home);
    const diff = await agent.call('diff', { store, from_seq: 0 });
    same(
      rows(diff['changes']).map(({ path, after, after_type: type }): Told => [
        String(path),
        after,
        type,
      ]),
      home,
    );
    const watched = await agent.call('watch_once', { store, pattern: '**', since: 0 });
    same(rows(watched['ops']).map(entry), home);
  });

  test('after an export and an import, in lines and all in one, and in a clone; leases stay behind', async () => {
    const home = await filled();
    const { site } = home;
    const headers = { authorization: 'Bearer dev', 'content-type': 'application/x-ndjson' };
    const text = await (await fetch(`${site.url}/api/stores/demo/main/export`, { headers })).text();
    const lines = text.trim().split('\n').slice(1);
    same(
      lines.map((line) => entry(JSON.parse(line))),
      home,
      ['c/lease'],
    );
    for (const mode of ['lines', 'atomic']) {
      // oxlint-disable-next-line no-await-in-loop -- one store after the other
      await site.server.stores.create(`demo/${mode}`);
      const url = `${site.url}/api/stores/demo/${mode}/import?mode=${mode}`;
      // oxlint-disable-next-line no-await-in-loop -- one store after the other
      const answer = await fetch(url, { method: 'POST', headers, body: text });
      // oxlint-disable-next-line no-await-in-loop -- one store after the other
      expect(await answer.json()).toMatchObject({ ok: true, failed_total: 0 });
      // oxlint-disable-next-line no-await-in-loop -- one store after the other
      same(await listing(site, mode), home, ['c/lease']);
    }
    await site.ask('POST', 'clone', { name: 'cloned' });
    same(await listing(site, 'cloned'), home, ['c/lease']);
  });

  test('after a rollback of the store and of a path; leases are not brought back', async () => {
    const home = await filled();
    const { site } = home;
    for (const [body, gone] of [
      [{}, ['a', 'b', 'c', '_json']],
      [{ path: 'a' }, ['a']],
    ] as const) {
      for (const path of gone) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await site.ask('DELETE', `entries/${path}?force=true`);
      }
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await site.ask('POST', 'rollback', { ...body, to_seq: home.seq })).toMatchObject({
        status: 200,
      });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      same(await listing(site, 'main'), home, ['c/lease']);
    }
  });
});

async function listing(site: Site, store: string): Promise<readonly Told[]> {
  const { json } = await site.ask('GET', `../${store}/entries?limit=1000`);
  return rows(json['items']).map(entry);
}
