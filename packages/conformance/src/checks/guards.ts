import type { Check } from '../check.ts';
import type { Payload } from '../frames.ts';
import { refused } from '../peer.ts';
import { same } from '../violation.ts';

const malformed: readonly Payload[] = [
  { if_match: '7' },
  { if_match: -1 },
  { if_match: false },
  { if_absent: 1 },
  { if_match: 1, if_absent: true },
  { fence: 'x' },
  { fence: { key: 'x' } },
  { fence: { key: 7, token: 1 } },
];

/** Writes that hold only on the state that they expect (stores.md §5.1). */
export const guards: readonly Check[] = [
  {
    number: '7.1',
    title:
      'if_match lets a write through at that revision only, and the refusal tells the present one',
    spec: '5.1.1',
    play: async (stage) => {
      const peer = await stage.joined();
      const [path, seq] = [stage.path('a'), await peer.put(stage.path('a'), 1)];
      const next = await peer.seq('set', path, { value: 2, if_match: seq });
      for (const op of ['set', 'delete']) {
        const reply = await peer.write(op, path, { value: 3, if_match: seq });
        refused(reply, { reason: 'conflict', current_revision: next });
      }
      refused(await peer.write('set', stage.path('none'), { value: 1, if_match: 0 }), {
        reason: 'conflict',
        current_revision: null,
      });
      same((await stage.read()).get(path)?.value, 2, 'the value');
    },
  },
  {
    number: '7.2',
    title: 'if_absent lets a write through only where nothing is, at the path and below',
    spec: '5.1.2',
    play: async (stage) => {
      const peer = await stage.joined();
      const seq = await peer.seq('set', stage.path('a/b'), { value: 1, if_absent: true });
      for (const path of ['a/b', 'a']) {
        const reply = await peer.write('set', stage.path(path), { value: 2, if_absent: true });
        refused(reply, { reason: 'exists', current_revision: seq });
      }
    },
  },
  {
    number: '7.3',
    title:
      'a guard that is malformed, or on an op that takes none, is refused and nothing is written',
    spec: '5.1.5',
    play: async (stage) => {
      const peer = await stage.joined();
      for (const guard of malformed) {
        const reply = await peer.write('set', stage.path('a'), { value: 1, ...guard });
        refused(reply, { reason: 'invalid_precondition' });
      }
      refused(await peer.write('increment', stage.path('a'), { value: 1, if_match: 1 }), {
        reason: 'if_match_unsupported_op',
        op: 'increment',
      });
      refused(await peer.write('delete', stage.path('a'), { if_absent: true }), {
        reason: 'if_absent_unsupported_op',
        op: 'delete',
      });
      same((await stage.read()).size, 0, 'how many leaves there are');
    },
  },
  {
    number: '7.4',
    title: 'capver 3 guards single leaves only',
    spec: '5.1.1',
    capver: 3,
    play: async (stage) => {
      const peer = await stage.joined();
      const seq = await peer.put(stage.path('m/a'), 1);
      refused(await peer.write('set', stage.path('m'), { value: { b: 1 }, if_match: seq }), {
        reason: 'if_match_multi_leaf',
      });
      refused(await peer.write('set', stage.path('n'), { value: { b: 1 }, if_absent: true }), {
        reason: 'if_absent_multi_leaf',
      });
      refused(await peer.write('delete', stage.path('m'), { if_match: seq }), {
        reason: 'conflict',
      });
    },
  },
  {
    number: '7.5',
    title: 'capver 4 guards maps too, by the greatest seq that wrote or removed something below',
    spec: '5.1.1',
    capver: 4,
    play: async (stage) => {
      const peer = await stage.joined();
      await peer.put(stage.path('m'), { a: 1, b: 2 });
      const removed = await peer.seq('delete', stage.path('m/a'));
      await peer.put(stage.path('elsewhere'), 1);
      refused(await peer.write('set', stage.path('m'), { value: {}, if_match: removed - 1 }), {
        reason: 'conflict',
        current_revision: removed,
      });
      await peer.seq('set', stage.path('m'), { value: { c: 3 }, if_match: removed });
    },
  },
  {
    number: '7.6',
    title: 'a fence lets a write through only while the lease is held with that token',
    spec: '5.1.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const key = stage.path('lock');
      const token = await peer.seq('lease', key, { ttl_ms: 60_000 });
      await peer.seq('set', stage.path('a'), { value: 1, fence: { key, token } });
      const wrong = { key, token: token + 1 };
      refused(await peer.write('set', stage.path('a'), { value: 2, fence: wrong }), {
        reason: 'fenced',
      });
      await peer.seq('release', key, { token });
      refused(await peer.write('set', stage.path('a'), { value: 2, fence: { key, token } }), {
        reason: 'fenced',
      });
    },
  },
];
