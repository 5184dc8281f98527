import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ServerAddress, ServerLog } from './server-options.ts';

/** For so long requests that were taken may come to their end. */
const GRACE_MS = 1000;
const IDLE_MS = 10;

/** Accepts connections, until it is to accept no more. */
export class Listener {
  readonly #http: HttpServer;
  /** Connections of requests. The library knows none of them where it does not listen itself. */
  readonly #open = new Set<Socket>();
  /** Connections that have asked for nothing yet, as browsers open them in advance: the library does not call them idle. */
  readonly #unheard = new Set<Socket>();

  constructor(http: HttpServer) {
    this.#http = http;
    http.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      this.#unheard.add(socket);
      socket.once('close', () => {
        this.#open.delete(socket);
        this.#unheard.delete(socket);
      });
    });
    http.on('request', ({ socket }: IncomingMessage) => void this.#unheard.delete(socket));
    http.on('upgrade', ({ socket }: IncomingMessage) => {
      this.#open.delete(socket);
      this.#unheard.delete(socket);
    });
  }

  /** Begins to accept connections; rejects with the system's error where that cannot be. */
  listen(
    { port = 0, host = '127.0.0.1' }: { readonly port?: number; readonly host?: string },
    log: ServerLog,
  ): Promise<ServerAddress> {
    const http = this.#http;
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
  stop(): Promise<void> {
    const http = this.#http;
    return new Promise((resolve) => {
      const late = setTimeout(() => this.#closeAll(), GRACE_MS);
      // One that has just answered is kept for another request, which is not to come.
      const idle = setInterval(() => this.#closeIdle(), IDLE_MS);
      http.close(() => {
        clearTimeout(late);
        clearInterval(idle);
        // Those that came by another way than its own are nothing that it waits for.
        this.#closeAll();
        resolve();
      });
      http.closeIdleConnections();
    });
  }

  #closeAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** What a silent connection had sent before the end has been read by now. */
  #closeIdle(): void {
    this.#http.closeIdleConnections();
    for (const socket of this.#unheard) if (socket.bytesRead === 0) socket.destroy();
  }
}
