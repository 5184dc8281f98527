import type { RawData } from 'ws';
import type { Clock } from '../host/clock.ts';
import type { Flusher } from './outbox.ts';

/** So much of a turn of the event loop one socket may have for what it sends. */
const TURN_MS = 10;

/** Stops the socket from being read, until it is let go on. */
type Gate = { hold(): void; release(): void };

type Message = readonly [data: RawData, isBinary: boolean];

/**
 * What one socket has sent, in its order. A piece of what comes may hold thousands of messages: where they take long, the rest
 * has to wait for turns to come, and nothing more is taken from the network meanwhile, so that others are heard as well.
 */
export class Inbox {
  readonly #room: { readonly clock: Clock; readonly flusher: Flusher };
  readonly #gate: Gate;
  readonly #read: (...message: Message) => void;
  #waiting: Message[] = [];
  #turn = -1;
  #since = 0;

  constructor(
    room: { readonly clock: Clock; readonly flusher: Flusher },
    gate: Gate,
    read: (...message: Message) => void,
  ) {
    this.#room = room;
    this.#gate = gate;
    this.#read = read;
  }

  take(...message: Message): void {
    if (this.#waiting.length > 0) {
      this.#waiting.push(message);
      return;
    }
    const { clock, flusher } = this.#room;
    const turn = flusher.turn();
    if (turn !== this.#turn) {
      this.#turn = turn;
      this.#since = clock.now();
    }
    if (clock.now() - this.#since <= TURN_MS) {
      this.#read(...message);
      return;
    }
    this.#waiting.push(message);
    this.#gate.hold();
    clock.setImmediate(() => this.#goOn());
  }

  /** Nothing more comes: what is here is read. */
  end(): void {
    for (const message of this.#waiting.splice(0)) this.#read(...message);
  }

  #goOn(): void {
    const { clock } = this.#room;
    const since = clock.now();
    let count = 0;
    for (const message of this.#waiting) {
      if (count > 0 && clock.now() - since > TURN_MS) break;
      count += 1;
      this.#read(...message);
    }
    this.#waiting.splice(0, count);
    if (this.#waiting.length > 0) clock.setImmediate(() => this.#goOn());
    else this.#gate.release();
  }
}
