import { createClient, type Store } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { passthrough, record } from '@holdfast/protocol';
import { createServer, type GivenPrincipal } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';

const person = {
  subject: 'ada',
  orgs: ['acme'],
  scopes: ['entries:read', 'entries:write', 'files:read', 'files:write', 'audit:read'],
} as const satisfies GivenPrincipal;

/** A store of a server that nobody outside can reach, as a client in its process has it. */
async function storeOf(principal: GivenPrincipal): Promise<Store> {
  const server = createServer({ storage: memory(), rates: false });
  await server.stores.create('acme/app');
  const client = createClient({ ...server.inProcess(principal) });
  onTestFinished(async () => {
    await client.close();
    await server.close({ retryAfterMs: 0 });
  });
  const store = client.store('acme/app');
  await store.ready;
  return store;
}

test('a client in the process of its server has files and the past, as one from outside has', async () => {
  const store = await storeOf(person);
  const bytes = new Uint8Array(3_000_000).map((_byte, at) => at % 251);
  await store.putFile('report', new Blob([bytes]), { contentType: 'application/pdf' });
  const file = await store.getFile('report');
  const given = new Uint8Array(await new Response(file?.stream).arrayBuffer());
  expect(Buffer.compare(given, bytes)).toBe(0);
  expect((await store.history()).items.map(({ op }) => op)).toEqual(['put_file']);
  await store.rollback({ to: 0 });
  expect(store.get('report')).toBeUndefined();
});

test('what a client in the process asks for by HTTP is asked with the rights of its principal', async () => {
  const store = await storeOf({ ...person, scopes: ['entries:read', 'entries:write'] });
  await expect(store.putFile('report', new Blob(['a']))).rejects.toMatchObject({
    code: 'missing_scope',
  });
});

test('a download that a client in the process gives up ends, and another begins', async () => {
  const store = await storeOf(person);
  await store.putFile('large', new Blob([new Uint8Array(3_000_000)]));
  const reader = (await store.getFile('large'))?.stream.getReader();
  expect((await reader?.read())?.done).toBe(false);
  await reader?.cancel();
  expect((await (await store.getFile('large'))?.blob())?.size).toBe(3_000_000);
});

test('rules find what an application has added to the principal of a client in the process, such as a role', async () => {
  const Note = record({
    name: 'note',
    store: 'acme/app',
    path: 'notes/:id',
    version: '*',
    schema: passthrough<{ text: string }>(),
  });
  const server = createServer({ storage: memory(), rates: false });
  server.record(Note, { write: ({ principal }) => principal['role'] === 'clerk' });
  await server.stores.create('acme/app');
  onTestFinished(() => server.close({ retryAfterMs: 0 }));
  const { subject, orgs, scopes } = person;
  const write = async (role: string): Promise<unknown> => {
    const inside = server.inProcess({ subject, orgs, scopes, role });
    await using client = createClient({ ...inside, records: records([Note]) });
    const { value } = await client.record(Note, { id: '1' }).set({ text: role }).committed;
    return value;
  };
  await expect(write('guest')).rejects.toMatchObject({ code: 'path_not_allowed' });
  await expect(write('clerk')).resolves.toEqual({ text: 'clerk' });
});
