import assert from 'node:assert/strict';
import { type Case, onStorage, reopened, start } from './subject.ts';

const day = 86_400_000;
const key = { name: 'k', print: 7, at: start };

/** The law of the table of idempotency keys. */
export const keyCases: readonly Case[] = [
  {
    name: 'a key is taken once; who comes later is told what is known of it',
    run: onStorage(async ({ keys }) => {
      assert.equal(await keys.take(key), null);
      assert.deepEqual(await keys.take({ ...key, print: 8 }), { ...key, answer: null });
      await keys.answer('k', 'done');
      assert.deepEqual(await keys.take({ ...key, at: start + 5 }), { ...key, answer: 'done' });
      assert.equal(await keys.take({ ...key, name: 'other' }), null);
      const all = ['a', 'a', 'a'].map((name) => keys.take({ ...key, name }));
      const taken = await Promise.all(all);
      assert.equal(taken.filter((row) => row === null).length, 1);
    }),
  },
  {
    name: 'a key that is given back, or was taken 24 hours ago, can be taken again',
    run: onStorage(async ({ keys }) => {
      await keys.take(key);
      await keys.free('k');
      await keys.free('nobody');
      await keys.answer('k', 'late');
      assert.equal(await keys.take(key), null);
      assert.notEqual(await keys.take({ ...key, at: start + day - 1 }), null);
      const next = { ...key, print: 9, at: start + day };
      assert.equal(await keys.take(next), null);
      assert.deepEqual(await keys.take(next), { ...next, answer: null });
    }),
  },
  {
    name: 'keys and what was answered outlive a restart',
    reopens: true,
    run: async (subject) => {
      const clock = { at: start };
      const storage = await subject.open(() => clock.at);
      await storage.keys.take(key);
      await storage.keys.take({ ...key, name: 'open' });
      await storage.keys.answer('k', 'done');
      await storage.close();
      const again = await reopened(subject, clock);
      assert.deepEqual(await again.keys.take(key), { ...key, answer: 'done' });
      assert.deepEqual(await again.keys.take({ ...key, name: 'open' }), {
        ...key,
        name: 'open',
        answer: null,
      });
      await again.close();
    },
  },
];
