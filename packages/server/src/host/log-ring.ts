import type { LoggedOp } from '@holdfast/engine/authority';
import type { Json, Seq } from '@holdfast/protocol';

const OPS_MAX = 4096;
const BYTES_MAX = 8 * 1024 * 1024;

/** The last ops of one store in memory, so that a reader a little behind needs no disk; fewer of them where they are large. */
export class LogRing {
  #ops: LoggedOp[] = [];
  #from: Seq;
  #bytes = 0;

  /** `head`: the seq after which the first op will come. */
  constructor(head: Seq) {
    this.#from = head;
  }

  push(ops: readonly LoggedOp[]): void {
    for (const op of ops) {
      this.#ops.push(op);
      this.#bytes += weigh(op);
    }
    // Only at twice the limit, so that what is kept is seldom copied.
    if (this.#ops.length > OPS_MAX * 2 || this.#bytes > BYTES_MAX * 2) this.#shrink();
  }

  /** The ops in (after, through], or null where the ring does not reach back that far. */
  read(after: Seq, through: Seq): readonly LoggedOp[] | null {
    if (after < this.#from) return null;
    return this.#ops.slice(after - this.#from, through - this.#from);
  }

  #shrink(): void {
    let first = this.#ops.length;
    let bytes = 0;
    for (; first > 0 && this.#ops.length - first < OPS_MAX; first -= 1) {
      const op = this.#ops[first - 1];
      const more = op === undefined ? 0 : weigh(op);
      if (bytes + more > BYTES_MAX) break;
      bytes += more;
    }
    this.#from += first;
    this.#ops = this.#ops.slice(first);
    this.#bytes = bytes;
  }
}

/** About how much memory an op keeps from being freed. */
function weigh({ path, value, removed }: LoggedOp): number {
  let bytes = 200 + path.length + size(value);
  for (const gone of removed) bytes += 100 + gone.path.length + size(gone.value);
  return bytes;
}

function size(value: Json): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  let bytes = 16;
  for (const [key, each] of Object.entries(value)) bytes += key.length + size(each);
  return bytes;
}
