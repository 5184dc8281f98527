import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Authenticate, cookieOf, createServer } from '@holdfast/server';
import { chat } from './chat.ts';
import { nameIn } from './name.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4410' },
    data: { type: 'string', default: '.holdfast/chat' },
  },
});

/** Takes everybody's word for who they are. A real chat has a login, and looks up the session of its cookie here. */
const authenticate: Authenticate = async (credentials) => {
  const name = nameIn(cookieOf(credentials, 'chat-name') ?? '');
  if (name === '') return null;
  return {
    subject: name,
    orgs: ['team'],
    // All else is read and written by the views, with the server's authority.
    scopes: ['entries:read', 'files:read'],
    pathRules: [{ pattern: 'pictures/*', allow: ['read'] }],
    presence: true,
  };
};

const server = createServer({
  app: chat,
  authenticate,
  data: values.data,
  site: fileURLToPath(new URL('../../dist', import.meta.url)),
});
// Null where it is there already.
await server.stores.create('team/chat');
const { url } = await server.listen({ port: Number(values.port) });
process.stdout.write(`The chat is at ${url}\n`);

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void server.close());
