import { parseArgs } from 'node:util';
import { type Authenticate, cookieOf, createServer, type GivenPrincipal } from '@holdfast/server';
import { versionOf } from '../issue/issue.ts';
import { nameIn } from './name.ts';
import { openPages } from './pages.ts';
import { tracker } from './tracker.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4430' },
    data: { type: 'string', default: '.holdfast/tracker' },
    /** Version 1 is the one before priorities; started with 2 afterwards, the server migrates what there is. */
    version: { type: 'string', default: '2' },
  },
});

/** Takes everybody's word for who they are. A real tracker looks up the session of its cookie here. */
const principalOf = (name: string): GivenPrincipal => ({
  subject: name,
  orgs: ['team'],
  scopes: ['entries:read', 'entries:write'],
});

const authenticate: Authenticate = async (credentials) => {
  const name = nameIn(credentials.token ?? cookieOf(credentials, 'tracker-name') ?? '');
  return name === '' ? null : principalOf(name);
};

const version = versionOf(values.version);
const server = createServer({ authenticate, data: values.data, app: tracker });
server.record(version.issue);
// Null where it is there already.
await server.stores.create('team/tracker');
const pages = await openPages({ server, version, principalOf }, Number(values.port));
process.stdout.write(`The tracker is at ${pages.url}\n`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    pages.close();
    void server.close();
  });
}
