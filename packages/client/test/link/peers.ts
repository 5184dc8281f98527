import type { LinkPeer } from '@holdfast/client/link/conformance';

/** A peer for the law of links, over whatever carries the messages. */
export class QueuePeer implements LinkPeer {
  readonly closed: Promise<void>;
  readonly send: (data: string | Uint8Array) => void;
  readonly close: (code: number) => void;
  readonly #messages: (string | Uint8Array)[] = [];
  readonly #waiting: ((data: string | Uint8Array) => void)[] = [];
  #end: () => void = () => undefined;

  constructor(over: Pick<LinkPeer, 'send' | 'close'>) {
    this.send = (data) => over.send(data);
    this.close = (code) => over.close(code);
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  deliver(data: string | Uint8Array): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#messages.push(data);
    else waiting(data);
  }

  ended(): void {
    this.#end();
  }

  receive(): Promise<string | Uint8Array> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Hands out what has come, in order, to who asks, now or later. */
export class Queue<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  put(item: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#items.push(item);
    else waiting(item);
  }

  take(): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
