import { createClient, type Store } from '@holdfast/client';
import { createServer, type ServerOptions } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { onTestFinished } from 'vitest';

/** An empty store, as the client of a page has it. */
export async function openStore(options: Partial<ServerOptions> = {}): Promise<Store> {
  const server = createServer({ storage: memory(), ...options });
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
