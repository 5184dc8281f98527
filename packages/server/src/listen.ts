import type { Server as HttpServer } from 'node:http';
import type { ServerAddress, ServerLog } from './server-options.ts';

/** For so long requests that were taken may come to their end. */
const GRACE_MS = 1000;
const IDLE_MS = 10;

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

/** Accepts nothing more; resolves when what was taken is answered (stores.md §19.3), or cut off because that takes too long. */
export function stopListening(http: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => http.closeAllConnections(), GRACE_MS);
    // One that has just answered is kept for another request, which is not to come.
    const idle = setInterval(() => http.closeIdleConnections(), IDLE_MS);
    http.close(() => {
      clearTimeout(late);
      clearInterval(idle);
      // Those that came by another way than its own are nothing that it waits for.
      http.closeAllConnections();
      resolve();
    });
    http.closeIdleConnections();
  });
}
