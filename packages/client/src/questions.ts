import { HoldfastError, readRefusal, RejectedError } from '@holdfast/protocol';
import { type Deferred, deferred } from '@holdfast/engine/registry';

/** Questions that are no writes: each is answered in the generation of its channel, or not at all. */
export class Questions {
  readonly #asked = new Map<string, Deferred<unknown>>();
  #count = 0;

  /** Sends a question, which has an id that no write has. */
  ask(send: (id: string) => void): Promise<unknown> {
    const asked = deferred<unknown>();
    // No op id of ours has two parts.
    const id = `ask:${(this.#count += 1)}`;
    this.#asked.set(id, asked);
    send(id);
    return asked.promise;
  }

  /** Says whether it was asked here. */
  answered(reply: { readonly id: string; readonly status: string; response: unknown }): boolean {
    const { id, status, response } = reply;
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (status === 'ok') asked?.resolve(response);
    else asked?.reject(RejectedError.from(readRefusal(response)));
    return asked !== undefined;
  }

  /** The channel is gone. */
  lost(): void {
    for (const { reject } of this.#asked.values()) reject(new HoldfastError('unavailable'));
    this.#asked.clear();
  }
}
