import { Evaluation, Ordering, withOps } from '@holdfast/engine/collection';
import { type Path, record } from '@holdfast/protocol';
import { type QueryDelta, readQueryDelta } from '@holdfast/protocol/record';
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
    title: z.string().optional(),
    team: z.string().optional(),
    rank: z.number().optional(),
  }),
  indexes: [['team', 'rank']],
});

type Task = { readonly title: string; readonly team?: string; readonly rank?: number };

const silent = { last_store_seq: 0, patterns: [] };

const rules = (...patterns: readonly string[]) =>
  patterns.map((pattern) => ({ pattern, allow: ['read'] as const }));

async function site(tasks: { readonly [id: string]: Task } = {}, isRead = false): Promise<World> {
  const people = {
    ann: person('ann', { pathRules: rules('tasks/**') }),
    bob: person('bob', { pathRules: rules('tasks/*/team', 'tasks/*/rank') }),
    eve: person('eve'),
  };
  const made = await world({ authenticate: principals(people) });
  made.server.record(Task, isRead ? { read: () => true } : {});
  const writer = await made.joined({ device: 'first' }, silent);
  await write(writer, { op: 'set', path: 'tasks', value: tasks });
  await writer.ask(topic, 'phx_leave', {});
  return made;
}

/** How many objects have been looked at from now on: for indexes, and for queries of their own. */
function counted() {
  const spies = [
    vi.spyOn(Ordering.prototype, 'gather'),
    vi.spyOn(Ordering.prototype, 'change'),
    vi.spyOn(Evaluation.prototype, 'change'),
  ] as const;
  onTestFinished(() => spies.forEach((spy) => spy.mockRestore()));
  return () => {
    const [gathered = 0, changed = 0, forQueries = 0] = spies.map(({ mock }) =>
      mock.calls.reduce((sum, [rows]) => sum + rows.length, 0),
    );
    return { forIndexes: gathered + changed, forQueries };
  };
}

const isDelta = ([, , , event]: WireFrame): boolean => event === 'query_delta';

function deltaOf([, , , , payload]: WireFrame): QueryDelta {
  const read = readQueryDelta(payload);
  if (!('at' in read)) throw new Error('no delta');
  return read;
}

/** Opens a query; what it shows at first. */
async function opened(peer: Peer, sub: string, spec: object): Promise<QueryDelta> {
  await peer.ask(topic, 'query_open', { sub, record: 'task', spec });
  return deltaOf(await peer.until(isDelta));
}

/** What a query shows after all that a peer has heard. */
function shownTo(peer: Peer, sub: string): readonly string[] {
  let rows: readonly Path[] = [];
  for (const delta of peer.heard.filter(isDelta).map(deltaOf)) {
    if (delta.sub === sub) rows = delta.rows ?? withOps(rows, delta.ops);
  }
  return rows;
}

const many = Object.fromEntries(
  Array.from({ length: 3000 }, (_, rank) => [
    `t${String(rank).padStart(4, '0')}`,
    { title: `t${rank}`, team: `team${rank % 300}`, rank },
  ]),
);

/** A server that has many objects, and somebody who has opened a query that the index answers as a whole. */
async function served() {
  const made = await site(many);
  const first = await made.joined({ device: 'd1' }, silent);
  const spec = { where: { team: 'team1' }, orderBy: 'rank', limit: 2 };
  await opened(first, 'a', spec);
  return { made, first, spec };
}

