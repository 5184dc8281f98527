import type { Server as HttpServer } from 'node:http';
import type { ServerAddress, ServerLog } from './server-options.ts';

/** Begins to accept connections; rejects with the system's error where that cannot be. */
export function listenOn(
  http: HttpServer,
  { port = 0, host = '127.0.0.1' }: { readonly port?: number; readonly host?: string },
  log: ServerLog,
): Promise<ServerAddress> {
  return new Promise((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, host, () => {
      http.off('error', reject);
      // Without a listener an error of the accepting socket would end the process.
      http.on('error', (error) => log.error({ err: error }, 'listening failed'));
      const address = http.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      const shown = host.includes(':') ? `[${host}]` : host;
      resolve({ host, port: bound, url: `http://${shown}:${bound}` });
    });
  });
}
