import type { Check } from '../check.ts';
import {
  asReply,
  type Frame,
  integerOf,
  listOf,
  opsIn,
  type Payload,
  type Reply,
} from '../frames.ts';
import { accepted, type Peer } from '../peer.ts';
import type { Stage } from '../stage.ts';
import { demand, same } from '../violation.ts';

/** What is told of what happens (stores.md §7.6, §10.2). */
export const events: readonly Check[] = [
  {
    number: '11.1',
    title: 'the writer hears its own op before the reply, everybody else the same op',
    spec: '7.6.3',
    play: async (stage) => {
      const [writer, other] = [await stage.joined(), await stage.joined()];
      const [path, id] = [stage.path('a'), stage.id()];
      const ref = writer.push('write', { op: 'set', path, value: [1], client_op_id: id });
      const frames = await writer.upToReply(ref);
      const own = opsIn(frames);
      const seq = integerOf(accepted(lastReply(frames)), 'store_seq');
      const op = { seq, op: 'set', path, value: [1], device: writer.device, id, tx: null };
      same(own, [op], 'what the writer heard before the reply');
      same(await other.hear(seq), [op], 'what another heard');
    },
  },
  {
    number: '11.2',
    title: 'of two that write at once all hear every op once, in the order of the seqs',
    spec: '7.6.2',
    play: async (stage) => {
      const members = [await stage.joined(), await stage.joined(), await stage.joined()];
      const refs = members.map((member, index) => burst(stage, member, index));
      await Promise.all(
        members.map(async (member, index) => {
          const frames = await member.upToReply(refs[index] ?? '');
          const last = integerOf(accepted(lastReply(frames)), 'store_seq');
          const heard = opsIn(frames).map(({ seq }) => seq);
          const first = heard[0] ?? 0;
          same(
            heard,
            heard.map((_, step) => first + step),
            'the seqs',
          );
          demand(heard.includes(last), 'the own op is not among them');
        }),
      );
    },
  },
  {
    number: '11.3',
    title: 'an event of capver 3 has exactly its seven fields',
    spec: '7.6.1',
    capver: 3,
    play: async (stage) => {
      const [writer, other] = [await stage.joined(), await stage.joined()];
      const id = stage.id();
      const path = stage.path('a~1b');
      const seq = await writer.seq('set', path, { value: { x: 1 }, client_op_id: id });
      same(
        await other.next(),
        [
          null,
          null,
          stage.topic,
          'event',
          {
            store_seq: seq,
            op: 'set',
            path,
            path_segments: [...stage.root.split('/'), 'a/b'],
            value: { x: 1 },
            device_id: writer.device,
            client_op_id: id,
          },
        ],
        'the event',
      );
      await writer.seq('delete', path);
      same((await other.hear(seq + 1))[0]?.value, null, 'the value of a delete');
    },
  },
  {
    number: '11.4',
    title: 'frames of capver 4 are contiguous, and hold nothing but ops between their ends',
    spec: '10.2.1',
    capver: 4,
    play: async (stage) => {
      const [first, second] = [await stage.joined(), await stage.joined()];
      const listener = await stage.connect();
      let cursor = integerOf(accepted(await listener.join(stage.whole())), 'store_seq');
      await listener.caughtUp();
      await Promise.all(
        [first, second].map((peer, index) => peer.reply(burst(stage, peer, index))),
      );
      const last = await second.put(stage.path('last'), 1);
      const frames = await listener.until(
        ([, , , event, payload]) => event === 'events' && upTo(payload) >= last,
        'the last op',
      );
      for (const frame of frames) {
        const payload = frame[4];
        same([frame[3], payload['from_seq']], ['events', cursor], 'from_seq after the cursor');
        const seqs = opsIn([frame]).map(({ seq }) => seq);
        demand(
          seqs.every((seq, at) => seq > (seqs[at - 1] ?? cursor) && seq <= upTo(payload)),
          `seqs ${seqs.join()} in (${cursor}, ${upTo(payload)}]`,
        );
        cursor = upTo(payload);
      }
    },
  },
  {
    number: '11.5',
    title: 'a commit is never split over two frames',
    spec: '10.2.2',
    capver: 4,
    play: async (stage) => {
      const [writer, listener] = [await stage.joined(), await stage.joined()];
      const ops = Array.from({ length: 900 }, (_, n) => ({
        op: 'set',
        path: stage.path(`p${n}`),
        value: n,
      }));
      for (let round = 0; round < 3; round += 1) {
        const request = { client_op_id: stage.id(), ops };
        const last = integerOf(accepted(await writer.ask('transact', request)), 'store_seq');
        const frames = await listener.until(
          ([, , , event, payload]) => event === 'events' && payload['to_seq'] === last,
          'the commit',
        );
        const whole = frames.filter(([, , , , payload]) => listOf(payload, 'ops').length >= 900);
        same(whole.length, 1, 'the frames that hold the commit');
        same(opsIn(whole).filter(({ tx }) => tx === last).length, 900, 'its ops in that frame');
      }
    },
  },
];

function lastReply(frames: readonly Frame[]): Reply {
  const [last] = frames.slice(-1);
  demand(last !== undefined, 'no reply');
  return asReply(last);
}

/** Forty increments, sent without waiting; returns the last ref. */
function burst(stage: Stage, peer: Peer, index: number): string {
  const path = stage.path(`count/${index}`);
  const refs = Array.from({ length: 40 }, () =>
    peer.push('write', { op: 'increment', path, value: 1, client_op_id: stage.id() }),
  );
  return refs.at(-1) ?? '';
}

function upTo(payload: Payload): number {
  return integerOf(payload, 'to_seq');
}
