import type { CachedView, Persister } from './cache-options.ts';

/** Keeps trees as long as the page lives. */
export function memoryPersister(): Persister {
  const entries = new Map<string, CachedView>();
  return {
    get: (key) => entries.get(key),
    set: (key, entry) => entries.set(key, entry),
    delete: (key) => entries.delete(key),
    clear: () => entries.clear(),
  };
}

/** What of `localStorage` and `sessionStorage` is used. */
export type WebStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

/** Keeps trees in `localStorage` or `sessionStorage`. */
export function webStoragePersister(storage: WebStorage, prefix = 'holdfast:view:'): Persister {
  return {
    durable: true,
    get: (key) => JSON.parse(storage.getItem(prefix + key) ?? 'null'),
    set: (key, entry) => storage.setItem(prefix + key, JSON.stringify(entry)),
    delete: (key) => storage.removeItem(prefix + key),
    clear: () => {
      const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '');
      for (const key of keys) if (key.startsWith(prefix)) storage.removeItem(key);
    },
  };
}
