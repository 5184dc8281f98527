import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A door in front of a server that counts who goes through it to stay: the WebSockets. */
export class Gate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #all = new Set<Socket>();
  /** WebSockets there were, those that have ended included. */
  total = 0;

  private constructor(port: number) {
    this.#server = createServer((near) => this.#pass(near, port));
  }

  static async open(port: number): Promise<Gate> {
    const gate = new Gate(port);
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    return gate;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /** WebSockets that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  /** What those who are through send from now on is lost, and they do not know it; not that of whoever comes later. */
  swallow(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.resume();
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#all) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(near: Socket, port: number): void {
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#all.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#all.delete(socket);
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
    near.once('data', (head: Buffer) => {
      if (!/^upgrade: websocket/im.test(head.toString('latin1'))) return;
      this.#sockets.add(near);
      this.total += 1;
    });
  }
}
