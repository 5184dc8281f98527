import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** A proxy that serves another server below a path, as nginx does by `location /sync/ { proxy_pass http://…/; }`. */
export class PathProxy {
  readonly #http: Server;
  readonly #path: string;

  constructor(path: string, target: () => string) {
    this.#path = path;
    this.#http = createServer((asked, answer) => {
      const { hostname, port } = new URL(target());
      const { method, headers } = asked;
      const onwards = request({ hostname, port, method, headers, path: this.#inner(asked) });
      onwards.on('error', () => answer.destroy());
      onwards.on('response', (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
      });
      asked.pipe(onwards);
    });
    this.#http.on('upgrade', (asked: IncomingMessage, socket: Duplex) => {
      const { hostname, port } = new URL(target());
      const onwards = connect(Number(port), hostname, () => {
        const headers = Object.entries(asked.headers).map(
          ([name, value]) => `${name}: ${String(value)}`,
        );
        onwards.write(`GET ${this.#inner(asked)} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
        onwards.pipe(socket).pipe(onwards);
      });
      onwards.on('error', () => socket.destroy());
      socket.on('error', () => onwards.destroy());
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve));
    const address = this.#http.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    return `http://127.0.0.1:${port}${this.#path}/`;
  }

  stop(): void {
    this.#http.close();
    this.#http.closeAllConnections();
  }

  #inner({ url = '' }: IncomingMessage): string {
    return url.startsWith(`${this.#path}/`) ? url.slice(this.#path.length) : '/not-below';
  }
}
