import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A connection on which a test says what no client would. */
export class Raw {
  readonly #socket: Socket;
  #heard = '';
  #ended = false;
  #waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => {
      this.#heard += bytes.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static open(url: string): Promise<Raw> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Raw(socket)));
    });
  }

  say(text: string | Uint8Array): void {
    this.#socket.write(text);
  }

  /** All that came until the server closed the connection. */
  async closed(): Promise<string> {
    while (!this.#ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.#heard;
  }

  /** All that came, once that matches. */
  async heard(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#heard)) {
      if (this.#ended) throw new Error(`closed after: ${this.#heard}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#heard;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
