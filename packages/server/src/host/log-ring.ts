import type { LoggedOp } from '@holdfast/engine/authority';
import type { Json, Seq } from '@holdfast/protocol';

const OPS_MAX = 4096;
const BYTES_MAX = 8 * 1024 * 1024;

/** The last ops of one store in memory, so that a reader a little behind needs no disk; fewer of them where they are large. */
export class LogRing {
  #ops: LoggedOp[] = [];
  /** Of each op, what it weighs. */
  #weights: number[] = [];
  #from: Seq;
  #bytes = 0;

  /** `head`: the seq after which the first op will come. */
  constructor(head: Seq) {
    this.#from = head;
  }

  push(ops: readonly LoggedOp[]): void {
    for (const op of ops) {
      const weight = weigh(op);
      this.#ops.push(op);
      this.#weights.push(weight);
      this.#bytes += weight;
    }
    // Only at twice the limit, so that what is kept is seldom copied.
    if (this.#ops.length > OPS_MAX * 2 || this.#bytes > BYTES_MAX * 2) this.#shrink();
  }

  /** The ops in (after, through], the first of them and no more than about so many bytes; null where the ring does not reach back that far. */
  read(after: Seq, through: Seq, bytesMax: number): readonly LoggedOp[] | null {
    if (after < this.#from) return null;
    const first = after - this.#from;
    const end = Math.min(this.#ops.length, through - this.#from);
    let last = first;
    for (let bytes = 0; last < end; last += 1) {
      bytes += this.#weights[last] ?? 0;
      if (bytes > bytesMax && last > first) break;
    }
    return this.#ops.slice(first, last);
  }

  #shrink(): void {
    let first = this.#ops.length;
    let bytes = 0;
    for (; first > 0 && this.#ops.length - first < OPS_MAX; first -= 1) {
      const more = this.#weights[first - 1] ?? 0;
      if (bytes + more > BYTES_MAX) break;
      bytes += more;
    }
    this.#from += first;
    this.#ops = this.#ops.slice(first);
    this.#weights = this.#weights.slice(first);
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
