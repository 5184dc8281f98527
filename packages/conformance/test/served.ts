import { createServer, type Principal, scopes } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { onTestFinished } from 'vitest';

/** A running server, as the suite is told of it. */
export type Served = {
  readonly url: string;
  readonly token: string;
  readonly readOnlyToken: string;
  readonly store: string;
};

/** Starts a server for one test, with a store that has a past. */
export async function served(): Promise<Served> {
  const all: Principal = {
    subject: 'dev',
    orgs: ['acme'],
    scopes: new Set(scopes),
    storeAccess: { mode: 'all' },
    expiresAt: null,
    tokenId: null,
  };
  const reader: Principal = { ...all, subject: 'reader', scopes: new Set(['entries:read']) };
  const server = createServer({
    rates: false,
    storage: memory(),
    authenticate: async ({ token }) =>
      token === 'writer' ? all : token === 'reader' ? reader : null,
  });
  const { url } = await server.listen();
  await server.stores.create('acme/blog');
  onTestFinished(() => server.close());
  return { url, token: 'writer', readOnlyToken: 'reader', store: 'acme/blog' };
}
