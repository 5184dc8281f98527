import { createClient, type Store } from '@holdfast/client';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { Outline } from '../src/model/outline.ts';

/** An empty store, as the client of a page has it. */
async function openStore(): Promise<Store> {
  const server = createServer({ storage: memory() });
  await server.stores.create('demo/main');
  const scopes = ['entries:read', 'entries:write'] as const;
  const client = createClient(server.inProcess({ subject: 'ada', orgs: ['demo'], scopes }));
  onTestFinished(async () => {
    await client.close();
    await server.close({ retryAfterMs: 0 });
  });
  const store = client.store('demo/main');
  await store.ready;
  return store;
}

test('what is revealed has its line at once, though it was written a moment ago and nothing was drawn since', async () => {
  const store = await openStore();
  const outline = new Outline(store);
  outline.reload();
  const shown = (): readonly string[] => outline.view.get().rows.map(({ path }) => path);
  const first = store.put('rows/first', 1);
  outline.reveal('rows/first');
  expect(shown()).toEqual(['rows', 'rows/first']);
  const second = store.put('rows/second', 2);
  outline.reveal('rows/second');
  expect(shown()).toEqual(['rows', 'rows/first', 'rows/second']);
  await Promise.all([first.committed, second.committed]);
});
