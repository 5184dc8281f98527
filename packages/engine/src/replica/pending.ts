import { type EpochMs, type OpId, type Request, type Seq, utf8Length } from '@holdfast/protocol';
import type { PendingRequest, PendingState } from './types.ts';

/** One own request until it is answered: what the outbox knows of it. */
export type Pending = {
  readonly opId: OpId;
  readonly request: Request;
  readonly blind: boolean;
  readonly order: number;
  readonly createdAt: EpochMs;
  /** What it weighs as JSON. */
  readonly bytes: number;
  status: PendingState;
  attempts: number;
  firstSentAt: EpochMs | null;
  /** Times in a row that the server failed over it. */
  failures: number;
  /** Its last answer was a refusal: it is certain not to be committed. */
  isRefused: boolean;
  /** It was sent before the present channel, and what became of it is not known. */
  isUncertain: boolean;
  /** The caller has been told that it is committed. */
  isSettled: boolean;
  /** The cache knows that it is about to be sent. */
  isSaved: boolean;
  /** Seqs of foreign ops on its paths that were ordered before it. */
  readonly rebasedOver: Seq[];
};

/** A new request, or one of a former life that has yet to be sent again. */
export function pendingOf(known: PendingRequest): Pending {
  const { opId, request, blind, order, createdAt, attempts, firstSentAt } = known;
  return {
    opId,
    request,
    blind,
    order,
    createdAt,
    bytes: utf8Length(JSON.stringify(request)),
    status: { state: 'queued' },
    // A former life that was about to send it may have done so (C7).
    attempts: firstSentAt === null ? attempts : Math.max(1, attempts),
    firstSentAt,
    failures: 0,
    isRefused: false,
    isUncertain: false,
    isSettled: false,
    isSaved: false,
    rebasedOver: [],
  };
}

/** A pending request as others may see it. */
export function listed(pending: Pending): PendingRequest {
  const { opId, request, status, attempts, createdAt, firstSentAt, order, blind } = pending;
  return { opId, request, status, attempts, createdAt, firstSentAt, order, blind };
}
