import { defaultLimits } from '@holdfast/protocol';
import { expect, test } from 'vitest';

import type { PathRule } from '../../src/access/index.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { world as served } from '../conversation/world.ts';
import { World } from './world.ts';

const S = '/api/stores/acme/blog';

/** More than goes into one piece, with all that JSON has. */
const posts = Object.fromEntries(
  Array.from({ length: 120 }, (_, at) => [
    `p${at}`,
    { title: `"${'x'.repeat(1500)}"`, tags: ['é', { deep: [null, {}] }], views: at, '1': true },
  ]),
);

/** The pieces in which a route answers. */
async function piecesOf(path: string, body?: object): Promise<readonly string[]> {
  const world = new World({});
  await world.store('acme/blog');
  const { ask, raw } = await world.token();
  for (const [key, post] of Object.entries(posts)) {
    // oxlint-disable-next-line no-await-in-loop -- in the order of the keys
    await ask('PUT', `${S}/entries/posts/${key}`, post);
  }
  const response = await world.app.request(`${S}/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { Authorization: `Bearer ${raw}`, 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  expect(response.headers.get('content-type')).toBe('application/json');
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  for await (const piece of response.body ?? []) {
    pieces.push(decoder.decode(piece, { stream: true }));
  }
  return pieces;
}

const told = { type: 'map', revision: 120 };

const items = Object.entries(posts)
  .map(([key, { title: value }], at) => {
    return { path: `posts/${key}/title`, value, type: 'string', revision: at + 1 };
  })
  .toSorted((a, b) => (a.path < b.path ? -1 : 1));

test.for<[string, string, object | undefined, unknown]>([
  ['an entry', 'entries/posts', undefined, { path: 'posts', value: posts, ...told }],
  [
    'an entry of then',
    'entries/posts?at_seq=120',
    undefined,
    { path: 'posts', value: posts, ...told },
  ],
  ['a page', 'entries?limit=1000&pattern=posts/*/title', undefined, { items, next_cursor: null }],
  [
    'a batch',
    'entries/batch',
    { paths: ['posts', 'none'], subtrees: true },
    { entries: { posts: { value: posts, ...told } }, missing: ['none'] },
  ],
])('%s of more than goes into one piece comes piece by piece, and whole', async (row) => {
  const [, path, body, answer] = row;
  const pieces = await piecesOf(path, body);
  expect(pieces.length).toBeGreaterThan(2);
  expect(JSON.parse(pieces.join(''))).toEqual(answer);
});

test('a long answer that travels as gzip is made as it is read, and no further where the reader leaves', async () => {
  const clock = new VirtualClock();
  const world = new World({ clock });
  await world.store('acme/blog');
  const { ask, raw } = await world.token();
  for (const [key, post] of Object.entries(posts)) {
    // oxlint-disable-next-line no-await-in-loop -- in the order of the keys
    await ask('PUT', `${S}/entries/posts/${key}`, post);
  }
  const before = clock.timers;
  const get = (): Response | Promise<Response> =>
    world.app.request(`${S}/diff?from_seq=0`, {
      headers: { Authorization: `Bearer ${raw}`, 'Accept-Encoding': 'gzip' },
    });
  const left = await get();
  // It waits for its reader.
  expect([left.headers.get('content-encoding'), clock.timers]).toEqual(['gzip', before + 1]);
  await left.body?.cancel();
  await expect.poll(() => clock.timers).toBe(before);
  const whole = await new Response(
    (await get()).body?.pipeThrough(new DecompressionStream('gzip')),
  ).json();
  expect(whole).toMatchObject({ from_seq: 0, to_seq: 120 });
  expect(whole.changes).toHaveLength(480);
});

test('nothing waits for a reader where only the head of a long answer is asked for', async () => {
  const clock = new VirtualClock();
  const { url } = await served({ clock });
  const address = `${url}/api/stores/demo/main/entries/posts`;
  const headers = { Authorization: 'Bearer dev', 'Content-Type': 'application/json' };
  await fetch(address, { method: 'PUT', headers, body: JSON.stringify(posts) });
  const before = clock.timers;
  const head = await fetch(address, { method: 'HEAD', headers });
  expect([head.status, head.headers.get('content-type')]).toEqual([200, 'application/json']);
  expect(head.headers.has('etag')).toBe(true);
  expect(clock.timers).toBe(before);
});

/** Who reads below a folder of many leaves, with a token for all of it, for some of it, and for nothing in it. */
const readers: { readonly [name: string]: { readonly pathRules?: readonly PathRule[] } } = {
  all: {},
  some: { pathRules: [{ pattern: 'all/*/999', allow: ['read'] }] },
  nothing: { pathRules: [{ pattern: 'all/*/none', allow: ['read'] }] },
};

async function withMany(): Promise<World> {
  const world = new World({ limits: defaultLimits });
  await world.store('acme/blog');
  const { ask } = await world.token();
  for (const folder of 'abcdefgh') {
    const value = Object.fromEntries(
      Array.from({ length: 1000 }, (_, at) => [String(at), `${'x'.repeat(90)}${at}`]),
    );
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await ask('PUT', `${S}/entries/all/${folder}`, value)).status).toBe(200);
  }
  return world;
}

/** How many turns of the event loop others have had until an answer was read to its end. */
async function turnsFor(
  read: () => Response | Promise<Response>,
): Promise<{ readonly turns: number; readonly status: number; readonly text: string }> {
  let turns = 0;
  let next = setImmediate(function pass() {
    turns += 1;
    next = setImmediate(pass);
  });
  const response = await read();
  const text = await response.text();
  clearImmediate(next);
  return { turns, status: response.status, text };
}

test.each([
  ['all', 'entries/all', 200],
  ['some', 'entries/all', 200],
  ['nothing', 'entries/all', 404],
  ['all', 'entries/all?at_seq=8', 200],
  ['nothing', 'entries/all?at_seq=8', 404],
  ['all', 'entries/batch', 200],
  ['nothing', 'entries/batch', 200],
])(
  'who may read %s below a path of many leaves, and asks for %s, keeps nobody else from their turn',
  async (reader, path, expected) => {
    const world = await withMany();
    const { raw } = await world.token({ ...readers[reader] });
    const isBatch = path === 'entries/batch';
    const { turns, status } = await turnsFor(() =>
      world.app.request(`${S}/${path}`, {
        method: isBatch ? 'POST' : 'GET',
        headers: { Authorization: `Bearer ${raw}`, 'Content-Type': 'application/json' },
        ...(isBatch && { body: JSON.stringify({ paths: ['all'], subtrees: true }) }),
      }),
    );
    expect(status).toBe(expected);
    expect(turns).toBeGreaterThan(7);
  },
);

test('a map of many leaves comes as it was put, whatever its keys, and with what of it may be read', async () => {
  const world = new World({ limits: defaultLimits });
  await world.store('acme/blog');
  const { ask } = await world.token();
  const many = Object.fromEntries(Array.from({ length: 120 }, (_, at) => [`k${at}`, at]));
  const odd = JSON.parse(
    '{"a/b":{"~":1,"__proto__":{"x":[{}]},"c d":{"deep":{"er":null}}},"a":"\\"","é":{"\u2028":{}},"b":{"b":{"b":-0.5}},"b-":2}',
  );
  const put = { ...many, ...odd };
  expect((await ask('PUT', `${S}/entries/odd`, put)).status).toBe(200);
  expect((await ask('GET', `${S}/entries/odd`)).json).toEqual({
    path: 'odd',
    value: put,
    type: 'map',
    revision: 1,
  });
  expect((await ask('PUT', `${S}/entries/odd/b/later`, 3)).status).toBe(200);
  const pathRules: readonly PathRule[] = [
    { pattern: 'odd/b/b/*', allow: ['read'] },
    { pattern: 'odd/k7', allow: ['read'] },
  ];
  const narrow = await world.token({ pathRules });
  const some = await narrow.ask('GET', `${S}/entries/odd`);
  expect(some.json).toEqual({
    path: 'odd',
    value: { b: { b: { b: -0.5 } }, k7: 7 },
    type: 'map',
    revision: 1,
  });
  expect(some.headers.get('etag')).toBe(null);
});
