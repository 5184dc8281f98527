import type { Check } from '../check.ts';
import type { HeardOp } from '../frames.ts';
import type { SeenLeaf, Stage } from '../stage.ts';
import { same } from '../violation.ts';

/** What each op does (stores.md §4). */
export const ops: readonly Check[] = [
  {
    number: '4.1',
    title: 'set replaces what is there and below by the leaves of its value',
    spec: '4.2',
    play: async (stage) => {
      const peer = await stage.joined();
      await peer.put(stage.path('post'), { old: 1, deep: { er: true } });
      const seq = await peer.put(stage.path('post'), {
        title: 'Hi',
        tags: ['a'],
        meta: { n: 1.5 },
      });
      same(
        await seen(stage),
        [
          ['post/meta/n', 1.5, 'float', seq],
          ['post/tags', ['a'], 'list', seq],
          ['post/title', 'Hi', 'string', seq],
        ],
        'what is there',
      );
    },
  },
  {
    number: '4.2',
    title: 'merge replaces the members that it names and leaves the others',
    spec: '4.2',
    play: async (stage) => {
      const peer = await stage.joined();
      const first = await peer.put(stage.path('m'), { keep: 1, sub: { a: 1, b: 2 } });
      const second = await peer.seq('merge', stage.path('m'), {
        value: { sub: { c: 3 }, x: null },
      });
      same(
        await seen(stage),
        [
          ['m/keep', 1, 'integer', first],
          ['m/sub/c', 3, 'integer', second],
          ['m/x', null, 'null', second],
        ],
        'what is there',
      );
    },
  },
  {
    number: '4.3',
    title: 'delete removes what is there and below, and takes a seq where nothing is',
    spec: '4.2',
    play: async (stage) => {
      const peer = await stage.joined();
      const first = await peer.put(stage.path('d'), { a: 1, b: { c: 2 } });
      same(await peer.seq('delete', stage.path('d')), first + 1, 'the seq of a delete');
      same(await peer.seq('delete', stage.path('d')), first + 2, 'the seq of a delete of nothing');
      same(await seen(stage), [], 'what is left');
    },
  },
  {
    number: '4.4',
    title: 'increment, add and remove tell their result, not what was asked for',
    spec: '4.2',
    play: async (stage) => {
      const peer = await stage.joined();
      const [count, tags] = [stage.path('count'), stage.path('tags')];
      await peer.put(count, 40);
      await peer.seq('increment', count, { value: 2.5 });
      for (const value of ['a', 'b', 'a']) await peer.seq('add', tags, { value });
      const last = await peer.seq('remove', tags, { value: 'b' });
      same(
        brief(stage, await heardBy(stage, last - 5)),
        [
          [-5, 'set', 'count', 40],
          [-4, 'increment', 'count', 42.5],
          [-3, 'add', 'tags', ['a']],
          [-2, 'add', 'tags', ['b', 'a']],
          [-1, 'add', 'tags', ['a', 'b']],
          [0, 'remove', 'tags', ['a']],
        ],
        'the ops',
      );
      same(
        (await seen(stage)).map(([, value, type]) => [value, type]),
        [
          [42.5, 'counter'],
          [['a'], 'set'],
        ],
        'the leaves',
      );
    },
  },
  {
    number: '4.5',
    title: 'a write that has to remove something says so by deletes before it, with ids of its own',
    spec: '4.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const head = await peer.put(stage.path('x'), 'a leaf');
      const below = stage.id();
      same(
        await peer.seq('set', stage.path('x/y/z'), { value: 1, client_op_id: below }),
        head + 2,
        'the seq that is replied',
      );
      const above = stage.id();
      await peer.seq('increment', stage.path('x/y'), { value: 1, client_op_id: above });
      const heard = await heardBy(stage, head + 1);
      same(
        brief(stage, heard),
        [
          [-3, 'delete', 'x', null],
          [-2, 'set', 'x/y/z', 1],
          [-1, 'delete', 'x/y', null],
          [0, 'increment', 'x/y', 1],
        ],
        'the ops',
      );
      const ids = [`${below}#1`, below, `${above}#1`, above];
      same(
        heard.map(({ id }) => id),
        ids,
        'the ids of the ops',
      );
    },
  },
  {
    number: '4.6',
    title: 'a refused request takes no seq and changes nothing',
    spec: '1.2.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const seq = await peer.put(stage.path('a'), 'text');
      await peer.write('increment', stage.path('a'), { value: 1 });
      await peer.write('set', stage.path('a'), { value: 1, if_match: seq + 7 });
      await peer.write('set', `${stage.path('a')}//b`, { value: 1 });
      same(await peer.put(stage.path('b'), 1), seq + 1, 'the next seq');
      same((await seen(stage))[0], ['a', 'text', 'string', seq], 'what was there');
    },
  },
  {
    number: '4.7',
    title: 'listings are in the order of the UTF-8 bytes of the written path',
    spec: '1.3.4',
    play: async (stage) => {
      const peer = await stage.joined();
      const names = ['a', 'a-b', 'a0', 'B', '\u{ffff}', '\u{10000}', 'é', 'z'];
      for (const name of names) await peer.put(stage.path(`o/${name}/x`), 1);
      const listed = [...(await stage.read()).keys()];
      const sorted = listed.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      same(listed.length, names.length, 'how many are listed');
      same(listed, sorted, 'the order');
    },
  },
];

type Seen = readonly [path: string, value: unknown, type: unknown, revision: unknown];

/** What is below the root, with paths seen from there. */
async function seen(stage: Stage): Promise<readonly Seen[]> {
  const flat = ([path, { value, type, revision }]: readonly [string, SeenLeaf]): Seen => [
    path.slice(stage.root.length + 1),
    value,
    type,
    revision,
  ];
  return [...(await stage.read())].map(flat);
}

/** The log from a seq on, as a peer of this dialect is told that comes back with the seq before. */
async function heardBy(stage: Stage, first: number): Promise<readonly HeardOp[]> {
  const head = await stage.head();
  const peer = await stage.connect();
  await peer.join({ last_store_seq: first - 1 });
  return peer.hear(head);
}

/** A log without its bookkeeping; seqs are counted from the last one. */
function brief(stage: Stage, heard: readonly HeardOp[]): readonly unknown[] {
  const last = heard.at(-1)?.seq ?? 0;
  return heard.map(({ seq, op, path, value }) => [
    seq - last,
    op,
    path.slice(stage.root.length + 1),
    value,
  ]);
}
