import type { Path } from '../brand.ts';
import { isObject } from '../json.ts';
import { isOpName, type Mutate, type OpName, type Write } from '../op.ts';
import { isRefusal, type Refusal, refuse } from '../refusals.ts';
import { checkGuards, checkMutate, checkWrite, type WriteDraft } from './check.ts';
import { checkLegacyGuards, draftGuards, type ReadOptions } from './guards.ts';
import { readPath } from './place.ts';

type Payload = { readonly [field: string]: unknown };

const ttlDefaultMs = 30_000;

/** Parses a `write` from its op name on, in the order of stores.md §7.7. */
export function parseWrite(payload: unknown, options: ReadOptions): Write | Mutate | Refusal {
  if (!isObject(payload)) return refuse('invalid_payload', { field: 'payload' });
  const { op } = payload;
  if (op === 'mutate' && options.dialect === 4) return readMutate(payload, options);
  if (!isOpName(op) || op === 'put_file') return refuse('invalid op');
  const path = readPath(payload, options.limits);
  if (isRefusal(path)) return path;
  const draft = draftOf(op, path, payload);
  const refusal = checkWrite(draft, options.limits) ?? checkLegacyGuards(draft, options.dialect);
  if (refusal !== null) return refusal;
  const leafOnly = draft.ifMatch !== undefined && options.dialect === 3 && { leafOnly: true };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what passes the check is a write
  return { ...draft, ...leafOnly } as Write;
}

function readMutate(payload: Payload, { limits }: ReadOptions): Mutate | Refusal {
  const path = readPath(payload, limits);
  if (isRefusal(path)) return path;
  const { record, name, value = null } = payload;
  const draft = { op: 'mutate', path, record, name, value, ...draftGuards(payload) };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what passes the checks is a mutation
  return checkMutate(draft, limits) ?? checkGuards(draft, limits) ?? (draft as Mutate);
}

/** Takes from a payload what the op has fields for. */
function draftOf(op: OpName, path: Path, payload: Payload): WriteDraft {
  const guards = draftGuards(payload);
  const { value = null, ttl_ms: asked, holder = null, token } = payload;
  const ttlMs = asked ?? ttlDefaultMs;
  if (op === 'delete') return { op, path, ...guards };
  if (op === 'lease') return { op, path, ttlMs, holder, ...guards };
  if (op === 'renew') return { op, path, token, ttlMs, ...guards };
  return op === 'release' ? { op, path, token, ...guards } : { op, path, value, ...guards };
}
