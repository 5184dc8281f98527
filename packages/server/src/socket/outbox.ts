import type { Socket } from 'node:net';
import type { Meters } from '../metrics/index.ts';
import { whenForsaken } from './loopback.ts';

const CONCAT_BYTES_MAX = 256 * 1024;
const nothing = Buffer.alloc(0);

/** Writes every outbox that has something to say, once at the end of each turn of the event loop. */
export class Flusher {
  readonly #meters: Meters;
  readonly #now: () => number;
  #dirty: Outbox[] = [];
  #armed = false;
  #turn = 0;
  /** Since when events of a commit are on their way in this turn. */
  #since: number | null = null;

  /** `now`: monotonic milliseconds. */
  constructor(meters: Meters, now: () => number) {
    this.#meters = meters;
    this.#now = now;
  }

  /** The number of this turn; it ends with everything written. */
  turn(): number {
    this.#arm();
    return this.#turn;
  }

  add(outbox: Outbox): void {
    this.#dirty.push(outbox);
    this.#arm();
  }

  /** Events of a commit that is just stored are being handed out. */
  delivering(now: number): void {
    this.#since ??= now;
    this.#arm();
  }

  sent(bytes: number): void {
    this.#meters.sentBytes.add(bytes);
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    this.#armed = false;
    this.#turn += 1;
    for (const outbox of dirty) outbox.flush();
    if (this.#since === null) return;
    this.#meters.fanoutTime.observeMs(this.#now() - this.#since);
    this.#since = null;
  }
}

/** A WebSocket, and what carries it. */
type Line = { readonly raw: Socket; readonly socket: { readonly readyState: number } };

const OPEN = 1;

/**
 * What one socket still has to send. The first events of a turn leave at once; all else that it is due in the turn leaves at
 * its end, in one write (design.md, the committed fast path).
 */
export class Outbox {
  readonly #socket: Socket;
  readonly #line: Line;
  readonly #flusher: Flusher;
  readonly #softBytes: number;
  #frames: Buffer[] = [];
  #bytes = 0;
  /** The last turn in which events left before its end. */
  #hurriedIn = -1;
  /** Answers that will be sent, nobody knows when. */
  #owed = 0;
  #ended = false;

  constructor(line: Line, flusher: Flusher, softBytes: number) {
    this.#socket = line.raw;
    this.#line = line;
    this.#flusher = flusher;
    this.#softBytes = softBytes;
  }

  /** A peer that has closed has its answer already, and nothing may follow that (RFC 6455 §5.5.1). */
  get #isGone(): boolean {
    return this.#socket.destroyed || this.#line.socket.readyState !== OPEN;
  }

  /** Does something once its client, where that is one of this process, has closed the line. */
  whenForsaken(run: () => void): void {
    whenForsaken(this.#socket, run);
  }

  /** Bytes that were accepted here and have not left the process. */
  get unsentBytes(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Bytes that have left the process since the socket opened. */
  get sentBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  /** Above the soft limit live delivery stops (stores.md §9.3). A socket that is gone holds nobody up. */
  get congested(): boolean {
    return !this.#isGone && this.unsentBytes > this.#softBytes;
  }

  /** Whether live ops may be sent: what only waits for the end of the turn leaves first. */
  takesMore(): boolean {
    if (this.congested) this.flush();
    return !this.congested;
  }

  /** Tells of answers that will be sent; a negative number: that so many have been, or never will be. */
  owe(answers: number): void {
    this.#owed += answers;
  }

  /** Sends what is queued; what comes later is dropped, for nothing may follow a close. */
  end(): void {
    this.flush();
    this.#ended = true;
  }

  /** Queues whole frames. */
  send(frames: Buffer): void {
    if (this.#ended || this.#isGone) return;
    if (this.#frames.length === 0) this.#flusher.add(this);
    this.#frames.push(frames);
    this.#bytes += frames.length;
  }

  /**
   * Sends whole frames at once where they are the first of the turn, else as {@link send} does: of hundreds who are told
   * the same, the first reads it while the next is still being told. With an answer owed they wait for the end of the turn,
   * for who has written is most often told and answered in one.
   */
  sendAtOnce(frames: Buffer): void {
    const turn = this.#flusher.turn();
    if (this.#owed > 0 || this.#hurriedIn === turn || this.#frames.length > 0) {
      this.send(frames);
    } else if (!this.#ended && !this.#isGone) {
      this.#hurriedIn = turn;
      this.#flusher.sent(frames.length);
      this.#socket.write(frames);
    }
  }

  flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    this.#frames = [];
    const bytes = this.#bytes;
    this.#bytes = 0;
    if (this.#isGone) return;
    this.#flusher.sent(bytes);
    const [first] = frames;
    if (frames.length === 1 && first !== undefined) {
      this.#socket.write(first);
    } else if (bytes <= CONCAT_BYTES_MAX) {
      this.#socket.write(Buffer.concat(frames, bytes));
    } else {
      this.#socket.cork();
      for (const frame of frames) this.#socket.write(frame);
      this.#socket.uncork();
    }
  }

  /** Resolves when less than half of the soft limit is unsent, or the socket is gone. */
  async drained(): Promise<void> {
    while (!this.#isGone && this.unsentBytes > this.#softBytes / 2) {
      this.flush();
      // `drain` is not told below the socket's own mark; a write of nothing is done when all before it has left.
      await new Promise<void>((resolve) => this.#socket.write(nothing, () => resolve()));
    }
  }
}
