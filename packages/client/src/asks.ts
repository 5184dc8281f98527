import { HoldfastError, readRefusal, RejectedError } from '@holdfast/protocol';

type Ask = {
  readonly resolve: (response: unknown) => void;
  readonly reject: (error: HoldfastError) => void;
};

/** Questions to the server that are no writes: each is answered in the generation of its channel, or not at all. */
export class Asks {
  readonly #asks = new Map<string, Ask>();
  #count = 0;

  /** Asks; `push` sends the question under the id it is given. */
  ask(push: (id: string) => void): Promise<unknown> {
    this.#count += 1;
    // No op id of ours has two parts.
    const id = `ask:${this.#count}`;
    return new Promise((resolve, reject) => {
      this.#asks.set(id, { resolve, reject });
      push(id);
    });
  }

  /** Takes a reply; false: it is to something else. */
  answer(id: string, status: 'ok' | 'error', response: unknown): boolean {
    const ask = this.#asks.get(id);
    if (ask === undefined) return false;
    this.#asks.delete(id);
    if (status === 'ok') ask.resolve(response);
    else ask.reject(RejectedError.from(readRefusal(response)));
    return true;
  }

  /** The channel is gone. */
  lost(): void {
    const asks = [...this.#asks.values()];
    this.#asks.clear();
    for (const { reject } of asks) reject(new HoldfastError('unavailable'));
  }
}
