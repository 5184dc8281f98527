import { passthrough, record } from '@holdfast/protocol';
import type { ServerRecord } from '@holdfast/server';
import { cursorOf } from '@holdfast/engine/collection';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Reply } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { topic, world, type World } from '../conversation/world.ts';
import { headOf, http, person, transact, write } from './site.ts';

type Note = { readonly title?: string; readonly size?: unknown };

const Note = record({
  name: 'note',
  store: 'demo/main',
  path: 'notes/:id',
  version: '1.0',
  schema: passthrough<Note>(),
  mutations: {
    put: { apply: (note, input) => ({ ...note, ...(input as Note) }) },
  },
});

async function site(): Promise<World & { readonly notes: ServerRecord<typeof Note> }> {
  const made = await world({ authenticate: principals({ eve: person('eve') }) });
  const notes = made.server.record(Note);
  await notes.write({ id: '1' }, { set: { title: 'Hi', size: 1 } });
  return { ...made, notes };
}

const mutate = (name: string, value: unknown, path = 'notes/1'): object => ({
  op: 'mutate',
  path,
  record: 'note',
  name,
  value,
});

/** As text, for nobody can write lists that are so deep. */
const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
const long = 'x'.repeat(256);
const typed = { _type: 'decimal', _typed: '1' };
/** Fields that are no path. */
const bad: readonly (readonly [fields: object, reason: string])[] = [
  [{ '': 1 }, 'empty_segment'],
  [{ 'a\u0000b': 1 }, 'invalid_segment'],
  [{ [long]: 1 }, 'segment_too_long'],
  [{ deep: { '': 1 } }, 'empty_segment'],
];

describe('What a mutation comes to', () => {
  test.each(bad)('is no field %j that nobody could write: %s', async (fields, reason) => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    const head = await headOf(peer);
    const asked = [
      mutate('holdfast:merge', { set: fields }),
      mutate('put', fields),
      mutate('put', fields, 'notes/2'),
    ];
    for (const each of asked) {
      expect(await write(peer, each)).toMatchObject({ status: 'error', response: { reason } });
    }
    const both = await transact(peer, [mutate('put', { title: 'Ho' }), ...asked]);
    expect(both).toMatchObject({ status: 'error', response: { reason, op_index: 1 } });
    expect(await headOf(peer)).toBe(head);
  });

  test('is no object that is too large in all, however small each field is, and by whatever write', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    const text = 'x'.repeat(60_000);
    const tooLarge = { reason: 'value_too_large', limit: 256 * 1024 };
    for (const field of ['a', 'b', 'c', 'd']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { status } = await write(peer, { op: 'set', path: `notes/1/${field}`, value: text });
      expect(status).toBe('ok');
    }
    const more = { op: 'set', path: 'notes/1/e', value: text };
    for (const each of [more, mutate('put', { e: text })]) {
      // oxlint-disable-next-line no-await-in-loop -- the same
      expect(await write(peer, each)).toMatchObject({ status: 'error', response: tooLarge });
    }
    expect((await write(peer, { ...more, value: 'x'.repeat(20_000) })).status).toBe('ok');
  });

  test('makes no typed value of an object, but may be one in a field', async () => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    expect(await write(peer, mutate('holdfast:merge', { set: typed }))).toMatchObject({
      response: { reason: 'reserved_type' },
    });
    expect(await write(peer, mutate('put', { size: typed }))).toMatchObject({ status: 'ok' });
    expect((await http(made, 'GET', 'entries/notes/1/size')).json['value']).toEqual(typed);
  });
});

const merge = (value: unknown): object => ({
  ...mutate('holdfast:merge', value, 'tagged/1'),
  record: 'tagged',
});

test('R99 what a merge cannot be given is refused for good, as what was sent, and is no failure of the server', async () => {
  const logged: unknown[] = [];
  const made = await world({
    authenticate: principals({ eve: person('eve') }),
    log: { info: () => undefined, error: (details) => logged.push(details) },
  });
  const tagged = made.server.record(
    record({
      name: 'tagged',
      store: 'demo/main',
      path: 'tagged/:id',
      version: '1.0',
      schema: z.object({ tags: z.array(z.string()) }),
      authority: { tags: (mine, theirs) => [...new Set([...theirs, ...mine])] },
    }),
  );
  await tagged.write({ id: '1' }, { set: { tags: ['a'] } });
  const peer = await made.joined({ token: 'eve' });
  const issues = [{ message: 'It cannot be merged.', path: ['tags'] }];
  for (const mine of [1.5, true, { a: 1 }]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { response } = await write(peer, merge({ set: { tags: mine } }));
    expect(response).toMatchObject({ reason: 'invalid_value', record: 'tagged', issues });
  }
  expect(await write(peer, merge({ set: { tags: ['b'] } }))).toMatchObject({ status: 'ok' });
  expect((await tagged.get({ id: '1' })).value).toEqual({ tags: ['a', 'b'] });
  expect(logged).toEqual([]);
});

