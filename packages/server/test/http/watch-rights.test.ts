import { expect, test } from 'vitest';

import type { PathRule } from '../../src/access/index.ts';
import { type Event, Reader } from './event-reader.ts';
import { turnsOfOthers, wide } from './wide.ts';
import { World } from './world.ts';

const S = '/api/stores/acme/blog';
const part: readonly PathRule[] = [{ pattern: 'shown/**', allow: ['read'] }];

/** A store of which one reads all and another a part; what one is told of it in the other's place. */
async function open() {
  const world = new World();
  await world.store('acme/blog');
  const [whole, narrow] = [await world.token(), await world.token({ pathRules: part })];
  const put = (path: string): Promise<unknown> => whole.ask('PUT', `${S}/entries/${path}`, path);
  const watch = async (raw: string, id: string | null = null, query = ''): Promise<Reader> => {
    const headers = {
      Authorization: `Bearer ${raw}`,
      Accept: 'text/event-stream',
      ...(id !== null && { 'Last-Event-ID': id }),
    };
    return new Reader(await world.app.request(`${S}/watch${query}`, { headers }));
  };
  return { put, watch, whole: whole.raw, narrow: narrow.raw, ask: narrow.ask };
}

/** The messages up to the last of some, by kind and path. */
async function told(reader: Reader, count: number): Promise<readonly string[]> {
  const events = await reader.take(count);
  return events.map(({ event, data, id }) => {
    const { path, why } = JSON.parse(JSON.stringify(data));
    return [event, path ?? why, id].filter((each) => typeof each === 'string').join(' ');
  });
}

/** Reads up to the first of a kind. */
async function until(reader: Reader, kind: string): Promise<Event | null> {
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const event = await reader.next();
    if (event === null || event.event === kind) return event;
  }
}

test('S107 who could read less for a while, and comes back from there, is told what was hidden in between', async () => {
  const { put, watch, whole, narrow } = await open();
  for (const path of ['shown/1', 'hidden/1']) await put(path);
  const before = await watch(whole);
  await before.next();
  expect(before.lastId).toBe('2');
  await before.close();
  await put('hidden/2');
  const meanwhile = await watch(narrow, before.lastId);
  await until(meanwhile, 'reset');
  await until(meanwhile, 'ready');
  await put('shown/2');
  await meanwhile.next();
  const id = meanwhile.lastId;
  expect(id).toMatch(/^4~[\w-]{22}$/);
  await meanwhile.close();
  await put('shown/3');
  const after = await watch(whole, id);
  expect(await told(after, 8)).toEqual([
    `ready ${id}`,
    `op shown/3 5~${id.slice(2)}`,
    'reset scope',
    'present hidden/1',
    'present hidden/2',
    'present shown/1',
    'present shown/2',
    'present shown/3',
  ]);
  expect(await told(after, 1)).toEqual(['ready 5']);
  await put('hidden/4');
  expect(await told(after, 1)).toEqual(['op hidden/4 6']);
  await after.close();
});

test('S107 who comes back under the rules by which it was told is told what has happened, and nothing anew', async () => {
  const { put, watch, narrow } = await open();
  await put('shown/1');
  const first = await watch(narrow);
  await first.next();
  await first.close();
  for (const path of ['hidden/1', 'shown/2']) await put(path);
  const second = await watch(narrow, first.lastId);
  const [, name] = first.lastId.split('~');
  expect(await told(second, 2)).toEqual([`ready 1~${name}`, `op shown/2 3~${name}`]);
  await put('shown/3');
  expect(await told(second, 1)).toEqual([`op shown/3 4~${name}`]);
  await second.close();
});

test('S107 who reads by other means what is there is told that it is to do so, and then what happens', async () => {
  const { put, watch, whole } = await open();
  for (const path of ['hidden/1', 'shown/1']) await put(path);
  const reader = await watch(whole, '1~another', '?present=false');
  expect(await told(reader, 4)).toEqual([
    'ready 1~another',
    'op shown/1 2~another',
    'reset scope',
    'ready 2',
  ]);
  await put('shown/2');
  expect(await told(reader, 1)).toEqual(['op shown/2 3']);
  await reader.close();
});

test('S107 a stream that is cut before all was told anew is not taken for one that has been told', async () => {
  const { put, watch, whole, narrow } = await open();
  for (const path of ['hidden/1', 'shown/1', 'shown/2']) await put(path);
  const cut = await watch(whole, '2~another');
  expect(await told(cut, 2)).toEqual(['ready 2~another', 'op shown/2 3~another']);
  await cut.close();
  const again = await watch(whole, cut.lastId);
  expect(await told(again, 2)).toEqual(['ready 3~another', 'reset scope']);
  await again.close();
  const bare = await watch(narrow, '2');
  expect(await told(bare, 3)).toEqual(['ready 2', 'op shown/2 3', 'reset scope']);
  await bare.close();
});

test('S107 from the beginning nothing was hidden: whoever asks for all of the log is told no more', async () => {
  const { put, watch, narrow } = await open();
  for (const path of ['hidden/1', 'shown/1']) await put(path);
  const reader = await watch(narrow, '0');
  await put('shown/2');
  const kinds = await told(reader, 3);
  expect(kinds.map((each) => each.replace(/~.*/, ''))).toEqual([
    'ready 0',
    'op shown/1 2',
    'op shown/2 3',
  ]);
  await reader.close();
});

test.each([
  ['may read', 'narrow', 'include_current=true'],
  ['wants', 'whole', 'include_current=true&pattern=*/none'],
] as const)(
  'who %s few of many leaves keeps nobody else from their turn',
  async (_, who, query) => {
    const { world, ...tokens } = await wide('acme/blog', 'abcdefgh');
    const others = turnsOfOthers();
    const headers = { Authorization: `Bearer ${tokens[who]}`, Accept: 'text/event-stream' };
    const reader = new Reader(await world.app.request(`${S}/watch?${query}`, { headers }));
    expect((await until(reader, 'ready'))?.event).toBe('ready');
    expect(others.count).toBeGreaterThan(5);
    await reader.close();
  },
);

test.each(['4~', '~name', '4~a~b', '4~a b', `4~${'a'.repeat(65)}`, '-1', '4.5', '1e3'])(
  'what is no id is refused: %s',
  async (id) => {
    const { ask } = await open();
    const query = new URLSearchParams({ since: id });
    const answer = await ask('GET', `${S}/watch?${query}`);
    expect([answer.status, answer.json['error']]).toEqual([400, 'invalid_params']);
  },
);
