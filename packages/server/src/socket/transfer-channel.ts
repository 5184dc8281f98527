import { isKeptLeave } from '@holdfast/protocol/views';
import type { Transfer, TransferSeat } from '../views/index.ts';
import type { ViewPort } from './terms.ts';

/** The channel by which one file comes (views.md §10.3). */
export class TransferChannel implements TransferSeat {
  /** No store's. */
  readonly storeId: null = null;
  readonly #port: ViewPort;
  readonly #channel: number;
  readonly #transfer: Transfer;
  #isClosed = false;

  constructor(port: ViewPort, channel: number, transfer: Transfer) {
    this.#port = port;
    this.#channel = channel;
    this.#transfer = transfer;
  }

  push(slot: number, event: string, payload: unknown): void {
    this.#transfer.push(slot, event, payload);
  }

  answer(slot: number, status: 'ok' | 'error', response: object): void {
    this.#port.answer({ channel: this.#channel, slot }, status, response);
  }

  end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#port.shutView(this.#channel, 'replaced');
  }

  /** `leave`: what the client said when it left; without a word it may come back. */
  close(_how: 'leave' | 'lost', leave?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#transfer.left(this, leave === undefined || isKeptLeave(leave) ? 'lost' : 'leave');
  }
}
