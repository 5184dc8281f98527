import type { Path } from '../brand.ts';
import { isObject } from '../json.ts';
import type { RequestLimits } from '../limits.ts';
import {
  isLeaseOp,
  type Mutate,
  type OpName,
  type Precondition,
  type Request,
  type Write,
} from '../op.ts';
import { isReservedPath, type PathLimits, toPath } from '../path.ts';
import { isRefusal, type Reason, type Refusal, refuse } from '../refusals.ts';
import { invalidField, isCount, isInteger, isText } from '../shape.ts';
import { checkValue, isPlainObject, type ValueLimits } from '../value.ts';
import { utf8Length } from '../utf8.ts';

/** What may be a {@link Write}: its op and path are ones, of the rest nothing is known. */
export type WriteDraft = {
  readonly op: OpName;
  readonly path: Path;
  readonly value?: unknown;
  readonly ttlMs?: unknown;
  readonly holder?: unknown;
  readonly token?: unknown;
  readonly ifMatch?: unknown;
  readonly ifAbsent?: unknown;
  readonly fence?: unknown;
};

/** How long a lease can be asked for at most (stores.md §5.2.1). */
export const leaseMsMax: number = 86_400_000;
const holderBytesMax = 256;
const nameBytesMax = 128;

/** What is wrong with a write, whatever the state, in the order of stores.md §7.7. What passes is a {@link Write}. */
export function checkWrite(draft: WriteDraft, limits: ValueLimits): Refusal | null {
  if (isReservedPath(draft.path)) return refuse('reserved_path');
  const refusal = isLeaseOp(draft.op) ? checkLease(draft) : checkContent(draft, limits);
  return refusal ?? checkGuards(draft, limits);
}

/** What is wrong with a mutation whose path is one; whether there is such a record and such a name, only they can tell who know it. */
export function checkMutate(
  {
    path,
    record,
    name,
    value,
  }: { readonly path: Path } & {
    readonly [Field in 'record' | 'name' | 'value']?: unknown;
  },
  limits: ValueLimits,
): Refusal | null {
  if (isReservedPath(path)) return refuse('reserved_path');
  if (!isText(record, nameBytesMax)) return invalidField('record');
  return isText(name, nameBytesMax)
    ? checkValue([value ?? null], path, limits)
    : invalidField('name');
}

/** The value of an op, as it will stand (stores.md §4.2). */
function checkContent({ op, path, value }: WriteDraft, limits: ValueLimits): Refusal | null {
  if (op === 'delete') return null;
  const fault = findKindFault(op, value ?? null);
  if (fault !== null) return refuse(fault);
  const isMember = op === 'add' || op === 'remove';
  const refusal = checkValue(isMember ? [value] : (value ?? null), path, limits);
  const isEnvelope = op === 'merge' && !isPlainObject(value);
  return refusal ?? (isEnvelope ? refuse('merge_requires_map_value') : null);
}

function findKindFault(op: OpName, value: unknown): Reason | null {
  if (op === 'merge') return isObject(value) ? null : 'merge_requires_map_value';
  if (op === 'add' || op === 'remove') return value === null ? `${op}_requires_value` : null;
  const isNumber = typeof value === 'number';
  return op === 'increment' && !isNumber ? 'increment_requires_number_value' : null;
}

/** The arguments of a lease op (stores.md §5.2.1). */
function checkLease({ op, ttlMs, token, holder = null }: WriteDraft): Refusal | null {
  const isTtl = isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= leaseMsMax;
  if (op !== 'release' && !isTtl) return refuse('invalid_ttl');
  const isKnown =
    op === 'lease' ? holder === null || isText(holder, holderBytesMax) : isInteger(token);
  return isKnown ? null : refuse('invalid_lease_op');
}

type GuardsDraft = Pick<WriteDraft, 'ifMatch' | 'ifAbsent' | 'fence'> & { readonly op: string };

/** The shape of the guards, and whether the op takes them at all (stores.md §5.1). */
export function checkGuards(draft: GuardsDraft, limits: PathLimits): Refusal | null {
  const { op, ifMatch, ifAbsent, fence } = draft;
  const isFenced = fence === undefined || (isFence(fence, limits) && !isLeaseOp(op));
  if (!isFenced || !isMatch(draft)) return refuse('invalid_precondition');
  if (ifMatch !== undefined && !['set', 'delete', 'put_file'].includes(op)) {
    return refuse('if_match_unsupported_op', { op });
  }
  return ifAbsent && !['set', 'put_file'].includes(op)
    ? refuse('if_absent_unsupported_op', { op })
    : null;
}

function isMatch({ ifMatch, ifAbsent }: Pick<WriteDraft, 'ifMatch' | 'ifAbsent'>): boolean {
  if (ifAbsent !== undefined) return ifAbsent === true && ifMatch === undefined;
  return ifMatch === undefined || isCount(ifMatch);
}

function isFence(fence: unknown, limits: PathLimits): boolean {
  const { key, token } = isObject(fence) ? fence : { key: null, token: null };
  return typeof key === 'string' && isInteger(token) && !isRefusal(toPath(key, limits));
}

/** What is wrong with a condition of a transaction, of which only the kind and the path are known to be right. */
export function checkPrecondition(condition: Precondition, limits: PathLimits): Refusal | null {
  const holds =
    condition.kind === 'fence'
      ? isFence(condition.fence, limits)
      : condition.kind !== 'if_match' || isCount(condition.revision);
  return holds ? null : refuse('invalid_precondition');
}

/** A request that is checked as the server will, and copied, so that it is ours alone (stores.md §18 C8). */
export function ownRequest(request: Request, limits: RequestLimits): Request | Refusal {
  const refusal = checkRequest(request, limits);
  if (refusal !== null) return refusal;
  const { max_frame_bytes: limit } = limits;
  const text = JSON.stringify(request);
  // Refs, topic and id take their part of the frame.
  if (utf8Length(text) + 512 > limit) return refuse('frame_too_large', { limit });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the copy of a request is one
  return JSON.parse(text) as Request;
}

/** What is wrong with an op, its path included, whatever the state. */
export function checkOp(op: Write | Mutate, limits: ValueLimits): Refusal | null {
  const path = toPath(op.path, limits);
  if (isRefusal(path)) return path;
  return op.op === 'mutate' ? checkMutate(op, limits) : checkWrite(op, limits);
}

function checkRequest(request: Request, limits: RequestLimits): Refusal | null {
  if (request.op !== 'transact') return checkOp(request, limits);
  const { ops, preconditions } = request;
  return (
    checkEach(ops, 'op', { check: checkOp, limits }) ??
    (ops.length === 0 ? invalidField('ops') : null) ??
    checkEach(preconditions, 'precondition', { check: checkPrecondition, limits })
  );
}

/** The first refusal of a list, with its index; lists are no longer than a transaction may be. */
function checkEach<T>(
  list: readonly T[],
  name: string,
  {
    check,
    limits,
  }: {
    readonly check: (item: T, limits: RequestLimits) => Refusal | null;
    readonly limits: RequestLimits;
  },
): Refusal | null {
  const { max_tx_ops: limit } = limits;
  if (list.length > limit) return refuse('too_many_ops', { limit });
  for (const [index, item] of list.entries()) {
    const refusal = check(item, limits);
    if (refusal !== null) return refusal.with({ [`${name}_index`]: index });
  }
  return null;
}
