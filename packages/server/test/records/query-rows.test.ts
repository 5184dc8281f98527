import { passthrough, record } from '@holdfast/protocol';
import { readQueryDelta, type QueryDelta } from '@holdfast/protocol/record';
import { Evaluation } from '@holdfast/engine/collection';
import { Places } from '@holdfast/engine/gate';
import { expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { topic, world } from '../conversation/world.ts';
import { person, write } from './site.ts';

const silent = { last_store_seq: 0, patterns: [] };

const Note = record({
  name: 'note',
  store: 'demo/main',
  path: 'notes/:id',
  version: '1.0',
  schema: z.object({
    text: z.string().optional(),
    isPrivate: z.boolean().optional(),
    body: z.string().optional(),
  }),
  visibility: {
    text: () => true,
    isPrivate: () => true,
    body: ({ value }) => value.isPrivate !== true,
  },
});

const Box = record({
  name: 'box',
  store: 'demo/main',
  path: 'boxes/:id',
  version: '1.0',
  schema: passthrough<{ [key: string]: unknown }>(),
});

async function delta(peer: Peer): Promise<QueryDelta> {
  const [, , , , payload] = await peer.until(([, , , event]) => event === 'query_delta');
  const read = readQueryDelta(payload);
  if (!('at' in read)) throw new Error('no delta');
  return read;
}

const ask = (peer: Peer, more: object = {}) =>
  peer.ask(topic, 'query_open', { sub: 'q', record: 'note', spec: {}, ...more });

/** The leaves of the next snapshot, and what it takes the place of. */
async function snapshot(peer: Peer): Promise<{ within: unknown; leaves: readonly unknown[] }> {
  const [, , , , begin] = await peer.until(([, , , event]) => event === 'snapshot_begin');
  const leaves: unknown[] = [];
  for (;;) {
    const [, , , event, payload] = await peer.next();
    if (event === 'snapshot_end') return { within: begin['within'], leaves };
    for (const [path, value] of payload['entries'] as [string, unknown][]) {
      leaves.push([path, value]);
    }
  }
}

async function site() {
  const made = await world({ authenticate: principals({ eve: person('eve') }) });
  made.server.record(Box);
  const notes = made.server.record(Note);
  await notes.write({ id: 'a' }, { set: { text: 'A', isPrivate: false, body: 'secret' } });
  return { ...made, notes };
}

test('R183 a commit outside the read-set evaluates nothing: beside the pattern, or in a field that nothing asks about', async () => {
  const made = await site();
  const writer = await made.joined({ device: 'd2' });
  for (const id of ['a', 'b']) {
    await write(writer, { op: 'set', path: `boxes/${id}`, value: { rank: 1, note: 'n' } });
  }
  const peer = await made.joined({ device: 'd3' }, silent);
  await ask(peer, { record: 'box', spec: { orderBy: 'rank' } });
  await delta(peer);
  const change = vi.spyOn(Evaluation.prototype, 'change');
  onTestFinished(() => change.mockRestore());
  await write(writer, { op: 'set', path: 'other/a', value: 1 });
  await write(writer, { op: 'set', path: 'boxes/a/note', value: 'new' });
  expect(change).not.toHaveBeenCalled();
  const [, , , , events] = await peer.until(([, , , event]) => event === 'events');
  expect(JSON.stringify(events)).toContain('new');
  await write(writer, { op: 'set', path: 'boxes/a/rank', value: 2 });
  expect((await delta(peer)).ops).toEqual([['mov', 'boxes/a', 'boxes/b']]);
  await write(writer, { op: 'delete', path: 'boxes/b' });
  expect((await delta(peer)).ops).toEqual([['del', 'boxes/b']]);
  expect(change).toHaveBeenCalledTimes(2);
});

test('what lies around a commit is looked up once, however many queries are open on the record', async () => {
  const { server, joined } = await world();
  server.record(Box);
  const [writer, peer] = await Promise.all([
    joined({ device: 'd2' }),
    joined({ device: 'd3' }, silent),
  ]);
  const open = (limit: number) => ask(peer, { sub: `q${limit}`, record: 'box', spec: { limit } });
  const around = vi.spyOn(Places.prototype, 'around');
  onTestFinished(() => around.mockRestore());
  const looksFor = async (path: string): Promise<number> => {
    around.mockClear();
    await write(writer, { op: 'set', path, value: 1 });
    return around.mock.calls.length;
  };

  await open(1);
  const forOne = await looksFor('boxes/a/rank');
  // oxlint-disable-next-line no-await-in-loop -- one peer reads one answer at a time
  for (let limit = 2; limit <= 50; limit += 1) await open(limit);

  expect(server.describe().queries).toBe(50);
  expect(await looksFor('boxes/b/rank')).toBeLessThanOrEqual(forOne);
});

test('R226 R219 a field of a row that turns hidden is taken from who has the row by a query alone, and given back', async () => {
  const made = await site();
  const peer = await made.joined({ token: 'eve' }, silent);
  await ask(peer);
  expect((await delta(peer)).entries.map(([path]) => path)).toContain('notes/a/body');
  await made.notes.write({ id: 'a' }, { patch: { isPrivate: true } });
  const hidden = await snapshot(peer);
  expect(hidden.within).toEqual(['notes/a/**']);
  expect(hidden.leaves).toEqual([
    ['notes/a/isPrivate', true],
    ['notes/a/text', 'A'],
  ]);
  await made.notes.write({ id: 'a' }, { patch: { isPrivate: false } });
  expect((await snapshot(peer)).leaves).toContainEqual(['notes/a/body', 'secret']);
});

test('R196 R219 of whom something may be hidden, what it says it has is not taken for what it may see', async () => {
  const made = await site();
  const peer = await made.joined({ token: 'eve' }, silent);
  await ask(peer, { have: { 'notes/a': 2 } });
  const first = await delta(peer);
  expect(first.entries.map(([path]) => path)).toContain('notes/a/text');
});

const full = (value: unknown) =>
  Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, value]));

