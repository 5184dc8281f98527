import { record } from '@holdfast/protocol';
import { type QueryDelta, readQueryDelta } from '@holdfast/protocol/record';
import { Evaluation, withOps } from '@holdfast/engine/collection';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import type { Peer, WireFrame } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { topic, world, type World } from '../conversation/world.ts';
import { http, person, transact, write } from './site.ts';

const Task = record({
  name: 'task',
  store: 'demo/main',
  path: 'tasks/:id',
  version: '1.0',
  schema: z.object({
    title: z.string(),
    done: z.boolean().optional(),
    rank: z.number().optional(),
    secret: z.string().optional(),
    tags: z.object({ a: z.number() }).optional(),
  }),
});

const silent = { last_store_seq: 0, patterns: [] };
const open = { where: { done: false }, orderBy: [['rank', 'asc']] };

async function site(): Promise<World> {
  const made = await world({ authenticate: principals({ eve: person('eve') }) });
  const tasks = made.server.record(Task);
  for (const [id, rank] of [
    ['a', 3],
    ['b', 1],
    ['c', 2],
  ] as const) {
    await tasks.write({ id }, { set: { title: id, done: false, rank } });
  }
  return made;
}

/** The next `query_delta`, and what came before it. */
async function delta(peer: Peer): Promise<QueryDelta> {
  const [, , , , payload] = await peer.until(([, , , event]) => event === 'query_delta');
  const read = readQueryDelta(payload);
  if (!('at' in read)) throw new Error('no delta');
  return read;
}

const ask = (peer: Peer, spec: object, more: object = {}) =>
  peer.ask(topic, 'query_open', { sub: 'q', record: 'task', spec, ...more });

const isReply = ([, , , event]: WireFrame): boolean => event === 'phx_reply';

const after = (peer: Peer, frame: (each: WireFrame) => boolean): readonly WireFrame[] =>
  peer.heard.slice(peer.heard.findIndex(frame) + 1);