describe('With a declared index', () => {
  test('opening a query looks at the objects of its range, once the index is there', async () => {
    const made = await site(many);
    const looks = counted();
    const peer = await made.joined({}, silent);
    const some = { title: { prefix: 't' } };
    await opened(peer, 'a', { where: { team: 'team7', ...some }, limit: 3 });
    expect(looks()).toEqual({ forIndexes: 3000, forQueries: 10 });
    await opened(peer, 'b', { where: { team: 'team8', rank: { lt: 1500 }, ...some } });
    expect(looks()).toEqual({ forIndexes: 3000, forQueries: 15 });
  });

  test('a query that it answers as a whole holds nothing of its own, whatever its window', async () => {
    const made = await site(many);
    const looks = counted();
    const peer = await made.joined({}, silent);
    const spec = { where: { team: 'team9' }, orderBy: 'rank', limit: 2 } as const;
    const first = await opened(peer, 'a', spec);
    expect(first).toMatchObject({ rows: ['tasks/t0009', 'tasks/t0309'], hasMore: true });
    const second = await opened(peer, 'b', { ...spec, after: first.endCursor });
    expect(second).toMatchObject({ rows: ['tasks/t0609', 'tasks/t0909'], hasMore: true });
    const last = await opened(peer, 'c', { ...spec, where: { team: 'team9', rank: { gt: 2500 } } });
    expect(last).toMatchObject({ rows: ['tasks/t2709'], hasMore: false });
    expect(looks()).toEqual({ forIndexes: 3000, forQueries: 0 });
    const back = await opened(peer, 'd', { ...spec, orderBy: [['rank', 'desc']] });
    expect(back.rows).toEqual(['tasks/t2709', 'tasks/t2409']);
  });

  test('what was written while the index was made is shown, too', async () => {
    const made = await site(many);
    const peer = await made.joined({}, silent);
    const writer = await made.joined({ device: 'd2' }, silent);
    const spec = { where: { team: 'team0' }, orderBy: 'rank', limit: 4 };
    const asked = opened(peer, 'a', spec);
    await transact(writer, [
      { op: 'set', path: 'tasks/new', value: { title: 'new', team: 'team0', rank: 0.5 } },
      { op: 'delete', path: 'tasks/t0000' },
      { op: 'set', path: 'tasks/t0300/rank', value: -1 },
      { op: 'set', path: 'tasks/t2999/team', value: 'team0' },
      { op: 'set', path: 'tasks/t2999/rank', value: 600.5 },
    ]);
    await asked;
    await peer.ask(topic, 'status', {});
    const rows = ['tasks/t0300', 'tasks/new', 'tasks/t0600', 'tasks/t2999'];
    expect(shownTo(peer, 'a')).toEqual(rows);
  });

  test('who comes while it is made shares it', async () => {
    const made = await site(many);
    const first = await made.joined({ device: 'd1' }, silent);
    const second = await made.joined({ device: 'd2' }, silent);
    const looks = counted();
    const team = { team: 'team1' };
    const [one, some] = await Promise.all([
      opened(first, 'a', { where: team, orderBy: 'rank', limit: 1 }),
      opened(second, 'b', { where: { ...team, title: { ne: 't301' } }, limit: 2 }),
    ]);
    expect(one.rows).toEqual(['tasks/t0001']);
    expect(some.rows).toEqual(['tasks/t0001', 'tasks/t0601']);
    expect(looks()).toEqual({ forIndexes: 3000, forQueries: 10 });
  });

  test('who goes while it is made leaves nothing of it', async () => {
    const made = await site(many);
    const peer = await made.joined({ device: 'd1' }, silent);
    const writer = await made.joined({ device: 'd2' }, silent);
    const spec = { where: { team: 'team1' }, orderBy: 'rank' };
    let parts = 0;
    // It would not end as long as it is wanted.
    const arranging = vi.spyOn(Ordering.prototype, 'arrange').mockImplementationOnce(function* () {
      for (; ; parts += 1) yield;
    });
    onTestFinished(() => arranging.mockRestore());
    peer.push(topic, 'query_open', { sub: 'a', record: 'task', spec });
    await expect.poll(() => made.server.describe().queries).toBe(1);
    peer.cut();
    await expect.poll(() => made.server.describe().queries).toBe(0);
    const looks = counted();
    const done = parts;
    await write(writer, { op: 'set', path: 'tasks/t0001/rank', value: 9000 });
    expect(looks()).toEqual({ forIndexes: 0, forQueries: 0 });
    // Made anew: a half would do as little as none.
    const { rows } = await opened(writer, 'b', spec);
    expect(rows).toHaveLength(10);
    expect([rows?.[0], rows?.at(-1)]).toEqual(['tasks/t0301', 'tasks/t0001']);
    expect(parts).toBe(done);
  });

  test('windows follow what comes, changes and goes', async () => {
    const made = await site();
    const peer = await made.joined({}, silent);
    const team = { team: 'a' };
    await opened(peer, 'up', { where: team, orderBy: 'rank', limit: 4 });
    await opened(peer, 'down', { where: team, orderBy: [['rank', 'desc']], limit: 3 });
    await opened(peer, 'some', { where: { ...team, title: { ne: 'x' } }, limit: 5 });
    const writer = await made.joined({ device: 'd2' }, silent);
    const tasks = new Map<string, Task>();
    for (let i = 0; i < 120; i++) {
      const path = `tasks/${'abcdefghij'[(i * 7) % 10] ?? 'a'}`;
      const task = {
        title: i % 4 === 0 ? 'x' : 'y',
        ...(i % 6 > 0 && { team: i % 3 === 0 ? 'b' : 'a' }),
        ...(i % 7 > 0 && { rank: (i * 13) % 11 }),
      };
      const isGone = i % 5 === 4;
      if (isGone) tasks.delete(path);
      else tasks.set(path, task);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await write(writer, isGone ? { op: 'delete', path } : { op: 'set', path, value: task });
    }
    await peer.ask(topic, 'status', {});
    const own = [...tasks].filter(([, task]) => task.team === 'a');
    const ranked = (sign: 1 | -1): string[] =>
      own
        .toSorted(([a, x], [b, y]) => {
          const apart = (x.rank ?? -1) - (y.rank ?? -1);
          return apart * sign || (a < b ? -1 : 1);
        })
        .map(([path]) => path);
    expect(shownTo(peer, 'up')).toEqual(ranked(1).slice(0, 4));
    expect(shownTo(peer, 'down')).toEqual(ranked(-1).slice(0, 3));
    const some = own.filter(([, { title }]) => title !== 'x').map(([path]) => path);
    expect(shownTo(peer, 'some')).toEqual(some.toSorted().slice(0, 5));
  });

  test('it is kept up to date, at a look for each object whose fields it is of', async () => {
    const made = await site({ a: { title: 'a', team: 'a', rank: 1 } });
    const looks = counted();
    const peer = await made.joined({}, silent);
    await opened(peer, 'a', { where: { team: 'a' }, orderBy: 'rank' });
    await opened(peer, 'b', { limit: 1 });
    await write(peer, { op: 'set', path: 'tasks/a/rank', value: 2 });
    await peer.ask(topic, 'status', {});
    expect(looks()).toEqual({ forIndexes: 2, forQueries: 1 });
    // What it is not of moves nothing.
    await write(peer, { op: 'set', path: 'tasks/a/title', value: 'b' });
    await peer.ask(topic, 'status', {});
    expect(looks()).toEqual({ forIndexes: 2, forQueries: 1 });
  });

  test('who closes the only query and opens it again finds it there, with what was written meanwhile', async () => {
    const made = await site(many);
    const peer = await made.joined({}, silent);
    const spec = { where: { team: 'team0', title: { ne: 'x' } }, limit: 2 };
    await opened(peer, 'a', spec);
    await peer.ask(topic, 'query_close', { sub: 'a' });
    const looks = counted();
    await write(peer, { op: 'delete', path: 'tasks/t0000' });
    await write(peer, { op: 'set', path: 'tasks/t2999/team', value: 'team0' });
    expect(looks()).toEqual({ forIndexes: 2, forQueries: 0 });
    const again = await opened(peer, 'a', { ...spec, limit: 100 });
    expect(again.rows).toHaveLength(10);
    expect(again.rows?.at(-1)).toBe('tasks/t2999');
    expect(looks()).toEqual({ forIndexes: 2, forQueries: 10 });
  });

  test('it is there even after all who had joined the store have left, with what was written meanwhile', async () => {
    const { made, first, spec } = await served();
    const looks = counted();
    await first.ask(topic, 'phx_leave', {});
    const body = { title: 'new', team: 'team1', rank: 0 };
    expect((await http(made, 'PUT', 'entries/tasks/new', { body })).status).toBe(200);
    expect(looks()).toEqual({ forIndexes: 1, forQueries: 0 });
    const second = await made.joined({ device: 'd2' }, silent);
    expect((await opened(second, 'a', spec)).rows).toEqual(['tasks/new', 'tasks/t0001']);
    expect(looks()).toEqual({ forIndexes: 1, forQueries: 0 });
  });

  test('of a store that is purged and made anew it has nothing', async () => {
    const { made, spec } = await served();
    await made.server.stores.purge(made.storeId);
    await made.server.stores.create('demo/main');
    const second = await made.joined({ device: 'd2' }, silent);
    await write(second, { op: 'set', path: 'tasks/b', value: { title: 'b', team: 'team1' } });
    expect((await opened(second, 'a', spec)).rows).toEqual(['tasks/b']);
  });

  test('an object is there that has come by another field, and it is there until its last field is gone', async () => {
    const made = await site({ a: { title: 'a', team: 'a', rank: 1 } });
    const peer = await made.joined({}, silent);
    const orderBy = ['team', 'rank'].map((field) => [field, 'asc']);
    await opened(peer, 'a', { orderBy });
    await write(peer, { op: 'set', path: 'tasks/b/title', value: 'b' });
    await peer.ask(topic, 'status', {});
    expect(shownTo(peer, 'a')).toEqual(['tasks/b', 'tasks/a']);
    await write(peer, { op: 'delete', path: 'tasks/b/title' });
    await peer.ask(topic, 'status', {});
    expect(shownTo(peer, 'a')).toEqual(['tasks/a']);
  });

  test.each([
    ['invalid_cursor', 'a cursor of another query', { after: 'x' }],
    [
      'invalid_query',
      'what compares with no value',
      { where: { team: 'a', rank: { gt: { _type: 'decimal', _typed: 'x' } } } },
    ],
  ])('%s is the answer to %s, and leaves no index behind', async (reason, _what, more) => {
    const made = await site({ a: { title: 'a', team: 'a', rank: 1 } });
    const looks = counted();
    const peer = await made.joined({}, silent);
    const spec = { where: { team: 'a' }, orderBy: 'rank', ...more };
    const reply = await peer.ask(topic, 'query_open', { sub: 'a', record: 'task', spec });
    expect(reply).toMatchObject({ status: 'error', response: { reason } });
    expect(looks()).toEqual({ forIndexes: 0, forQueries: 0 });
  });

  test('who may read the objects whole has the rows by it, and who sees parts of them has none by what is hidden', async () => {
    const made = await site({ a: { title: 'a', team: 'a', rank: 1 }, b: { title: 'b', rank: 2 } });
    const looks = counted();
    const bob = await made.joined({ token: 'bob', device: 'bob' }, silent);
    const spec = { where: { team: 'a' }, orderBy: 'rank' };
    expect((await opened(bob, 'a', spec)).rows).toEqual(['tasks/a']);
    expect((await opened(bob, 'b', { where: { title: 'a' } })).rows).toEqual([]);
    expect(looks().forIndexes).toBe(0);
    const ann = await made.joined({ token: 'ann', device: 'ann' }, silent);
    expect((await opened(ann, 'a', spec)).rows).toEqual(['tasks/a']);
    expect(looks().forIndexes).toBe(2);
  });

  test('where a rule says who reads an object, rows are found without it', async () => {
    const made = await site({ a: { title: 'a', team: 'a', rank: 1 } }, true);
    const looks = counted();
    const eve = await made.joined({ token: 'eve', device: 'eve' }, silent);
    const spec = { where: { team: 'a' }, orderBy: 'rank' };
    expect((await opened(eve, 'a', spec)).rows).toEqual(['tasks/a']);
    expect(looks().forIndexes).toBe(0);
  });
});
