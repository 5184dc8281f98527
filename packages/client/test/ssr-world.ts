import { type Client, type ClientOptions, createClient } from '@holdfast/client';
import { type RecordHandle, records } from '@holdfast/client/records';
import { dehydrate } from '@holdfast/client/ssr';
import { collection, record } from '@holdfast/protocol';
import { createServer, type Principal, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect } from 'vitest';
import { z } from 'zod';
import { Tap } from './tap.ts';

const shape = z.object({
  title: z.string(),
  count: z.bigint().optional(),
  when: z.date().optional(),
  bytes: z.instanceof(Uint8Array).optional(),
  price: z.unknown().optional(),
  secret: z.string().optional(),
  owner: z.string().optional(),
});
type Shape = z.infer<typeof shape>;

/** What is hidden of it depends on who looks. */
export const Doc = record({
  name: 'doc',
  store: 'acme/app',
  path: 'docs/:id',
  version: '1.0',
  schema: shape,
  visibility: {
    '*': () => true,
    secret: ({ principal, value }) => value.owner === principal.subject,
  },
});

/** Nothing of it is hidden from anybody. */
export const Note = record({
  name: 'note',
  store: 'acme/notes',
  path: 'notes/:id',
  version: '1.0',
  schema: z.object({ text: z.string(), rank: z.number() }),
});

export const byTitle = collection(Doc, { orderBy: 'title' });

export const person = (subject: string): Principal => ({
  subject,
  orgs: ['acme'],
  scopes: new Set(['entries:read', 'entries:write']),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
});

export let server: Server;
let clients: Client[];
/** What was reported, by any client. */
export const errors: unknown[] = [];

/** Before each test. */
export async function openPages(): Promise<void> {
  server = createServer({ storage: memory(), rates: false, secret: 'of the test' });
  server.record(Doc);
  server.record(Note);
  for (const name of ['acme/app', 'acme/notes']) await server.stores.create(name);
  clients = [];
  errors.length = 0;
}

/** After each test. */
export async function closePages(): Promise<void> {
  await Promise.all(clients.map((each) => each.close()));
  await server.close({ retryAfterMs: 0 });
}

export function made(options: ClientOptions): Client {
  const client = createClient({
    records: records([Doc, Note]),
    onError: (error) => errors.push(error),
    ...options,
  });
  clients.push(client);
  return client;
}

/** A client that renders for somebody, in the process of the server. */
export const renderer = (subject = 'ada'): Client => made(server.inProcess(person(subject)));

/** A client of a browser of somebody, and what goes over its line, which may be held. */
export function browser(options: Partial<ClientOptions> = {}, subject = 'ada'): [Client, Tap] {
  const at = server.inProcess(person(subject));
  const tap = new Tap(at.link);
  return [made({ ...at, link: tap, ...options }), tap];
}

export const doc = (client: Client, id: string): RecordHandle<typeof Doc> =>
  client.record(Doc, { id });

export async function write(id: string, value: Shape): Promise<void> {
  await doc(renderer(value.owner ?? 'ada'), id).set(value).committed;
}

/** What a server renders that shows one document, and all of them. */
export async function rendered(subject = 'ada'): Promise<string> {
  const client = renderer(subject);
  await client.prefetch(Doc.ref({ id: '1' }), byTitle);
  return dehydrate(client);
}

/** Resolves when a client is in step with the server. */
export async function synced(client: Client, name = 'acme/app'): Promise<void> {
  const store = client.store(name, { scope: [] });
  await expect.poll(() => store.status.get().synced).toBe(true);
}
