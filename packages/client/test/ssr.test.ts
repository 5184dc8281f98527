import { memoryCache } from '@holdfast/client';
import { dehydrate, hydrate } from '@holdfast/client/ssr';
import { collection } from '@holdfast/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  Doc,
  Note,
  browser,
  byTitle,
  closePages,
  doc,
  errors,
  made,
  openPages,
  person,
  rendered,
  renderer,
  server,
  synced,
  write,
} from './ssr-world.ts';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { Tap } from './tap.ts';

beforeEach(openPages);
afterEach(closePages);

const hostile = '</script><script>alert(1)</script><!-- &amp; \u2028\u2029 "';

test('R252 a closing script, line separators and every kind of value survive the way through a page', async () => {
  const value = {
    title: hostile,
    count: 2n ** 70n,
    when: new Date(5),
    bytes: new Uint8Array([0, 60, 255]),
    price: { _type: 'decimal', _typed: '1.10' },
  };
  await write('1', value);
  const html = `<script type="application/json">${await rendered()}</script>`;
  const inline = html.slice(html.indexOf('>') + 1, html.indexOf('</script>'));
  expect(inline).not.toMatch(/[<>&\u2028\u2029]/);
  expect(html.endsWith(`${inline}</script>`)).toBe(true);
  const [client] = browser();
  hydrate(client, inline);
  const handle = doc(client, '1');
  handle.retain();
  expect(handle.get()).toEqual(value);
  expect(handle.state.get()).toMatchObject({ status: 'ok', source: 'seed' });
  expect(errors).toEqual([]);
});

test('R253 what is written between the rendering and the join is shown after it, and comes as a tail', async () => {
  await write('1', { title: 'One' });
  const state = await rendered();
  await write('1', { title: 'Two' });
  const [client, tap] = browser();
  hydrate(client, state);
  const handle = doc(client, '1');
  handle.retain();
  expect(handle.get()).toMatchObject({ title: 'One' });
  await expect.poll(() => handle.get()?.title).toBe('Two');
  expect(tap.replies('phx_join')).toMatchObject([{ sync: 'tail', why: null }]);
  // What the server drew is drawn by who hydrates late.
  expect(handle.state.getServer?.()).toMatchObject({ value: { title: 'One' } });
  expect(tap.sent('phx_join')).toHaveLength(1);
});

test('R254 of what has not changed nothing comes over the wire again', async () => {
  const author = renderer();
  for (const id of ['1', '2']) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await author.record(Note, { id }).set({ text: `Unchanged ${id}`, rank: Number(id) }).committed;
  }
  const all = collection(Note, { orderBy: 'rank' });
  const drawing = renderer();
  await drawing.prefetch(Note.ref({ id: '1' }), all);
  const [client, tap] = browser();
  hydrate(client, dehydrate(drawing));
  const list = client.collection(all);
  list.retain();
  client.record(Note, { id: '1' }).retain();
  expect(list.get().map(({ text }) => text)).toEqual(['Unchanged 1', 'Unchanged 2']);
  await synced(client, Note.store);
  await tap.quiet();
  expect(tap.sent('phx_join')).toHaveLength(1);
  expect(tap.sent('scope')).toEqual([]);
  expect(tap.sent('query_open')).toMatchObject([{ have: { 'notes/1': 2, 'notes/2': 3 } }]);
  expect(tap.text()).not.toContain('Unchanged');
});

test('R255 two requests at once share nothing, and what is hidden from one is not in its page', async () => {
  await write('1', { title: 'Plan', secret: 'gold', owner: 'ada' });
  const [hers, his] = await Promise.all([rendered('ada'), rendered('bob')]);
  expect(hers).toContain('gold');
  expect(his).not.toContain('gold');
  expect(JSON.parse(hers)).toMatchObject({ v: 1, principal: 'ada' });
  expect(JSON.parse(his)).toMatchObject({ v: 1, principal: 'bob' });
  const [client] = browser({}, 'bob');
  hydrate(client, his);
  expect(await doc(client, '1').ready()).toBeUndefined();
  expect(doc(client, '1').get()).toEqual({ title: 'Plan', owner: 'ada' });
});

test('a page holds no outbox, and no value that the server has not decided', async () => {
  await write('1', { title: 'Decided' });
  const at = server.inProcess(person('ada'));
  const tap = new Tap(at.link);
  const client = made({ ...at, link: tap });
  await client.prefetch(Doc.ref({ id: '1' }));
  tap.hold();
  doc(client, '1').patch({ title: 'Wished' });
  const state = dehydrate(client);
  expect(state).toContain('Decided');
  expect(state).not.toContain('Wished');
  tap.letGo();
});

