import { isObject } from '@holdfast/protocol';
import type { Check } from '../check.ts';
import { type Frame, integerOf, listOf, opsIn, type Payload, textOf } from '../frames.ts';
import { accepted } from '../peer.ts';
import { leavesIn, onlyOf, type Stage } from '../stage.ts';
import { demand, same } from '../violation.ts';

/** What comes between the join and what is live (stores.md §9, §10.1, §10.3). */
export const catchUp: readonly Check[] = [
  {
    number: '12.1',
    title: 'who comes back gets exactly the ops that it lacks, as they were live',
    spec: '9.2.1',
    play: async (stage) => {
      const [writer, listener] = [await stage.joined(), await stage.joined()];
      const last = await writeSome(stage);
      const live = await listener.hear(last);
      const peer = await stage.connect();
      const from = live[1]?.seq ?? 0;
      const reply = accepted(await peer.join(await comingBack(stage, from)));
      if (stage.tongue.capver === 4) same([reply['sync'], reply['why']], ['tail', null], 'sync');
      const frames = await peer.caughtUp();
      same(opsIn(frames), live.slice(2), 'the ops of the tail');
      same(frames.at(-1)?.[4], { through_seq: last }, 'catch_up_complete');
      same(await peer.settled(), [], 'what comes after it');
      await writer.put(stage.path('z'), 1);
    },
  },
  {
    number: '12.2',
    title: 'who lacks nothing is told so, too',
    spec: '9.1',
    play: async (stage) => {
      const last = await writeSome(stage);
      const peer = await stage.connect();
      accepted(await peer.join(await comingBack(stage, last)));
      const complete = [null, null, stage.topic, 'catch_up_complete', { through_seq: last }];
      same(await peer.caughtUp(), [complete], 'what comes');
    },
  },
  {
    number: '12.3',
    title: 'who has nothing gets a snapshot: all chunks of one state, counted, in path order',
    spec: '10.3',
    capver: 4,
    play: async (stage) => {
      const writer = await stage.joined();
      const many = Object.fromEntries(Array.from({ length: 1500 }, (_, n) => [`k${n}`, n]));
      const seq = await writer.put(stage.path('m'), many);
      const peer = await stage.connect();
      const reply = accepted(await peer.join(stage.whole()));
      same([reply['sync'], reply['why']], ['snapshot', 'fresh'], 'sync and why');
      const frames = await peer.caughtUp();
      const begin = onlyOf(frames, 'snapshot_begin');
      const end = onlyOf(frames, 'snapshot_end');
      same([begin['seq'], begin['within']], [seq, null], 'seq and within');
      same(begin['incarnation'], reply['incarnation'], 'the incarnation');
      same([end['id'], end['seq'], end['entries']], [begin['id'], seq, 1500], 'snapshot_end');
      const chunks = frames.filter((frame) => frame[3] === 'snapshot_chunk');
      same(end['chunks'], chunks.length, 'the chunks');
      same(
        chunks.map(([, , , , chunk]) => [chunk['id'], chunk['index']]),
        chunks.map((_, index) => [begin['id'], index]),
        'the ids and indices',
      );
      const leaves = [...leavesIn(frames)];
      same(leaves.length, 1500, 'the leaves');
      const paths = leaves.map(([path]) => path);
      same(paths, paths.toSorted(), 'the order');
      demand(
        leaves.every(([, { revision }]) => revision === seq),
        'a revision is wrong',
      );
      const events = ['snapshot_begin', ...chunks.map(() => 'snapshot_chunk'), 'snapshot_end'];
      same(namesOf(frames), [...events, 'catch_up_complete'], 'the frames');
    },
  },
  {
    number: '12.4',
    title: 'a snapshot tells the revision of a map that is greater than those of its leaves',
    spec: '10.3.1',
    capver: 4,
    play: async (stage) => {
      const writer = await stage.joined();
      await writer.put(stage.path('m'), { a: 1, b: { c: 2 } });
      const removed = await writer.seq('delete', stage.path('m/a'));
      const peer = await stage.connect();
      accepted(await peer.join(stage.whole()));
      const chunks = (await peer.caughtUp()).filter((frame) => frame[3] === 'snapshot_chunk');
      const maps = chunks.flatMap(([, , , , chunk]) => listOf(chunk, 'maps'));
      demand(
        maps.some((map) => Array.isArray(map) && map[0] === stage.path('m') && map[1] === removed),
        `the map is not told with ${removed}`,
      );
    },
  },
  {
    number: '12.5',
    title: 'a replica of another incarnation, scope or future gets a snapshot, and is told why',
    spec: '9.2.3',
    capver: 4,
    play: async (stage) => {
      const last = await writeSome(stage);
      const sound = await comingBack(stage, last);
      for (const [why, wrong] of [
        ['incarnation', { incarnation: 'of another store', scope: 'other' }],
        ['scope', { scope: 'of another replica' }],
        ['ahead', { last_store_seq: last + 1_000_000 }],
      ] as const) {
        const peer = await stage.connect();
        const reply = accepted(await peer.join({ ...sound, ...wrong }));
        same([reply['sync'], reply['why']], ['snapshot', why], 'sync and why');
        onlyOf(await peer.caughtUp(), 'snapshot_end');
      }
    },
  },
  {
    number: '12.6',
    title: 'a snapshot that broke off goes on where it did, or begins anew',
    spec: '10.3.4',
    capver: 4,
    play: async (stage) => {
      const writer = await stage.joined();
      const many = Object.fromEntries(Array.from({ length: 2500 }, (_, n) => [`k${n}`, n]));
      await writer.put(stage.path('m'), many);
      const first = await stage.connect();
      accepted(await first.join(stage.whole()));
      const before = await first.until((frame) => frame[3] === 'snapshot_chunk', 'a chunk');
      first.cut();
      const id = textOf(onlyOf(before, 'snapshot_begin'), 'id');
      const second = await stage.connect({ device: first.device });
      accepted(await second.join({ ...stage.whole(), snapshot: { id, next: 1 } }));
      const after = await second.caughtUp();
      const resumed = onlyOf(after, 'snapshot_begin')['id'] === id;
      const indices = after.flatMap(([, , , event, chunk]) =>
        event === 'snapshot_chunk' ? [integerOf(chunk, 'index')] : [],
      );
      same(indices[0], resumed ? 1 : 0, 'the first chunk');
      const leaves = new Set(leavesIn(resumed ? [...before, ...after] : after).keys());
      same(leaves.size, 2500, 'the leaves of both parts');
    },
  },
  {
    number: '12.7',
    title: 'a fresh capver 3 replica that applies its events ends equal to the store',
    spec: '9.4',
    capver: 3,
    play: async (stage) => {
      await writeSome(stage);
      const peer = await stage.connect();
      accepted(await peer.join({ last_store_seq: 0 }));
      const replica = replay(await peer.caughtUp(), stage.root);
      const leaves = [...(await stage.read())].map(([path, { value }]) => [path, value]);
      same(Object.fromEntries(replica), Object.fromEntries(leaves), 'the leaves');
    },
  },
];

