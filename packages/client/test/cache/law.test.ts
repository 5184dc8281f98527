// oxlint-disable-next-line import/no-unassigned-import -- it gives Node an IndexedDB
import 'fake-indexeddb/auto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { type Cache, memoryCache } from '@holdfast/client';
import { cacheConformance, type CacheSubject } from '@holdfast/client/cache/conformance';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { keptIn } from '@holdfast/client/cache';
import { sqlite } from '@holdfast/client/cache/sqlite';
import { Disk, MapRows } from './map-rows.ts';

let count = 0;

/** Opens caches until the case ends. */
function subjectOf(open: () => Cache, end: () => void = () => undefined): CacheSubject {
  const opened: Cache[] = [];
  return {
    isShared: true,
    open: async () => {
      const cache = open();
      opened.push(cache);
      return cache;
    },
    end: async () => {
      for (const cache of opened) await cache.close?.();
      end();
    },
  };
}

const drivers: { readonly [name: string]: () => Promise<CacheSubject> } = {
  memory: async () => {
    const cache = memoryCache();
    return { ...subjectOf(() => cache), isShared: false };
  },
  'rows in maps': async () => {
    const disk = new Disk();
    return subjectOf(() => keptIn(new MapRows(disk)));
  },
  IndexedDB: async () => {
    count += 1;
    const name = `law-${count}`;
    return subjectOf(() => indexedDB(name));
  },
  SQLite: async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-cache-'));
    return subjectOf(
      () => sqlite(join(directory, 'cache.db')),
      () => rmSync(directory, { recursive: true }),
    );
  },
};

for (const [name, begin] of Object.entries(drivers)) {
  describe(`the ${name} cache keeps the law of caches`, () => {
    for (const each of cacheConformance(begin)) it(each.name, each.run);
  });
}
