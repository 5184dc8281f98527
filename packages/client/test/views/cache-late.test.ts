import type { CachedView, Persister } from '@holdfast/client/views';
import { deferred } from '@holdfast/engine/registry';
import { expect, test, vi } from 'vitest';
import { module, node, Scripted, topic } from './scripted.ts';

/** What keeps trees is fetched where a client has views that are kept: it comes when the test says so. */
const code = await vi.hoisted(async () => {
  const registry = await import('@holdfast/engine/registry');
  return registry.deferred<void>();
});

vi.mock(import('../../src/views/cache.ts'), (load) => code.promise.then(load));

const keyOf = (id: string): string => JSON.stringify(['', module, id, {}]);

test('V83 given code that comes late, then what is live by then is kept, and what was refused by then is forgotten', async () => {
  const old: CachedView = { tree: node([], { n: 1 }) as never, updatedAt: 0, buster: '' };
  const kept = new Map([[keyOf('other'), old]]);
  const [written, forgotten] = [deferred<void>(), deferred<void>()];
  const persister: Persister = {
    get: () => undefined,
    set: (key, entry) => {
      kept.set(key, entry);
      written.resolve();
    },
    delete: (key) => {
      kept.delete(key);
      forgotten.resolve();
    },
    clear: () => kept.clear(),
  };
  await using world = new Scripted({ viewCache: { persister } });
  world.client.view(module, { id: 'main', cache: true });
  const refused = world.client.view(module, { id: 'other', cache: true });
  await world.accept();
  await world.show(node([], { n: 2 }), 1, topic);
  await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
  await expect(refused.ready).rejects.toMatchObject({ code: 'unauthorized' });
  code.resolve();
  await forgotten.promise;
  await world.clock.advance(1000);
  await written.promise;
  expect([...kept]).toMatchObject([[keyOf('main'), { tree: { n: 2 } }]]);
});
