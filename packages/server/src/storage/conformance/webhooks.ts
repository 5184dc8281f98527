import assert from 'node:assert/strict';
import type { Delivery, Storage, WebhookRow, WebhookStanding } from '../port.ts';
import {
  batchOf,
  type Case,
  createStore,
  mustStore,
  onStorage,
  onStore,
  opsAfter,
  reopened,
  start,
} from './subject.ts';

const DAY = 24 * 3_600_000;

const fresh = (store: string, id = 'one'): Parameters<Storage['webhooks']['create']>[0] => ({
  id,
  store,
  url: 'https://example.org/hook?a=b',
  secret: `whsec_${'0'.repeat(64)}`,
  patterns: ['posts/**', 'drafts/*'],
  ops: ['set', 'delete'],
  insertedAt: start,
});

const begun: WebhookStanding = { cursor: 0, inactiveReason: null, failures: 0, retryAt: null };

const attempt = (seq: number, at: number): Delivery => ({
  id: `of ${seq}`,
  seq,
  statusCode: seq % 2 === 0 ? 200 : null,
  responseMs: 12,
  error: seq % 2 === 0 ? null : 'timeout',
  at,
});

async function mustCreate(storage: Storage, store: string, id = 'one'): Promise<WebhookRow> {
  const row = await storage.webhooks.create(fresh(store, id), 20);
  assert(row !== null, 'the webhook could not be created');
  return row;
}

/** The law of the table of webhooks. */
export const webhookCases: readonly Case[] = [
  {
    name: 'a webhook begins at the head of its store, and is found as it was created',
    run: onStore(async (storage, store) => {
      await mustStore(storage, store, batchOf(opsAfter(0, 3)));
      const row = await mustCreate(storage, store);
      assert.deepEqual(row, { ...fresh(store), ...begun, cursor: 3 });
      const { webhooks } = storage;
      assert.deepEqual(await webhooks.get('one'), row);
      assert.equal(await webhooks.get('two'), null);
      const bare = await webhooks.create({ ...fresh(store, 'two'), ops: null, patterns: [] }, 20);
      assert.equal(bare?.ops, null);
      assert.deepEqual(await webhooks.list({ store }), [row, bare]);
      assert.deepEqual(await webhooks.list({ store: 'none' }), []);
    }),
  },
  {
    name: 'a store has so many webhooks at most, each id once, and none where there is no store',
    run: onStore(async (storage, store) => {
      const { webhooks } = storage;
      const other = await createStore(storage, 'acme/other');
      await mustCreate(storage, store);
      assert.equal(await webhooks.create(fresh(other.id), 20), null, 'the id is taken');
      assert.equal(await webhooks.create(fresh('none', 'two'), 20), null);
      await mustCreate(storage, store, 'two');
      assert.equal(await webhooks.create(fresh(store, 'three'), 2), null);
      assert((await webhooks.create(fresh(other.id, 'three'), 2)) !== null, 'another store');
      assert.equal(await webhooks.remove('one'), true);
      assert.equal(await webhooks.remove('one'), false);
      assert((await webhooks.create(fresh(store, 'four'), 2)) !== null, 'there is room again');
    }),
  },
  {
    name: 'how far a webhook has come is noted together with the attempt; active ones are listed',
    run: onStore(async (storage, store) => {
      const { webhooks } = storage;
      const row = await mustCreate(storage, store);
      const failed = { cursor: 0, inactiveReason: null, failures: 1, retryAt: start + 60_000 };
      assert.equal(await webhooks.note('one', failed, attempt(1, start)), true);
      assert.deepEqual(await webhooks.get('one'), { ...row, ...failed });
      assert.deepEqual(await webhooks.list('active'), [{ ...row, ...failed }]);
      const off = { cursor: 1, inactiveReason: 'gave up', failures: 5, retryAt: null };
      assert.equal(await webhooks.note('one', off, null), true);
      assert.deepEqual(await webhooks.list('active'), []);
      assert.deepEqual(await webhooks.list({ store }), [{ ...row, ...off }]);
      assert.deepEqual(await webhooks.deliveries('one', 10), [attempt(1, start)]);
      assert.equal(await webhooks.note('none', off, attempt(1, start)), false);
      assert.deepEqual(await webhooks.deliveries('none', 10), []);
    }),
  },
  {
    name: 'attempts are listed newest first, for 7 days, and the last 100 at most',
    run: onStore(async (storage, store, clock) => {
      const { webhooks } = storage;
      await mustCreate(storage, store);
      await mustCreate(storage, store, 'two');
      await webhooks.note('two', begun, attempt(7, start));
      for (let seq = 1; seq <= 120; seq += 1) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await webhooks.note('one', { ...begun, cursor: seq }, attempt(seq, clock.at));
        clock.at += 60_000;
      }
      const listed = await webhooks.deliveries('one', 1000);
      assert.deepEqual(
        listed.map(({ seq }) => seq),
        Array.from({ length: 100 }, (_, index) => 120 - index),
      );
      assert.deepEqual(listed[0], attempt(120, clock.at - 60_000));
      assert.equal((await webhooks.deliveries('one', 3)).length, 3);
      clock.at = start + 7 * DAY - 1;
      assert.equal((await webhooks.deliveries('two', 10)).length, 1);
      clock.at += 1;
      assert.equal((await webhooks.deliveries('two', 10)).length, 0);
    }),
  },
  {
    name: 'the webhooks of a purged store are gone',
    run: onStorage(async (storage) => {
      const { id } = await createStore(storage, 'acme/app');
      await mustCreate(storage, id);
      await storage.webhooks.note('one', begun, attempt(2, start));
      await storage.stores.archive(id);
      assert.equal((await storage.webhooks.list({ store: id })).length, 1, 'archived, not gone');
      await storage.stores.purge(id);
      assert.equal(await storage.webhooks.get('one'), null);
      assert.deepEqual(await storage.webhooks.list('active'), []);
      assert.equal(await storage.webhooks.note('one', begun, null), false);
      const again = await createStore(storage, 'acme/app');
      assert.deepEqual(await storage.webhooks.list({ store: again.id }), []);
    }),
  },
  {
    name: 'webhooks and their attempts outlive a restart',
    reopens: true,
    run: async (subject) => {
      const clock = { at: start };
      const storage = await subject.open(() => clock.at);
      const { id } = await createStore(storage, 'acme/app');
      await mustCreate(storage, id);
      const retried = { cursor: 4, inactiveReason: null, failures: 2, retryAt: start + 9 };
      await storage.webhooks.note('one', retried, attempt(5, start));
      await storage.close();
      const again = await reopened(subject, clock);
      assert.deepEqual(await again.webhooks.list('active'), [{ ...fresh(id), ...retried }]);
      assert.deepEqual(await again.webhooks.deliveries('one', 9), [attempt(5, start)]);
      await again.close();
    },
  },
];
