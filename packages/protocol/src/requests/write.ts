import type { Path } from '../brand.ts';
import { isObject } from '../json.ts';
import { isOpName, type OpName, type Write } from '../op.ts';
import { isReservedPath, readPath } from '../path.ts';
import { isRefusal, type Refusal, refuse } from '../refusals.ts';
import { checkValue, isPlainObject, readValue, type ValueLimits } from '../value.ts';
import { checkGates, type ReadOptions, readGuards } from './guards.ts';
import { readHolder, readToken, readTtl } from './lease-args.ts';

type Payload = { readonly [field: string]: unknown };
type LeaseOp = 'lease' | 'renew' | 'release';
type ValueOp = Exclude<OpName, 'put_file' | LeaseOp>;
type Target<Name> = { readonly op: Name; readonly path: Path };

/** Parses a `write` from its op name on, in the order of stores.md §7.7. */
export function parseWrite(payload: unknown, options: ReadOptions): Write | Refusal {
  if (!isObject(payload)) return refuse('invalid_payload', { field: 'payload' });
  const { op } = payload;
  if (!isOpName(op) || op === 'put_file') return refuse('invalid op');
  const path = readPath(payload, options.limits);
  if (isRefusal(path)) return path;
  if (isReservedPath(path)) return refuse('reserved_path');
  return isLeaseOp(op)
    ? parseLease({ op, path }, payload, options)
    : parseValueOp({ op, path }, payload, options);
}

function isLeaseOp(op: OpName): op is LeaseOp {
  return op === 'lease' || op === 'renew' || op === 'release';
}

function parseValueOp(
  target: Target<ValueOp>,
  payload: Payload,
  options: ReadOptions,
): Write | Refusal {
  const draft = readDraft(target, payload['value'] ?? null, options.limits);
  if (isRefusal(draft)) return draft;
  const guards = readGuards(payload, options);
  if (isRefusal(guards)) return guards;
  return checkGates(guards, draft, options.dialect) ?? { ...draft, ...guards };
}

function readDraft(target: Target<ValueOp>, value: unknown, limits: ValueLimits): Write | Refusal {
  const { op, path } = target;
  if (op === 'delete') return { op, path };
  if (op === 'add' || op === 'remove') return readMember({ op, path }, value, limits);
  if (op === 'increment') return readDelta(path, value, limits);
  if (op === 'merge' && !isObject(value)) return refuse('merge_requires_map_value');
  const read = readValue(value, path, limits);
  if (isRefusal(read)) return read;
  if (op === 'set') return { op, path, value: read };
  return isPlainObject(read) ? { op, path, value: read } : refuse('merge_requires_map_value');
}

function readDelta(path: Path, value: unknown, limits: ValueLimits): Write | Refusal {
  if (typeof value !== 'number') return refuse('increment_requires_number_value');
  return checkValue(value, path, limits) ?? { op: 'increment', path, value };
}

// A member is judged as it will stand, inside the leaf's array.
function readMember(
  target: Target<'add' | 'remove'>,
  value: unknown,
  limits: ValueLimits,
): Write | Refusal {
  const { op, path } = target;
  if (value === null) return refuse(op === 'add' ? 'add_requires_value' : 'remove_requires_value');
  const set = readValue([value], path, limits);
  if (isRefusal(set)) return set;
  const [member = null] = Array.isArray(set) ? set : [];
  return { op, path, value: member };
}

function parseLease(
  target: Target<LeaseOp>,
  payload: Payload,
  options: ReadOptions,
): Write | Refusal {
  const draft = readLease(target, payload);
  if (isRefusal(draft)) return draft;
  const guards = readGuards(payload, options);
  if (isRefusal(guards)) return guards;
  // Lease ops take no guard at all (stores.md §5.1).
  if (guards.fence !== undefined) return refuse('invalid_precondition');
  return checkGates(guards, draft, options.dialect) ?? draft;
}

function readLease(target: Target<LeaseOp>, payload: Payload): Write | Refusal {
  const { op, path } = target;
  const holder = op === 'lease' ? readHolder(payload['holder']) : null;
  const token = op === 'lease' ? 0 : readToken(payload['token']);
  const ttlMs = op === 'release' ? 0 : readTtl(payload['ttl_ms']);
  if (isRefusal(ttlMs)) return ttlMs;
  if (isRefusal(token)) return token;
  if (isRefusal(holder)) return holder;
  if (op === 'lease') return { op, path, ttlMs, holder };
  return op === 'renew' ? { op, path, token, ttlMs } : { op, path, token };
}
