import { apply, Tree } from '@holdfast/engine/data';
import type { Json, Op, OpId, Path, Seq } from '@holdfast/protocol';

/** The ops of one commit. */
export type Commit = { readonly first: Seq; readonly last: Seq; readonly ops: readonly Op[] };

/** What really happened: the log of a store, from its first op. */
export class Truth {
  readonly ops: readonly Op[];
  readonly commits: readonly Commit[];
  readonly #byId = new Map<OpId, Op[]>();

  constructor(ops: readonly Op[]) {
    this.ops = ops;
    this.commits = commitsOf(ops);
    for (const op of ops) {
      const same = this.#byId.get(op.clientOpId);
      if (same === undefined) this.#byId.set(op.clientOpId, [op]);
      else same.push(op);
    }
  }

  get head(): Seq {
    return this.ops.at(-1)?.seq ?? 0;
  }

  at(seq: Seq): Op | undefined {
    return this.ops[seq - 1];
  }

  /** The ops that carry an id. */
  of(opId: OpId): readonly Op[] {
    return this.#byId.get(opId) ?? [];
  }

  ids(): Iterable<OpId> {
    return this.#byId.keys();
  }

  /** The state at each of some seqs. */
  statesAt(seqs: Iterable<Seq>): ReadonlyMap<Seq, Tree> {
    const states = new Map<Seq, Tree>();
    const tree = Tree.empty();
    let cursor = 0;
    for (const seq of [...seqs].toSorted((a, b) => a - b)) {
      for (; cursor < seq && cursor < this.head; cursor++) {
        const op = this.ops[cursor];
        if (op !== undefined) apply(tree, op);
      }
      states.set(seq, tree.fork());
    }
    return states;
  }

  stateAt(seq: Seq): Tree {
    return this.statesAt([seq]).get(seq) ?? Tree.empty();
  }
}

/** The leaves of a state, in path order. */
export function leavesOf(tree: Tree): readonly (readonly [Path, Json])[] {
  return [...tree.entries()].map(({ path, value }) => [path, value] as const);
}

function commitsOf(ops: readonly Op[]): readonly Commit[] {
  const commits: Commit[] = [];
  for (let start = 0; start < ops.length;) {
    const first = ops[start];
    if (first === undefined) break;
    const last = first.tx ?? first.seq;
    const end = start + (last - first.seq) + 1;
    commits.push({ first: first.seq, last, ops: ops.slice(start, end) });
    start = end;
  }
  return commits;
}
