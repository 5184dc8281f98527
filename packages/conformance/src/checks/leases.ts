import type { Check } from '../check.ts';
import { integerOf, opsIn } from '../frames.ts';
import { accepted, refused } from '../peer.ts';
import { demand, same } from '../violation.ts';

/** Locks that end by themselves (stores.md §5.2). */
export const leases: readonly Check[] = [
  {
    number: '8.1',
    title: 'a lease is acquired with its seq as token, and is held for everybody else',
    spec: '5.2',
    play: async (stage) => {
      const peer = await stage.joined();
      const path = stage.path('lock');
      const reply = accepted(await peer.write('lease', path, { ttl_ms: 60_000, holder: 'ada' }));
      const [seq, expiresAt] = [integerOf(reply, 'store_seq'), integerOf(reply, 'expires_at')];
      same(reply['token'], seq, 'the token');
      same(reply['holder'], 'ada', 'the holder');
      const other = await stage.joined();
      refused(await other.write('lease', path, { holder: 'bob' }), {
        reason: 'held',
        holder: 'ada',
        expires_at: expiresAt,
      });
      const { value, type } = (await stage.read()).get(path) ?? {};
      const lease = { _type: 'lease', holder: 'ada', token: seq, expires_at: expiresAt };
      same([value, type], [lease, 'lease'], 'the leaf');
      await peer.seq('release', path, { token: seq });
    },
  },
  {
    number: '8.2',
    title: 'a lease is renewed and released by its token only',
    spec: '5.2',
    play: async (stage) => {
      const peer = await stage.joined();
      const path = stage.path('lock');
      const token = await peer.seq('lease', path, { ttl_ms: 30_000, holder: 'ada' });
      const renewed = accepted(await peer.write('renew', path, { token, ttl_ms: 60_000 }));
      same([renewed['token'], renewed['holder']], [token, 'ada'], 'what renew keeps');
      refused(await peer.write('renew', path, { token: token + 1 }), { reason: 'not_held' });
      const wrong = accepted(await peer.write('release', path, { token: token + 1 }));
      same(wrong, { released: false }, 'the answer to a release that matches nothing');
      const seq = await peer.seq('release', path, { token });
      same(seq, integerOf(renewed, 'store_seq') + 1, 'the seq of the release');
      refused(await peer.write('renew', path, { token }), { reason: 'not_held' });
      same((await stage.read()).size, 0, 'how many leaves are left');
    },
  },
  {
    number: '8.3',
    title: 'a live lease is not overwritten or removed, from above or below, but by its holder',
    spec: '5.2.3',
    play: async (stage) => {
      const peer = await stage.joined();
      const path = stage.path('locks/a');
      const token = await peer.seq('lease', path, { ttl_ms: 60_000 });
      for (const [op, at] of [
        ['set', path],
        ['delete', path],
        ['delete', stage.path('locks')],
        ['set', `${path}/below`],
        ['set', stage.path('locks')],
      ] as const) {
        refused(await peer.write(op, at, { value: 1 }), { reason: 'held' });
      }
      await peer.seq('delete', path, { fence: { key: path, token } });
    },
  },
  {
    number: '8.4',
    title: 'lease requests that are wrong are refused',
    spec: '5.2.1',
    play: async (stage) => {
      const peer = await stage.joined();
      await peer.put(stage.path('leaf'), 1);
      const ttl = { reason: 'invalid_ttl' };
      for (const value of [0, 86_400_001, 1.5, '1000']) {
        refused(await peer.write('lease', stage.path('x'), { ttl_ms: value }), ttl);
      }
      const shape = { reason: 'invalid_lease_op' };
      refused(await peer.write('lease', stage.path('x'), { holder: 7 }), shape);
      refused(await peer.write('lease', stage.path('x'), { holder: 'x'.repeat(257) }), shape);
      refused(await peer.write('renew', stage.path('x'), { token: '1' }), shape);
      refused(await peer.write('lease', stage.path('leaf')), { reason: 'occupied' });
    },
  },
  {
    number: '8.5',
    title: 'a lease that nobody renews ends, can be had by others, and capver 4 is told',
    spec: '5.2.2',
    play: async (stage) => {
      const [peer, other] = [await stage.joined(), await stage.joined({ capver: '4' })];
      const path = stage.path('lock');
      const token = await peer.seq('lease', path, { ttl_ms: 30 });
      const frames = await other.until((frame) => frame[3] === 'lease_expired', 'lease_expired');
      same(
        frames.at(-1),
        [null, null, stage.topic, 'lease_expired', { path, token }],
        'what is told',
      );
      const next = await other.seq('lease', path, { ttl_ms: 60_000 });
      demand(next > token, `the next token is ${next}`);
      same(opsIn(frames).length, 1, 'how many ops an end takes');
      same(next, token + 1, 'the seq after it');
      await other.seq('release', path, { token: next });
    },
  },
];
