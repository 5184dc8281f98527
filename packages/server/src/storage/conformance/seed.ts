import assert from 'node:assert/strict';
import { asPath, asStoreName, type Seq } from '@holdfast/protocol';
import type { LoadChunk, NewStore } from '../port.ts';
import {
  batchOf,
  type Case,
  createStore,
  entry,
  mustStore,
  onStorage,
  op,
  reopened,
  start,
  stateOf,
} from './subject.ts';

const copy = (fields: Partial<NewStore> = {}): NewStore => ({
  id: 'id of acme/copy',
  name: asStoreName('acme/copy'),
  incarnation: 'second',
  expiresAt: null,
  ...fields,
});

const state = (seq: Seq): LoadChunk[] => [
  { seq, entries: [entry('a', 'x', 3), entry('m/b', 'y', 5)], maps: [] },
  { seq, entries: [], maps: [[asPath('m'), 7]] },
];

async function* streamed(chunks: readonly LoadChunk[]): AsyncIterable<LoadChunk> {
  yield* chunks;
}

async function* broken(): AsyncIterable<LoadChunk> {
  yield { seq: 9, entries: [entry('a', 'x', 3)], maps: [] };
  throw new Error('the source is gone');
}

const hash = `sha256:${'a'.repeat(64)}`;
const file: LoadChunk = {
  seq: 4,
  entries: [
    { path: asPath('f'), value: { _type: 'file', hash, size: 12 }, type: 'file', revision: 2 },
  ],
  maps: [],
};

/** The law of `stores.seed`, and of how many stores an org may have. */
export const seedCases: readonly Case[] = [
  {
    name: 'a seeded store begins with the state and at its seq, without a log, and goes on from there',
    run: onStorage(async (storage) => {
      const row = await storage.stores.seed(copy(), streamed(state(9)));
      assert.equal(row?.status, 'active');
      assert.equal(row.incarnation, 'second');
      assert.deepEqual(await storage.stores.find(row.name), row);
      assert.deepEqual(await storage.open(row.id), { head: 9, oldestSeq: 10, dedupeSince: 0 });
      assert.deepEqual(await stateOf(storage, row.id), {
        seq: 9,
        entries: state(9)[0]?.entries,
        maps: [['m', 7]],
      });
      assert.deepEqual(await storage.read(row.id, 0, { ops: 10 }), []);
      await mustStore(storage, row.id, batchOf([op(10)]));
      assert.equal((await stateOf(storage, row.id)).entries.length, 3);
      assert.equal((await storage.read(row.id, 9, { ops: 10 })).length, 1);
    }),
  },
  {
    name: 'a seeded store keeps what it was seeded with under many appends',
    run: onStorage(async (storage) => {
      const { id = '' } = (await storage.stores.seed(copy(), streamed(state(9)))) ?? {};
      for (let seq = 10; seq < 50; seq++) {
        // oxlint-disable-next-line no-await-in-loop -- one append follows the other
        await mustStore(storage, id, batchOf([op(seq)]));
      }
      const { entries, maps } = await stateOf(storage, id);
      assert.equal(entries.length, 42);
      assert.equal(maps.length, 1);
    }),
  },
  {
    name: 'a seed that breaks off leaves no store behind, and its name free',
    run: onStorage(async (storage) => {
      await assert.rejects(storage.stores.seed(copy(), broken()), /the source is gone/);
      assert.equal(await storage.stores.find(copy().name), null);
      assert.equal(await storage.open(copy().id), null);
      const row = await storage.stores.seed(copy(), streamed(state(9)));
      assert.equal((await stateOf(storage, row?.id ?? '')).entries.length, 2);
    }),
  },
  {
    name: 'a seed under a name that is taken is refused, and so is one that comes second',
    run: onStorage(async (storage) => {
      const taken = await createStore(storage, 'acme/copy');
      assert.equal(await storage.stores.seed(copy({ id: 'other' }), streamed(state(9))), null);
      assert.deepEqual(await storage.open(taken.id), { head: 0, oldestSeq: 1, dedupeSince: 0 });
      const name = asStoreName('acme/raced');
      const rows = await Promise.all(
        ['one', 'two'].map((id) => storage.stores.seed(copy({ id, name }), streamed(state(9)))),
      );
      assert.equal(rows.filter((row) => row !== null).length, 1);
      const row = await storage.stores.find(name);
      assert.equal((await stateOf(storage, row?.id ?? '')).entries.length, 2);
    }),
  },
  {
    name: 'an org has at most as many stores as the maker allows, archived ones included',
    run: onStorage(async (storage) => {
      const { id } = await createStore(storage, 'acme/one');
      await createStore(storage, 'acmes/other');
      await storage.stores.archive(id);
      const make = (name: string, most: number) =>
        storage.stores.create({ ...copy(), id: name, name: asStoreName(name), most });
      assert.equal(await make('acme/two', 1), null);
      assert.notEqual(await make('acme/two', 2), null);
      assert.equal(await storage.stores.seed(copy({ most: 2 }), streamed(state(9))), null);
      assert.notEqual(await storage.stores.seed(copy({ most: 3 }), streamed(state(9))), null);
    }),
  },
  {
    name: 'content that a seeded store names is held by it and in use',
    run: onStorage(async (storage, clock) => {
      assert.equal(await storage.files.condemn(hash), 'free');
      const row = await storage.stores.seed(copy(), streamed([file]));
      const id = row?.id ?? '';
      assert.equal(await storage.files.held(id, hash), 12);
      assert.equal(await storage.files.usage(id), 12);
      clock.at += 25 * 3_600_000;
      assert.equal(await storage.files.condemn(hash), 'named');
    }),
  },
  {
    name: 'a seeded store is there after a restart',
    reopens: true,
    run: async (subject) => {
      const clock = { at: start };
      const storage = await subject.open(() => clock.at);
      const row = await storage.stores.seed(copy(), streamed(state(9)));
      await storage.close();
      const again = await reopened(subject, clock);
      assert.equal((await stateOf(again, row?.id ?? '')).seq, 9);
      await again.close();
    },
  },
];
