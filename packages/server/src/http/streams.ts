import { releaseOnce } from '@holdfast/engine/registry';
import { ownerOf, type Principal } from '../access/index.ts';
import { Problem } from './errors.ts';

/** The streams that are open, for each who has some: they are bounded as sockets are. */
export class Streams {
  readonly #max: number;
  readonly #open = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts one more; gives what counts it off. */
  enter(principal: Principal): () => void {
    const owner = ownerOf(principal);
    const open = this.#open.get(owner) ?? 0;
    if (open >= this.#max) {
      const detail = 'This token has too many streams. End some.';
      throw new Problem(429, 'too_many_connections', { limit: this.#max, detail });
    }
    this.#open.set(owner, open + 1);
    return releaseOnce(() => {
      const left = (this.#open.get(owner) ?? 0) - 1;
      if (left > 0) this.#open.set(owner, left);
      else this.#open.delete(owner);
    });
  }
}
