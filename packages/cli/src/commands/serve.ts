import { createServer } from '@holdfast/server';
import { sqlite } from '@holdfast/server/storage/sqlite';
import type { Storage } from '@holdfast/server/storage';
import { type Command, defineCommand } from '../command.ts';
import { orgsOf } from '../offline.ts';
import { consoleDirectory, listen, portArg, runUntilStopped, serverLog } from '../running.ts';
import { readList } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Start a server that others may reach. Everybody needs a token.',
  args: {
    host: {
      type: 'string',
      valueHint: 'HOST',
      default: '127.0.0.1',
      description: 'Address to listen on; 0.0.0.0 is all of them. Put TLS in front of it',
    },
    port: portArg,
    data: {
      type: 'string',
      valueHint: 'DIR',
      default: './data',
      description: 'Where the data is kept',
    },
    origin: {
      type: 'string',
      valueHint: 'ORIGINS',
      description:
        'Web pages that may connect besides its own, as https://a.example,https://b.example',
    },
  },
  examples: [
    'holdfast serve --data /var/lib/holdfast',
    'holdfast serve --host 0.0.0.0 --origin https://app.example.org',
  ],
  async run(args, { output, terminal }) {
    const directory = consoleDirectory();
    const storage = sqlite({ directory: args.data });
    const server = createServer({
      data: args.data,
      storage,
      origins: readList(args.origin ?? ''),
      log: serverLog(terminal),
      ...(directory !== null && { console: directory }),
    });
    const { url } = await listen(server, args);
    await runUntilStopped(server, output, async () => {
      const ws = `${url.replace(/^http/, 'ws')}/ws/sync/websocket`;
      output.record({ url, ws, data: args.data }, (paint) =>
        [`Holdfast serves ${paint.bold(url)}`, `Data  ${args.data}`, 'Ctrl-C stops it.'].join('\n'),
      );
      if (!(await hasToken(storage))) {
        terminal.stderr.write(
          `No token opens a store here yet. To make the first one, stop this server and run:\n` +
            `  holdfast tokens create --data ${args.data} --org ORG --scopes all\n`,
        );
      }
    });
  },
});

async function hasToken(storage: Storage): Promise<boolean> {
  const lists = await Promise.all((await orgsOf(storage)).map((org) => storage.tokens.list(org)));
  return lists.flat().some(({ revokedAt }) => revokedAt === null);
}
