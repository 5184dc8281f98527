// oxlint-disable-next-line import/no-unassigned-import -- it gives Node an IndexedDB
import 'fake-indexeddb/auto';
import { expect, test, vi } from 'vitest';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { app, change, held } from './desk.ts';

// A network that neither brings a part of the page nor says that it cannot.
vi.mock('../../src/cache/fold.ts', () => new Promise(() => undefined));

test('a commit does not wait until what folds is loaded: its changes are there unfolded', async () => {
  const cache = indexedDB('folding');
  await cache.load(app);
  for (let n = 0; n < 300; n += 1) await cache.commit(app, change(n + 1, { [`k/${n}`]: n }));
  expect(Object.keys((await held(cache)).leaves)).toHaveLength(300);
  await cache.close?.();
});
