import { cacheConformance } from '@holdfast/client/cache/conformance';
import { type Cache } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';

/* The law of caches, run in a browser. */
let count = 0;

/** The sentences of the law, and what of each is broken; null: it holds. */
export async function keepsTheLaw(): Promise<readonly (readonly [string, string | null])[]> {
  const results: (readonly [string, string | null])[] = [];
  for (const { name, run } of cacheConformance(begin)) {
    try {
      await run();
      results.push([name, null]);
    } catch (error) {
      results.push([name, String(error)]);
    }
  }
  return results;
}

async function begin(): ReturnType<Parameters<typeof cacheConformance>[0]> {
  count += 1;
  const [name, opened]: [string, Cache[]] = [`law-${count}`, []];
  return {
    isShared: true,
    open: async () => {
      const cache = indexedDB(name);
      opened.push(cache);
      return cache;
    },
    end: async () => {
      for (const cache of opened) await cache.close?.();
    },
  };
}
