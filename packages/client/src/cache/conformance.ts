import { asPath, asStoreName } from '@holdfast/protocol';
import {
  app,
  breakingAfter,
  byPath,
  change,
  fill,
  leaf,
  letter,
  oddLeaves,
  paths,
  pending,
  refused,
  same,
  shown,
} from './conformance/fixtures.ts';
import type { Cache, CacheTerms } from './port.ts';

/** The driver under test, for one case. */
export type CacheSubject = {
  /** Opens the cache of this case; another call opens the same storage for another user, as another tab would. */
  open(): Promise<Cache>;
  /** Ends what the case has opened. */
  end(): Promise<void>;
  /** Whether what is stored outlives the `Cache` that stored it, and several may be open at once. */
  readonly isShared: boolean;
};

/** One sentence of the law, and how to see that it holds. `run` rejects if it does not. */
export type CacheCase = { readonly name: string; readonly run: () => Promise<void> };

type Trial = { readonly subject: CacheSubject; readonly cache: Cache };
type Draft = {
  readonly name: string;
  readonly isOfSeveral?: true;
  run(trial: Trial): Promise<void>;
};

/** The law of the cache port: what every driver must do, for any test runner. */
export function cacheConformance(begin: () => Promise<CacheSubject>): readonly CacheCase[] {
  return drafts.map((draft) => ({
    name: draft.name,
    run: async () => {
      const subject = await begin();
      try {
        if (draft.isOfSeveral === true && !subject.isShared) return;
        await draft.run({ subject, cache: await subject.open() });
      } finally {
        await subject.end();
      }
    },
  }));
}

const termsOf = (realm: string): Omit<CacheTerms, 'deviceId' | 'isDeviceGiven'> => ({
  realm,
  schemaVersion: null,
  migrate: null,
  wall: () => 0,
  report: () => undefined,
});

async function use(cache: Cache, realm: string): Promise<Cache> {
  await cache.open?.({ ...termsOf(realm), deviceId: 'a-device', isDeviceGiven: true });
  return cache;
}

