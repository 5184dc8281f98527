import { isIP } from 'node:net';
import { resolve } from 'node:path';
import {
  type Authenticate,
  createServer,
  type Server,
  type ServerLog,
  scopes,
} from '@holdfast/server';
import type { Storage } from '@holdfast/server/storage';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { type Command, defineCommand } from '../command.ts';
import { orgsOf } from '../offline.ts';
import type { Output } from '../output.ts';
import {
  consoleDirectory,
  listen,
  portArg,
  readPort,
  runUntilStopped,
  serverLog,
} from '../running.ts';
import { importSample } from '../sample/import.ts';
import { readList } from '../values.ts';
import { readStoreName } from '../store-name.ts';

const devToken = 'dev';
const devStore = 'demo/main';

export const command: Command = defineCommand({
  summary: 'Start a server for development: on this computer only, opened by the token "dev".',
  args: {
    port: portArg,
    data: {
      type: 'string',
      valueHint: 'DIR',
      default: './.holdfast',
      description: 'Where the data is kept',
    },
    org: {
      type: 'string',
      valueHint: 'ORGS',
      default: 'demo',
      description: 'Orgs in which "dev" may make stores',
    },
    sample: { type: 'boolean', description: `Fill a new ${devStore} with data about countries` },
  },
  examples: [
    'holdfast dev',
    'holdfast dev --port 0 --json',
    'holdfast dev --data ./state --org acme',
  ],
  async run(args, { output, terminal }) {
    const orgs = readList(args.org);
    for (const org of orgs) readStoreName(`${org}/any`);
    const directory = consoleDirectory();
    const storage = sqlite({ directory: args.data });
    const log = serverLog(terminal);
    const server = createServer({
      rates: false,
      data: args.data,
      storage,
      authenticate: devAuthenticate(storage, orgs, log),
      log,
      // Whoever tries webhooks at home has the receiver here too.
      webhooks: { allow: ['127.0.0.1', '::1', 'localhost'], http: true },
      ...(directory !== null && { console: directory }),
    });
    const { url } = await listen(server, { port: readPort(args.port), host: '127.0.0.1' });
    await runUntilStopped(server, output, async (signal) => {
      await ensureStore(server);
      announce(output, { url, data: resolve(args.data) });
      if (!args.sample) return;
      await importSample({ url, token: devToken, store: devStore, signal }, { output, terminal });
    });
  },
});

async function ensureStore(server: Server): Promise<void> {
  if ((await server.stores.find(devStore)) === null) await server.stores.create(devStore);
}

/**
 * The token `dev` may do everything in the given orgs and in those that have stores, for who calls this computer by a name of
 * its own: everybody knows the token, and a page of whatever name may have that name lead here.
 */
function devAuthenticate(storage: Storage, orgs: readonly string[], log: ServerLog): Authenticate {
  let isTold = false;
  return async ({ token, headers: { host } }) => {
    if (token !== devToken) return null;
    if (host !== undefined && !isOwnName(host)) {
      const why =
        'refused: dev answers to localhost, names below it, and addresses; put "serve" behind other names';
      if (!isTold) log.error({ host }, why);
      isTold = true;
      return null;
    }
    return {
      subject: 'dev',
      orgs: [...new Set([...orgs, ...(await orgsOf(storage))])],
      scopes: new Set(scopes),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
    };
  };
}

/** No name server has a say in what these mean. */
function isOwnName(host: string): boolean {
  const url = `http://${host}`;
  const { hostname } = new URL(URL.canParse(url) ? url : 'http://unknown.invalid');
  const address = hostname.replaceAll(/^\[|\]$/g, '');
  return hostname === 'localhost' || hostname.endsWith('.localhost') || isIP(address) !== 0;
}

function announce(output: Output, { url, data }: { url: string; data: string }): void {
  const ws = `${url.replace(/^http/, 'ws')}/ws/sync/websocket`;
  output.record({ url, ws, token: devToken, store: devStore }, (paint) => {
    const row = (label: string, text: string): string => `  ${paint.dim(label.padEnd(8))}${text}`;
    return [
      '',
      `  ${paint.bold(paint.green('Holdfast'))} is ready`,
      '',
      row('Console', paint.cyan(`${url}/#token=${devToken}`)),
      row('Socket', ws),
      row('Store', devStore),
      row('Token', `${devToken} ${paint.dim('(all rights, from this computer only)')}`),
      row('Data', data),
      row(
        'Try',
        `npx holdfast put ${devStore} hello '"world"'${url.endsWith(':4400') ? '' : ` --url ${url}`}`,
      ),
      '',
      paint.dim('  Ctrl-C stops it.'),
      '',
    ].join('\n');
  });
}
