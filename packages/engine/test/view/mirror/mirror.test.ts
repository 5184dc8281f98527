import { nodeKey } from '@holdfast/engine/mirror';
import type { Json, JsonObject } from '@holdfast/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fresh, roots, roughDiff } from './arbitrary.ts';
import { envelope, joined, node, root, rootId, showing, whole } from './harness.ts';

describe('the mirror of a view', () => {
  it('V18 shows the tree of the server after each envelope, whatever changed in it', () => {
    fc.assert(
      fc.property(fc.array(roots, { minLength: 2, maxLength: 6 }), (trees) => {
        const mirror = joined();
        let [was, version]: [Json, number] = [null, 0];
        for (const tree of trees) {
          const ops =
            version === 0
              ? [{ op: 'replace', path: '', value: fresh(tree) }]
              : roughDiff(was, tree);
          expect(mirror.take(envelope(version, version + 1, { ops }))).toEqual([]);
          expect(mirror.tree).toEqual(tree);
          [was, version] = [tree, version + 1];
        }
      }),
    );
  });

  it('shows plain data: nodes without marks, streams as lists, uploads and async values as states', () => {
    const mirror = showing(
      node([], {
        child: node(['child'], { a: 1 }),
        log: { __musubi_stream__: 'log' },
        file: { __musubi_upload__: 'file' },
        profile: { __musubi_async__: true, status: 'failed', result: null, reason: { kind: 'x' } },
        both: { __musubi_stream__: 'log', more: 1 },
      }),
    );
    expect(mirror.snapshot(root)).toEqual({
      child: { a: 1 },
      log: [],
      file: { config: null, status: 'idle', entries: [], errors: [], progress: 0 },
      profile: { status: 'failed', data: null, error: { kind: 'x' } },
      both: { __musubi_stream__: 'log', more: 1 },
    });
    expect(mirror.snapshot(nodeKey(['child']))).toEqual({ a: 1 });
    expect(mirror.snapshot(nodeKey(['other']))).toBe(undefined);
    expect(Object.isFrozen(mirror.snapshot(root))).toBe(true);
  });

  it('V16 keeps the identity of all that is equal: nodes, members and elements, by identity or place', () => {
    fc.assert(
      fc.property(roots, roots, (one, two) => {
        const mirror = showing(one);
        const before = mirror.snapshot(root);
        const nodes = nodesOf(one).map((key) => [key, mirror.snapshot(key)] as const);
        // A whole tree, as after a join that was not resumed.
        expect(mirror.take(whole(two, 0, 2))).toEqual([]);
        expectShared(mirror.snapshot(root) as Json, before as Json);
        for (const [key, was] of nodes) {
          const now = mirror.snapshot(key);
          if (now !== undefined) expectShared(now, was as Json);
        }
        for (const key of nodesOf(one)) expect(mirror.has(key)).toBe(nodesOf(two).includes(key));
        const same = mirror.snapshot(root);
        expect(mirror.take(whole(two, 0, 3))).toEqual([]);
        expect(mirror.snapshot(root)).toBe(same);
      }),
    );
  });

  it('V16 of 1000 children one is moved to the front: all snapshots stay, the moved one too', () => {
    const children = Array.from({ length: 1000 }, (_, n) => node([`${n}`], { n }));
    const mirror = showing(node([], { list: children }));
    const before = children.map((_, n) => mirror.snapshot(nodeKey([`${n}`])));
    const moved = [
      { op: 'remove', path: '/list/999' },
      { op: 'add', path: '/list/0', value: fresh(children[999]) },
    ];
    expect(mirror.take(envelope(1, 2, { ops: moved }))).toEqual([]);
    expect(children.map((_, n) => mirror.snapshot(nodeKey([`${n}`])))).toEqual(before);
    for (const [n, was] of before.entries()) expect(mirror.snapshot(nodeKey([`${n}`]))).toBe(was);
    expect(((mirror.snapshot(root) as JsonObject)['list'] as Json[])[0]).toBe(before[999]);
  });

  it.each([
    [
      'an unknown op',
      {
        ops: [
          { op: 'replace', path: '/a', value: 2 },
          { op: 'move', path: '/a' },
        ],
      },
    ],
    [
      'a bad index',
      {
        ops: [
          { op: 'replace', path: '/a', value: 2 },
          { op: 'remove', path: '/l/7' },
        ],
      },
    ],
    ['no value', { ops: [{ op: 'replace', path: '/a' }] }],
    ['no stream ops', { stream_ops: undefined, ops: [{ op: 'replace', path: '/a', value: 2 }] }],
    ['another root', { root_id: 'App:other', ops: [{ op: 'replace', path: '/a', value: 2 }] }],
    ['a gap', { base_version: 2, version: 3 }],
    ['an envelope of before', { base_version: 0, version: 1 }],
    [
      'a private envelope that changes the tree',
      { version: 1, ops: [{ op: 'add', path: '/a', value: 2 }] },
    ],
  ])('V19 nothing of an envelope is visible that has %s', (_, wrong) => {
    const mirror = showing(node([], { a: 1, l: [] }));
    const before = mirror.snapshot(root);
    expect(mirror.take({ ...envelope(1, 2), ...wrong })).toBe(null);
    expect([mirror.version, mirror.tree]).toEqual([1, node([], { a: 1, l: [] })]);
    expect(mirror.snapshot(root)).toBe(before);
    expect(mirror.take(envelope(1, 2, { ops: [{ op: 'replace', path: '/a', value: 2 }] }))).toEqual(
      [],
    );
  });

  it('refuses what is nested beyond all walking, and stays as it was', () => {
    const mirror = showing(node([], { a: 1 }));
    let deep: Json = 1;
    for (let n = 0; n < 100_000; n++) deep = [deep];
    expect(mirror.take(envelope(1, 2, { ops: [{ op: 'add', path: '/b', value: deep }] }))).toBe(
      null,
    );
    expect(mirror.tree).toEqual(node([], { a: 1 }));
  });

  it('given a first envelope that it cannot walk to the end, then nothing of it is noted', () => {
    const uploads = [{ op: 'reset', store_id: [], upload: 'file' }];
    const seen = new Set<boolean>();
    for (let depth = 500; depth < 20_000; depth = Math.ceil(depth * 1.02)) {
      const mirror = joined();
      let deep: Json = 1;
      for (let n = 0; n < depth; n++) deep = [deep];
      const ops = [{ op: 'replace', path: '', value: node([], { deep }) }];
      const isTaken = mirror.take(envelope(0, 1, { ops, upload_ops: uploads })) !== null;
      seen.add(isTaken);
      const isNoted = [mirror.version === 1, mirror.tree !== undefined, mirror.wantsReader];
      expect([depth, ...isNoted]).toEqual([depth, isTaken, isTaken, isTaken]);
    }
    expect(seen).toEqual(new Set([true, false]));
  });

  it('takes steps, whole trees and private envelopes of a capver 4 server, from a Musubi server only steps', () => {
    const mirror = joined();
    expect(mirror.take(envelope(0, 1))).toBe(null);
    expect(mirror.take(whole({ a: 1 }, 0, 7))).toEqual([]);
    expect(
      mirror.take(envelope(7, 7, { events: [{ store_id: [], name: 'x', payload: 1 }] })),
    ).toHaveLength(1);
    expect(mirror.take(whole({ a: 2 }, 0, 6))).toBe(null);
    expect(mirror.take(whole({ a: 2 }, 0, 7))).toEqual([]);
    expect(mirror.take(whole({ a: 3 }, 0, 9))).toEqual([]);
    const other = joined(0);
    expect(other.take(whole({ a: 1 }, 0, 7))).toBe(null);
    expect(other.take(whole({ a: 1 }))).toEqual([]);
    expect(other.take(envelope(1, 1, { events: [] }))).toBe(null);
    expect(other.take(whole({ a: 2 }, 0, 2))).toBe(null);
    expect(other.take(envelope(1, 2))).toEqual([]);
  });

  it('goes on at its version after a join that was resumed, and begins anew after one that was not', () => {
    const mirror = showing({ a: 1 });
    mirror.joined({ rootId, capver: 4, resumed: true });
    expect(mirror.take(envelope(1, 2))).toEqual([]);
    mirror.joined({ rootId, capver: 4, resumed: false });
    expect(mirror.take(envelope(2, 3))).toBe(null);
    expect(mirror.take(whole({ a: 2 }))).toEqual([]);
    expect(mirror.version).toBe(1);
  });
});

function nodesOf(tree: Json): string[] {
  if (typeof tree !== 'object' || tree === null) return [];
  const id = (tree as JsonObject)['__musubi_store_id__'];
  return [
    ...(id === undefined ? [] : [JSON.stringify(id)]),
    ...Object.values(tree).flatMap(nodesOf),
  ];
}

/** Whatever is equal at the same member is the same. */
function expectShared(now: Json, was: Json): void {
  if (typeof now !== 'object' || now === null) return;
  if (JSON.stringify(sorted(now)) === JSON.stringify(sorted(was))) {
    expect(now).toBe(was);
    return;
  }
  if (Array.isArray(now) || typeof was !== 'object' || was === null || Array.isArray(was)) return;
  for (const [name, value] of Object.entries(now)) {
    const before = Object.getOwnPropertyDescriptor(was, name)?.value as Json;
    if (before !== undefined) expectShared(value, before);
  }
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value as JsonObject).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return ['object', ...members.map(([name, inside]) => [name, sorted(inside)])];
}
