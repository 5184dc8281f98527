import {
  encodeRequest,
  type EpochMs,
  isObject,
  isRefusal,
  type Json,
  type Limits,
  type OpId,
  parseTransact,
  parseWrite,
  type Refusal,
  refuse,
  type Request,
  type Seq,
  setOwn,
  utf8Length,
} from '@holdfast/protocol';
import type { PendingRequest, PendingState } from './types.ts';

/** One own request until it is answered: what the outbox knows of it. */
export type Pending = {
  readonly opId: OpId;
  readonly request: Request;
  readonly blind: boolean;
  readonly order: number;
  readonly createdAt: EpochMs;
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

/** The limits on a request. */
export type RequestLimits = Parameters<typeof parseTransact>[1]['limits'] &
  Pick<Limits, 'max_frame_bytes'>;

/** Copies a request, so that it is ours alone, and checks it as the server will (stores.md §18 C8). */
export function checkRequest(request: Request, limits: RequestLimits): Request | Refusal {
  const { payload } = encodeRequest(request);
  const options = { dialect: 4, limits } as const;
  const checked =
    request.op === 'transact' ? parseTransact(payload, options) : parseWrite(payload, options);
  if (isRefusal(checked)) return checked;
  const { max_frame_bytes: limit } = limits;
  // Refs, topic and id take their part of the frame.
  const isTooLarge = utf8Length(JSON.stringify(payload)) + 512 > limit;
  return isTooLarge ? refuse('frame_too_large', { limit }) : copyRequest(checked);
}

/** A new request, or one of a former life that has yet to be sent again. */
export function pendingOf(known: PendingRequest): Pending {
  const { opId, request, blind, order, createdAt, attempts, firstSentAt } = known;
  return {
    opId,
    request,
    blind,
    order,
    createdAt,
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

function copyRequest(request: Request): Request {
  if (request.op !== 'transact') return copyValue(request);
  return {
    op: 'transact',
    ops: request.ops.map(copyValue),
    preconditions: request.preconditions.map((each) =>
      each.kind === 'equals' ? { ...each, value: copy(each.value) } : each,
    ),
  };
}

function copyValue<W extends Exclude<Request, { readonly op: 'transact' }>>(write: W): W {
  return 'value' in write ? { ...write, value: copy(write.value) } : write;
}

function copy(value: Json): Json {
  if (Array.isArray(value)) return value.map(copy);
  if (!isObject(value)) return value;
  const object: { [key: string]: Json } = {};
  for (const key of Object.keys(value)) setOwn(object, key, copy(value[key] ?? null));
  return object;
}
