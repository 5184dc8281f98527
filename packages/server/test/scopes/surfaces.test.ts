import { isObject } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { LegacyReplica } from '../conversation/replica.ts';
import { ask } from '../conversation/talk.ts';
import { topic } from '../conversation/world.ts';
import { Agent } from '../mcp/agent.ts';
import { receiver } from '../webhooks/receiver.ts';
import { Site } from '../webhooks/site.ts';

/** What rules hide has `hush` in its path, and in its value; nothing else has. */
const pathRules = ['a/**', 'b/*/open', 'c'].map((pattern) => ({
  pattern,
  allow: ['read'] as const,
}));
const seen = ['a/x', 'a/y/z', 'b/1/open', 'b/2/open', 'c'];
const hidden = ['hush', 'hush/1', 'b/1/hush', 'b/2/hush/z', 'b/hush', 'c/hush', 'd/hush'];
const leaves = [...seen, ...hidden];
const parents = ['a', 'b', 'b/1', 'b/2', 'c', 'd', 'hush', ...leaves];

type Op = { readonly op: string; readonly path: string; readonly value?: unknown };

const leafOp: fc.Arbitrary<Op> = fc
  .record({
    op: fc.constantFrom('set', 'set', 'add', 'remove'),
    path: fc.constantFrom(...leaves),
    value: fc.nat({ max: 5 }),
  })
  .map(({ op, path, value }) => ({ op, path, value: textAt(path, value) }));

/** A map of some of the leaves below a path. */
const mapOp: fc.Arbitrary<Op> = fc
  .record({
    op: fc.constantFrom('set', 'merge'),
    path: fc.constantFrom('a', 'b', 'b/1', 'b/2', 'c', 'd', 'hush'),
    below: fc.subarray(leaves),
    value: fc.nat({ max: 5 }),
  })
  .map(({ op, path, below, value }) => {
    const map = {};
    for (const leaf of below) if (leaf.startsWith(`${path}/`)) place(map, { leaf, path, value });
    return { op, path, value: map };
  });

const removal: fc.Arbitrary<Op> = fc
  .constantFrom(...parents)
  .map((path) => ({ op: 'delete', path }));

type Step =
  | { readonly kind: 'write'; readonly op: Op }
  | { readonly kind: 'transact'; readonly ops: readonly Op[] }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'lease'; readonly path: string }
  | { readonly kind: 'rollback'; readonly share: number }
  | { readonly kind: 'import'; readonly paths: readonly string[] };

const op = fc.oneof(leafOp, mapOp, removal);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: op.map((each) => ({ kind: 'write' as const, op: each })) },
  {
    weight: 3,
    arbitrary: fc
      .array(op, { minLength: 2, maxLength: 4 })
      .map((ops) => ({ kind: 'transact' as const, ops })),
  },
  fc.constantFrom(...leaves).map((path) => ({ kind: 'file' as const, path })),
  fc.constantFrom(...hidden).map((path) => ({ kind: 'lease' as const, path })),
  fc.double({ min: 0, max: 1, noNaN: true }).map((share) => ({ kind: 'rollback' as const, share })),
  fc.subarray(leaves).map((paths) => ({ kind: 'import' as const, paths })),
);

function textAt(path: string, value: number): string {
  return `${path.includes('hush') ? 'hush' : 'seen'}-${value}`;
}

type Placed = { readonly leaf: string; readonly path: string; readonly value: number };

function place(map: { [key: string]: unknown }, { leaf, path, value }: Placed): void {
  const segments = leaf.slice(path.length + 1).split('/');
  const last = segments.pop() ?? '';
  let at = map;
  for (const segment of segments) {
    const next = at[segment];
    at = isObject(next) ? next : (at[segment] = {});
  }
  at[last] = textAt(leaf, value);
}

/** Somebody who asks over HTTP; all that was answered is kept. */
class Reader {
  readonly #site: Site;
  readonly token: string;
  readonly heard: string[] = [];

  constructor(site: Site, token: string) {
    this.#site = site;
    this.token = token;
  }

  async text(route: string, body?: object): Promise<string> {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
    const request = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const url = `${this.#site.url}/api/stores/demo/main${route}`;
    const answer = await fetch(url, { headers, ...request });
    const text = Buffer.from(await answer.arrayBuffer()).toString('latin1');
    this.heard.push(text);
    return text;
  }

  async json(route: string, body?: object): Promise<{ readonly [field: string]: unknown }> {
    return Object(JSON.parse(await this.text(route, body)));
  }

  /** What an event stream tells until it says that all is told. */
  async stream(query: string, until: RegExp): Promise<string> {
    const quit = new AbortController();
    const headers = { authorization: `Bearer ${this.token}` };
    const url = `${this.#site.url}/api/stores/demo/main/watch?${query}`;
    const { body } = await fetch(url, { headers, signal: quit.signal });
    const decoder = new TextDecoder();
    let text = '';
    for await (const bytes of body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      if (until.test(text)) break;
    }
    quit.abort();
    this.heard.push(text);
    return text;
  }
}

type Row = {
  readonly path: string;
  readonly value: unknown;
  readonly [field: string]: unknown;
};

function rowsOf(list: unknown): readonly Row[] {
  return Array.isArray(list) ? list : [];
}