test('R181 R184 a commit too large for a frame comes as the state, the rows of queries included', async () => {
  const made = await site();
  const peer = await made.joined({ device: 'd2' }, silent);
  const writer = await made.joined({ device: 'd3' });
  await write(writer, { op: 'set', path: 'boxes/a', value: full({ a: 1 }) });
  await write(writer, { op: 'set', path: 'boxes/b', value: { is: 'small' } });
  await ask(peer, { record: 'box' });
  expect((await delta(peer)).rows).toEqual(['boxes/a', 'boxes/b']);
  // Each member clears the map that was in its place.
  await write(writer, { op: 'merge', path: 'boxes/a', value: full(2) });
  const { within, leaves } = await snapshot(peer);
  expect(within).toBeNull();
  expect(leaves).toHaveLength(10_001);
  expect(leaves).toContainEqual(['boxes/b/is', 'small']);
  await write(writer, { op: 'set', path: 'boxes/b/is', value: 'later' });
  const [, , , , events] = await peer.until(([, , , event]) => event === 'events');
  expect(JSON.stringify(events)).toContain('later');
});

test('R182 R219 an object of which nothing is left that a viewer may read is no row to them', async () => {
  const pathRules = [{ pattern: 'boxes/*/open', allow: ['read' as const] }];
  const made = await world({ authenticate: principals({ eve: person('eve', { pathRules }) }) });
  made.server.record(Box);
  const writer = await made.joined({ device: 'd2' });
  for (const id of ['a', 'b']) {
    await write(writer, { op: 'set', path: `boxes/${id}`, value: { open: 1, hidden: 1 } });
  }
  const peer = await made.joined({ token: 'eve' }, silent);
  await ask(peer, { record: 'box' });
  expect((await delta(peer)).rows).toEqual(['boxes/a', 'boxes/b']);
  await write(writer, { op: 'delete', path: 'boxes/a/open' });
  await peer.ask(topic, 'status', {});
  const [, , , , told] = peer.heard.findLast(([, , , event]) => event === 'query_delta') ?? [];
  expect(told?.['ops']).toEqual([['del', 'boxes/a']]);
});
