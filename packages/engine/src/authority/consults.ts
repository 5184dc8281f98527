import { isRefusal } from '@holdfast/protocol';
import { Consult } from '../data/index.ts';
import type { Draft } from './draft.ts';
import { isAtOnce, leavesAt } from './effort.ts';
import type { Pending } from './pending.ts';
import { takeTurn } from './turn.ts';
import type { AuthorityEffect } from './types.ts';
import type { Outcome, Work } from './work.ts';

/** Ops and leaves per append, and leaves that are looked through for mutations or for nothing; more only for one request. */
const batchSizeMax = 20_000;

/**
 * Gives requests their turns, as many as one batch holds. One about which something has to be asked first waits aside, and
 * those of its channel wait behind it. Returns how many are taken care of, and what is to be asked.
 */
export function takeTurns(
  works: readonly Work[],
  draft: Draft,
  pending: Pending,
): { readonly taken: number; readonly consults: readonly AuthorityEffect[] } {
  const consults: AuthorityEffect[] = [];
  let taken = 0;
  for (const work of works) {
    if (draft.size + draft.looked >= batchSizeMax) break;
    taken++;
    if (pending.isHeldUp(work)) {
      pending.park(work, { isAsked: false });
      continue;
    }
    const { length } = draft.ops;
    const outcome = takeTurn(work, draft.at.now, draft);
    if (draft.ops.length === length && hasLooked(outcome, work)) {
      draft.looked += leavesAt(draft.tree, work.submission.request);
    }
    if (outcome instanceof Consult) {
      work.consults++;
      pending.park(work, { isAsked: true });
      const { ticket } = work.submission;
      consults.push({ type: 'consult', ticket, questions: outcome.questions });
    } else draft.works.push(work);
  }
  return { taken, consults };
}

/** Whether leaves may have been looked through for it. A repeat is answered by what was noted of it. */
function hasLooked(outcome: Outcome | Consult, { submission }: Work): boolean {
  if (outcome instanceof Consult) return true;
  return isRefusal(outcome) && !isAtOnce(outcome, submission);
}
