import assert from 'node:assert/strict';
import { asStoreName } from '@holdfast/protocol';
import { devicesMax, tokenGraceMs } from '../batch.ts';
import type { TokenRow } from '../port.ts';
import {
  answer,
  batchOf,
  type Case,
  createStore,
  entry,
  mustStore,
  onStorage,
  op,
  opsAfter,
  reopened,
  start,
  stateOf,
} from './subject.ts';

const app = asStoreName('acme/app');

const token: TokenRow = {
  id: 'one',
  hash: 'a'.repeat(64),
  last4: 'wxyz',
  name: 'deploy',
  org: 'acme',
  creator: 'alice',
  scopes: ['entries:read', 'entries:write'],
  storeAccess: { mode: 'selected', storeIds: ['s1', 's2'] },
  pathRules: [{ pattern: 'posts/**', allow: ['read'] }],
  presence: false,
  limits: { write_burst: 7 },
  insertedAt: start,
  expiresAt: start + 1000,
  revokedAt: null,
  lastUsedAt: null,
};
const bare: TokenRow = {
  ...token,
  id: 'two',
  hash: 'b'.repeat(64),
  creator: null,
  storeAccess: { mode: 'all' },
  pathRules: null,
  presence: null,
  limits: null,
  expiresAt: null,
  insertedAt: start - 1,
};

