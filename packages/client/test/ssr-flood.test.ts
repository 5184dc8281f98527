import { createClient } from '@holdfast/client';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { records } from '@holdfast/client/records';
import { hydrate } from '@holdfast/client/ssr';
import { views } from '@holdfast/client/views';
import { passthrough, record } from '@holdfast/protocol';
import { app, createServer, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import {
  browser,
  closePages,
  doc,
  errors,
  openPages,
  person,
  rendered,
  write,
} from './ssr-world.ts';

beforeEach(openPages);
afterEach(closePages);

type Loose = { stores: Record<string, unknown>[]; [name: string]: unknown };

/** A page that somebody has bent; as text, so that it can say what no object can. */
async function bent(bend: (seed: Loose) => unknown): Promise<string> {
  const seed = JSON.parse(await rendered()) as Loose;
  const made = bend(seed);
  return typeof made === 'string' ? made : JSON.stringify(seed);
}

const entriesOf = (store: Record<string, unknown> = {}): unknown[] => store['entries'] as unknown[];
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const text = (seed: Loose): string => JSON.stringify(seed);

test.each<[string, (seed: Loose) => unknown]>([
  ['nested without end', (seed) => text(seed).replace('"One"', nested(200_000))],
  [
    'with an incarnation as long as a book',
    ({ stores: [store] }) => Object.assign(store ?? {}, { incarnation: 'x'.repeat(100_000) }),
  ],
  [
    'with a scope as long as a book',
    ({ stores: [store] }) => Object.assign(store ?? {}, { scope: 'x'.repeat(100_000) }),
  ],
  [
    'with a signature as long as a book',
    ({ stores: [store] }) => Object.assign(store ?? {}, { signature: 'x'.repeat(100_000) }),
  ],
  [
    'with patterns without end',
    ({ stores: [store] }) =>
      Object.assign(store ?? {}, { patterns: Array.from({ length: 5000 }, (_, n) => `a${n}/**`) }),
  ],
  [
    'with a pattern of nothing',
    ({ stores: [store] }) => Object.assign(store ?? {}, { patterns: ['//'] }),
  ],
  [
    'with more stores than there are',
    (seed) =>
      Object.assign(seed, {
        stores: Array.from({ length: 3000 }, (_, n) => ({
          ...seed.stores[0],
          store: `acme/s${n}`,
        })),
      }),
  ],
  [
    'with envelopes without end',
    (seed) =>
      Object.assign(seed, {
        envelopes: Array.from({ length: 50_000 }, (_, n) => ({ key: `k${n}`, envelope: null })),
      }),
  ],
  [
    'with paths that are those of objects',
    ({ stores: [store] }) =>
      entriesOf(store).push(
        ['docs/__proto__/polluted', 'yes', 'string', 1],
        ['__proto__/polluted', 'yes', 'string', 1],
      ),
  ],
  [
    'with two leaves in one place',
    ({ stores: [store] }) => entriesOf(store).push(['docs/1/title/x', 'yes', 'string', 1]),
  ],
])('R256 a seed %s does no harm, and the server is heard', async (_, bend) => {
  await write('1', { title: 'One' });
  const state = await bent(bend);
  const [client, tap] = browser();
  hydrate(client, state);
  const handle = doc(client, '1');
  handle.retain();
  await write('1', { title: 'Two' });
  await expect.poll(() => handle.get()?.title).toBe('Two');
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(tap.sent('phx_join').length).toBeLessThan(35);
});

const Any = record({
  name: 'any',
  store: 'acme/any',
  path: 'any/:id',
  version: '1.0',
  schema: passthrough<{ readonly [name: string]: unknown }>(),
});

test('a member named __proto__ is a member, and no prototype, in envelopes and views of a page', async () => {
  const shared = view({ name: 'Shared', render: () => ({ n: 1 }) });
  const server = createServer({ storage: memory(), app: app({ views: [shared] }) });
  onTestFinished(() => server.close({ retryAfterMs: 0 }));
  const faults: unknown[] = [];
  const delivery = byTransport({ transport: new InProcessTransport() });
  await using client = createClient({
    ...server.inProcess(person('ada')),
    records: records([Any], { delivery }),
    views: views(),
    onError: (error) => faults.push(error),
  });
  const own = '"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}';
  const { key } = Any.ref({ id: '1' });
  const initialData = `{"tree":{"n":1,${own}},"stream_ops":[null,{"op":"insert","stream":"__proto__"}]}`;
  hydrate(
    client,
    `{"v":1,"principal":"ada","stores":[],"queries":[],${own},` +
      `"envelopes":[{"key":${JSON.stringify(key)},"envelope":{"value":{"a":1,${own}},"schema_version":"1.0","sequence":1}}],` +
      `"views":[{"root":"Shared:default","params":"{}","initialData":${initialData}}]}`,
  );
  const handle = client.record(Any, { id: '1' });
  handle.retain();
  expect(Object.keys(handle.get() ?? {})).toEqual(['a', '__proto__', 'constructor']);
  expect(handle.get()?.['polluted']).toBeUndefined();
  const page = client.view('Shared');
  expect((await page.ready).$snapshot()).toEqual({ n: 1 });
  await expect.poll(() => page.health.get().state).toBe('live');
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test('a page is good for as long as its store and the rights are: no clock is asked', async () => {
  await write('1', { title: 'One' });
  const state = await rendered();
  const [client, tap] = browser({ env: { wall: () => 8.64e15 - 1 } });
  hydrate(client, state);
  const handle = doc(client, '1');
  handle.retain();
  await expect.poll(() => handle.state.get().connected).toBe(true);
  expect(tap.replies('phx_join')).toMatchObject([{ sync: 'tail' }]);
  expect(errors).toEqual([]);
});
