import type { Check } from '../check.ts';
import type { Payload, Reply } from '../frames.ts';
import { accepted, type Peer, refused } from '../peer.ts';
import type { Stage } from '../stage.ts';
import { same } from '../violation.ts';

/** Several ops at once, or none of them (stores.md §10.5). */
export const transact: readonly Check[] = [
  {
    number: '10.1',
    title: 'a transaction is one commit: dense seqs, one tx, a result for each op',
    spec: '10.5.3',
    capver: 4,
    play: async (stage) => {
      const [peer, other] = [await stage.joined(), await stage.joined()];
      const before = await peer.put(stage.path('a'), 'leaf');
      const ops = [set(stage, 'n', 1), add(stage, 'n', 2), set(stage, 'a/b', 3)];
      const reply = accepted(await ask(stage, peer, { ops }));
      const seqs = [1, 2, 3, 4].map((step) => before + step);
      same(
        reply,
        {
          store_seq: seqs[3],
          first_seq: seqs[0],
          results: [{ store_seq: seqs[0] }, { store_seq: seqs[1] }, { store_seq: seqs[3] }],
        },
        'the reply',
      );
      const heard = (await other.hear(before + 4)).filter(({ seq }) => seq > before);
      same(
        heard.map(({ seq, tx, op, value }) => [seq, tx, op, value]),
        [
          [seqs[0], seqs[3], 'set', 1],
          [seqs[1], seqs[3], 'increment', 3],
          [seqs[2], seqs[3], 'delete', null],
          [seqs[3], seqs[3], 'set', 3],
        ],
        'the ops',
      );
    },
  },
  {
    number: '10.2',
    title: 'if one op is refused, nothing is written and the refusal says which',
    spec: '10.5.3',
    capver: 4,
    play: async (stage) => {
      const peer = await stage.joined();
      const head = await peer.put(stage.path('text'), 'text');
      const ops = [set(stage, 'a', 1), set(stage, 'b', 2), add(stage, 'text', 1)];
      refused(await ask(stage, peer, { ops }), { reason: 'type_mismatch', op_index: 2 });
      refused(await ask(stage, peer, { ops: [...ops.slice(0, 1), { op: 'set' }] }), {
        op_index: 1,
        reason: 'missing_path',
      });
      same([...(await stage.read()).keys()], [stage.path('text')], 'what is there');
      same(await peer.put(stage.path('c'), 1), head + 1, 'the next seq');
    },
  },
  {
    number: '10.3',
    title: 'preconditions are judged on the state before, and the refusal says which does not hold',
    spec: '10.5.2',
    capver: 4,
    play: async (stage) => {
      const peer = await stage.joined();
      const seq = await peer.put(stage.path('a'), { b: [1, { c: 2 }] });
      const path = stage.path('a/b');
      const sound = [
        { path, equals: [1, { c: 2 }] },
        { path: stage.path('a'), exists: true },
        { path, if_match: seq },
        { path: stage.path('new'), if_absent: true },
      ];
      const ops = [set(stage, 'new', 1)];
      accepted(await ask(stage, peer, { ops, preconditions: sound }));
      const held = sound.slice(0, 2);
      for (const [wrong, revision] of [
        [{ path, equals: [1] }, seq],
        [{ path: stage.path('none'), exists: true }, null],
        [{ path, if_match: seq - 1 }, seq],
      ] as const) {
        refused(await ask(stage, peer, { ops, preconditions: [...held, wrong] }), {
          reason: 'conflict',
          precondition_index: 2,
          path: wrong.path,
          current_revision: revision,
        });
      }
    },
  },
  {
    number: '10.4',
    title: 'a transaction without ops, or with more than may be, is refused',
    spec: '10.5.1',
    capver: 4,
    play: async (stage) => {
      const peer = await stage.connect();
      const { limits } = accepted(await peer.join(stage.whole()));
      const most = Number(Object(limits)['max_tx_ops']);
      refused(await ask(stage, peer, { ops: [] }), { reason: 'invalid_payload', field: 'ops' });
      refused(await ask(stage, peer, { ops: 'x' }), { reason: 'invalid_payload', field: 'ops' });
      const many = Array.from({ length: most + 1 }, () => add(stage, 'n', 1));
      refused(await ask(stage, peer, { ops: many }), { reason: 'too_many_ops', limit: most });
      accepted(await ask(stage, peer, { ops: many.slice(1) }));
      same((await stage.read()).get(stage.path('n'))?.value, most, 'the total');
    },
  },
  {
    number: '10.5',
    title: 'capver 3 has no transactions',
    spec: '7.5',
    capver: 3,
    play: async (stage) => {
      const peer = await stage.joined();
      refused(await ask(stage, peer, { ops: [set(stage, 'a', 1)] }), { reason: 'unknown_event' });
    },
  },
];

function ask(stage: Stage, peer: Peer, request: Payload): Promise<Reply> {
  return peer.ask('transact', { client_op_id: stage.id(), ...request });
}

function set(stage: Stage, path: string, value: unknown): Payload {
  return { op: 'set', path: stage.path(path), value };
}

function add(stage: Stage, path: string, value: number): Payload {
  return { op: 'increment', path: stage.path(path), value };
}
