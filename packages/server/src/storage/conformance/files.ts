import assert from 'node:assert/strict';
import { asPath, type Json, type Leaf, type Seq } from '@holdfast/protocol';
import type { Batch, FileContent, LoggedOp, Storage } from '../port.ts';
import {
  type Case,
  createStore,
  mustStore,
  onStorage,
  onStore,
  op,
  reopened,
  start,
} from './subject.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const a: FileContent = { hash: `sha256:${'a'.repeat(64)}`, size: 100 };
const b: FileContent = { hash: `sha256:${'b'.repeat(64)}`, size: 7 };

/** The value of a file entry. */
function file({ hash, size }: FileContent): Json {
  const at = '2027-01-15T08:00:00Z';
  return { _type: 'file', hash, size, content_type: 'text/plain', filename: null, uploaded_at: at };
}

function leafOf(content: FileContent, revision: Seq): Leaf {
  return { value: file(content), type: 'file', revision };
}

/** The batch of an op that writes a file at a path. */
function putting(seq: Seq, path: string, content: FileContent): Batch {
  const ops = [op(seq, { op: 'put_file', path: asPath(path), value: file(content) })];
  return { ops, entries: [[asPath(path), leafOf(content, seq)]], maps: [], answers: [] };
}

/** The batch of an op that removes the file at a path. */
function removing(seq: Seq, path: string, content: FileContent): Batch {
  const at = asPath(path);
  const removed = [{ path: at, ...leafOf(content, seq - 1) }];
  const gone: LoggedOp = op(seq, { op: 'delete', path: at, value: null, removed });
  return { ops: [gone], entries: [[at, null]], maps: [], answers: [] };
}

async function placesOf(storage: Storage, hash: string, org: string): Promise<readonly string[]> {
  const places: string[] = [];
  for await (const { store, path, value } of storage.files.places(hash, org)) {
    assert.equal(JSON.stringify(value).includes(hash), true);
    places.push(`${store.name} ${path}`);
  }
  return places.toSorted();
}

