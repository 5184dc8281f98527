import type { Check } from '../check.ts';
import { opsIn } from '../frames.ts';
import { accepted, refused } from '../peer.ts';
import { demand, same } from '../violation.ts';

const okEmpty = { status: 'ok', response: {} };

/** The frames of every channel (stores.md §7.2, §7.3). */
export const control: readonly Check[] = [
  {
    number: '2.1',
    title: 'a heartbeat is answered with exactly {}',
    spec: '7.3',
    play: async (stage) => {
      const peer = await stage.connect();
      peer.send([null, '77', 'phoenix', 'heartbeat', {}]);
      same(await peer.next(), [null, '77', 'phoenix', 'phx_reply', okEmpty], 'the answer');
    },
  },
  {
    number: '2.2',
    title: 'a push to a topic that is not joined is unmatched, and leaving it is fine',
    spec: '7.3',
    play: async (stage) => {
      const peer = await stage.connect();
      const unmatched = { status: 'error', response: { reason: 'unmatched topic' } };
      peer.send([null, '9', stage.topic, 'status', {}]);
      same(await peer.next(), [null, '9', stage.topic, 'phx_reply', unmatched], 'the answer');
      peer.send(['1', '10', stage.topic, 'phx_leave', {}]);
      same((await peer.next()).slice(1), ['10', stage.topic, 'phx_reply', okEmpty], 'the leave');
    },
  },
  {
    number: '2.3',
    title: 'a leave is answered ok, then the channel closes',
    spec: '7.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const [join, ref] = [peer.joinRef, peer.push('phx_leave', {})];
      same(await peer.next(), [join, ref, stage.topic, 'phx_reply', okEmpty], 'the answer');
      same(await peer.next(), [join, join, stage.topic, 'phx_close', {}], 'what follows');
      refused(await peer.write('set', stage.path('a'), { value: 1 }), {
        reason: 'unmatched topic',
      });
    },
  },
  {
    number: '2.4',
    title: 'a second join closes the first channel before it is answered',
    spec: '7.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const old = peer.joinRef;
      const payload = { last_store_seq: await stage.head() };
      peer.send(['again', 'again', stage.topic, 'phx_join', payload]);
      same(await peer.next(), [old, old, stage.topic, 'phx_close', {}], 'the first frame');
      const [joinRef, ref, , event] = await peer.next();
      same([joinRef, ref, event], ['again', 'again', 'phx_reply'], 'the second frame');
    },
  },
  {
    number: '2.5',
    title: 'a push with an old join_ref is ignored, one with none is taken',
    spec: '7.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const set = { op: 'set', path: stage.path('a') };
      const stale = { ...set, value: 'stale', client_op_id: stage.id() };
      const plain = { ...set, value: 'plain', client_op_id: stage.id() };
      peer.send(['of-another-life', 'stale', stage.topic, 'write', stale]);
      peer.send([null, 'plain', stage.topic, 'write', plain]);
      const frames = await peer.upToReply('plain');
      demand(!frames.some((frame) => frame[1] === 'stale'), 'the stale push was answered');
      same(
        opsIn(frames).map(({ value }) => value),
        ['plain'],
        'what was written',
      );
      same(frames.at(-1)?.[0], peer.joinRef, 'the join_ref of the reply');
    },
  },
  {
    number: '2.6',
    title: 'an unknown event and a payload that is none are refused, and the channel lives on',
    spec: '7.2.2',
    play: async (stage) => {
      const peer = await stage.joined();
      refused(await peer.ask('wrote', {}), { reason: 'unknown_event' });
      for (const payload of [null, 7, 'x', [1]]) {
        const ref = peer.ref();
        peer.send([peer.joinRef, ref, stage.topic, 'write', payload]);
        refused(await peer.reply(ref), { reason: 'invalid_payload', field: 'payload' });
      }
      await peer.put(stage.path('a'), 1);
    },
  },
  {
    number: '2.7',
    title: 'what is no frame is dropped, and the tenth within a minute closes the socket with 1007',
    spec: '7.2.2',
    play: async (stage) => {
      const peer = await stage.joined();
      const noise = stage.tongue.format === 'json' ? '{"a":1}' : Uint8Array.of(0x90);
      for (let sent = 0; sent < 9; sent += 1) peer.sendRaw(noise);
      await peer.put(stage.path('a'), 1);
      peer.sendRaw(noise);
      same(await peer.closed(), 1007, 'the close code');
    },
  },
  {
    number: '2.8',
    title: 'pushes are answered in the order in which they came, refused ones included',
    spec: '7.5',
    play: async (stage) => {
      const peer = await stage.joined();
      const refs = Array.from({ length: 60 }, (_, index) => {
        const value = index % 7 === 3 ? 'no number' : 1;
        const path = stage.path(String(index % 5));
        const payload = { op: 'increment', path, value, client_op_id: stage.id() };
        return index % 10 === 9 ? peer.push('status', {}) : peer.push('write', payload);
      });
      const frames = await peer.upToReply(refs.at(-1) ?? '');
      same(
        frames.flatMap(([, ref, , event]) => (event === 'phx_reply' ? [ref] : [])),
        refs,
        'the refs of the replies',
      );
    },
  },
  {
    number: '2.9',
    title: 'what the server pushes carries no refs, and what it replies has two that differ',
    spec: '7.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const ref = peer.push('write', {
        op: 'set',
        path: stage.path('a'),
        value: 1,
        client_op_id: stage.id(),
      });
      for (const [joinRef, own, , event, payload] of await peer.upToReply(ref)) {
        if (event !== 'phx_reply') same([joinRef, own], [null, null], `the refs of ${event}`);
        else same([joinRef, own], [peer.joinRef, ref], 'the refs of the reply');
        demand(Object.keys(payload).length > 0, `an empty ${event}`);
      }
      same(accepted(await peer.ask('ack_seq', { seq: 0 })), {}, 'the answer to ack_seq');
    },
  },
];
