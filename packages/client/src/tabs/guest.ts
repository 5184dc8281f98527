import type { Message } from './snapshot.ts';

/** Another tab on a topic that is not a store's, and how it is spoken to. */
export type Guest = {
  /** Names the tab. */
  readonly peer: string;
  accept(response: object): void;
  refuse(response: object): void;
  push(message: Message): void;
  /** Ends its channel; it joins again. */
  shut(): void;
  /** It cannot be served here, but may be by the server. */
  decline(): void;
};

/** How a request of another tab ends. */
export type GuestAnswer = (status: 'ok' | 'error', response: object, version?: number) => void;

/** What another tab can do on a topic. */
export type GuestSeat = {
  push(event: string, payload: unknown, answer: GuestAnswer): void;
  /**
   * It has left, saying so; has lost its line, and perhaps comes back over another; or is gone for good.
   */
  end(how: 'leave' | 'lost' | 'gone', leave?: unknown): void;
};
