import type { Outcome, Replica } from '@holdfast/engine/replica';
import type { OpId, Seq } from '@holdfast/protocol';
import { type Room, spoilsOf } from './room.ts';

/** The seq of a write in the log; null where it is not there. */
export type SeqOf = (opId: OpId) => Seq | null;

/**
 * The writes of one life of a device that nobody has refused. Who has written something reads it from then on (P28): it is
 * among what is laid over the committed state until that has come to its seq.
 */
export class OwnWrites {
  /** With the seq that was told; null: none was. */
  readonly #made = new Map<OpId, Seq | null>();

  asked(opId: OpId): void {
    this.#made.set(opId, null);
  }

  told(opId: OpId, outcome: Outcome): void {
    const seq = outcome.status === 'committed' && 'store_seq' in outcome.reply;
    if (seq && this.#made.has(opId)) this.#made.set(opId, outcome.reply.store_seq);
    else this.#made.delete(opId);
  }

  /** The process ends, and all that it shows. */
  forget(): void {
    this.#made.clear();
  }

  /** One that is nowhere, in words; null: each is laid over, or in the committed state. */
  missing(replica: Replica, seqOf: SeqOf, room: Room): string | null {
    const isForgetful = spoilsOf(room)('a view forgets what it has written');
    const laidOver = new Set(isForgetful ? [] : replica.outbox().map(({ opId }) => opId));
    const cursor = replica.status().seq;
    for (const [opId, told] of this.#made) {
      if (laidOver.has(opId)) continue;
      const seq = told ?? seqOf(opId);
      if (seq === null || seq > cursor) return `${opId} is shown no more, as of ${cursor}`;
      this.#made.delete(opId);
    }
    return null;
  }
}