/** The law of the tables of stores, tokens and devices. */
export const tableCases: readonly Case[] = [
  {
    name: 'a store is found by id and by name as it was created',
    run: onStorage(async (storage) => {
      const row = await createStore(storage, 'acme/app');
      assert.equal(row.status, 'active');
      assert.equal(row.insertedAt, start);
      assert.deepEqual(await storage.stores.get(row.id), row);
      assert.deepEqual(await storage.stores.find(app), row);
      assert.equal(await storage.stores.get('none'), null);
      assert.equal(await storage.stores.find(asStoreName('acme/none')), null);
    }),
  },
  {
    name: 'a name belongs to one store, an archived one included, until that is purged',
    run: onStorage(async (storage) => {
      const { id } = await createStore(storage, 'acme/app');
      const again = { id: 'other', name: app, incarnation: 'second', expiresAt: null };
      assert.equal(await storage.stores.create(again), null);
      assert.equal(await storage.stores.archive(id), true);
      assert.equal((await storage.stores.get(id))?.status, 'archived');
      assert.equal(await storage.stores.create(again), null);
      assert.equal(await storage.stores.purge(id), true);
      assert.equal((await storage.stores.create(again))?.incarnation, 'second');
    }),
  },
  {
    name: 'of several creations of one name at once one succeeds',
    run: onStorage(async (storage) => {
      const rows = await Promise.all(
        ['x', 'y', 'z'].map((id) =>
          storage.stores.create({ id, name: app, incarnation: id, expiresAt: null }),
        ),
      );
      assert.equal(rows.filter((row) => row !== null).length, 1);
    }),
  },
  {
    name: 'a purged store is gone with all it held, and a new one under its name or id is empty',
    run: onStorage(async (storage) => {
      const { id } = await createStore(storage, 'acme/app');
      const removed = [entry('x', 'x', 1)];
      const ops = [...opsAfter(0, 2000), op(2001, { op: 'delete', value: null, removed })];
      await mustStore(storage, id, batchOf(ops, { answers: [answer(1)] }));
      await storage.stores.purge(id);
      assert.equal(await storage.open(id), null);
      assert.equal((await storage.append(id, 2001, batchOf([op(2002)]))).status, 'failed');
      const again = await createStore(storage, 'acme/app');
      assert.deepEqual(await storage.open(again.id), { head: 0, oldestSeq: 1, dedupeSince: 0 });
      assert.deepEqual((await stateOf(storage, again.id)).entries, []);
      assert.deepEqual(await storage.markers(again.id, 0, 10), []);
      const asked = { ids: [answer(1)], clients: ['device:session'] };
      const found = await storage.answers(again.id, asked);
      assert.deepEqual([found.answers.length, found.highs.size], [0, 0]);
      await mustStore(storage, again.id, batchOf([op(1)]));
    }),
  },
  {
    name: 'stores are listed by name, per org or all, page by page',
    run: onStorage(async (storage) => {
      for (const name of ['b/z', 'acme/c', 'acme-x/a', 'acme/a', 'acme/b']) {
        // oxlint-disable-next-line no-await-in-loop -- the order of creation must not matter
        await createStore(storage, name);
      }
      const names = async (page: Parameters<typeof storage.stores.list>[0]): Promise<string[]> =>
        (await storage.stores.list(page)).map(({ name }) => name);
      assert.deepEqual(await names({ org: 'acme', limit: 9 }), ['acme/a', 'acme/b', 'acme/c']);
      assert.deepEqual(await names({ org: 'acme', after: asStoreName('acme/a'), limit: 1 }), [
        'acme/b',
      ]);
      assert.deepEqual(await names({ org: 'nobody', limit: 9 }), []);
      const every = ['acme-x/a', 'acme/a', 'acme/b', 'acme/c', 'b/z'];
      assert.deepEqual(await names({ limit: 9 }), every);
      assert.deepEqual(await names({ after: asStoreName('acme/b'), limit: 9 }), every.slice(3));
    }),
  },
  {
    name: 'expired stores are those active ones whose time has come',
    run: onStorage(async (storage) => {
      const { id } = await createStore(storage, 'acme/app');
      await createStore(storage, 'acme/for-ever');
      assert.equal(await storage.stores.setExpiry(id, start + 10), true);
      assert.equal(await storage.stores.setExpiry('none', start), false);
      const due = async (at: number): Promise<string[]> =>
        (await storage.stores.expired(at, 9)).map(({ name }) => name);
      assert.deepEqual(await due(start + 9), []);
      assert.deepEqual(await due(start + 10), ['acme/app']);
      const early = await createStore(storage, 'acme/early');
      await storage.stores.setExpiry(early.id, start);
      assert.deepEqual(await due(start + 10), ['acme/early', 'acme/app']);
      const [first, ...others] = await storage.stores.expired(start + 10, 1);
      assert.deepEqual([first?.name, others], ['acme/early', []]);
      await storage.stores.archive(early.id);
      await storage.stores.archive(id);
      assert.deepEqual(await due(start + 10), []);
      assert.equal(await storage.stores.archive('none'), false);
      assert.equal(await storage.stores.purge('none'), false);
    }),
  },
  {
    name: 'tokens are found by id and hash, listed per org, oldest first',
    run: onStorage(async (storage) => {
      assert.equal(await storage.tokens.create(token), true);
      assert.equal(await storage.tokens.create(bare), true);
      assert.equal(await storage.tokens.create({ ...token, id: 'three' }), false, 'hash is taken');
      assert.equal(await storage.tokens.create({ ...bare, hash: 'c'.repeat(64) }), false);
      assert.deepEqual(await storage.tokens.find(token.hash), token);
      assert.deepEqual(await storage.tokens.get('two'), bare);
      assert.equal(await storage.tokens.find('c'.repeat(64)), null);
      assert.deepEqual(await storage.tokens.list('acme'), [bare, token]);
      assert.deepEqual(await storage.tokens.list('other'), []);
      const hash = 'd'.repeat(64);
      assert.equal(await storage.tokens.create({ ...bare, id: 'z', hash, org: 'a-org' }), true);
      assert.deepEqual(await storage.tokens.orgs(), ['a-org', 'acme']);
    }),
  },
  {
    name: 'tokens are forgotten thirty days after they have ended, once another is made',
    run: onStorage(async (storage) => {
      const end = start + 1000;
      await storage.tokens.create(token);
      await storage.tokens.create(bare);
      const make = (id: string, insertedAt: number): Promise<boolean> =>
        storage.tokens.create({ ...bare, id, hash: id.repeat(64), insertedAt });
      await make('c', end + tokenGraceMs - 1);
      assert.deepEqual(await storage.tokens.find(token.hash), token);
      await make('d', end + tokenGraceMs);
      assert.equal(await storage.tokens.find(token.hash), null);
      assert.equal(await storage.tokens.get('one'), null);
      await storage.tokens.revoke('two', end);
      await make('e', end + tokenGraceMs);
      const left = (await storage.tokens.list('acme')).map(({ id }) => id);
      assert.deepEqual(left, ['c', 'd', 'e']);
    }),
  },
  {
    name: 'a token is revoked once, and its uses are noted to the minute',
    run: onStorage(async (storage) => {
      await storage.tokens.create(token);
      assert.equal(await storage.tokens.revoke('one', start + 5), true);
      assert.equal(await storage.tokens.revoke('one', start + 9), true);
      assert.equal(await storage.tokens.revoke('none', start), false);
      assert.equal((await storage.tokens.find(token.hash))?.revokedAt, start + 5);
      const used = async (at: number): Promise<number | null | undefined> => {
        await storage.tokens.touch('one', at);
        return (await storage.tokens.get('one'))?.lastUsedAt;
      };
      assert.equal(await used(start), start);
      assert.equal(await used(start + 59_999), start);
      assert.equal(await used(start + 60_000), start + 60_000);
      await storage.tokens.touch('none', start);
    }),
  },
  {
    name: 'a device record is what was put last, and goes after 90 days without use',
    run: onStorage(async (storage, clock) => {
      const { devices } = storage;
      const record = { incarnation: 'i', scope: 's', unconfirmed: true };
      assert.equal(await devices.get(app, 'd'), null);
      await devices.put(app, 'd', record);
      await devices.put(app, 'idle', record);
      assert.deepEqual(await devices.get(app, 'd'), record);
      assert.equal(await devices.get(asStoreName('acme/other'), 'd'), null);
      await devices.put(app, 'd', { ...record, unconfirmed: false });
      assert.deepEqual(await devices.get(app, 'd'), { ...record, unconfirmed: false });
      clock.at += 60 * 24 * 3_600_000;
      await devices.put(app, 'd', { ...record, unconfirmed: false });
      clock.at += 60 * 24 * 3_600_000;
      await devices.put(app, 'third', record);
      assert.notEqual(await devices.get(app, 'd'), null, 'used 60 days ago');
      assert.equal(await devices.get(app, 'idle'), null);
    }),
  },
  {
    name: 'a device record says whose it is: a name, nobody by name, or nothing',
    run: onStorage(async ({ devices }) => {
      const record = { incarnation: 'i', scope: 's', unconfirmed: false };
      for (const whose of [{ subject: 'ada' }, { subject: '' }, { subject: null }, {}]) {
        // oxlint-disable-next-line no-await-in-loop -- each takes the place of the one before it
        await devices.put(app, 'd', { ...record, ...whose });
        // oxlint-disable-next-line no-await-in-loop -- see above
        assert.deepEqual(await devices.get(app, 'd'), { ...record, ...whose });
      }
    }),
  },
  {
    name: 'a device that is used again after a clock that was ahead is put right goes 90 days after that',
    run: onStorage(async ({ devices }, clock) => {
      const record = { incarnation: 'i', scope: 'all', unconfirmed: false };
      clock.at += 1000 * 86_400_000;
      await devices.put(app, 'd', record);
      clock.at -= 1000 * 86_400_000;
      await devices.put(app, 'd', record);
      clock.at += 90 * 86_400_000 + 1;
      await devices.put(app, 'other', record);
      assert.equal(await devices.get(app, 'd'), null);
    }),
  },
  {
    name: 'of a store 100 000 devices are known, those used last, and of others that they are forgotten',
    run: onStorage(async ({ devices }, clock) => {
      const record = { incarnation: 'i', scope: 's', unconfirmed: false, subject: 'ada' };
      const other = asStoreName('acme/other');
      await devices.put(other, 'first', record);
      await devices.put(app, 'first', record);
      await devices.put(app, 'second', record);
      clock.at += 2 * 24 * 3_600_000;
      await devices.put(app, 'first', record);
      const fill = Array.from({ length: devicesMax - 2 }, (_, n) => `d${String(n)}`);
      await Promise.all(fill.map((device) => devices.put(app, device, record)));
      assert.equal(await devices.get(app, 'none'), null);
      assert.deepEqual(await devices.get(app, 'second'), record);
      clock.at += 1;
      await devices.put(app, 'last', record);
      assert.equal(await devices.get(app, 'second'), 'forgotten');
      assert.equal(await devices.get(app, 'none'), 'forgotten');
      assert.deepEqual(await devices.get(app, 'last'), record);
      assert.equal(await devices.get(other, 'none'), null);
      assert.deepEqual(await devices.get(other, 'first'), record);
    }),
  },
  {
    name: 'stores, tokens and device records outlive a restart',
    reopens: true,
    run: async (subject) => {
      const clock = { at: start };
      const record = { incarnation: 'i', scope: 's', unconfirmed: true };
      const storage = await subject.open(() => clock.at);
      const row = await createStore(storage, 'acme/app');
      await storage.tokens.create(token);
      await storage.devices.put(app, 'd', record);
      await storage.close();
      const again = await reopened(subject, clock);
      assert.deepEqual(await again.stores.find(app), row);
      assert.deepEqual(await again.tokens.find(token.hash), token);
      assert.deepEqual(await again.devices.get(app, 'd'), record);
      await again.close();
    },
  },
];
