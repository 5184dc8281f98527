import type { Op, OpId, Request, Seq, WireOp, WriteReply } from '@holdfast/protocol';
import { resultOf } from '../data/index.ts';

/** The ops of one commit, all or none of which a replica shows (stores.md §10.2.3). */
export type Commit = { readonly seq: Seq; readonly ops: readonly Op[] };

/** Groups the ops of a frame by commit, leaving out those a replica at this cursor has (stores.md §18 C9). */
export function commitsOf(wireOps: readonly WireOp[], cursor: Seq): readonly Commit[] {
  const commits: { seq: Seq; ops: Op[] }[] = [];
  let tx: Seq | null = null;
  for (const wire of wireOps) {
    if (wire.seq <= cursor) continue;
    const op: Op = { ...wire, arg: null, at: 0, principal: null };
    const last = commits.at(-1);
    if (last !== undefined && op.tx !== null && op.tx === tx) {
      last.ops.push(op);
      last.seq = op.seq;
    } else {
      commits.push({ seq: op.seq, ops: [op] });
    }
    tx = op.tx;
  }
  return commits;
}

/** The reply that a commit implies; null where not all of it came this way (stores.md §7.5, §10.5.3). */
export function impliedReply(request: Request, opId: OpId, commit: Commit): WriteReply | null {
  const ops = opsOf(commit, opId);
  const results = ops.map(resultOf);
  const [first] = commit.ops;
  if (request.op !== 'transact') return results.at(-1) ?? null;
  if (results.length !== request.ops.length || first === undefined) return null;
  return { store_seq: commit.seq, first_seq: first.seq, results };
}

/** The seq that a replica must have reached before an answered request may leave it; 0 where nothing was committed. */
export function seqOf(reply: WriteReply): Seq {
  return 'released' in reply ? 0 : reply.store_seq;
}

/** The ops of a commit that carry a request's bare id: not those that it only implied (stores.md §4.3.3). */
function opsOf(commit: Commit, opId: OpId): readonly Op[] {
  return commit.ops.filter((op) => op.clientOpId === opId);
}
