import { isRefusal, type MonotonicMs, type OpId, type Refusal, refuse } from '@holdfast/protocol';
import type { Submission } from './types.ts';
import { Consult } from '../data/index.ts';
import { likenessOf, recordFor } from './repeats.ts';
import type { Channel, Outcome, Work } from './work.ts';

const retryMs = 1000;

/** Decides what is neither a repeat nor blocked. */
export type Judge<Verdict extends Outcome | Consult = Outcome> = { judge(work: Work): Verdict };

/** Refuses all. */
export function refuseAll(refusal: Refusal): Judge {
  return { judge: () => refusal };
}

/** The store has too much to do. */
export function overloaded(): Refusal {
  return refuse('overloaded', { retry_after_ms: retryMs });
}

/** The store cannot take it now. */
export function unavailable(): Refusal {
  return refuse('unavailable', { retry_after_ms: retryMs });
}

/** An earlier request of the channel must come first (stores.md §10.6). */
function blocked(opId: OpId, afterMs: number = retryMs): Refusal {
  return refuse('blocked', { client_op_id: opId, retry_after_ms: Math.max(1, Math.ceil(afterMs)) });
}

/** Refuses at the door, without a turn; what comes later on a channel that blocks waits until this one has passed. */
export function turnAway({ blocks, unblock, opId }: Submission, channel: Channel): Refusal {
  if (blocks === false) return overloaded();
  const first = channel.block?.opId ?? channel.barred ?? channel.crowded;
  if (first === null || unblock) {
    if (blocks === true) channel.barred = opId;
    return overloaded();
  }
  // Also where a block stands: what lifts it may be in the queue already, and this one has not passed then.
  channel.barred = first;
  return blocked(first);
}

/**
 * Gives a request its turn: the checks up to the rate limiter's, in the order of stores.md §7.7, then the judge's. It
 * changes the work and its channel, and nothing that {@link takeBack} does not undo.
 */
export function takeTurn<Verdict extends Outcome | Consult>(
  work: Work,
  now: MonotonicMs,
  judge: Judge<Verdict>,
): Verdict | Outcome {
  const { channel, submission } = work;
  work.before = channel.block;
  if (submission.unblock) channel.block = null;
  const outcome = repeated(work) ?? work.told ?? barrier(work, now) ?? judge.judge(work);
  if (outcome instanceof Consult) {
    // As if it had not been its turn yet.
    channel.block = work.before;
    return outcome;
  }
  settle(work, outcome);
  const isFirst = submission.blocks === true && channel.block === null;
  if (isFirst && isRefusal(outcome) && passes(outcome)) {
    channel.block = { opId: work.barred ?? submission.opId, until: now + retryAfter(outcome) };
  }
  return outcome;
}

function settle(work: Work, outcome: Outcome): void {
  work.outcome = outcome;
  if (!isRefusal(outcome) || !passes(outcome)) work.twins?.decide(work);
}

/** Undoes turns: they are taken again, or their requests refused. */
export function takeBack(works: readonly Work[]): void {
  for (let i = works.length - 1; i >= 0; i--) {
    const work = works[i];
    if (work === undefined) continue;
    work.channel.block = work.before;
    work.outcome = null;
    work.twins?.undo();
  }
}

/** The answer of a repeat (stores.md §6.3); null for a request that has not been answered for good. */
function repeated(work: Work): Outcome | null {
  return repeatedSince(work) ?? repeatedNow(work);
}

/** The same, of one that was committed before; it comes first, for what is open may repeat it, too. */
function repeatedSince({ submission, records }: Work): Outcome | null {
  if (records.length === 0) return null;
  const record = recordFor(submission, records);
  if (record === null || record === 'other') return record && refuse('duplicate_op_id');
  return record.reply ?? { store_seq: record.seq };
}

/** The same, of others that are open; those that came later have not had their turn yet. */
function repeatedNow(work: Work): Outcome | null {
  let refusal: Outcome | null = null;
  for (const twin of work.twins?.decided ?? []) {
    const outcome = outcomeBy(twin, work);
    if (outcome !== null && !isRefusal(outcome)) return outcome;
    refusal ??= outcome;
  }
  return refusal;
}

/** What one that is open, and whose turn has come, says of another of its id. An id is not taken by what is refused. */
function outcomeBy({ outcome, submission }: Work, of: Work): Outcome | null {
  if (outcome === null) return null;
  const likeness = likenessOf(of.submission, submission);
  if (likeness === 'same') return outcome;
  return likeness === 'foreign' || isRefusal(outcome) ? null : refuse('duplicate_op_id');
}

function barrier({ channel, submission, barred }: Work, now: MonotonicMs): Refusal | null {
  if (submission.blocks === false) return null;
  if (channel.block !== null) return blocked(channel.block.opId, channel.block.until - now);
  return barred === null ? null : blocked(barred);
}

/** Whether the same request may yet succeed, so that those after it must wait for it (stores.md §10.6). */
function passes(refusal: Refusal): boolean {
  return refusal.retry === 'later' || refusal.code === 'internal_error';
}

function retryAfter({ details }: Refusal): number {
  const after = details['retry_after_ms'];
  return typeof after === 'number' ? after : retryMs;
}
