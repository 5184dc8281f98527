import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Dice } from '../src/dice.ts';

/** What the network is like now. */
export type Climate = {
  /** Each piece takes so long, and up to so much more. */
  readonly latencyMs: number;
  readonly jitterMs: number;
  /** Of each direction of each connection; infinite where nothing throttles. */
  readonly bytesPerSecond: number;
  /** The largest piece that passes at once. */
  readonly pieceBytes: number;
};

/** A network that does nothing wrong. */
export const fairClimate: Climate = {
  latencyMs: 0,
  jitterMs: 0,
  bytesPerSecond: Infinity,
  pieceBytes: Infinity,
};

const queueBytesMax = 64 * 1024;

/** A TCP proxy that does to connections what networks do, when it is told to. */
export class FaultyProxy {
  climate: Climate = fairClimate;
  readonly #server: Server;
  readonly #dice: Dice;
  readonly #lines = new Set<Line>();
  readonly #targetPort: number;
  /** Connections so far. */
  count = 0;

  private constructor(targetPort: number, dice: Dice) {
    this.#targetPort = targetPort;
    this.#dice = dice;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listens, on a free port, for connections to pass on to another port of this computer. */
  static async listen(targetPort: number, dice: Dice): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(targetPort, dice);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get lines(): readonly Line[] {
    return [...this.#lines];
  }

  /** Breaks every connection, those included that nobody knows to be dead. */
  cutAll(): void {
    for (const line of this.#lines) line.cut();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cutAll();
    await closed;
  }

  #accept(socket: Socket): void {
    this.count += 1;
    const line = new Line(socket, connect(this.#targetPort, '127.0.0.1'), {
      climate: () => this.climate,
      random: () => this.#dice.next(),
      gone: () => this.#lines.delete(line),
    });
    this.#lines.add(line);
  }
}

type Surroundings = {
  readonly climate: () => Climate;
  readonly random: () => number;
  readonly gone: () => void;
};

/** One connection through the proxy: two sockets and two pipes. */
export class Line {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #down: Pipe;
  readonly #gone: () => void;
  #isMute = false;
  #isOver = false;

  constructor(near: Socket, far: Socket, around: Surroundings) {
    this.#near = near;
    this.#far = far;
    this.#gone = around.gone;
    const isMute = (): boolean => this.#isMute;
    const up = new Pipe(near, far, { ...around, isMute });
    this.#down = new Pipe(far, near, { ...around, isMute });
    for (const [socket, pipe] of [
      [near, up],
      [far, this.#down],
    ] as const) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      // What was sent before the end still arrives, unless the connection is half-open.
      socket.on('close', () => pipe.finish(() => this.#ended()));
    }
  }

  /** Breaks it; what is on its way is lost. */
  cut(): void {
    this.#isOver = true;
    this.#near.destroy();
    this.#far.destroy();
    this.#gone();
  }

  /** Half-open: nothing passes any more, and nobody is told. */
  mute(): void {
    this.#isMute = true;
  }

  /** Its client reads nothing for a while, so that the server has to wait. */
  stall(ms: number): void {
    this.#down.stall(ms);
  }

  /** Breaks it in the middle of what the server says next. */
  cutAmid(): void {
    this.#down.breakNext(() => this.cut());
  }

  #ended(): void {
    if (!this.#isMute && !this.#isOver) this.cut();
  }
}

/** One direction of a connection: what goes in comes out in the same order, some time. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #around: Surroundings & { readonly isMute: () => boolean };
  readonly #pieces: { readonly at: number; readonly data: Buffer }[] = [];
  #lastAt = 0;
  #queuedBytes = 0;
  /** How many times its source is held back now. */
  #stalls = 0;
  #timer: NodeJS.Timeout | null = null;
  #break: (() => void) | null = null;
  #finished: (() => void) | null = null;

  constructor(from: Socket, to: Socket, around: Surroundings & { readonly isMute: () => boolean }) {
    this.#from = from;
    this.#to = to;
    this.#around = around;
    from.on('data', (data: Buffer) => this.#take(data));
  }

  stall(ms: number): void {
    this.#stalls += 1;
    this.#from.pause();
    // By count: a timer may ring a little before its time, and nothing else would have it read again.
    const goOn = (): void => {
      this.#stalls -= 1;
      this.#pump();
    };
    setTimeout(goOn, ms).unref();
  }

  breakNext(broken: () => void): void {
    this.#break = broken;
  }

  /** Calls back when everything taken so far has been passed on. */
  finish(done: () => void): void {
    this.#finished = done;
    this.#pump();
  }

  #take(data: Buffer): void {
    if (this.#around.isMute()) return;
    const { latencyMs, jitterMs, bytesPerSecond, pieceBytes } = this.#around.climate();
    for (let start = 0; start < data.length; start += pieceBytes) {
      const piece = data.subarray(start, Math.min(data.length, start + pieceBytes));
      const arrival = performance.now() + latencyMs + jitterMs * this.#around.random();
      this.#lastAt = Math.max(this.#lastAt, arrival) + (1000 * piece.length) / bytesPerSecond;
      this.#pieces.push({ at: this.#lastAt, data: piece });
      this.#queuedBytes += piece.length;
    }
    this.#pump();
  }

  #pump(): void {
    const now = performance.now();
    while (!this.#to.writableNeedDrain) {
      const [piece] = this.#pieces;
      if (piece === undefined || piece.at > now) break;
      this.#pieces.shift();
      this.#queuedBytes -= piece.data.length;
      this.#deliver(piece.data);
    }
    this.#wait(now);
    const isFull = this.#queuedBytes > queueBytesMax || this.#stalls > 0;
    if (isFull) this.#from.pause();
    else this.#from.resume();
  }

  #wait(now: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const [next] = this.#pieces;
    if (next === undefined) this.#finished?.();
    else if (this.#to.destroyed) this.#pieces.length = 0;
    else if (this.#to.writableNeedDrain) this.#to.once('drain', () => this.#pump());
    else this.#timer = setTimeout(() => this.#pump(), Math.max(1, next.at - now));
  }

  #deliver(data: Buffer): void {
    if (this.#around.isMute() || this.#to.destroyed) return;
    const broken = this.#break;
    if (broken === null || data.length < 2) {
      this.#to.write(data);
    } else {
      this.#break = null;
      this.#to.write(data.subarray(0, data.length >> 1), broken);
    }
  }
}
