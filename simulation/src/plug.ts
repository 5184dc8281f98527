import { Socket } from 'node:net';

/** What is plugged in at the other side of a {@link Plug}. */
export type Outlet = {
  /** Takes bytes; calls back when it takes more. */
  sent(bytes: Buffer, done: () => void): void;
  /** Nothing more will be sent. */
  ended(): void;
  /** The socket is gone. */
  destroyed(): void;
};

type Chunk = { readonly chunk: Buffer | string; readonly encoding: BufferEncoding };

/** A socket of Node.js that leads into a simulation instead of a network. */
export class Plug extends Socket {
  readonly #outlet: Outlet;
  #sentBytes = 0;

  constructor(outlet: Outlet) {
    super();
    this.#outlet = outlet;
    // What Node.js counts is what its own handle has written, and there is none.
    Object.defineProperty(this, 'bytesWritten', { get: () => this.#sentBytes });
  }

  /** Bytes arrive here; null: the other side sends no more. */
  receive(bytes: Buffer | null): void {
    if (!this.destroyed) this.push(bytes);
  }

  override _read(): void {
    // What arrives is pushed when it arrives.
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: () => void): void {
    this.#give(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk, done);
  }

  override _writev(chunks: Chunk[], done: () => void): void {
    const bytes = chunks.map(({ chunk, encoding }) =>
      typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk,
    );
    this.#give(Buffer.concat(bytes), done);
  }

  override _final(done: () => void): void {
    this.#outlet.ended();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#outlet.destroyed();
    // oxlint-disable-next-line no-underscore-dangle -- the name is that of Node.js
    super._destroy(error, done);
  }

  #give(bytes: Buffer, done: () => void): void {
    this.#sentBytes += bytes.length;
    this.#outlet.sent(bytes, done);
  }
}
