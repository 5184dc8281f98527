import { refuse } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { keptIn } from '@holdfast/client/cache';
import { memoryCache } from '@holdfast/client';
import { app, change, pending, termsOf } from './desk.ts';
import { Disk, MapRows } from './map-rows.ts';

test.each([
  ['rows in maps', () => keptIn(new MapRows(new Disk()))],
  ['memory', memoryCache],
])(
  'given somebody who throws when dead letters change, in a cache of %s, when one is sent again, then that is kept, and the others hear',
  async (_, open) => {
    const terms = termsOf();
    const cache = open();
    await cache.open?.(terms);
    await cache.load(app);
    const again = pending(1);
    const { opId, request, createdAt } = again;
    const refusal = refuse('conflict');
    cache.letters?.put(app, { opId, request, createdAt, refusal, refusedAt: 2 });
    let heard = 0;
    cache.letters?.subscribe(app, () => {
      throw new Error('not mine');
    });
    cache.letters?.subscribe(app, () => (heard += 1));
    await cache.commit(app, change(1, {}, [again]));
    expect([cache.letters?.list(app), heard]).toEqual([[], 1]);
    expect(await cache.sharing?.outbox(app)).toMatchObject([{ opId }]);
    expect(terms.faults).toEqual([{ why: 'failed', kept: true }]);
  },
);
