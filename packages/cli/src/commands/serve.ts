import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createServer, type ServerLog } from '@holdfast/server';
import type { Blobs, UploadId } from '@holdfast/server/blobs';
import { diskBlobs } from '@holdfast/server/blobs/disk';
import { levelOf, listenAt } from '@holdfast/server/config';
import { sqlite } from '@holdfast/server/storage/sqlite';
import type { Storage } from '@holdfast/server/storage';
import { type Command, defineCommand } from '../command.ts';
import { configurationArgs, readConfiguration, readOptions } from '../configuration.ts';
import { aborted } from '../interrupt.ts';
import { orgsOf } from '../offline.ts';
import { consoleDirectory, listen, runUntilStopped, serverLog } from '../running.ts';
import { version } from '../version.ts';

export const command: Command = defineCommand({
  summary: 'Start a server that others may reach. Everybody needs a token.',
  args: configurationArgs,
  examples: [
    'holdfast serve --data /var/lib/holdfast',
    'holdfast serve --host 0.0.0.0 --origin https://app.example.org',
    'holdfast serve --config /etc/holdfast/holdfast.config.mjs',
  ],
  async run(args, { output, terminal }) {
    const configuration = await readConfiguration(args, terminal);
    const { data = './data', ...options } = await readOptions(configuration);
    const directory = configuration.get('console') === true ? consoleDirectory() : null;
    const storage = sqlite({ directory: data });
    const log = serverLog(terminal, levelOf(configuration));
    const server = createServer({
      ...options,
      data,
      storage,
      log,
      ...(directory !== null && { console: directory }),
    });
    const { url } = await listen(server, listenAt(configuration));
    await runUntilStopped(server, output, async (signal) => {
      const ws = `${url.replace(/^http/, 'ws')}/ws/sync/websocket`;
      output.record({ url, ws, data }, (paint) =>
        [`Holdfast serves ${paint.bold(url)}`, `Data  ${data}`, 'Ctrl-C stops it.'].join('\n'),
      );
      if (output.json) tellLife(log, { url, data }, signal);
      if (options.authenticate === undefined && !(await hasToken(storage))) {
        const warning =
          'There is no token here yet. To make the first one, set HOLDFAST_ADMIN_TOKEN and HOLDFAST_ADMIN_ORGS, or stop this server and run:';
        const making = `holdfast tokens create --data ${data} --org ORG --scopes all`;
        output.aside({ warning: `${warning} ${making}` }, () => `${warning}\n  ${making}`);
      }
      const files = options.files ?? filesIn(data);
      if (files !== null) await Promise.race([tryFiles(files, log), aborted(signal)]);
    });
    if (output.json) log.info({}, 'stopped');
  },
});

/** When a server began and was told to end, and what it was: what is asked first of the log of a bad night. */
function tellLife(
  log: ServerLog,
  at: { readonly url: string; readonly data: string },
  signal: AbortSignal,
): void {
  const { pid, versions } = process;
  log.info({ ...at, version: version(), node: versions.node, pid }, 'listening');
  signal.addEventListener('abort', () => log.info({}, 'stopping'), { once: true });
}

/** Where files are kept by default, if there is something of that name: what is not there can be made, as the data could. */
function filesIn(data: string): Blobs | null {
  const directory = join(data, 'files');
  return existsSync(directory) ? diskBlobs({ directory }) : null;
}

/** A place for files that does not work is better known now than by somebody's first upload. */
async function tryFiles(files: Blobs, log: ServerLog): Promise<void> {
  const upload: UploadId = `upload:${randomBytes(32).toString('hex')}`;
  try {
    await files.append(upload, 0, Readable.from([Buffer.from('trial')]));
    await files.delete(upload);
  } catch (error) {
    log.error({ err: error }, 'files cannot be kept: uploads are refused until that is mended');
  }
}

async function hasToken(storage: Storage): Promise<boolean> {
  const lists = await Promise.all((await orgsOf(storage)).map((org) => storage.tokens.list(org)));
  return lists.flat().some(({ revokedAt }) => revokedAt === null);
}
