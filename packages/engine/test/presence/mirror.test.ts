import { PresenceMirror } from '@holdfast/engine/presence';
import fc from 'fast-check';
import { expect, test } from 'vitest';

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
