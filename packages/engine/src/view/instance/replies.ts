import type { InstanceEffect } from './types.ts';

type Reply = Omit<Extract<InstanceEffect, { readonly type: 'reply' }>, 'type' | 'response'> & {
  readonly response: object;
};

/** Has the requests of each subscriber answered in the order in which they came (views.md §5.6). */
export class Replies {
  readonly #perform: (effect: InstanceEffect) => void;
  readonly #open = new Map<number, { readonly ticket: number; reply: Reply | null }[]>();

  constructor(perform: (effect: InstanceEffect) => void) {
    this.#perform = perform;
  }

  /** A request has come. */
  open(subscriber: number, ticket: number): void {
    const waiting = this.#open.get(subscriber);
    if (waiting === undefined) this.#open.set(subscriber, [{ ticket, reply: null }]);
    else waiting.push({ ticket, reply: null });
  }

  /** Its answer is there, and goes out when those before it have gone. */
  settle(subscriber: number, reply: Reply): void {
    const waiting = this.#open.get(subscriber) ?? [];
    const entry = waiting.find(({ ticket }) => ticket === reply.ticket);
    if (entry === undefined) return;
    entry.reply = reply;
    for (let [first] = waiting; first !== undefined && first.reply !== null; [first] = waiting) {
      waiting.shift();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is in wire form
      this.#perform({ type: 'reply', ...first.reply } as InstanceEffect);
    }
    if (waiting.length === 0) this.#open.delete(subscriber);
  }

  /** Nobody waits any more. */
  forget(subscriber: number): void {
    this.#open.delete(subscriber);
  }
}
