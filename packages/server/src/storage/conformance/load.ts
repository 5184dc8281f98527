import assert from 'node:assert/strict';
import { asPath, comparePaths, type Path } from '@holdfast/protocol';
import type { Batch, LoggedOp } from '../port.ts';
import {
  batchOf,
  type Case,
  chunksOf,
  entry,
  mustStore,
  onStore,
  op,
  opsAfter,
  stateOf,
} from './subject.ts';

/** Paths on which orders by bytes, by UTF-16 units, by locale and by segments disagree. */
const oddPaths = [
  'a/b',
  'a-b',
  'a',
  'B',
  'ä',
  'a~1b',
  '\uffff',
  '😀',
  'a%b',
  'a_b',
  'A',
  'a b',
  '10',
  '9',
];

const removal = (seq: number, path: string, removed: LoggedOp['removed']): LoggedOp =>
  op(seq, { op: 'delete', path: asPath(path), value: null, removed });

const clearing = (...ops: LoggedOp[]): Batch => batchOf(ops, { entries: [] });

/** The law of `load` and `markers`. */
export const loadCases: readonly Case[] = [
  {
    name: 'a load yields entries and maps in the order of the UTF-8 bytes of their paths',
    run: onStore(async (storage, store) => {
      const ops = oddPaths.map((path, index) => op(index + 1, { path: asPath(path) }));
      const maps = oddPaths.map((path, index): [Path, number] => [asPath(path), index + 1]);
      await mustStore(storage, store, batchOf(ops, { maps }));
      const state = await stateOf(storage, store);
      const sorted = oddPaths.toSorted(comparePaths);
      assert.deepEqual(
        state.entries.map(({ path }) => path),
        sorted,
      );
      assert.deepEqual(
        state.maps.map(([path]) => path),
        sorted,
      );
    }),
  },
  {
    name: 'of each path the last leaf and map revision remain, and null removes them',
    run: onStore(async (storage, store) => {
      const [a, b, m] = [asPath('a'), asPath('b'), asPath('m')];
      await mustStore(
        storage,
        store,
        batchOf([op(1, { path: a }), op(2, { path: b })], {
          maps: [
            [m, 1],
            [a, 2],
          ],
        }),
      );
      await mustStore(storage, store, {
        ops: opsAfter(2, 2),
        entries: [
          [a, null],
          [b, { value: [1, { x: 'y' }], type: 'list', revision: 4 }],
        ],
        maps: [
          [m, 4],
          [a, null],
        ],
        answers: [],
      });
      assert.deepEqual(await stateOf(storage, store), {
        seq: 4,
        entries: [{ path: b, value: [1, { x: 'y' }], type: 'list', revision: 4 }],
        maps: [[m, 4]],
      });
    }),
  },
  {
    name: 'paths that differ in case or in wildcards of SQL are different paths',
    run: onStore(async (storage, store) => {
      const ops = ['Users', 'users', 'a%b', 'axb', 'a_b'].map((path, index) =>
        op(index + 1, { path: asPath(path) }),
      );
      await mustStore(storage, store, batchOf(ops));
      const drop = batchOf([removal(6, 'a_b', [])], {
        entries: [
          [asPath('a_b'), null],
          [asPath('users'), null],
        ],
      });
      await mustStore(storage, store, drop);
      const { entries } = await stateOf(storage, store);
      assert.deepEqual(
        entries.map(({ path }) => path),
        ['Users', 'a%b', 'axb'],
      );
    }),
  },
  {
    name: 'a load comes in chunks of at most 1000 rows that all show one seq, while appends go on',
    run: onStore(async (storage, store) => {
      await mustStore(storage, store, batchOf(opsAfter(0, 3500)));
      let next = 3501;
      let rows = 0;
      for await (const chunk of storage.load(store)) {
        assert(chunk.entries.length + chunk.maps.length <= 1000);
        assert.equal(chunk.seq, 3500);
        assert(chunk.entries.every(({ revision }) => revision <= 3500));
        rows += chunk.entries.length;
        // It would be seen by the next chunk, were that not of the same state.
        const last = asPath('items/999');
        await mustStore(storage, store, batchOf([op(next, { path: last }), op(next + 1)]));
        next += 2;
      }
      assert.equal(rows, 3500);
      assert.equal((await stateOf(storage, store)).seq, next - 1);
    }),
  },
  {
    name: 'a load that is broken off leaves the storage usable',
    run: onStore(async (storage, store) => {
      await mustStore(storage, store, batchOf(opsAfter(0, 2500)));
      for (let round = 0; round < 20; round++) {
        // oxlint-disable-next-line no-unreachable-loop, no-await-in-loop -- the point is to leave early
        for await (const chunk of storage.load(store)) {
          assert.equal(chunk.entries.length, 1000);
          break;
        }
      }
      assert.equal((await stateOf(storage, store)).entries.length, 2500);
    }),
  },
  {
    name: 'many loads at once all see the whole store',
    run: onStore(async (storage, store) => {
      await mustStore(storage, store, batchOf(opsAfter(0, 1200)));
      const loads = await Promise.all(Array.from({ length: 30 }, () => chunksOf(storage, store)));
      for (const chunks of loads) {
        assert.equal(
          chunks.reduce((sum, { entries }) => sum + entries.length, 0),
          1200,
        );
      }
    }),
  },
  {
    name: 'an op that removed leaves without writing them again leaves a clear marker',
    run: onStore(async (storage, store) => {
      const tree = asPath('t');
      await mustStore(
        storage,
        store,
        clearing(
          removal(1, 'gone', [entry('gone', 'x', 1)]),
          removal(2, 'nothing', []),
          op(3, { path: asPath('again'), removed: [entry('again', 'x', 1)] }),
          op(4, { path: tree, value: { k: { a: 1 } }, removed: [entry('t/k/a', 'x', 1)] }),
          op(5, { path: tree, value: { k: { b: 1 } }, removed: [entry('t/k/a', 'x', 1)] }),
          op(6, { op: 'release', path: asPath('lease'), removed: [entry('lease', 'x', 1)] }),
        ),
      );
      const markers = await storage.markers(store, 0, 10);
      assert.deepEqual(markers, [
        { path: 'gone', seq: 1 },
        { path: 't', seq: 5 },
        { path: 'lease', seq: 6 },
      ]);
      assert.deepEqual(await storage.markers(store, 1, 1), markers.slice(1, 2));
    }),
  },
  {
    name: 'a newer clear marker covers those at and below its path, and no others',
    run: onStore(async (storage, store) => {
      const names = ['p/a', 'p/a/b', 'p', 'p-', 'p0', 'P/a', 'p/z'];
      const removals = names.map((path, at) => removal(at + 1, path, [entry(path, 'x', 1)]));
      await mustStore(storage, store, clearing(...removals));
      await mustStore(storage, store, clearing(removal(8, 'p', [entry('p/c', 'x', 1)])));
      assert.deepEqual(await storage.markers(store, 0, 10), [
        { path: 'p-', seq: 4 },
        { path: 'p0', seq: 5 },
        { path: 'P/a', seq: 6 },
        { path: 'p', seq: 8 },
      ]);
    }),
  },
  {
    name: 'clear markers are kept for 90 days, and then no longer than need be',
    run: onStore(async (storage, store, clock) => {
      const day = 24 * 3_600_000;
      await mustStore(storage, store, clearing(removal(1, 'a', [entry('a', 'x', 1)])));
      clock.at += 89 * day;
      await mustStore(storage, store, clearing(removal(2, 'b', [entry('b', 'x', 1)])));
      assert.equal((await storage.markers(store, 0, 10)).length, 2);
      clock.at += 2 * day;
      await mustStore(storage, store, clearing(op(3)));
      assert.deepEqual(await storage.markers(store, 0, 10), [{ path: 'b', seq: 2 }]);
    }),
  },
];