describe('Queries', () => {
  test('R181 the first frame has all keys in order, and the rows with their sequences', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    expect(await ask(peer, open)).toEqual({ status: 'ok', response: {} });
    const first = await delta(peer);
    expect(first).toMatchObject({ sub: 'q', at: 4, rows: ['tasks/b', 'tasks/c', 'tasks/a'] });
    expect(first.entries).toHaveLength(9);
    expect(first.entries).toContainEqual(['tasks/b/title', 'b', 'string', 3]);
    expect(first).toMatchObject({ hasMore: false, endCursor: expect.any(String) });
  });

  test('R184 R190 a new matching row comes with its entries, at its place, right before the events that reach it', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    await ask(peer, open);
    await delta(peer);
    const writer = await made.joined({ device: 'd2' });
    const value = { title: 'n', done: false, rank: 1.5, tags: { a: 1 } };
    await write(writer, { op: 'set', path: 'tasks/n', value });
    const step = await delta(peer);
    expect(step).toMatchObject({ at: 5, rows: null, ops: [['ins', 'tasks/n', 'tasks/b']] });
    expect(step.entries.map(([path]) => path)).toEqual([
      'tasks/n/done',
      'tasks/n/rank',
      'tasks/n/tags/a',
      'tasks/n/title',
    ]);
    const [, , , event, payload] = await peer.next();
    expect([event, payload['to_seq']]).toEqual(['events', 5]);
  });

  test('R182 R185 a row that stays is told of by its op only, others not at all', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    await ask(peer, open);
    await delta(peer);
    const writer = await made.joined({ device: 'd2' });
    await write(writer, { op: 'set', path: 'tasks/b/title', value: 'B' });
    await write(writer, { op: 'set', path: 'tasks/z', value: { title: 'z', done: true } });
    await write(writer, { op: 'set', path: 'tasks/a/title', value: 'A' });
    const seen: unknown[] = [];
    while (seen.length < 2) {
      const [, , , event, payload] = await peer.next();
      expect(event).toBe('events');
      for (const op of payload['ops'] as unknown[][]) seen.push(op.slice(0, 4));
    }
    expect(seen).toEqual([
      [5, 'set', 'tasks/b/title', 'B'],
      [7, 'set', 'tasks/a/title', 'A'],
    ]);
  });

  test('R166 rows move, leave and return; what has left is not told of any more', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    await ask(peer, open);
    let { rows } = await delta(peer);
    const writer = await made.joined({ device: 'd2' });
    const shown = async (): Promise<readonly string[]> => {
      const step = await delta(peer);
      rows = withOps(rows ?? [], step.ops);
      return rows;
    };
    await write(writer, { op: 'set', path: 'tasks/b/rank', value: 9 });
    expect(await shown()).toEqual(['tasks/c', 'tasks/a', 'tasks/b']);
    await write(writer, { op: 'set', path: 'tasks/a/done', value: true });
    expect(await shown()).toEqual(['tasks/c', 'tasks/b']);
    await write(writer, { op: 'set', path: 'tasks/a/title', value: 'hidden from here' });
    await write(writer, { op: 'delete', path: 'tasks/c' });
    expect(await shown()).toEqual(['tasks/b']);
    expect(JSON.stringify(peer.heard)).not.toContain('hidden from here');
    await write(writer, { op: 'set', path: 'tasks/a/done', value: false });
    expect(await shown()).toEqual(['tasks/a', 'tasks/b']);
  });

  test('R187 a closed query says nothing any more, nor does its channel', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    await ask(peer, open);
    await peer.ask(topic, 'query_close', { sub: 'q' });
    const writer = await made.joined({ device: 'd2' });
    await write(writer, { op: 'set', path: 'tasks/n', value: { title: 'n', done: false } });
    await peer.ask(topic, 'status', {});
    const closed = after(peer, ([, ref]) => ref === String(3));
    expect(closed.filter(([, , , event]) => event !== 'phx_reply')).toEqual([]);
  });

  test('R196 a query that is opened again names what it has: only rows that differ are sent', async () => {
    const made = await site();
    const writer = await made.joined({ device: 'd2' });
    await write(writer, { op: 'set', path: 'tasks/b/title', value: 'B' });
    const peer = await made.joined({}, silent);
    const have = { 'tasks/a': 2, 'tasks/b': 3, 'tasks/c': 4 };
    await ask(peer, open, { have });
    const first = await delta(peer);
    expect(new Set(first.entries.map(([path]) => path.split('/')[1]))).toEqual(new Set(['b']));
  });

  test('R197 a row of a pattern and of two queries is sent once, and stays in scope until the last is closed', async () => {
    const made = await site();
    const peer = await made.joined({}, { last_store_seq: 0, patterns: ['tasks/a/**'] });
    await ask(peer, open);
    const first = await delta(peer);
    expect(first.entries.some(([path]) => path.startsWith('tasks/a'))).toBe(false);
    await peer.ask(topic, 'query_open', { sub: 'r', record: 'task', spec: { orderBy: 'rank' } });
    expect((await delta(peer)).entries).toEqual([]);
    await peer.ask(topic, 'query_close', { sub: 'q' });
    const writer = await made.joined({ device: 'd2' });
    await write(writer, { op: 'set', path: 'tasks/b/title', value: 'B' });
    const [, , , event] = await peer.next();
    expect(event).toBe('events');
  });

  test('R189 with limit 1 the first row is replaced when it goes, and there is more while there is', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    await ask(peer, { ...open, limit: 1 });
    expect(await delta(peer)).toMatchObject({ rows: ['tasks/b'], hasMore: true });
    const writer = await made.joined({ device: 'd2' });
    await transact(writer, [
      { op: 'delete', path: 'tasks/b' },
      { op: 'delete', path: 'tasks/c' },
    ]);
    const step = await delta(peer);
    expect(step.ops).toEqual([
      ['del', 'tasks/b'],
      ['ins', 'tasks/a', null],
    ]);
    expect(step.hasMore).toBe(false);
  });

  test('R203 a query under a name that is taken takes its place', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    await ask(peer, open);
    await delta(peer);
    await ask(peer, { where: { rank: { gt: 2 } } });
    expect(await delta(peer)).toMatchObject({ rows: ['tasks/a'], entries: [] });
  });

  test('R201 what is no query, no record or no cursor is refused', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    const reasonOf = async (spec: object, more?: object) =>
      (await ask(peer, spec, more)).response['reason'];
    expect(await reasonOf({ limit: 0 })).toBe('invalid_query');
    expect(await reasonOf({ where: { a: { like: 'x' } } })).toBe('invalid_query');
    expect(await reasonOf({ after: 'x' })).toBe('invalid_cursor');
    expect(await reasonOf({ params: { other: 'x' } })).toBe('invalid_params');
    expect(await reasonOf({}, { record: 'page' })).toBe('unknown_record');
    expect(await reasonOf({}, { sub: 7 })).toBe('invalid_payload');
    expect(await reasonOf({}, { have: { a: 'x' } })).toBe('invalid_payload');
  });

  test('R200 a query may ask only about fields that its viewer sees in every row', async () => {
    const made = await world({ authenticate: principals({ eve: person('eve') }) });
    const { kind: _, ...spec } = Task;
    const Veiled = record({
      name: spec.name,
      store: 'demo/main',
      path: 'tasks/:id',
      version: '1.0',
      schema: spec.schema,
      visibility: { title: () => true, secret: (c) => c.value['done'] === true },
    });
    const tasks = made.server.record(Veiled);
    await tasks.write({ id: 'a' }, { set: { title: 'a', secret: 's' } });
    const peer = await made.joined({ token: 'eve' }, silent);
    for (const bad of [
      { where: { secret: 's' } },
      { orderBy: 'secret' },
      { where: { $not: { done: true } } },
    ]) {
      expect((await ask(peer, bad)).response['reason']).toBe('forbidden_field');
    }
    await ask(peer, { where: { title: { prefix: 'a' } } });
    const { entries } = await delta(peer);
    expect(entries.map(([path]) => path)).toEqual(['tasks/a/title']);
  });

  test('R194 those who ask the same share one evaluation, however they write it', async () => {
    const made = await site();
    const specs = [open, { orderBy: [['rank', 'asc']], where: { done: false }, limit: 100 }];
    for (const spec of specs) {
      const peer = await made.joined({}, silent);
      for (let sub = 0; sub < 50; sub++) await ask(peer, spec, { sub: `q${sub}` });
    }
    const other = await made.joined({ token: 'eve' }, silent);
    await ask(other, open);
    expect(made.server.describe().queries).toBe(1);
    await ask(other, { ...open, limit: 2 });
    expect(made.server.describe().queries).toBe(2);
  });

  test('R194 R195 random commits: what a client makes of the frames is what the store holds then', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    await ask(peer, { where: { done: false }, orderBy: [['rank', 'desc']], limit: 4 });
    let { rows } = await delta(peer);
    const writer = await made.joined({ device: 'd2' });
    let last = '';
    for (let i = 0; i < 200; i++) {
      const path = `tasks/${'abcdefgh'[(i * 7) % 8] ?? 'a'}`;
      const value = { title: 't', done: i % 3 === 0, rank: (i * 13) % 11 };
      const op = i % 5 === 4 ? { op: 'delete', path } : { op: 'set', path, value };
      last = writer.push(topic, 'write', { client_op_id: `random${i}`, ...op });
    }
    await writer.reply(last);
    await peer.ask(topic, 'status', {});
    const deltas = after(peer, ([, , , event]) => event === 'query_delta').filter(
      ([, , , event]) => event === 'query_delta',
    );
    expect(deltas.length).toBeLessThan(200);
    for (const [, , , , payload] of deltas) {
      const step = readQueryDelta(payload);
      if (!('at' in step)) throw new Error('no delta');
      rows = step.rows ?? withOps(rows ?? [], step.ops);
    }
    const { json } = await http(made, 'GET', 'entries/tasks');
    const tasks = Object.entries(
      json['value'] as { [id: string]: { done: boolean; rank: number } },
    );
    const expected = tasks
      .filter(([, task]) => !task.done)
      .toSorted(([a, x], [b, y]) => y.rank - x.rank || (a < b ? -1 : 1))
      .map(([id]) => `tasks/${id}`);
    expect(rows).toEqual(expected.slice(0, 4));
  });
});

