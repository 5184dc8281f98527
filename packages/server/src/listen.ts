import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HoldfastError } from '@holdfast/protocol';
import type { Clock } from './host/clock.ts';
import type { ServerAddress, ServerLog } from './server-options.ts';
import { dropStalled } from './stalled.ts';

/** For so long requests that were taken may come to their end. */
const GRACE_MS = 1000;

/** What a connection of requests is at: how many wait for their answers, and what had come when the last was answered. */
type Progress = { unanswered: number; restedAtBytes: number };

/** Accepts connections, until it is to accept no more. */
export class Listener {
  readonly #http: HttpServer;
  readonly #clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>;
  /** Connections of requests, by whatever way they came. The library knows none of them where it does not listen itself. */
  readonly #open = new Map<Socket, Progress>();

  #isStopping = false;
  /** Ends the wait for the system's answer, which does not come any more. */
  #giveUp: (error: Error) => void = () => undefined;

  constructor(http: HttpServer, clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>) {
    this.#http = http;
    this.#clock = clock;
    http.on('connection', (socket: Socket) => {
      this.#open.set(socket, { unanswered: 0, restedAtBytes: 0 });
      socket.once('close', () => this.#open.delete(socket));
    });
    http.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      dropStalled(response);
      const progress = this.#open.get(socket);
      if (progress === undefined) return;
      progress.unanswered += 1;
      response.once('close', () => {
        progress.unanswered -= 1;
        progress.restedAtBytes = socket.bytesRead;
        if (this.#isStopping) this.#closeIdleSoon();
      });
    });
    http.on('upgrade', ({ socket }: IncomingMessage) => void this.#open.delete(socket));
  }

  /** Takes a connection that somebody else has accepted. */
  serve(connection: Socket): void {
    if (this.#isStopping) connection.destroy();
    // One that has closed already says so to nobody: Node would keep it for as long as the process lives.
    if (!connection.destroyed) this.#http.emit('connection', connection);
  }

  /** Begins to accept connections; rejects with the system's error where that cannot be, or with `closed`. */
  listen(
    { port = 0, host = '127.0.0.1' }: { readonly port?: number; readonly host?: string },
    log: ServerLog,
  ): Promise<ServerAddress> {
    const http = this.#http;
    // It would serve what has been closed, for ever.
    if (this.#isStopping) return Promise.reject(new HoldfastError('closed'));
    return new Promise((resolve, reject) => {
      const refused = (error: Error): void => {
        // It would take the next attempt for its own.
        http.off('listening', begun);
        reject(error);
      };
      const begun = (): void => {
        http.off('error', refused);
        // Without a listener an error of the accepting socket would end the process.
        http.on('error', (error) => log.error({ err: error }, 'listening failed'));
        const address = http.address();
        const bound = typeof address === 'object' && address !== null ? address.port : port;
        const shown = host.includes(':') ? `[${host}]` : host;
        resolve({ host, port: bound, url: `http://${shown}:${bound}` });
      };
      http.listen(port, host, begun);
      // Not of one that throws, because another listens already, or is about to.
      http.once('error', refused);
      this.#giveUp = reject;
    });
  }

  /** Accepts nothing more; resolves when what was taken is answered (stores.md §19.3), or cut off because that takes too long. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#giveUp(new HoldfastError('closed'));
    this.#closeIdleSoon();
    const late = this.#clock.setTimeout(() => {
      for (const socket of this.#open.keys()) socket.destroy();
    }, GRACE_MS);
    await new Promise<void>((resolve) => void this.#http.close(() => resolve()));
    // Those that came by another way than its own are nothing that it waits for.
    for (const socket of this.#open.keys()) {
      // oxlint-disable-next-line no-await-in-loop -- until the last has gone
      await new Promise<void>((resolve) => void socket.once('close', () => resolve()));
    }
    this.#clock.clearTimeout(late);
  }

  /** What a silent connection had sent before has been read after a whole turn. */
  #closeIdleSoon(): void {
    setImmediate(() => void setImmediate(() => this.#closeIdle()));
  }

  /** One that has just answered, or has asked for nothing yet, as browsers open them in advance, is kept for a request that is not to come. */
  #closeIdle(): void {
    for (const [socket, { unanswered, restedAtBytes }] of this.#open) {
      if (unanswered === 0 && socket.bytesRead === restedAtBytes) socket.destroy();
    }
  }
}