const visible = (rows: readonly Row[]): readonly Row[] =>
  rows.filter(({ path }) => /^(a(\/.*)?|b\/[^/]+\/open|c)$/.test(path));

/** Makes a history, and returns its last seq. */
async function live(site: Site, steps: readonly Step[]): Promise<number> {
  const peer = await Peer.connect(site.url, { device: 'writer' });
  await peer.join(topic);
  await peer.caughtUp();
  for (const each of steps) await take(site, peer, each);
  // Something to wait for.
  const { response } = await peer.ask(topic, 'write', ask('set', 'a/end', { value: 'seen' }));
  return Number(response['store_seq']);
}

async function take(site: Site, peer: Peer, each: Step): Promise<void> {
  if (each.kind === 'write') await peer.ask(topic, 'write', ask(each.op.op, each.op.path, each.op));
  else if (each.kind === 'transact') {
    await peer.ask(topic, 'transact', { ...ask('', ''), ops: each.ops });
  } else if (each.kind === 'file') {
    const text = textAt(each.path, 1);
    const content = Buffer.from(text).toString('base64');
    const file = { content, filename: `${text}.txt`, content_type: `text/x-${text}` };
    await peer.ask(topic, 'put_file', ask('put_file', each.path, file));
  } else if (each.kind === 'lease') {
    await peer.ask(topic, 'write', ask('lease', each.path, { holder: 'hush', ttl_ms: 1 }));
    await site.clock.pass(2);
  } else if (each.kind === 'rollback') {
    const { response } = await peer.ask(topic, 'status', {});
    const head = Number(response['current_seq']);
    await peer.ask(topic, 'rollback', { to_seq: Math.floor(each.share * head) });
  } else {
    const lines = each.paths.map((path) => JSON.stringify({ path, value: textAt(path, 9) }));
    await fetch(`${site.url}/api/stores/demo/main/import`, {
      method: 'POST',
      headers: { authorization: 'Bearer dev', 'content-type': 'application/x-ndjson' },
      body: ['{"_header":true,"path_schema_version":3}', ...lines].join('\n'),
    });
  }
}

test.each(fc.sample(fc.array(step, { minLength: 40, maxLength: 60 }), 4).map((steps) => [steps]))(
  'S102 of a random history no surface over HTTP tells a guest anything but what its rules show, and each tells all of that',
  async (steps) => {
    const site = await Site.open({
      authenticate: principals({ guest: { pathRules: [...pathRules] } }),
    });
    const hook = await receiver();
    const all = new Reader(site, 'dev');
    const guest = new Reader(site, 'guest');
    const patterns = pathRules.map(({ pattern }) => pattern);
    await site.hook(hook.url, { patterns });
    const head = await live(site, steps);
    const list = async (reader: Reader, query = ''): Promise<readonly Row[]> =>
      rowsOf((await reader.json(`/entries?limit=1000${query}`))['items']);
    expect(await list(guest)).toEqual(visible(await list(all)));
    for (let seq = 0; seq <= head; seq += 1) {
      const at = `&at_seq=${seq}`;
      expect(await list(guest, at)).toEqual(visible(await list(all, at)));
      const changes = async (reader: Reader): Promise<readonly Row[]> =>
        rowsOf((await reader.json(`/diff?from_seq=${seq}`))['changes']);
      expect(await changes(guest)).toEqual(visible(await changes(all)));
    }
    for (const query of ['&select=keys&order=desc', '&select=prefixes', '&from=a&to=z']) {
      await guest.text(`/entries?limit=1000${query}`);
    }
    for (const path of ['a', 'b', 'b/1', 'c']) await guest.text(`/entries/${path}`);
    await guest.text('/entries/batch', { paths: ['a', 'b', 'c', 'd'], subtrees: true });
    for (const format of ['jsonl', 'sqlite', 'tar']) await guest.text(`/export?format=${format}`);
    await guest.text('');
    const replica = new LegacyReplica();
    const log = rowsOf((await guest.json('/log?limit=1000'))['ops']);
    for (const each of log.toReversed()) replica.apply({ ...each, op: String(each['op']) });
    expect(replica.leaves).toEqual(
      new Map((await list(guest)).map(({ path, value }) => [path, value])),
    );
    await guest.stream('since=0', new RegExp(`"store_seq":${head},`));
    await guest.stream('include_current=true', /event: ready/);
    await guest.stream('include_current=true&pattern=b/**', /event: ready/);
    const agent = await Agent.connect(site.url, 'guest');
    const store = 'demo/main';
    for (const [tool, told] of [
      ['get', { path: 'b' }],
      ['entries', { pattern: '**', limit: 1000 }],
      ['log', { limit: 200 }],
      ['diff', { from_seq: 0 }],
      ['status', {}],
      ['export', {}],
      ['watch_once', { pattern: '**', since: 0 }],
    ] as const) {
      guest.heard.push(JSON.stringify(await agent.told(tool, { store, ...told })));
    }
    await expect.poll(() => hook.bodies().at(-1)?.['store_seq']).toBe(head);
    for (const { text } of hook.received) guest.heard.push(text);
    for (const text of guest.heard) expect(text).not.toContain('hush');
    expect(guest.heard.join('')).toContain('seen');
  },
  120_000,
);
