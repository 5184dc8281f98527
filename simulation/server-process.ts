// A server with its store in an SQLite file, in a process that tests may end without notice. Arguments: data directory, port.
import { flushCompileCache } from 'node:module';
import { createServer, type Principal, scopes } from '@holdfast/server';

const [, , data = '', port = '0'] = process.argv;

const everything: Principal = {
  subject: 'dev',
  orgs: ['acme'],
  scopes: new Set(scopes),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};
const pathRules: Principal['pathRules'] = [
  { pattern: '**', allow: ['read'] },
  { pattern: 'fuzz/**', allow: ['write'] },
  { pattern: 'probe/**', allow: ['write'] },
];

const server = createServer({
  data,
  origins: ['*'],
  rates: false,
  authenticate: async ({ token }) => {
    if (token === 'dev') return everything;
    return token === 'fuzz' ? { ...everything, subject: 'fuzz', pathRules } : null;
  },
  log: {
    info: () => undefined,
    error: (details, message) => process.stderr.write(`${message}: ${told(details)}\n`),
  },
});
await server.stores.create('acme/app');
const address = await server.listen({ port: Number(port) });
// It will not live to do so at its end.
flushCompileCache();
process.send?.({ port: address.port });
process.on('message', () => process.send?.({ rss: process.memoryUsage().rss }));
process.on('disconnect', () => process.exit());

function told(details: object): string {
  const error = 'err' in details ? details.err : details;
  return error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error);
}
