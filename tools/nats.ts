import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const places = ['/usr/sbin', ...(process.env['PATH'] ?? '').split(delimiter)];
const executable = places
  .map((directory) => join(directory, 'nats-server'))
  .find((path) => existsSync(path));

/** Whether what needs a NATS server is to be tried; in CI that is never left out. */
export const wantsNats: boolean = executable !== undefined || process.env['CI'] === 'true';

if (!wantsNats) {
  process.emitWarning(
    'There is no nats-server here (apt install nats-server): its tests are skipped.',
  );
}

/** A NATS server of one's own. */
export type NatsServer = {
  readonly url: string;
  readonly port: number;
  /** Gives it another configuration, as an operator does; resolves when that is in force. */
  reload(config: string): Promise<void>;
  stop(): Promise<void>;
};

/** Starts a NATS server on a port of its own choice, or on one that another has left. */
export async function startNats(at = -1, config = ''): Promise<NatsServer> {
  if (executable === undefined) throw new Error('There is no nats-server on this machine.');
  const directory = mkdtempSync(join(tmpdir(), 'nats-'));
  const file = join(directory, 'nats.conf');
  writeFileSync(file, config);
  const options = ['-a', '127.0.0.1', '-p', String(at), '-c', file];
  const server = spawn(executable, options, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(server, 'exit');
  // Whatever becomes of a test, nothing is left running.
  const kill = (): void => {
    server.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', kill);
  const port = await new Promise<number>((resolve, reject) => {
    let log = '';
    server.stderr.on('data', (text: Buffer) => {
      log += text.toString();
      const [, found] = /client connections on 127\.0\.0\.1:(\d+)/.exec(log) ?? [];
      if (found !== undefined && log.includes('Server is ready')) resolve(Number(found));
    });
    server.on('error', reject);
    server.on('exit', () => reject(new Error(`nats-server has ended: ${log}`)));
  });
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    reload: async (next) => {
      writeFileSync(file, next);
      const reloaded = new Promise<void>((resolve) => {
        const hear = (text: Buffer): void => {
          if (!text.includes('Reloaded server configuration')) return;
          server.stderr.off('data', hear);
          resolve();
        };
        server.stderr.on('data', hear);
      });
      server.kill('SIGHUP');
      await reloaded;
    },
    stop: async () => {
      process.off('exit', kill);
      kill();
      await exited;
    },
  };
}
