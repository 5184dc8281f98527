import {
  isLeaseOp,
  type Mutate,
  type Op,
  type Path,
  type Request,
  type Seq,
  utf8Length,
  type Write,
  type WriteReply,
} from '@holdfast/protocol';
import type { PendingRequest } from './types.ts';

/** One own request until it is answered: what the outbox knows of it. */
export type Pending = { -readonly [Field in keyof PendingRequest]: PendingRequest[Field] } & {
  /** What it weighs as JSON. */
  readonly bytes: number;
  /** Times in a row that the server failed over it. */
  failures: number;
  /** Never sent, or refused by whoever had looked whether it is: it is not committed, however long ago that was. */
  isCertain: boolean;
  /** The same, before it was last sent. */
  wasCertain: boolean;
  /** Nobody has sent it but this replica, which sends in order. */
  readonly isOurs: boolean;
  /** It was sent before the present channel, and what became of it is not known. */
  isUncertain: boolean;
  /** The caller has been told that it is committed. */
  isSettled: boolean;
  /** The cache knows that it is about to be sent. */
  isSaved: boolean;
  /** What its commit implies, which has come before the reply. */
  echo: WriteReply | null;
  /** Seqs of foreign ops on its paths that were ordered before it. */
  readonly rebasedOver: Seq[];
  /** Those of its paths that they were at. */
  readonly rebasedAt: Set<Path>;
  /** What is shown of it: as decided on the view, at revisions of its own; none where it cannot be decided there now. */
  ops: readonly Op[];
  /** The paths that it bears on, and the leaves that it changed. */
  touched: readonly Path[];
  leaves: readonly Path[];
};

/** A new request, or one of a former life that has yet to be sent again. */
export function pendingOf(known: PendingRequest): Pending {
  // A former life that was about to send it may have done so (C7).
  const attempts = known.firstSentAt === null ? known.attempts : Math.max(1, known.attempts);
  return {
    ...known,
    status: { state: 'queued' },
    attempts,
    bytes: utf8Length(JSON.stringify(known.request)),
    failures: 0,
    isCertain: attempts === 0,
    wasCertain: attempts === 0,
    isOurs: attempts === 0,
    isUncertain: false,
    isSettled: false,
    isSaved: true,
    echo: null,
    rebasedOver: [],
    rebasedAt: new Set(),
    ops: [],
    touched: [],
    leaves: [],
  };
}

/** A pending request as others may see it. */
export function listed(pending: Pending): PendingRequest {
  const { opId, request, status, attempts, createdAt, firstSentAt, order, blind } = pending;
  return { opId, request, status, attempts, createdAt, firstSentAt, order, blind };
}

/** Whether it is to be sent, now or later. */
export function isUnsent({ status }: Pending): boolean {
  return status.state === 'queued' || status.state === 'waiting';
}

/** The single writes of a request, in order. */
export function writesOf(request: Request): readonly (Write | Mutate)[] {
  return request.op === 'transact' ? request.ops : [request];
}

/** Whether a request rests on revisions or tokens, which mean nothing in another incarnation (stores.md §10.1.3). */
export function isGuarded(request: Request): boolean {
  const conditions = request.op === 'transact' ? request.preconditions : [];
  return (
    writesOf(request).some((write) => 'ifMatch' in write || 'fence' in write) ||
    conditions.some(({ kind }) => kind === 'if_match' || kind === 'fence')
  );
}

/** Whether a request is about leases: then it is neither shown nor kept while offline (stores.md §18 C1). */
export function isAboutLeases({ request }: Pick<PendingRequest, 'request'>): boolean {
  return writesOf(request).some(({ op }) => isLeaseOp(op));
}

/** Whether a request that is applied twice may do more than one that is applied once. */
export function addsUp(request: Request): boolean {
  return writesOf(request).some(({ op }) => ['increment', 'remove', 'mutate'].includes(op));
}
