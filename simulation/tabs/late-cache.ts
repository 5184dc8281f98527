import type { Cache } from '@holdfast/client';
import { Lane, type OriginRoom } from './lane.ts';
import type { Life } from './life.ts';

/** A cache as one tab reaches it: late, in order, and no more once the tab is gone. */
export function lateCache(
  cache: Cache,
  { room, life, mostMs }: { readonly room: OriginRoom; readonly life: () => Life; mostMs: number },
): Cache {
  const { sharing } = cache;
  if (sharing === undefined) throw new Error('the cache cannot be shared');
  const lane = new Lane(room, mostMs);
  const late = <T>(deed: () => T | Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const of = life();
      lane.put(() => {
        if (!of.isAlive) return;
        Promise.resolve(deed()).then(
          (result) => of.run(() => resolve(result)),
          (error: unknown) => of.run(() => reject(error)),
        );
      });
    });
  return {
    keeping: cache.keeping,
    load: (store) => late(() => cache.load(store)),
    commit: (store, change) => late(() => cache.commit(store, change)),
    clear: (store) => late(() => cache.clear(store)),
    sharing: {
      lead: () => late(() => sharing.lead()),
      reign: () => late(() => sharing.reign()),
      commit: (store, change, reign) => late(() => sharing.commit(store, change, reign)),
      keep: (store, requests) => late(() => sharing.keep(store, requests)),
      outbox: (store) => late(() => sharing.outbox(store)),
    },
  };
}
