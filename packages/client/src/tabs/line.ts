import type { LineMessage } from './line-message.ts';

/** What the user of a line's end does about it. */
export type LineEvents = {
  /** Sends a message to the other end. */
  readonly post: (message: LineMessage) => void;
  readonly received: (data: string | Uint8Array) => void;
  /** Something was lost: the line is of no use any more. */
  readonly broken: () => void;
};

/** Messages after which the other end is told how far this one has come. */
const beatEvery = 256;

/**
 * One end of a line between two tabs: messages are numbered, so that what is lost is noticed, and nothing is heard twice
 * or out of order.
 */
export class Line {
  readonly #id: string;
  readonly #events: LineEvents;
  #sent = 0;
  #received = 0;
  #acknowledged = 0;

  constructor(id: string, events: LineEvents) {
    this.#id = id;
    this.#events = events;
  }

  /** Messages that the other end has not said it has. */
  get waiting(): number {
    return this.#sent - this.#acknowledged;
  }

  send(data: string | Uint8Array): void {
    this.#sent += 1;
    this.#events.post({ line: this.#id, is: 'data', n: this.#sent, data });
  }

  /** Tells how far this end has come. */
  beat(): void {
    const { sent, received } = { sent: this.#sent, received: this.#received };
    this.#events.post({ line: this.#id, is: 'beat', sent, received });
  }

  hear(message: LineMessage): void {
    if (message.is === 'beat') {
      this.#acknowledged = Math.max(this.#acknowledged, message.received);
      if (message.sent > this.#received) this.#events.broken();
    } else if (message.is === 'data' && message.n > this.#received) {
      this.#take(message.n, message.data);
    }
  }

  #take(n: number, data: string | Uint8Array): void {
    if (n > this.#received + 1) {
      this.#events.broken();
      return;
    }
    this.#received = n;
    if (n % beatEvery === 0) this.beat();
    this.#events.received(data);
  }
}
