import { asPath, asStoreName, type Leaf, type Path } from '@holdfast/protocol';
import { indexedDB as cached } from '@holdfast/client/cache/indexeddb';

/* Runs in a browser: stores the same leaves through the cache and by bare puts, as many per transaction. */
const store = asStoreName('bench/main');

/** Entries a second, through the cache and by bare puts. */
export async function measure(
  batches: number,
  size: number,
): Promise<{ readonly ours: number; readonly raw: number }> {
  const name = `commit-${Math.random()}`;
  const ours = await timed(batches * size, () => commitAll(name, batches, size));
  const raw = await timed(batches * size, () => putAll(`raw-${name}`, batches, size));
  return { ours, raw };
}

async function timed(entries: number, deed: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await deed();
  return (entries / (performance.now() - start)) * 1000;
}

async function commitAll(name: string, batches: number, size: number): Promise<void> {
  const cache = cached(name);
  await cache.load(store);
  for (let batch = 0; batch < batches; batch += 1) {
    await cache.commit(store, {
      seq: batch + 1,
      incarnation: 'first',
      scope: 'whole',
      patterns: [],
      replaces: false,
      entries: leavesOf(batch, size),
      maps: [],
      requests: [],
    });
  }
  await cache.close?.();
}

async function putAll(name: string, batches: number, size: number): Promise<void> {
  const database = await opened(name);
  for (let batch = 0; batch < batches; batch += 1) {
    const transaction = database.transaction('leaves', 'readwrite', { durability: 'relaxed' });
    const leaves = transaction.objectStore('leaves');
    for (const [path, leaf] of leavesOf(batch, size)) leaves.put(leaf, path);
    await new Promise<void>((resolve, reject) => {
      transaction.addEventListener('complete', () => resolve());
      transaction.addEventListener('abort', () => reject(new Error('aborted')));
    });
  }
  database.close();
}

function opened(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.addEventListener('upgradeneeded', () => request.result.createObjectStore('leaves'));
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(new Error('not opened')));
  });
}

function leavesOf(batch: number, size: number): (readonly [Path, Leaf])[] {
  return Array.from({ length: size }, (_, n) => {
    const at = batch * size + n;
    const value = { title: `Document ${at}`, done: at % 2 === 0, position: at };
    return [asPath(`rooms/${at % 50}/items/${at}`), { value, type: 'map', revision: at + 1 }];
  });
}
