import type { Check } from '../check.ts';
import type { Payload } from '../frames.ts';
import { accepted, refused } from '../peer.ts';
import { same } from '../violation.ts';

const wrong: readonly (readonly [Payload, string])[] = [
  [{ path: '' }, 'empty_path'],
  [{ path: 'a//b' }, 'empty_segment'],
  [{ path: 'a/~2' }, 'invalid_escape'],
  [{ path: 'a~' }, 'invalid_escape'],
  [{ path: 7 }, 'invalid_path'],
  [{ path: null, path_segments: [] }, 'empty_path'],
  [{ path: 'a', path_segments: ['a', 7] }, 'not_a_string'],
  [{ path: 'a', path_segments: 'a' }, 'not_a_list'],
  [{ path: 'a\u0000' }, 'invalid_segment'],
  [{ path: '_dust:last_seq' }, 'reserved_path'],
  [{ path: '_hf:schema/x' }, 'reserved_path'],
  [{ path: 'a', value: { '': 1 } }, 'empty_segment'],
];

/** How paths are written and refused (stores.md §2). */
export const paths: readonly Check[] = [
  {
    number: '5.1',
    title: 'a path that is none is refused with what is wrong with it',
    spec: '2.1.2',
    play: async (stage) => {
      const peer = await stage.joined();
      for (const [payload, reason] of wrong) {
        const request = { op: 'set', value: 1, client_op_id: stage.id(), ...payload };
        refused(await peer.ask('write', request), { reason });
      }
      const without = { op: 'set', value: 1, client_op_id: stage.id() };
      refused(await peer.ask('write', without), { reason: 'missing_path' });
    },
  },
  {
    number: '5.2',
    title: 'segments are written with ~0 and ~1, and path_segments win over path',
    spec: '2.1.1',
    play: async (stage) => {
      const peer = await stage.joined();
      const segments = [...stage.root.split('/'), 'a/b', '~', '%_*'];
      await peer.seq('set', 'ignored', { path_segments: segments, value: 1 });
      await peer.seq('merge', stage.root, { value: { 'c/d': 2 } });
      const written = [stage.path('a~1b/~0/%_*'), stage.path('c~1d')];
      same([...(await stage.read()).keys()], written, 'the paths');
    },
  },
  {
    number: '5.3',
    title: 'paths are compared exactly: letters that look alike are others',
    spec: '2.1.4',
    play: async (stage) => {
      const peer = await stage.joined();
      for (const name of ['users/1', 'Users/1', 'a%b/1', 'axb/1', 'é/1', 'e\u0301/1']) {
        await peer.put(stage.path(name), 1);
      }
      for (const name of ['users', 'a%b', 'é']) await peer.seq('delete', stage.path(name));
      const left = ['Users/1', 'axb/1', 'e\u0301/1'].map((name) => stage.path(name));
      same([...(await stage.read()).keys()], left, 'what is left');
    },
  },
  {
    number: '5.4',
    title: 'the limits that the join reply tells are those that hold',
    spec: '12.1',
    capver: 4,
    play: async (stage) => {
      const peer = await stage.connect();
      const { limits } = accepted(await peer.join(stage.whole()));
      await peer.caughtUp();
      const limit = (name: string): number => Number(Object(limits)[name]);
      const [segment, depth, size] = [
        limit('max_segment_bytes'),
        limit('max_depth'),
        limit('max_value_bytes'),
      ];
      await peer.put(stage.path('s'.repeat(segment)), 1);
      refused(await peer.write('set', stage.path('s'.repeat(segment + 1)), { value: 1 }), {
        reason: 'segment_too_long',
        limit: segment,
      });
      refused(await peer.write('set', stage.path(Array(depth).fill('d').join('/')), { value: 1 }), {
        reason: 'too_deep',
        limit: depth,
      });
      refused(await peer.write('set', stage.path('v'), { value: 'v'.repeat(size) }), {
        reason: 'value_too_large',
        limit: size,
      });
    },
  },
];
