import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

const LARGE_BYTES = 50_000;

/**
 * A WebSocket peer that only counts what it receives, so that a thousand of them cost the load process little. Frames
 * are told apart by their length alone; one that keeps them is read when the clock has stopped.
 */
export class Reader {
  messages = 0;
  /** Frames of 50,000 bytes or more: they end a stream. */
  large = 0;
  readonly #socket: Socket;
  readonly #heard: () => void;
  #kept: Buffer[] | null = null;
  #rest: Buffer = Buffer.alloc(0);
  #skip = 0;

  private constructor(socket: Socket, heard: () => void) {
    this.#socket = socket;
    this.#heard = heard;
  }

  /** Upgrades, and resolves when the server has switched. */
  static open(port: number, path: string, heard: () => void): Promise<Reader> {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    const reader = new Reader(socket, heard);
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      let head = Buffer.alloc(0);
      const upgrading = (data: Buffer): void => {
        head = Buffer.concat([head, data]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        socket.off('data', upgrading);
        if (!head.toString('latin1', 0, 12).endsWith('101')) {
          reject(new Error(head.toString('utf8')));
          return;
        }
        socket.on('data', (more: Buffer) => reader.#take(more));
        reader.#take(head.subarray(end + 4));
        resolve(reader);
      };
      socket.on('data', upgrading);
    });
  }

  /** Sends one text message, masked as clients must. */
  send(text: string): void {
    const payload = Buffer.from(text);
    if (payload.length > 125) throw new Error('readers send short messages only');
    // A mask of zeros leaves the payload as it is.
    this.#socket.write(
      Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]),
    );
  }

  /** Keeps what comes from now on, as it comes: it costs a reference for each piece. */
  keep(): void {
    this.#kept = [];
  }

  /** The text of each message that was kept. */
  kept(): readonly string[] {
    const bytes = Buffer.concat(this.#kept ?? []);
    const texts: string[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = frameSize(bytes, at);
      if (size === null || at + size > bytes.length) break;
      texts.push(bytes.toString('utf8', at + headSize(bytes, at), at + size));
      at += size;
    }
    return texts;
  }

  /** Whether the connection has ended. */
  get closed(): boolean {
    return this.#socket.destroyed;
  }

  /** Reads nothing any more, as a peer that hangs. */
  stall(): void {
    this.#socket.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    this.#kept?.push(data);
    if (this.#skip >= data.length) {
      this.#skip -= data.length;
      return;
    }
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data;
    let at = this.#rest.length > 0 ? 0 : this.#skip;
    this.#skip = 0;
    this.#rest = Buffer.alloc(0);
    const before = this.messages;
    while (at < bytes.length) {
      const size = frameSize(bytes, at);
      if (size === null) {
        this.#rest = bytes.subarray(at);
        bytes = Buffer.alloc(0);
        break;
      }
      this.messages += 1;
      if (size >= LARGE_BYTES) this.large += 1;
      at += size;
    }
    if (this.#rest.length === 0) this.#skip = Math.max(0, at - bytes.length);
    if (this.messages !== before) this.#heard();
  }
}

/** The whole size of the frame at `at`, or null where its header is not complete. */
function frameSize(bytes: Buffer, at: number): number | null {
  const left = bytes.length - at;
  if (left < 2) return null;
  const short = (bytes[at + 1] ?? 0) & 0x7f;
  if (short < 126) return 2 + short;
  if (short === 126) return left < 4 ? null : 4 + bytes.readUInt16BE(at + 2);
  return left < 10 ? null : 10 + Number(bytes.readBigUInt64BE(at + 2));
}

/** How many bytes of a frame come before its payload. */
function headSize(bytes: Buffer, at: number): number {
  const short = (bytes[at + 1] ?? 0) & 0x7f;
  return short < 126 ? 2 : short === 126 ? 4 : 10;
}
