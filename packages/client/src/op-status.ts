import { isRefusal, readOpStatusReply, RejectedError, type Seq } from '@holdfast/protocol';

/** What became of an own write, as far as the server remembers (stores.md §10.7). */
export type OpStatus =
  | { readonly state: 'pending' | 'unknown' }
  | { readonly state: 'committed'; readonly seq: Seq };

/** Reads the answer to `op_status`, or throws what is wrong with it. */
export function readOpStatus(answer: unknown): OpStatus {
  const reply = readOpStatusReply(answer);
  if (isRefusal(reply)) throw RejectedError.from(reply);
  if (reply === null || 'released' in reply) return { state: 'unknown' };
  return { state: 'committed', seq: reply.store_seq };
}
