import {
  type HoldfastError,
  type OpId,
  type Reason,
  type Refusal,
  RejectedError,
  type Request,
  type Seq,
} from '@holdfast/protocol';
import type { PendingRequest, ReplicaImage, ReplicaStatus } from '@holdfast/engine/replica';
import type { Keeper } from './cache/port.ts';
import type { ConnectionStatus } from './connection.ts';

/** How a store is doing, for people and consoles (stores.md §18 C24). */
export type StoreStatus = {
  readonly connection: ConnectionStatus['connection'];
  /** The last seq that the replica has. */
  readonly seq: Seq;
  /** Own writes that are not decided yet. */
  readonly pending: number;
  /** Caught up, and nothing pending. */
  readonly synced: boolean;
  readonly incarnation: string | null;
  /** Whether what is written here survives a restart: a cache keeps it, and nothing that waits was removed from it. */
  readonly durable: boolean;
  /** Why the store cannot be used now. */
  readonly error?: HoldfastError;
};

/** An own write that is not decided yet. */
export type OutboxEntry = {
  readonly opId: OpId;
  readonly request: Request;
  readonly state: PendingRequest['status']['state'];
  /** Why it waits: what the server last said of it. */
  readonly reason: Reason | null;
  readonly attempts: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly firstSentAt: number | null;
};

const nothing = { seq: 0, pending: 0, synced: false, incarnation: null };

/** The status of a store that is not open. */
export const closedStatus: StoreStatus = { connection: 'closed', ...nothing, durable: false };

/** The status of a replica that has yet to be read from the cache. */
export const unread: ReplicaStatus = {
  phase: 'idle',
  ...nothing,
  error: null,
  held: [],
  denied: [],
  denial: null,
};

/** Whether what a cache kept was in step with the server once. */
export function wasSynced(image: ReplicaImage | null): boolean {
  return typeof image?.incarnation === 'string' && image.patterns.length > 0;
}

/** The status of a replica as people see it, after one with this error. */
export function shownOf(
  replica: ReplicaStatus,
  by: {
    readonly line: ConnectionStatus;
    readonly keeper: Pick<Keeper, 'fault' | 'isKeeping'> | null;
    readonly error: HoldfastError | undefined;
  },
): StoreStatus {
  const { synced, error: refusal, seq, pending, incarnation } = replica;
  const { line, keeper } = by;
  const { connection } = line;
  const error = refusal === null ? (line.error ?? keeper?.fault) : errorOf(refusal, by.error);
  return {
    connection,
    seq,
    pending,
    synced: synced && connection === 'connected',
    incarnation,
    durable: keeper?.isKeeping === true,
    ...(error !== undefined && { error }),
  };
}

/** The error of a refusal: the same for the same, so that what has not changed does not seem to. */
function errorOf(refusal: Refusal, known: HoldfastError | undefined): HoldfastError {
  const isSame = known?.code === refusal.code && known.details === refusal.details;
  return isSame ? known : RejectedError.from(refusal);
}

/** A pending request as people see it. */
export function listed(pending: PendingRequest): OutboxEntry {
  const { opId, request, status, attempts, createdAt, firstSentAt } = pending;
  const reason = status.state === 'waiting' ? status.refusal.code : null;
  return { opId, request, state: status.state, reason, attempts, createdAt, firstSentAt };
}
