import { jsonEquals, type Op, type Seq, type WireOp, type WriteReply } from '@holdfast/protocol';
import { resultOf } from '../data/index.ts';
import { writesOf } from './pending.ts';
import { overlaps } from './touched.ts';
import type { PendingRequest } from './types.ts';

/** The ops of one commit, all or none of which a replica shows (stores.md §10.2.3). */
export type Commit = { readonly seq: Seq; readonly ops: readonly WireOp[] };

/** Groups the ops of a frame by commit, leaving out those a replica at this cursor has (stores.md §18 C9). */
export function commitsOf(ops: readonly WireOp[], cursor: Seq): readonly Commit[] {
  const commits: { seq: Seq; ops: WireOp[] }[] = [];
  for (const op of ops) {
    const { seq, tx } = op;
    if (seq <= cursor) continue;
    const last = commits.at(-1);
    if (last !== undefined && tx !== null && last.ops[0]?.tx === tx) {
      last.ops.push(op);
      last.seq = seq;
    } else commits.push({ seq, ops: [op] });
  }
  return commits;
}

/** The reply that a commit implies; null where not all of it came this way (stores.md §7.5, §10.5.3). */
export function impliedReply(
  { opId, request }: Pick<PendingRequest, 'opId' | 'request'>,
  { seq, ops }: Commit,
): WriteReply | null {
  // What it only implied carries no bare id (§4.3.3).
  const results = ops.filter((op) => op.clientOpId === opId).map(resultOf);
  const [first] = ops;
  if (request.op !== 'transact') return results.at(-1) ?? null;
  if (results.length !== request.ops.length || first === undefined) return null;
  return { store_seq: seq, first_seq: first.seq, results };
}

/**
 * Whether an op may be what a request asks for, and does not only carry its id: devices name themselves, so others may have
 * used that, too, and what is asked for here is still to be committed.
 */
export function isAskedBy({ request }: Pick<PendingRequest, 'request'>, op: WireOp): boolean {
  return writesOf(request).some((write) => {
    if (write.op === 'mutate') return overlaps(write.path, op.path);
    if (write.op !== op.op || write.path !== op.path) return false;
    // Else the server may have merged it with what was there.
    const isExact = 'ifAbsent' in write || 'ifMatch' in write;
    return !(isExact && write.op === 'set') || jsonEquals(write.value, op.value);
  });
}

/** The seq that a replica must have reached before an answered request may leave it; 0 where nothing was committed. */
export function seqOf(reply: WriteReply): Seq {
  return 'released' in reply ? 0 : reply.store_seq;
}

/** Whether what has come is what was shown. */
export function isEcho(mine: readonly Op[], ops: readonly WireOp[]): boolean {
  return (
    mine.length === ops.length &&
    ops.every((op, index) => {
      const own = mine[index];
      return own?.op === op.op && own.path === op.path && jsonEquals(own.value, op.value);
    })
  );
}
