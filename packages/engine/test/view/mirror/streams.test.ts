import type { Mirror } from '@holdfast/engine/mirror';
import type { Json, JsonObject } from '@holdfast/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fresh } from './arbitrary.ts';
import { envelope, joined, node, root, rootId, showing, whole } from './harness.ts';

const insert = (key: string, item: Json, at = -1, limit: number | null = null): object => ({
  op: 'insert',
  stream: 'log',
  ref: '0',
  store_id: [],
  item_key: key,
  at,
  item,
  limit,
});
const reset = { op: 'reset', stream: 'log', ref: '0', store_id: [] };
const deletion = (key: string): object => ({ ...reset, op: 'delete', item_key: key });
const streaming = node([], { log: { __musubi_stream__: 'log' } });
const log = (mirror: Mirror): unknown => (mirror.snapshot(root) as JsonObject)['log'];

const logged = (...ops: readonly object[]): unknown => {
  const mirror = showing(streaming);
  expect(mirror.take(envelope(1, 2, { stream_ops: ops }))).toEqual([]);
  return log(mirror);
};

describe('the streams of a mirror', () => {
  it('V39 an existing key is removed first, then placed in the shorter list', () => {
    const abc = [insert('a', 'a'), insert('b', 'b'), insert('c', 'c')];
    expect(logged(...abc, insert('a', 'A', 2))).toEqual(['b', 'c', 'A']);
    expect(logged(...abc, insert('x', 'x', 1))).toEqual(['a', 'x', 'b', 'c']);
    expect(logged(...abc, insert('x', 'x', 0))).toEqual(['x', 'a', 'b', 'c']);
    expect(logged(...abc, insert('x', 'x', 9))).toEqual(['a', 'b', 'c', 'x']);
    expect(logged(...abc, insert('x', 'x', -7))).toEqual(['x', 'a', 'b', 'c']);
  });

  it('V39 a limit cuts the front, at 0 the end; 0 empties; the sign does not count', () => {
    const ab = [insert('a', 'a'), insert('b', 'b')];
    for (const limit of [2, -2]) {
      expect(logged(...ab, insert('c', 'c', -1, limit))).toEqual(['b', 'c']);
      expect(logged(...ab, insert('c', 'c', 0, limit))).toEqual(['c', 'a']);
    }
    expect(logged(...ab, insert('c', 'c', 1, 2))).toEqual(['c', 'b']);
    expect(logged(...ab, insert('c', 'c', -1, 0))).toEqual([]);
    // What was cut is not there any more.
    expect(
      logged(...ab, insert('c', 'c', -1, 2), { ...reset, op: 'delete', item_key: 'a' }),
    ).toEqual(['b', 'c']);
  });

  it('V40 delete and insert of a key leave it there, insert and reset nothing', () => {
    const del = { ...reset, op: 'delete', item_key: 'a' };
    expect(logged(insert('a', 1), del, insert('a', 2))).toEqual([2]);
    expect(logged(insert('a', 1), reset)).toEqual([]);
  });

  it('follow the rules of a list that is kept naively', () => {
    const op = fc.oneof(
      { weight: 1, arbitrary: fc.constant(reset) },
      {
        weight: 3,
        arbitrary: fc.constantFrom('a', 'b', 'c').map((key) => deletion(key)),
      },
      {
        weight: 8,
        arbitrary: fc
          .tuple(
            fc.constantFrom('a', 'b', 'c', 'd', 'e'),
            fc.integer({ min: -2, max: 6 }),
            fc.option(fc.integer({ min: -4, max: 4 })),
          )
          .map(([key, at, limit]) => insert(key, { key }, at, limit)),
      },
    );
    fc.assert(
      fc.property(fc.array(fc.array(op, { maxLength: 6 }), { maxLength: 5 }), (cycles) => {
        const mirror = showing(streaming);
        let list: string[] = [];
        for (const [n, ops] of cycles.entries()) {
          for (const each of ops) list = naively(list, each);
          expect(mirror.take(envelope(n + 1, n + 2, { stream_ops: ops }))).toEqual([]);
          expect(log(mirror)).toEqual(list.map((key) => ({ key })));
        }
      }),
    );
  });

  it('V42 a node that vanishes and returns has an empty stream; so has a root that was mounted anew', () => {
    const child = node(['child'], { log: { __musubi_stream__: 'log' } });
    const mirror = showing(node([], { child }));
    const own = { ...insert('a', 1), store_id: ['child'] };
    expect(mirror.take(envelope(1, 2, { stream_ops: [own] }))).toEqual([]);
    expect(mirror.snapshot(root)).toEqual({ child: { log: [1] } });
    mirror.take(envelope(2, 3, { ops: [{ op: 'replace', path: '/child', value: null }] }));
    mirror.take(envelope(3, 4, { ops: [{ op: 'replace', path: '/child', value: child }] }));
    expect(mirror.snapshot(root)).toEqual({ child: { log: [] } });
    mirror.take(envelope(4, 5, { stream_ops: [own] }));
    mirror.joined({ rootId, capver: 4, resumed: false });
    mirror.take(whole(node([], { child })));
    expect(mirror.snapshot(root)).toEqual({ child: { log: [] } });
  });

  it('V77 a mount with an equal tree and equal seeds leaves the snapshot as it is', () => {
    const seed = [reset, insert('a', { id: 1 }), insert('b', { id: 2 })];
    const first = { ops: [{ op: 'replace', path: '', value: streaming }], stream_ops: seed };
    const mirror = joined();
    expect(mirror.take(envelope(0, 1, fresh(first)))).toEqual([]);
    const before = mirror.snapshot(root);
    mirror.joined({ rootId, capver: 4, resumed: false });
    expect(mirror.take(envelope(0, 1, fresh(first)))).toEqual([]);
    expect(mirror.snapshot(root)).toBe(before);
    mirror.take(envelope(1, 2, { stream_ops: [insert('c', 3)] }));
    const [one] = log(mirror) as Json[];
    expect(one).toBe(((before as JsonObject)['log'] as Json[])[0]);
  });

  it('V20 an item that comes is shown without a look at the rest of the tree', () => {
    const rest = Array.from({ length: 200 }, (_, n) =>
      node([`${n}`], { rows: Array.from({ length: 50 }, () => ({ n })) }),
    );
    const mirror = showing(node([], { rest, log: { __musubi_stream__: 'log' } }));
    const before = mirror.snapshot(root) as JsonObject;
    mirror.take(envelope(1, 2, { stream_ops: [insert('a', 1)] }));
    const after = mirror.snapshot(root) as JsonObject;
    expect([after['rest'] === before['rest'], after === before]).toEqual([true, false]);
  });
});

function naively(list: readonly string[], op: object): string[] {
  const {
    op: name,
    item_key: key,
    at,
    limit,
  } = op as { op: string; item_key: string; at: number; limit: number | null };
  if (name === 'reset') return [];
  const rest = list.filter((each) => each !== key);
  if (name === 'delete') return rest;
  const index = at === -1 ? rest.length : Math.max(0, Math.min(at, rest.length));
  const next = [...rest.slice(0, index), key, ...rest.slice(index)];
  const most = limit === null ? Infinity : Math.abs(limit);
  if (next.length <= most) return next;
  if (most === 0) return [];
  return at === 0 ? next.slice(0, most) : next.slice(-most);
}
