import type { Check } from '../check.ts';
import { integerOf, listOf, opsIn } from '../frames.ts';
import { accepted, refused } from '../peer.ts';
import { leavesIn, onlyOf } from '../stage.ts';
import { demand, same } from '../violation.ts';

/** Replicas of a part of a store (stores.md §10.4). */
export const scope: readonly Check[] = [
  {
    number: '13.1',
    title: 'a replica of a part hears that part only, and its cursor moves over the rest',
    spec: '10.4.2',
    capver: 4,
    play: async (stage) => {
      const writer = await stage.joined();
      await writer.put(stage.root, { in: { a: 1 }, out: { a: 1 } });
      const peer = await stage.connect();
      const patterns = [stage.path('in/**')];
      const reply = accepted(await peer.join({ last_store_seq: 0, patterns }));
      same(reply['patterns'], patterns, 'the patterns of the reply');
      const caughtUp = await peer.caughtUp();
      same([...leavesIn(caughtUp).keys()], [stage.path('in/a')], 'the leaves of the snapshot');
      const cut = integerOf(onlyOf(caughtUp, 'catch_up_complete'), 'through_seq');
      await writer.put(stage.path('out/b'), 1);
      await writer.put(stage.root, { in: { b: 2 }, out: { c: 2 } });
      const last = await writer.put(stage.path('out/d'), 1);
      const frames = await peer.until(
        ([, , , event, payload]) => event === 'events' && payload['to_seq'] === last,
        `the cursor at ${last}`,
      );
      same(
        opsIn(frames).map(({ seq, path, value }) => [seq, path, value]),
        [[cut + 2, stage.root, { in: { b: 2 } }]],
        'the ops',
      );
      demand(!JSON.stringify(frames).includes('out/'), 'something of the rest was told');
    },
  },
  {
    number: '13.2',
    title: 'with no patterns there is no data at all, and writes are answered',
    spec: '10.1.2',
    capver: 4,
    play: async (stage) => {
      const [writer, peer] = [await stage.joined(), await stage.connect()];
      await writer.put(stage.path('a'), 1);
      const reply = accepted(await peer.join({ last_store_seq: 0, patterns: [] }));
      same([reply['sync'], reply['patterns']], ['tail', []], 'sync and patterns');
      same((await peer.caughtUp()).length, 1, 'the frames of the catch-up');
      const payload = { op: 'set', path: stage.path('b'), value: 1, client_op_id: stage.id() };
      const frames = await peer.upToReply(peer.push('write', payload));
      same(frames.length, 1, 'the frames up to the reply');
    },
  },
  {
    number: '13.3',
    title:
      'patterns that are added come as a snapshot within them, those that are removed fall silent',
    spec: '10.4.4',
    capver: 4,
    play: async (stage) => {
      const [writer, peer] = [await stage.joined(), await stage.connect()];
      const head = await writer.put(stage.root, { a: { x: 1 }, b: { x: 2 } });
      accepted(await peer.join({ last_store_seq: 0, patterns: [stage.path('a/**')] }));
      await peer.caughtUp();
      const [a, b] = [stage.path('a/**'), stage.path('b/**')];
      const reply = accepted(await peer.ask('scope', { add: [b], remove: [a] }));
      same([reply['patterns'], reply['denied'], reply['seq']], [[b], [], head], 'the reply');
      const part = await peer.until((frame) => frame[3] === 'snapshot_end', 'snapshot_end');
      const begin = onlyOf(part, 'snapshot_begin');
      same([begin['within'], begin['seq']], [[b], head], 'within and seq');
      same([...leavesIn(part).keys()], [stage.path('b/x')], 'the leaves');
      await writer.put(stage.path('a/y'), 1);
      const seq = await writer.put(stage.path('b/y'), 1);
      same(
        (await peer.hear(seq)).map(({ path }) => path),
        [stage.path('b/y')],
        'what is heard',
      );
    },
  },
  {
    number: '13.4',
    title: 'patterns that are none are refused',
    spec: '2.2.1',
    capver: 4,
    play: async (stage) => {
      const peer = await stage.connect();
      for (const [pattern, reason] of [
        ['a/**/b', 'wildcard_many_not_tail'],
        ['a//b', 'empty_segment'],
        ['a/~5', 'invalid_escape'],
      ] as const) {
        const reply = await peer.join({ last_store_seq: 0, patterns: [pattern] });
        const told = [reply.response['reason'], reply.response['error']];
        demand(
          reply.status === 'error' && told.includes(reason),
          `${pattern} was answered ${told.join()}`,
        );
      }
      refused(await peer.join({ last_store_seq: 0, patterns: 'a' }), {
        reason: 'invalid_payload',
        field: 'patterns',
      });
      const reply = accepted(await peer.join(stage.whole()));
      same(listOf(reply, 'patterns').length, 1, 'the patterns of the join after that');
    },
  },
  {
    number: '13.5',
    title: 'a star stands for one segment, and P/** covers P too',
    spec: '2.2.4',
    capver: 4,
    play: async (stage) => {
      const writer = await stage.joined();
      await writer.put(stage.path('p'), 'leaf');
      await writer.put(stage.path('q'), { a: { t: 1, u: 2 }, b: { t: 3 }, t: 4 });
      const peer = await stage.connect();
      const patterns = [stage.path('p/**'), stage.path('q/*/t')];
      accepted(await peer.join({ last_store_seq: 0, patterns }));
      const paths = [...leavesIn(await peer.caughtUp()).keys()];
      same(
        paths,
        ['p', 'q/a/t', 'q/b/t'].map((path) => stage.path(path)),
        'the leaves',
      );
    },
  },
];
