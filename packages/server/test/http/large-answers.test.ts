import { expect, test } from 'vitest';

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
