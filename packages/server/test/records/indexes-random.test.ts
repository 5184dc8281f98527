import { withOps } from '@holdfast/engine/collection';
import { passthrough, type Path, record } from '@holdfast/protocol';
import { readQueryDelta } from '@holdfast/protocol/record';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { topic, world } from '../conversation/world.ts';
import { person, write } from './site.ts';

type Task = { readonly status?: string; readonly rank?: number; readonly title?: string };

const Task = record({
  name: 'task',
  store: 'demo/main',
  path: 'teams/:team/tasks/:id',
  version: '*',
  schema: passthrough<Task>(),
  indexes: [['status', 'rank'], 'rank'],
});

const open = { status: 'open' };

/** Some of which an index answers, some of which it finds the rows, and one that has nothing of it. */
const questions = {
  up: { where: open, orderBy: 'rank', limit: 3 },
  down: { where: open, orderBy: [['rank', 'desc']], limit: 2 },
  middle: { where: { ...open, rank: { gte: 2, lt: 6 } }, orderBy: 'rank', limit: 3 },
  some: { where: { ...open, title: { ne: 'x' } }, limit: 4 },
  all: { where: { rank: { gt: 1 } }, orderBy: [['rank', 'desc']], limit: 4 },
  ofTeam: { params: { team: 'a' }, where: { rank: { gte: 1 } }, orderBy: 'rank', limit: 3 },
  others: { where: { title: 'y' }, limit: 3 },
};

const names = Object.keys(questions) as (keyof typeof questions)[];

const rank = fc.integer({ min: 0, max: 8 });
const field = fc.oneof(
  fc.tuple(fc.constant('status'), fc.constantFrom('open', 'open', 'done', null)),
  fc.tuple(fc.constant('rank'), rank),
  fc.tuple(fc.constant('title'), fc.constantFrom('x', 'y')),
);
const task = fc.array(field, { maxLength: 4 }).map((fields) => Object.fromEntries(fields));
const team = fc.constantFrom('a', 'b').map((each) => `teams/${each}/tasks`);
const id = fc.constantFrom('1', '2', '3', '4', '5');
const path = fc.tuple(team, id).map((parts) => parts.join('/'));

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ op: fc.constant('set'), path, value: fc.oneof(task, task, rank) }),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(path, field)
      .map(([of, [name, value]]) => ({ op: 'set', path: `${of}/${name}`, value })),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('delete'), path }) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(path, field)
      .map(([of, [name]]) => ({ op: 'delete', path: `${of}/${name}` })),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('delete'), path: team }) },
  { weight: 2, arbitrary: fc.constantFrom(...names).map((sub) => ({ sub })) },
);

/** What a query shows after all that a peer has heard. */
function shownTo(peer: Peer, sub: string): unknown {
  let rows: readonly Path[] = [];
  let [hasMore, end]: [boolean, string | null] = [false, null];
  for (const [, , , event, payload] of peer.heard) {
    if (event !== 'query_delta') continue;
    const delta = readQueryDelta(payload);
    if (!('at' in delta) || delta.sub !== sub) continue;
    rows = delta.rows ?? withOps(rows, delta.ops);
    [hasMore, end] = [delta.hasMore, delta.endCursor];
  }
  return { rows, hasMore, end };
}

/** Opens a question: who reads all has it by the index, and who reads each field without. */
async function ask(peers: readonly Peer[], sub: keyof typeof questions): Promise<void> {
  const spec = questions[sub];
  await Promise.all(
    peers.map((peer) => peer.ask(topic, 'query_open', { sub, record: 'task', spec })),
  );
}

async function askAnew(peers: readonly Peer[], sub: keyof typeof questions): Promise<void> {
  await Promise.all(peers.map((peer) => peer.ask(topic, 'query_close', { sub })));
  await ask(peers, sub);
}

test('with declared indexes queries show, whatever is written, what they show to those to whom indexes are of no use', async () => {
  const limited = { pathRules: [{ pattern: 'teams/*/tasks/*/*/**', allow: ['read' as const] }] };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const people = { ann: person('ann'), bob: person('bob', limited) };
      const { server, joined } = await world({ authenticate: principals(people) });
      server.record(Task);
      const silent = { last_store_seq: 0, patterns: [] };
      const writer = await joined({ device: 'writer' }, silent);
      const ann = await joined({ token: 'ann', device: 'ann' }, silent);
      const bob = await joined({ token: 'bob', device: 'bob' }, silent);
      for (const name of names) await ask([ann, bob], name);
      for (const [at, each] of steps.entries()) {
        // What is refused has changed nothing.
        if ('sub' in each) await askAnew([ann, bob], each.sub);
        else await write(writer, each);
        if (at % 4 !== 0 && at < steps.length - 1) continue;
        await Promise.all([ann, bob].map((peer) => peer.ask(topic, 'status', {})));
        for (const name of names) expect(shownTo(ann, name)).toEqual(shownTo(bob, name));
      }
    }),
    { numRuns: 12 },
  );
});
