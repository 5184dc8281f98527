import { PresenceMirror } from '@holdfast/engine/presence';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { World } from './world.ts';

const meta = (ref: string, peer: string, state: object, more: object = {}): object => ({
  phx_ref: ref,
  device_id: 'd',
  peer,
  online_at: 1,
  state,
  ...more,
});

test('the list, then differences; who has not changed is the same object', () => {
  const mirror = new PresenceMirror();
  expect(mirror.take('presence_state', { ann: { metas: [meta('1', 't', { x: 1 })] } })).toBe(true);
  const first = mirror.peers;
  expect([...first]).toEqual([['ann/t', { key: 'ann', peer: 't', state: { x: 1 } }]]);
  const joins = { bob: { metas: [meta('2', 't', { x: 2 })] } };
  expect(mirror.take('presence_diff', { joins, leaves: {} })).toBe(true);
  expect(mirror.peers).not.toBe(first);
  expect(mirror.peers.get('ann/t')).toBe(first.get('ann/t'));
  const update = {
    joins: { ann: { metas: [meta('3', 't', { x: 3 }, { phx_ref_prev: '1' })] } },
    leaves: { ann: { metas: [meta('1', 't', { x: 1 })] } },
  };
  mirror.take('presence_diff', update);
  expect(mirror.peers.get('ann/t')?.state).toEqual({ x: 3 });
  mirror.take('presence_diff', { joins: {}, leaves: update.joins });
  expect([...mirror.peers.keys()]).toEqual(['bob/t']);
});

test('the same list again changes nothing; another one replaces everything', () => {
  const mirror = new PresenceMirror();
  const list = { ann: { metas: [meta('1', 't', { x: [1] })] } };
  mirror.take('presence_state', list);
  const { peers } = mirror;
  expect(mirror.take('presence_state', structuredClone(list))).toBe(false);
  expect(mirror.peers).toBe(peers);
  expect(mirror.take('presence_state', {})).toBe(true);
  expect(mirror.peers.size).toBe(0);
  expect(mirror.clear()).toBe(false);
});

test('keys of any name are keys, and what cannot be read is left out', () => {
  const mirror = new PresenceMirror();
  mirror.take(
    'presence_state',
    JSON.parse(`{"__proto__":{"metas":[${JSON.stringify(meta('1', 't', {}))}]}}`),
  );
  expect([...mirror.peers.keys()]).toEqual(['__proto__/t']);
  fc.assert(
    fc.property(
      fc.constantFrom('presence_state', 'presence_diff', 'x'),
      fc.anything(),
      (event, any) => {
        new PresenceMirror().take(event, any);
      },
    ),
  );
  mirror.take('presence_state', { a: { metas: [meta('1', 't', {}), { phx_ref: 7 }, null] }, b: 1 });
  expect([...mirror.peers.keys()]).toEqual(['a/t']);
});

test('given keys and peers with slashes, then nobody is taken for another', () => {
  const mirror = new PresenceMirror();
  mirror.take('presence_state', {
    'acme/ann': { metas: [meta('1', 't', { x: 1 })] },
    acme: { metas: [meta('2', 'ann/t', { x: 2 })] },
    'acme~1ann': { metas: [meta('3', 't', { x: 3 })] },
  });
  expect([...mirror.peers.values()].map(({ key, peer }) => [key, peer])).toEqual([
    ['acme/ann', 't'],
    ['acme', 'ann/t'],
    ['acme~1ann', 't'],
  ]);
});

test('whatever is shown anew, whoever has followed sees all in the order in which whoever comes then sees them (S85)', () => {
  const names = ['ann/t1', 'ann/t2', 'bob/t1', '7/t1', '__proto__/t1'];
  const deed = fc.record({ member: fc.nat(names.length - 1), state: fc.option(fc.nat(1)) });
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 30 }), (deeds) => {
      const world = new World();
      const node = world.node('a');
      const watcher = node.join(names.length, 'eve/t1');
      for (const [member, name] of names.entries()) node.join(member, name);
      const follower = new PresenceMirror();
      let heard = 0;
      for (const { member, state } of deeds) {
        if (state === null) node.step({ type: 'untrack', member });
        else node.track(member, { state });
        world.pass(1000);
        const before = follower.peers;
        for (const diff of watcher.diffs.slice(heard)) follower.take('presence_diff', diff);
        heard = watcher.diffs.length;
        const fresh = new PresenceMirror();
        fresh.take('presence_state', node.roster.list());
        expect([...follower.peers]).toEqual([...fresh.peers]);
        const isSame = JSON.stringify([...before]) === JSON.stringify([...follower.peers]);
        expect(follower.peers === before).toBe(isSame);
      }
    }),
  );
});
