import type { WebSocket } from 'ws';

/** Where a socket may be idle for less than twice as long, it is pinged twice in that time. */
const PING_MS_MAX = 25_000;
/** So many may wait at once, more than a socket has channels: who never answers has nothing more kept of it. */
const WAITING_MAX = 1000;

/** The pings of one socket that wait for their pong. Each has a payload of its own, so that no other pong passes for it. */
export class Pings {
  readonly #socket: WebSocket;
  /** By number, ascending. */
  readonly #waiting = new Map<number, (arrived: boolean) => void>();
  #last = 0;
  readonly #everyMs: number;
  #pingedAt: number;

  constructor(socket: WebSocket, idleTimeoutMs: number, now: number) {
    this.#socket = socket;
    this.#everyMs = Math.min(PING_MS_MAX, idleTimeoutMs / 2);
    this.#pingedAt = now;
    socket.on('pong', (payload: Buffer) => this.#arrived(payload));
  }

  /** Asks for a sign of life now and then. */
  tick(now: number): void {
    if (now - this.#pingedAt < this.#everyMs) return;
    this.#pingedAt = now;
    void this.ping();
  }

  /** Resolves when the peer has read everything sent before; with false when it never will. */
  ping(): Promise<boolean> {
    this.#last += 1;
    const number = this.#last;
    if (this.#waiting.size === WAITING_MAX) this.#giveUpFirst();
    const pong = new Promise<boolean>((resolve) => this.#waiting.set(number, resolve));
    this.#socket.ping(String(number));
    return pong;
  }

  /** The socket is gone. */
  end(): void {
    for (const resolve of this.#waiting.values()) resolve(false);
    this.#waiting.clear();
  }

  #giveUpFirst(): void {
    for (const [number, resolve] of this.#waiting) {
      this.#waiting.delete(number);
      resolve(false);
      return;
    }
  }

  /** A peer may answer only the latest of several pings (RFC 6455 §5.5.3): it has read the earlier ones too. */
  #arrived(payload: Buffer): void {
    const answered = Number(payload.toString());
    if (!this.#waiting.has(answered)) return;
    for (const [number, resolve] of this.#waiting) {
      if (number > answered) break;
      this.#waiting.delete(number);
      resolve(true);
    }
  }
}
