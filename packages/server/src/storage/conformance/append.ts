import assert from 'node:assert/strict';
import { asPath, type Json } from '@holdfast/protocol';
import {
  batchOf,
  type Case,
  createStore,
  entry,
  mustStore,
  onStorage,
  onStore,
  op,
  opsAfter,
  reopened,
  start,
  stateOf,
} from './subject.ts';

const all = { ops: 10_000 };

/** The law of `append`, `open`, `read` and `compact`. */
export const appendCases: readonly Case[] = [
  {
    name: 'a new store stands at seq 0 with nothing in it',
    run: onStore(async (storage, store) => {
      assert.deepEqual(await storage.open(store), { head: 0, oldestSeq: 1, dedupeSince: 0 });
      assert.deepEqual(await storage.read(store, 0, all), []);
      assert.deepEqual(await stateOf(storage, store), { seq: 0, entries: [], maps: [] });
    }),
  },
  {
    name: 'what was stored is read back as it was, in seq order',
    run: onStore(async (storage, store) => {
      const ops = [
        op(1, { value: { deep: [1, null, { __proto__key: 'x' }], '': 'ä\u0000😀' } }),
        op(2, { op: 'increment', value: 7, arg: 3, tx: 3, principal: null }),
        op(3, { op: 'delete', value: null, tx: 3, removed: [entry('items/1', 'old', 1)] }),
        op(4, { clientOpId: 'with \u0000 and ü', deviceId: ' ' }),
      ];
      await mustStore(storage, store, batchOf(ops.slice(0, 3)));
      await mustStore(storage, store, batchOf(ops.slice(3)));
      assert.deepEqual(await storage.read(store, 0, all), ops);
      assert.deepEqual(await storage.read(store, 2, all), ops.slice(2));
      assert.equal((await storage.open(store))?.head, 4);
    }),
  },
  {
    name: 'a key named __proto__ is an ordinary key',
    run: onStore(async (storage, store) => {
      const value: Json = JSON.parse('{"__proto__":{"polluted":true}}');
      const written = batchOf([op(1, { value, path: asPath('__proto__') })]);
      await mustStore(storage, store, written);
      const [read] = await storage.read(store, 0, all);
      assert.equal(JSON.stringify(read?.value), '{"__proto__":{"polluted":true}}');
      assert.equal(Reflect.get({}, 'polluted'), undefined);
    }),
  },
  {
    name: 'an append that expects another head stores nothing and tells the head',
    run: onStore(async (storage, store) => {
      await mustStore(storage, store, batchOf(opsAfter(0, 2)));
      const late = await storage.append(store, 1, batchOf([op(2, { value: 'late' })]));
      assert.deepEqual(late, { status: 'behind', head: 2 });
      const early = await storage.append(store, 5, batchOf([op(6)]));
      assert.deepEqual(early, { status: 'behind', head: 2 });
      assert.equal((await storage.read(store, 0, all))[1]?.value, 'value 2');
      assert.equal((await stateOf(storage, store)).entries.length, 2);
    }),
  },
  {
    name: 'of several appends at once that expect one head exactly one is stored',
    run: onStore(async (storage, store) => {
      const values = Array.from({ length: 8 }, (_, index) => `writer ${index}`);
      const results = await Promise.all(
        values.map((value) => storage.append(store, 0, batchOf([op(1, { value })]))),
      );
      const stored = values.filter((_, index) => results[index]?.status === 'stored');
      assert.equal(stored.length, 1);
      assert.deepEqual(
        (await storage.read(store, 0, all)).map(({ value }) => value),
        stored,
      );
    }),
  },
  {
    name: 'appends of one turn to several stores neither order nor fail each other',
    run: onStorage(async (storage) => {
      const a = (await createStore(storage, 'acme/a')).id;
      const b = (await createStore(storage, 'acme/b')).id;
      const results = await Promise.allSettled([
        storage.append(a, 7, batchOf([op(8)])),
        storage.append(a, 0, batchOf([op(2)])),
        storage.append('no such store', 0, batchOf([op(1)])),
        storage.append(a, 0, batchOf(opsAfter(0, 3))),
        storage.append(b, 0, batchOf(opsAfter(0, 2))),
      ]);
      const outcomes = results.map((r) => (r.status === 'rejected' ? 'bug' : r.value.status));
      assert.deepEqual(outcomes, ['behind', 'bug', 'failed', 'stored', 'stored']);
      assert.equal((await storage.open(a))?.head, 3);
      assert.equal((await storage.open(b))?.head, 2);
    }),
  },
  {
    name: 'a batch without ops, or whose seqs do not follow the expected head, is a RangeError',
    run: onStore(async (storage, store) => {
      await assert.rejects(storage.append(store, 0, batchOf([])), RangeError);
      await assert.rejects(storage.append(store, 0, batchOf([op(2)])), RangeError);
      await assert.rejects(storage.append(store, 0, batchOf([op(1), op(3)])), RangeError);
      assert.equal((await storage.open(store))?.head, 0);
    }),
  },
  {
    name: 'a read returns at most so many ops or bytes, but never none where there are some',
    run: onStore(async (storage, store) => {
      const value = 'x'.repeat(1000);
      await mustStore(storage, store, batchOf(opsAfter(0, 20).map((o) => op(o.seq, { value }))));
      const seqs = async (ops: number, bytes?: number): Promise<number[]> =>
        (await storage.read(store, 5, bytes === undefined ? { ops } : { ops, bytes })).map(
          (o) => o.seq,
        );
      assert.deepEqual(await seqs(3), [6, 7, 8]);
      assert.deepEqual(await seqs(10, 1), [6]);
      assert.deepEqual(await seqs(10, 2500), [6, 7]);
      assert.deepEqual(await storage.read(store, 20, all), []);
    }),
  },
  {
    name: 'compaction forgets the oldest ops, at most so many, and changes no read of the state',
    run: onStore(async (storage, store) => {
      await mustStore(storage, store, batchOf(opsAfter(0, 10)));
      const before = await stateOf(storage, store);
      assert.equal(await storage.compact(store, 6, 4), 5);
      assert.equal(await storage.compact(store, 6, 4), 7);
      assert.equal(await storage.compact(store, 6, 4), 7);
      assert.equal((await storage.open(store))?.oldestSeq, 7);
      assert.deepEqual(
        (await storage.read(store, 0, all)).map(({ seq }) => seq),
        [7, 8, 9, 10],
      );
      assert.deepEqual(
        (await storage.read(store, 8, all)).map(({ seq }) => seq),
        [9, 10],
      );
      assert.deepEqual(await stateOf(storage, store), before);
      assert.equal(await storage.compact(store, 99, 99), 11);
      assert.deepEqual(await storage.open(store), { head: 10, oldestSeq: 11, dedupeSince: 0 });
      await mustStore(storage, store, batchOf([op(11)]));
      assert.deepEqual(
        (await storage.read(store, 0, all)).map(({ seq }) => seq),
        [11],
      );
    }),
  },
  {
    name: 'a store that does not exist is null, empty or failed, never an error',
    run: onStorage(async (storage) => {
      assert.equal(await storage.open('none'), null);
      assert.deepEqual(await storage.read('none', 0, all), []);
      assert.deepEqual(await storage.markers('none', 0, 10), []);
      const found = await storage.answers('none', { ids: [], clients: ['device:session'] });
      assert.equal(found.highs.size, 0);
      assert.equal((await storage.append('none', 0, batchOf([op(1)]))).status, 'failed');
      for await (const chunk of storage.load('none')) assert.fail(`a chunk at ${chunk.seq}`);
    }),
  },
  {
    name: 'what was asked for before close is done, and appends after it fail',
    reopens: true,
    run: async (subject) => {
      const clock = { at: start };
      const storage = await subject.open(() => clock.at);
      const { id } = await createStore(storage, 'acme/app');
      const asked = storage.append(id, 0, batchOf(opsAfter(0, 3)));
      await storage.close();
      assert.deepEqual(await asked, { status: 'stored' });
      assert.equal((await storage.append(id, 3, batchOf([op(4)]))).status, 'failed');
      await assert.rejects(storage.open(id), { name: 'StorageError' });
      await assert.rejects(storage.read(id, 0, all), { name: 'StorageError' });
      const again = await reopened(subject, clock);
      assert.deepEqual(await again.read(id, 0, all), opsAfter(0, 3));
      await again.close();
    },
  },
];