/** Some ops of all sorts; returns the last seq. */
async function writeSome(stage: Stage): Promise<number> {
  const writer = await stage.joined();
  await writer.put(stage.path('a'), { b: 1, c: { d: 'x' } });
  await writer.seq('increment', stage.path('n'), { value: 2 });
  await writer.seq('add', stage.path('s'), { value: 'x' });
  await writer.put(stage.path('a/b'), { e: null });
  await writer.seq('merge', stage.path('a'), { value: { c: 'leaf' } });
  return writer.seq('delete', stage.path('n'));
}

/** The join of a replica of what is below the root that has everything up to a seq. */
async function comingBack(stage: Stage, seq: number): Promise<Payload> {
  if (stage.tongue.capver === 3) return { last_store_seq: seq };
  const peer = await stage.connect();
  const { incarnation, scope, patterns } = accepted(await peer.join(stage.whole()));
  peer.cut();
  return { last_store_seq: seq, incarnation, scope, patterns };
}

function namesOf(frames: readonly Frame[]): readonly string[] {
  return frames.map(([, , , event]) => event);
}

/** What a capver 3 client keeps that sets and deletes exact paths, flattened values and all. */
function replay(frames: readonly Frame[], root: string): ReadonlyMap<string, unknown> {
  const leaves = new Map<string, unknown>();
  const remove = (path: string): void => {
    for (const each of leaves.keys()) {
      if (each === path || each.startsWith(`${path}/`)) leaves.delete(each);
    }
  };
  const put = (path: string, value: unknown): void => {
    const members = isObject(value) ? Object.entries(value) : [];
    if (members.length === 0) leaves.set(path, value);
    for (const [key, member] of members) put(`${path}/${key}`, member);
  };
  for (const { op, path, value } of opsIn(frames)) {
    if (op === 'merge' && isObject(value)) {
      for (const [key, member] of Object.entries(value)) {
        remove(`${path}/${key}`);
        put(`${path}/${key}`, member);
      }
    } else {
      remove(path);
      if (op !== 'delete' && op !== 'release') put(path, value);
    }
  }
  return new Map([...leaves].filter(([path]) => path.startsWith(`${root}/`)));
}
