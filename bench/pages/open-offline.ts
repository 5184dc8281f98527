import { asGlob, asPath, asStoreName, type Leaf, type Path } from '@holdfast/protocol';
import { createClient } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';

/* Runs in a browser, without a server: fills a cache, or opens it and reads all of it. */
const url = 'ws://127.0.0.1:1';
const leaves = 10_000;

/** Has the cache hold what a client would have left in it. */
export async function fill(): Promise<void> {
  const cache = indexedDB('open-offline');
  await cache.open?.({
    realm: `${url}/ws/sync/websocket `,
    deviceId: 'bench-device',
    isDeviceGiven: false,
    schemaVersion: null,
    migrate: null,
    wall: () => Date.now(),
    report: (error) => {
      throw error;
    },
  });
  const store = asStoreName('bench/main');
  await cache.load(store);
  await cache.commit(store, {
    seq: leaves,
    incarnation: 'first',
    scope: 'whole',
    patterns: [asGlob('**')],
    replaces: true,
    entries: Array.from({ length: leaves }, (_, n): readonly [Path, Leaf] => {
      const value = { title: `Document ${n}`, done: n % 2 === 0, position: n };
      return [asPath(`rooms/${n % 50}/items/${n}`), { value, type: 'map', revision: n + 1 }];
    }),
    maps: [],
    requests: [],
  });
  await cache.close?.();
}

/** Milliseconds from the start of the page until every leaf has been read. */
export async function readable(): Promise<number> {
  const client = createClient({
    url,
    token: 'bench',
    cache: indexedDB('open-offline'),
    env: {
      watchNetwork: (hear) => {
        hear('offline');
        return () => undefined;
      },
    },
  });
  const store = client.store('bench/main');
  await store.ready;
  const { items } = store.entries('**', { limit: leaves });
  const at = performance.now();
  if (items.length !== leaves) throw new Error(`only ${items.length} leaves can be read`);
  await client.close();
  return at;
}