describe('A query over many objects', () => {
  const ids = Array.from({ length: 3000 }, (_, at) => `t${String(at).padStart(4, '0')}`);

  async function large(): Promise<World> {
    const made = await site();
    const value = Object.fromEntries(ids.map((id, rank) => [id, { title: id, rank }]));
    await write(await made.joined({ device: 'd2' }), { op: 'set', path: 'tasks', value });
    return made;
  }

  test('is evaluated by turns: who asks for something else meanwhile is answered first', async () => {
    const made = await large();
    await made.server.stores.create('demo/other');
    const peer = await made.joined({}, silent);
    const { joinRef } = peer;
    const other = 'store:demo/other';
    await peer.join(other, silent);
    const asked = { sub: 'q', record: 'task', spec: { orderBy: [['rank', 'desc']], limit: 1 } };
    peer.send([joinRef, peer.ref(), topic, 'query_open', asked]);
    peer.push(other, 'status', {});
    expect((await peer.until(isReply))[2]).toBe(other);
    expect((await peer.until(isReply))[2]).toBe(topic);
    expect((await delta(peer)).rows).toEqual(['tasks/t2999']);
  });

  test('shows what was written while it was evaluated, too, and is left alone when its channel is', async () => {
    const made = await large();
    const [peer, writer, leaver] = [
      await made.joined({}, silent),
      await made.joined({ device: 'd2' }, silent),
      await made.joined({ device: 'd3' }, silent),
    ];
    const spec = { where: { rank: { gte: 0 } }, orderBy: [['rank', 'asc']], limit: 5 } as const;
    const unheard = { sub: 'q', record: 'task', spec: { ...spec, limit: 6 } };
    leaver.push(topic, 'query_open', unheard);
    const asked = ask(peer, spec);
    await Promise.all([
      write(writer, { op: 'set', path: 'tasks/new', value: { title: 'new', rank: 0.5 } }),
      write(writer, { op: 'delete', path: 'tasks/t0000' }),
      write(writer, { op: 'set', path: 'tasks/t0001/rank', value: -1 }),
      write(writer, { op: 'set', path: 'tasks/t2999/rank', value: 2.5 }),
    ]);
    leaver.cut();
    await asked;
    let rows = (await delta(peer)).rows ?? [];
    const shown = ['tasks/new', 'tasks/t0002', 'tasks/t2999', 'tasks/t0003', 'tasks/t0004'];
    while (String(rows) !== String(shown)) {
      // oxlint-disable-next-line no-await-in-loop -- until it is so
      rows = withOps(rows, (await delta(peer)).ops ?? []);
    }
    expect(rows).toEqual(shown);
  });

  test('whose evaluation fails in a later turn costs who asked the connection, and nobody the server', async () => {
    const made = await large();
    const peer = await made.joined({}, silent);
    const { change } = Evaluation.prototype;
    const spied = vi.spyOn(Evaluation.prototype, 'change');
    spied.mockImplementation(function fails(this: Evaluation, rows) {
      if (spied.mock.calls.length === 2) throw new Error('no luck');
      return change.call(this, rows);
    });
    onTestFinished(() => spied.mockRestore());
    peer.push(topic, 'query_open', { sub: 'q', record: 'task', spec: { limit: 1 } });
    expect(await peer.closed()).toBe(1011);
    const other = await made.joined({ device: 'd2' }, silent);
    await ask(other, { limit: 1 });
    expect((await delta(other)).rows).toEqual(['tasks/t0000']);
  });
});