/** The law of the table of files. */
export const fileCases: readonly Case[] = [
  {
    name: 'a store holds what a current entry or a retained op names, and nothing else',
    run: onStore(async (storage, store) => {
      const other = await createStore(storage, 'acme/other');
      assert.equal(await storage.files.held(store, a.hash), null);
      await mustStore(storage, store, putting(1, 'docs/a', a));
      assert.equal(await storage.files.held(store, a.hash), 100);
      assert.equal(await storage.files.held(other.id, a.hash), null);
      assert.equal(await storage.files.held('none', a.hash), null);
      await mustStore(storage, store, removing(2, 'docs/a', a));
      assert.equal(await storage.files.held(store, a.hash), 100);
      await storage.compact(store, 1, 10);
      // The op that removed it can still be undone.
      assert.equal(await storage.files.held(store, a.hash), 100);
      await storage.compact(store, 2, 10);
      assert.equal(await storage.files.held(store, a.hash), null);
    }),
  },
  {
    name: 'files anywhere in a value are named by its op, and entries outlive their ops',
    run: onStore(async (storage, store) => {
      const value = { deep: { a: file(a), text: '"_type":"file"' }, b: file(b) };
      const ops = [op(1, { path: asPath('x'), value })];
      const entries = [
        [asPath('x/deep/a'), leafOf(a, 1)],
        [asPath('x/b'), leafOf(b, 1)],
      ] as const;
      await mustStore(storage, store, { ops, entries, maps: [], answers: [] });
      await mustStore(storage, store, {
        ops: [op(2, { path: asPath('t'), value: '{"_type":"file"}' })],
        entries: [],
        maps: [],
        answers: [],
      });
      assert.equal(await storage.files.held(store, b.hash), 7);
      await storage.compact(store, 2, 10);
      assert.equal(await storage.files.held(store, a.hash), 100);
      assert.equal(await storage.files.held(store, b.hash), 7);
    }),
  },
  {
    name: 'usage counts each content of current entries once',
    run: onStore(async (storage, store) => {
      assert.equal(await storage.files.usage(store), 0);
      await mustStore(storage, store, putting(1, 'one', a));
      await mustStore(storage, store, putting(2, 'two', a));
      await mustStore(storage, store, putting(3, 'three', b));
      assert.equal(await storage.files.usage(store), 107);
      await mustStore(storage, store, removing(4, 'one', a));
      assert.equal(await storage.files.usage(store), 107);
      await mustStore(storage, store, removing(5, 'two', a));
      assert.equal(await storage.files.usage(store), 7);
      assert.equal(await storage.files.usage('none'), 0);
    }),
  },
  {
    name: 'an upload counts as held in its store for 24 hours',
    run: onStore(async (storage, store, clock) => {
      const other = await createStore(storage, 'acme/other');
      assert.equal(await storage.files.spare(a, store), true);
      assert.equal(await storage.files.held(store, a.hash), 100);
      assert.equal(await storage.files.held(other.id, a.hash), null);
      clock.at += dayMs - 1;
      assert.equal(await storage.files.held(store, a.hash), 100);
      clock.at += 1;
      assert.equal(await storage.files.held(store, a.hash), null);
    }),
  },
  {
    name: 'an upload is pending until something in its store names it, and for 24 hours',
    run: onStore(async (storage, store, clock) => {
      const { files } = storage;
      const other = await createStore(storage, 'acme/other');
      assert.equal(await files.pending('none'), 0);
      await files.spare(a, store);
      await files.spare(a, store);
      await files.spare(b, null);
      assert.deepEqual([await files.pending(store), await files.pending(other.id)], [100, 0]);
      await files.spare(b, store);
      assert.equal(await files.pending(store), 107);
      await mustStore(storage, store, putting(1, 'docs/a', a));
      assert.equal(await files.pending(store), 7);
      await mustStore(storage, store, removing(2, 'docs/a', a));
      assert.equal(await files.pending(store), 7);
      await storage.compact(store, 2, 10);
      assert.equal(await files.pending(store), 107);
      clock.at += dayMs;
      assert.equal(await files.pending(store), 0);
    }),
  },
  {
    name: 'the places of a content are those of one org, however many they are',
    run: onStorage(async (storage) => {
      const names = ['acme/one', 'acme/two', 'acme-x/three'];
      const stores = await Promise.all(names.map((name) => createStore(storage, name)));
      for (const [index, { id }] of stores.entries()) {
        for (let seq = 1; seq <= 150; seq++) {
          // oxlint-disable-next-line no-await-in-loop -- one append after the other
          await mustStore(storage, id, putting(seq, `files/${index}/${seq}`, a));
        }
      }
      const places = await placesOf(storage, a.hash, 'acme');
      assert.equal(new Set(places).size, 300);
      assert.equal((await placesOf(storage, a.hash, 'acme-x')).length, 150);
      assert.deepEqual(await placesOf(storage, b.hash, 'acme'), []);
      assert.deepEqual(await placesOf(storage, a.hash, 'acm'), []);
    }),
  },
  {
    name: 'content that nobody names is free for 24 hours, then condemned, and stays so until it is absolved',
    run: onStore(async (storage, store, clock) => {
      const { files } = storage;
      await mustStore(storage, store, putting(1, 'docs/a', a));
      assert.equal(await files.condemn(a.hash), 'named');
      await mustStore(storage, store, removing(2, 'docs/a', a));
      assert.equal(await files.condemn(a.hash), 'named');
      await storage.compact(store, 2, 10);
      assert.equal(await files.condemn(a.hash), 'free');
      clock.at += dayMs - 1;
      assert.equal(await files.condemn(a.hash), 'free');
      assert.equal(await files.condemn(b.hash), 'free');
      clock.at += 1;
      assert.equal(await files.condemn(a.hash), 'condemned');
      assert.equal(await files.condemn(b.hash), 'free');
      assert.equal(await files.spare(a, store), false);
      assert.equal(await files.spare(a, null), false);
      assert.equal(await files.held(store, a.hash), null);
      await files.absolve(a.hash);
      assert.equal(await files.spare(a, store), true);
      assert.equal(await files.condemn(a.hash), 'named');
    }),
  },
  {
    name: 'content found free while the clock was ahead is so since it is next asked about',
    run: onStore(async (storage, _, clock) => {
      const { files } = storage;
      clock.at += 1000 * dayMs;
      assert.equal(await files.condemn(a.hash), 'free');
      clock.at -= 1000 * dayMs;
      assert.equal(await files.condemn(a.hash), 'free');
      clock.at += dayMs - 1;
      assert.equal(await files.condemn(a.hash), 'free');
      clock.at += 1;
      assert.equal(await files.condemn(a.hash), 'condemned');
    }),
  },
  {
    name: 'what is named or spared meanwhile is free for another 24 hours',
    run: onStore(async (storage, store, clock) => {
      const { files } = storage;
      for (const content of [a, b]) assert.equal(await files.condemn(content.hash), 'free');
      clock.at += dayMs;
      assert.equal(await files.spare(a, null), true);
      await mustStore(storage, store, putting(1, 'docs/b', b));
      await mustStore(storage, store, removing(2, 'docs/b', b));
      await storage.compact(store, 2, 10);
      for (const content of [a, b]) assert.equal(await files.condemn(content.hash), 'free');
      clock.at += dayMs;
      for (const content of [a, b]) assert.equal(await files.condemn(content.hash), 'condemned');
    }),
  },
  {
    name: 'what a purged store named is free, and named while another store names it',
    run: onStore(async (storage, store) => {
      const other = await createStore(storage, 'acme/other');
      await mustStore(storage, store, putting(1, 'docs/a', a));
      await mustStore(storage, other.id, putting(1, 'docs/a', a));
      assert.equal(await storage.stores.purge(store), true);
      assert.equal(await storage.files.held(store, a.hash), null);
      assert.equal(await storage.files.held(other.id, a.hash), 100);
      assert.equal(await storage.files.condemn(a.hash), 'named');
      assert.deepEqual(await placesOf(storage, a.hash, 'acme'), ['acme/other docs/a']);
    }),
  },
  {
    name: 'what is in use, uploaded, free and condemned is known after a restart',
    reopens: true,
    run: async (subject) => {
      const clock = { at: start };
      const before = await subject.open(() => clock.at);
      const { id } = await createStore(before, 'acme/app');
      await mustStore(before, id, putting(1, 'docs/a', a));
      const [c, d] = ['c', 'd'].map((digit) => ({ hash: `sha256:${digit.repeat(64)}`, size: 1 }));
      assert(c !== undefined && d !== undefined);
      await before.files.condemn(c.hash);
      clock.at += dayMs;
      await before.files.condemn(c.hash);
      await before.files.condemn(d.hash);
      await before.files.spare(b, id);
      await before.close();
      clock.at += dayMs - 1;
      const storage = await reopened(subject, clock);
      assert.equal(await storage.files.held(id, a.hash), 100);
      assert.equal(await storage.files.held(id, b.hash), 7);
      assert.equal(await storage.files.spare(c, id), false);
      assert.equal(await storage.files.condemn(d.hash), 'free');
      await storage.close();
    },
  },
];
