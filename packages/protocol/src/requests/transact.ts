import type { Path } from '../brand.ts';
import type { Limits } from '../limits.ts';
import { isObject } from '../json.ts';
import type { Mutate, Precondition, Transaction, Write } from '../op.ts';
import { isRefusal, type Refusal, refuse } from '../refusals.ts';
import { invalidField, isCount, isJson } from '../shape.ts';
import type { ValueLimits } from '../value.ts';
import { checkPrecondition } from './check.ts';
import { draftFence } from './guards.ts';
import { parseWrite } from './write.ts';
import { readPath } from './place.ts';

type TransactLimits = ValueLimits & Pick<Limits, 'max_tx_ops'>;

/** Parses a `transact` (stores.md §10.5); a refusal says which op or precondition it is about. */
export function parseTransact(
  payload: unknown,
  options: { readonly limits: TransactLimits },
): Transaction | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const { limits } = options;
  const { ops, preconditions = null, fence = null } = payload;
  const writes = readEach(ops, { field: 'ops', index: 'op_index', max: limits.max_tx_ops }, (op) =>
    parseWrite(op, { dialect: 4, limits }),
  );
  if (isRefusal(writes)) return writes;
  if (writes.length === 0) return invalidField('ops');
  // One fence beside the ops, as other requests have it, is a precondition behind those listed (§5.1.3).
  const listed: unknown = preconditions ?? [];
  const isFenced = fence !== null && Array.isArray(listed);
  const parsed = readEach(
    isFenced ? [...listed, { fence }] : listed,
    { field: 'preconditions', index: 'precondition_index', max: limits.max_tx_ops },
    (precondition) => readPrecondition(precondition, limits),
  );
  return isRefusal(parsed) ? parsed : { op: 'transact', ops: writes, preconditions: parsed };
}

function readEach<T extends Write | Mutate | Precondition>(
  list: unknown,
  of: { readonly field: string; readonly index: string; readonly max: number },
  read: (item: unknown) => T | Refusal,
): readonly T[] | Refusal {
  if (!Array.isArray(list)) return invalidField(of.field);
  if (list.length > of.max) return refuse('too_many_ops', { limit: of.max });
  const parsed: T[] = [];
  for (const item of list) {
    const one = read(item);
    if (isRefusal(one)) return one.with({ [of.index]: parsed.length });
    parsed.push(one);
  }
  return parsed;
}

function readPrecondition(condition: unknown, limits: ValueLimits): Precondition | Refusal {
  if (!isObject(condition)) return refuse('invalid_precondition');
  const kinds = Object.keys(condition).filter((key) => key !== 'path' && key !== 'path_segments');
  const [kind] = kinds;
  if (kinds.length !== 1 || kind === undefined) return refuse('invalid_precondition');
  const asked = condition[kind];
  if (kind === 'fence') {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked at once
    const fenced = { kind, fence: draftFence(asked) } as Precondition;
    return checkPrecondition(fenced, limits) ?? fenced;
  }
  const path = readPath(condition, limits);
  return isRefusal(path) ? path : judgeAt(path, kind, asked);
}

function judgeAt(path: Path, kind: string, asked: unknown): Precondition | Refusal {
  if (kind === 'if_match' && isCount(asked)) return { kind, path, revision: asked };
  if (kind === 'equals' && isJson(asked)) return { kind, path, value: asked };
  return (kind === 'if_absent' || kind === 'exists') && asked === true
    ? { kind, path }
    : refuse('invalid_precondition');
}