const drafts: readonly Draft[] = [
  {
    name: 'nothing is stored of a store that was never committed',
    run: async ({ cache }) => same(await cache.load(app), null),
  },
  {
    name: 'a commit is given back: cursor, incarnation, scope, patterns, entries, map revisions, requests',
    run: async ({ cache }) => {
      await cache.load(app);
      const request = pending('d:s:1', 1);
      await cache.commit(
        app,
        change(7, {
          entries: [
            ['a', leaf(1, 3)],
            ['m/b', leaf('two', 5)],
          ],
          maps: [['m', 6]],
          requests: [['d:s:1', request]],
        }),
      );
      same(shown(await cache.load(app)), {
        head: [7, 'first', 'whole', ['**']],
        entries: [
          ['a', 1, 'integer', 3],
          ['m/b', 'two', 'string', 5],
        ],
        maps: [['m', 6]],
        outbox: [request],
      });
    },
  },
  {
    name: 'the rows that queries had are given back, and those of the last commit only',
    run: async ({ cache }) => {
      await cache.load(app);
      const queries = [
        { key: 'query/a', rows: ['a/1', 'a/2'].map(asPath), hasMore: true, endCursor: 'c' },
        { key: 'query/b', rows: [], hasMore: false, endCursor: null },
      ];
      await cache.commit(app, { ...change(7, {}), queries });
      same((await cache.load(app))?.queries ?? [], queries);
      await cache.commit(app, change(8, {}));
      same((await cache.load(app))?.queries ?? [], []);
    },
  },
  {
    name: 'what was removed is gone, the rest stays',
    run: async ({ cache }) => {
      await fill(cache);
      const next = change(9, {
        entries: [
          ['a', null],
          ['c', leaf(3, 9)],
        ],
        maps: [['m', null]],
        requests: [['d:s:1', null]],
      });
      await cache.commit(app, next);
      const { entries, maps, outbox } = shown(await cache.load(app));
      same([paths(entries), maps, outbox.map(({ opId }) => opId)], [['c', 'm/b'], [], ['d:s:2']]);
    },
  },
  {
    name: 'a commit that replaces leaves no entry or map of before, and every request',
    run: async ({ cache }) => {
      await fill(cache);
      await cache.commit(app, change(20, { replaces: true, entries: [['z', leaf(0, 20)]] }));
      const { entries, maps, outbox } = shown(await cache.load(app));
      same([paths(entries), maps, outbox.length], [['z'], [], 2]);
    },
  },
  {
    name: 'requests are given in the order of their order, not of their ids',
    run: async ({ cache }) => {
      await cache.load(app);
      const requests = [10, 9, 11].map((n) => [`d:s:${n}`, pending(`d:s:${n}`, n)] as const);
      await cache.commit(app, change(1, { requests }));
      const { outbox } = shown(await cache.load(app));
      same(
        outbox.map(({ order }) => order),
        [9, 10, 11],
      );
    },
  },
  {
    name: 'a request that is stored again keeps its place and changes the rest',
    run: async ({ cache }) => {
      await fill(cache);
      const sent = { ...pending('d:s:1', 1), firstSentAt: 5000, attempts: 2 };
      await cache.commit(app, change(7, { requests: [['d:s:1', sent]] }));
      const [first] = shown(await cache.load(app)).outbox;
      same([first?.opId, first?.firstSentAt, first?.attempts], ['d:s:1', 5000, 2]);
    },
  },
  {
    name: 'commits are stored in the order of the calls',
    run: async ({ cache }) => {
      await cache.load(app);
      const commits = Array.from({ length: 30 }, async (_, n) =>
        cache.commit(app, change(n + 1, { entries: [['k', leaf(n, n + 1)]] })),
      );
      await Promise.all(commits);
      const { head, entries } = shown(await cache.load(app));
      same([head[0], entries], [30, [['k', 29, 'integer', 30]]]);
    },
  },
  {
    name: 'a commit that fails half-way has stored nothing, and the next one works',
    run: async ({ cache }) => {
      await fill(cache);
      const before = shown(await cache.load(app));
      const breaking = change(8, { entries: breakingAfter(1500), requests: [['d:s:1', null]] });
      await refused(async () => cache.commit(app, breaking));
      same(shown(await cache.load(app)), before);
      await cache.commit(app, change(8, { entries: [['k', leaf(1, 8)]] }));
      same(shown(await cache.load(app)).head[0], 8);
    },
  },
  {
    name: 'stores do not touch each other, whatever their names',
    run: async ({ cache }) => {
      const names = ['acme/app', 'acme/app2', 'acme/ap', 'acme2/app'].map(asStoreName);
      for (const name of names) await cache.load(name);
      for (const name of names) {
        await cache.commit(name, change(1, { entries: [['k', leaf(name, 1)]] }));
      }
      await cache.clear(app);
      same(await cache.load(app), null);
      for (const name of names.slice(1)) {
        same(shown(await cache.load(name)).entries, [['k', name, 'string', 1]]);
      }
    },
  },
  {
    name: 'what is waiting in a store that was forgotten is its own, though nothing of the store is there',
    run: async ({ cache }) => {
      const other = asStoreName('acme/other');
      await cache.load(app);
      await cache.clear(app);
      const request = pending('d:s:1', 1);
      if (cache.sharing === undefined) {
        await cache.commit(app, change(0, { requests: [['d:s:1', request]] }));
      } else await cache.sharing.keep(app, [['d:s:1', request]]);
      await cache.load(other);
      await cache.commit(other, change(1, { entries: [['k', leaf(1, 1)]] }));
      same(shown(await cache.load(other)).outbox, []);
      same(
        shown(await cache.load(app)).outbox.map(({ opId }) => opId),
        ['d:s:1'],
      );
    },
  },
  {
    name: 'paths and values come back as they were, however odd',
    run: async ({ cache }) => {
      await cache.load(app);
      const odd = oddLeaves();
      await cache.commit(app, change(1, { entries: odd }));
      const { entries } = shown(await cache.load(app));
      const expected = odd.map(([path, { value, type, revision }]) => [
        path,
        value,
        type,
        revision,
      ]);
      same(byPath(entries), byPath(expected));
    },
  },
  {
    name: 'thousands of entries are stored and loaded',
    run: async ({ cache }) => {
      await cache.load(app);
      const entries = Array.from({ length: 5000 }, (_, n) => [`big/leaf${n}`, leaf(n, 1)] as const);
      await cache.commit(app, change(1, { replaces: true, entries, maps: [['big', 4]] }));
      const { entries: found, maps } = shown(await cache.load(app));
      same([found.length, maps], [5000, [['big', 4]]]);
    },
  },
  {
    name: 'dead letters are listed until they are dropped or put back, and every change is told',
    run: async ({ cache }) => {
      const { letters } = cache;
      if (letters === undefined) return;
      await fill(cache);
      let told = 0;
      const off = letters.subscribe(app, () => (told += 1));
      letters.put(app, letter('d:s:3'));
      const [dead] = [letters.list(app)];
      same(dead === letters.list(app), true);
      same(
        dead.map(({ opId }) => opId),
        ['d:s:0', 'd:s:3'],
      );
      await letters.drop(app, 'd:s:0');
      await letters.drop(app, 'd:s:unknown');
      await cache.commit(app, change(8, { requests: [['d:s:3', pending('d:s:3', 9)]] }));
      same([letters.list(app), told], [[], 3]);
      off();
      letters.put(app, letter('d:s:4'));
      same([letters.list(app).length, told], [1, 3]);
    },
  },
  {
    name: 'dead letters are stored with the commit by which their requests leave, and so is what becomes of them',
    isOfSeveral: true,
    run: async ({ subject, cache }) => {
      await fill(cache);
      const stored = async (): Promise<unknown> => {
        const reader = await subject.open();
        const outbox = shown(await reader.load(app)).outbox.map(({ opId }) => opId);
        return [outbox, reader.letters?.list(app)];
      };
      same(await stored(), [['d:s:1', 'd:s:2'], [letter('d:s:0')]]);
      cache.letters?.put(app, letter('d:s:1'));
      same(await stored(), [['d:s:1', 'd:s:2'], [letter('d:s:0')]]);
      await cache.commit(app, change(8, { requests: [['d:s:1', null]] }));
      same(await stored(), [['d:s:2'], [letter('d:s:0'), letter('d:s:1')]]);
      await cache.letters?.drop(app, 'd:s:0');
      await cache.commit(app, change(9, { requests: [['d:s:1', pending('d:s:1', 3)]] }));
      same(await stored(), [['d:s:2', 'd:s:1'], []]);
    },
  },
  {
    name: 'what is stored outlives the one that stored it',
    isOfSeveral: true,
    run: async ({ subject, cache }) => {
      await fill(cache);
      const before = shown(await cache.load(app));
      await cache.close?.();
      same(shown(await (await subject.open()).load(app)), before);
    },
  },
  {
    name: 'entries are stored for the one that loaded last; requests and dead letters for all',
    isOfSeveral: true,
    run: async ({ subject, cache: first }) => {
      await fill(first);
      const second = await subject.open();
      await second.load(app);
      await second.commit(app, change(30, { entries: [['k', leaf('second', 30)]] }));
      const late = {
        entries: [['k', leaf('first', 9)]],
        requests: [['d:t:1', pending('d:t:1', 7)]],
      } as const;
      first.letters?.put(app, letter('d:t:0'));
      await first.commit(app, change(9, late));
      const { head, entries, outbox } = shown(await second.load(app));
      same([head[0], entries.find(([path]) => path === 'k')?.[1]], [30, 'second']);
      same([outbox.at(-1)?.opId, second.letters?.list(app).length], ['d:t:1', 2]);
    },
  },
  {
    name: 'what is kept under other terms is another’s, and is there again under its own',
    run: async ({ subject, cache: first }) => {
      await fill(await use(first, 'wss://a.test ann'));
      const count = first.letters?.list(app).length;
      await first.close?.();
      const whole = shown(await (await use(await subject.open(), 'wss://a.test ann')).load(app));
      for (const realm of ['wss://a.test bob', 'wss://b.test ann', 'wss://a.test ']) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        const other = await use(await subject.open(), realm);
        // oxlint-disable-next-line no-await-in-loop -- the same
        same(await other.load(app), null);
        same(other.letters?.list(app).length ?? 0, 0);
        // oxlint-disable-next-line no-await-in-loop -- the same
        await other.commit(app, change(99, { entries: [['a', leaf('theirs', 99)]] }));
        // oxlint-disable-next-line no-await-in-loop -- the same
        await other.close?.();
      }
      const again = await use(await subject.open(), 'wss://a.test ann');
      same(shown(await again.load(app)), whole);
      same(again.letters?.list(app).length, count);
    },
  },
  {
    name: 'an installation keeps its name, unless the application gives it one',
    isOfSeveral: true,
    run: async ({ subject, cache: first }) => {
      same(
        await first.open?.({ ...termsOf('r'), deviceId: 'first-name', isDeviceGiven: false }),
        'first-name',
      );
      const second = await subject.open();
      same(
        await second.open?.({ ...termsOf('r'), deviceId: 'other-name', isDeviceGiven: false }),
        'first-name',
      );
      same(
        await second.open?.({ ...termsOf('r'), deviceId: 'given', isDeviceGiven: true }),
        'given',
      );
    },
  },
  {
    name: 'stores with writes that wait are known, and no others',
    run: async ({ cache }) => {
      if (cache.waiting === undefined) return;
      await cache.commit(app, change(1, { requests: [['d:s:1', pending('d:s:1', 1)]] }));
      same(await cache.waiting(), [app]);
      await cache.commit(app, change(2, { requests: [['d:s:1', null]] }));
      same(await cache.waiting(), []);
    },
  },
  {
    name: 'a reign is fenced by the next one, and numbers grow; who holds a request is kept with it',
    run: async ({ cache }) => {
      const { sharing } = cache;
      if (sharing === undefined) return;
      await cache.load(app);
      const first = await sharing.lead();
      const written = change(1, { replaces: true, entries: [['k', leaf(1, 1)]] });
      same(await sharing.commit(app, written, first), true);
      const second = await sharing.lead();
      same(second > first, true);
      const late = change(2, {
        entries: [['k', leaf(2, 2)]],
        requests: [['d:s:9', pending('d:s:9', 9)]],
      });
      same(await sharing.commit(app, late, first), false);
      same(await sharing.reign(), second);
      await sharing.keep(app, [['d:u:1', { ...pending('d:u:1', 4), holder: 'h' }]]);
      same(
        (await sharing.outbox(app)).map(({ opId, holder }) => [opId, holder]),
        [['d:u:1', 'h']],
      );
      same(shown(await cache.load(app)).head[0], 1);
    },
  },
];
