import { createServer } from '@holdfast/server';
import { sqlite } from '@holdfast/server/storage/sqlite';

/* A server in a process of its own, over a directory, on a port that may be given; says where it is and a token. */
const [directory = '', port = '0'] = process.argv.slice(2);
const server = createServer({ storage: sqlite({ directory }), origins: ['*'] });
const { url, port: taken } = await server.listen({ port: Number(port) });
// Null where it is there already.
await server.stores.create('acme/app');
const { rawToken } = await server.tokens.issue({
  name: 'test',
  org: 'acme',
  scopes: ['entries:read', 'entries:write'],
  storeAccess: { mode: 'all' },
  expiresAt: null,
  createdBy: null,
});
process.send?.({ url, port: taken, token: rawToken });