test('of a merge that fails only the merged fields are looked at, however many its base names', async () => {
  const { server, joined } = await world();
  const seen = { count: 0 };
  const tagged = server.record(
    record({
      name: 'tagged',
      store: 'demo/main',
      path: 'tagged/:id',
      version: '1.0',
      schema: z.object({ tags: z.array(z.string()) }).refine(() => (seen.count += 1) > 0),
      authority: {
        tags: (mine, theirs, was = []) => [...mine, ...theirs.filter((tag) => !was.includes(tag))],
      },
    }),
  );
  await tagged.write({ id: '1' }, { set: { tags: ['a'] } });
  const peer = await joined();
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`f${at}`, at]));
  seen.count = 0;
  const { response } = await write(
    peer,
    merge({ set: { tags: ['b'] }, base: { ...many, tags: 1 } }),
  );
  const issues = [{ message: 'It cannot be merged.', path: ['tags'] }];
  expect(response).toMatchObject({ reason: 'invalid_value', issues });
  expect(seen.count).toBeLessThan(10);
});

test('code of the server writes no field that nobody could write, either', async () => {
  const { notes } = await site();
  for (const [fields, code] of bad) {
    const id = { id: '2' };
    await expect(notes.write(id, { set: fields })).rejects.toMatchObject({ code });
    await expect(notes.write(id, () => fields)).rejects.toMatchObject({ code });
  }
});

async function ask({ joined }: World, spec: object): Promise<Reply> {
  const peer = await joined({ token: 'eve' }, { last_store_seq: 0, patterns: [] });
  return peer.ask(topic, 'query_open', { sub: 'q', record: 'note', spec });
}

const listOf = <T>(count: number, of: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => of(at));

const nothing = (): object => ({});
const field = (at: number) => [`f${at}`, 'asc'];

describe('A query', () => {
  test.each([
    { _type: 'decimal', _typed: 'abc' },
    { _type: 'decimal', _typed: '1e999999999' },
    { _type: 'bigint', _typed: '' },
    { _type: 'datetime', _typed: `${'9'.repeat(400)}-01-01T00:00:00Z` },
    { _type: 'decimal', _typed: '1', more: true },
  ])('compares with no %j, which is no value', async (value) => {
    const made = await site();
    const peer = await made.joined({ token: 'eve' });
    for (const where of [{ size: { gt: value } }, { size: value }, { size: { in: [value] } }]) {
      const { response } = await ask(made, { where });
      expect(response).toMatchObject({ reason: 'invalid_query', field: 'size' });
    }
    expect(await write(peer, { op: 'set', path: 'notes/1/size', value: 2 })).toMatchObject({
      status: 'ok',
    });
  });

  test('is refused a cursor with what is no value, though its hash is right', async () => {
    const made = await site();
    const query = { params: {}, where: {}, orderBy: [['size', 'asc']], limit: 100, after: null };
    for (const size of [JSON.stringify({ _type: 'decimal', _typed: 'abc' }), deep]) {
      const place = { path: 'notes/1', keys: ['size'] };
      const after = cursorOf('note', query as never, place as never).replace(
        encodeURIComponent('"size"'),
        encodeURIComponent(size),
      );
      const { response } = await ask(made, { orderBy: query.orderBy, after });
      expect(response).toMatchObject({ reason: 'invalid_cursor' });
    }
  });

  test('has so many terms at most, be they empty', async () => {
    const made = await site();
    expect(await ask(made, { where: { $and: listOf(63, nothing) } })).toMatchObject({
      status: 'ok',
    });
    const { response } = await ask(made, { where: { $and: listOf(64, nothing) } });
    expect(response).toMatchObject({ reason: 'invalid_query', field: 'where', limit: 64 });
  });

  test('is ordered by so many fields at most', async () => {
    const made = await site();
    expect(await ask(made, { orderBy: listOf(64, field) })).toMatchObject({ status: 'ok' });
    const { response } = await ask(made, { orderBy: listOf(65, field) });
    expect(response).toMatchObject({ reason: 'invalid_query', field: 'orderBy', limit: 64 });
  });
});