test.each([
  ['no JSON', '{"v":1'],
  ['another version', '{"v":2,"principal":"ada","stores":[]}'],
  ['no object', '[]'],
  ['null', 'null'],
  ['lists missing', '{"v":1,"principal":"ada"}'],
])(
  'R256 a seed that is %s is not shown, and everything comes from the server',
  async (_, state) => {
    await write('1', { title: 'One' });
    const [client, tap] = browser();
    hydrate(client, state);
    expect(errors).toMatchObject([{ code: 'invalid_seed' }]);
    const handle = doc(client, '1');
    await handle.ready();
    expect(handle.get()).toMatchObject({ title: 'One' });
    expect(tap.sent('phx_join')).toMatchObject([{ last_store_seq: 0 }]);
  },
);

test('R258 a collection in a seed is there when it is first asked for, its rows the very records', async () => {
  await write('1', { title: 'One' });
  await write('2', { title: 'Two' });
  const [client, tap] = browser();
  tap.hold();
  hydrate(client, await rendered());
  const list = client.collection(byTitle);
  list.retain();
  expect(list.state.get()).toMatchObject({ ready: true, status: 'ok', hasMore: false });
  expect(list.get().map(({ title }) => title)).toEqual(['One', 'Two']);
  const [first] = list.keys();
  expect(first).toBe(Doc.ref({ id: '1' }).key);
  const row = list.row(first ?? '');
  row?.retain();
  expect(row?.get()).toEqual(list.get()[0]);
  tap.letGo();
  await synced(client);
  await write('3', { title: 'Three' });
  await expect.poll(() => list.get().length).toBe(3);
  expect(list.state.getServer?.().rows).toHaveLength(2);
});

test('of a seed and a cache of one store the newer one is begun with, if it has all of the other', async () => {
  await write('1', { title: 'Old' });
  const old = await rendered();
  const cache = memoryCache();
  const [first] = browser({ cache });
  const store = first.store('acme/app');
  await store.ready;
  await write('1', { title: 'New' });
  await expect.poll(() => store.get('docs/1/title')).toBe('New');
  await first.close();
  const [cached, tap] = browser({ cache });
  tap.hold();
  hydrate(cached, old);
  const handle = doc(cached, '1');
  handle.retain();
  await expect.poll(() => handle.get()?.title).toBe('New');
  await cached.close();
  await write('1', { title: 'Newest' });
  const newest = await rendered();
  const [seeded, line] = browser({ cache });
  line.hold();
  hydrate(seeded, newest);
  const shown = doc(seeded, '1');
  shown.retain();
  expect(shown.get()).toMatchObject({ title: 'Newest' });
  line.letGo();
  await synced(seeded);
  expect(shown.get()).toMatchObject({ title: 'Newest' });
  await seeded.close();
  const kept = [...((await cache.load('acme/app' as never))?.entries ?? [])];
  expect(kept.find(({ path }) => path === ('docs/1/title' as never))?.value).toBe('Newest');
});

test('a seed that comes after the store was opened is begun with, unless the server was quicker', async () => {
  await write('1', { title: 'One' });
  const state = await rendered();
  const [client, tap] = browser();
  tap.hold();
  const handle = doc(client, '1');
  handle.retain();
  expect(handle.state.get().status).toBe('loading');
  hydrate(client, state);
  await expect.poll(() => handle.get()?.title).toBe('One');
  tap.letGo();
  await synced(client);
  await write('1', { title: 'Two' });
  await expect.poll(() => handle.get()?.title).toBe('Two');
  hydrate(client, state);
  await tap.quiet();
  expect(handle.get()).toMatchObject({ title: 'Two' });
});

test('own writes of a former life go on beneath a seed', async () => {
  await write('1', { title: 'One' });
  const cache = memoryCache();
  const [first, line] = browser({ cache });
  const store = first.store('acme/app');
  await store.ready;
  line.hold();
  const { durable } = doc(first, '1').patch({ title: 'Mine' });
  await durable;
  await first.close();
  await write('2', { title: 'Two' });
  const [client] = browser({ cache });
  hydrate(client, await rendered());
  const handle = doc(client, '1');
  handle.retain();
  await synced(client);
  expect(handle.get()).toMatchObject({ title: 'Mine' });
});

test('what a page was rendered from is shown once: a store that is opened anew later shows nothing that old', async () => {
  await write('1', { title: 'One' });
  const state = await rendered();
  const clock = new VirtualClock();
  const [client] = browser({
    env: {
      now: () => clock.now(),
      wall: () => clock.wall(),
      setTimeout: (run, ms) => clock.setTimeout(run, ms),
      clearTimeout: (handle) => clock.clearTimeout(handle),
    },
  });
  hydrate(client, state);
  const before = client.store('acme/app');
  expect(before.entries('**').items.map(({ value }) => value)).toContain('One');
  await before.ready;
  before.close();
  await write('1', { title: 'Two' });
  await clock.pass(61_000);
  const after = client.store('acme/app');
  expect(after.entries('**').items).toEqual([]);
  await after.ready;
  await expect.poll(() => after.entries('**').items.map(({ value }) => value)).toContain('Two');
});
