import type { LoggedOp } from '@holdfast/engine/authority';
import type { Seq } from '@holdfast/protocol';

const OPS_MAX = 4096;

/** The last ops of one store in memory, so that a reader a little behind needs no disk. */
export class LogRing {
  #ops: LoggedOp[] = [];
  #from: Seq;

  /** `head`: the seq after which the first op will come. */
  constructor(head: Seq) {
    this.#from = head;
  }

  push(ops: readonly LoggedOp[]): void {
    for (const op of ops) this.#ops.push(op);
    if (this.#ops.length > OPS_MAX * 2) {
      const surplus = this.#ops.length - OPS_MAX;
      this.#ops = this.#ops.slice(surplus);
      this.#from += surplus;
    }
  }

  /** The ops in (after, through], or null where the ring does not reach back that far. */
  read(after: Seq, through: Seq): readonly LoggedOp[] | null {
    if (after < this.#from) return null;
    return this.#ops.slice(after - this.#from, through - this.#from);
  }
}
