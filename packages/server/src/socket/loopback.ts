import { Socket } from 'node:net';

type Chunk = { readonly chunk: Buffer | string; readonly encoding: BufferEncoding };

/** Of more only the last are done: they are a courtesy to what would end by itself. */
const FAREWELLS_MAX = 1000;

/** One end of a connection that never leaves the process: a socket of Node.js with no network behind it. */
class End extends Socket {
  #peer: End | null = null;
  #sentBytes = 0;
  #hasEnded = false;
  /** What is done when the peer has ended first. */
  readonly #farewells: (() => void)[] = [];
  /** The peer's write that waits until this end reads on. */
  #resume: (() => void) | null = null;

  constructor() {
    super();
    // What Node.js counts is what its own handle has written, and there is none.
    Object.defineProperty(this, 'bytesWritten', { get: () => this.#sentBytes });
    // Who cares is told by `close`.
    this.on('error', () => undefined);
  }

  joinTo(peer: End): void {
    this.#peer = peer;
  }

  override _read(): void {
    this.#readOn();
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: () => void): void {
    this.#give(bytesOf({ chunk, encoding }), done);
  }

  override _writev(chunks: Chunk[], done: () => void): void {
    this.#give(Buffer.concat(chunks.map(bytesOf)), done);
  }

  #give(bytes: Buffer, done: () => void): void {
    this.#sentBytes += bytes.length;
    const peer = this.#peer;
    // Later, as from a network: nobody hears of what it causes within the call.
    process.nextTick(() => (peer === null ? done() : peer.#take(bytes, done)));
  }

  override _final(done: () => void): void {
    const peer = this.#peer;
    process.nextTick(() => peer?.finish());
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const peer = this.#peer;
    this.#peer = null;
    this.#readOn();
    process.nextTick(() => peer?.finish());
    // oxlint-disable-next-line no-underscore-dangle -- the name is that of Node.js
    super._destroy(error, done);
  }

  #readOn(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  #take(bytes: Buffer, done: () => void): void {
    if (this.destroyed || this.#hasEnded || this.push(bytes)) done();
    else this.#resume = done;
  }

  /** The peer sends no more. */
  finish(): void {
    if (this.destroyed || this.#hasEnded) return;
    this.#hasEnded = true;
    for (const run of this.#farewells.splice(0)) run();
    this.push(null);
  }

  whenForsaken(run: () => void): void {
    if (this.#hasEnded) run();
    else if (!this.destroyed && this.#farewells.push(run) > FAREWELLS_MAX) this.#farewells.shift();
  }
}

/** Does something once the other end, which is of a client in this process, was closed by that; never where there is none. */
export function whenForsaken(socket: Socket, run: () => void): void {
  if (socket instanceof End) socket.whenForsaken(run);
}

function bytesOf({ chunk, encoding }: Chunk): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
}

/** The two ends of a connection within this process. */
export function loopback(): readonly [Socket, Socket] {
  const [near, far] = [new End(), new End()];
  near.joinTo(far);
  far.joinTo(near);
  return [near, far];
}
