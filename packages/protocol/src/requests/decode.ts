import { isObject } from '../json.ts';
import type { RequestLimits } from '../limits.ts';
import { isOpName, type Mutate, type Precondition, type Request, type Write } from '../op.ts';
import { isWirePath } from '../path.ts';
import type { Refusal } from '../refusals.ts';
import { invalidField } from '../shape.ts';
import { ownRequest } from './check.ts';

const ownNames: { readonly [name: string]: string } = {
  if_match: 'ifMatch',
  if_absent: 'ifAbsent',
  ttl_ms: 'ttlMs',
};

/** The way back from `encodeRequest`, for whoever has kept what it gave: held to what an own request is held to. */
export function decodeRequest(
  { event, payload }: { readonly event?: unknown; readonly payload?: unknown },
  limits: RequestLimits,
): Request | Refusal {
  const request = event === 'transact' ? transactionOf(payload) : writeOf(payload);
  return request === null ? invalidField('payload') : ownRequest(request, limits);
}

function transactionOf(payload: unknown): Request | null {
  const { ops = null, preconditions = [] } = isObject(payload) ? payload : {};
  const [writes, conditions] = [each(ops, writeOf), each(preconditions, preconditionOf)];
  return writes && conditions && { op: 'transact', ops: writes, preconditions: conditions };
}

function each<T>(list: unknown, read: (item: unknown) => T | null): readonly T[] | null {
  if (!Array.isArray(list)) return null;
  const items = list.flatMap((item) => read(item) ?? []);
  return items.length === list.length ? items : null;
}

function writeOf(payload: unknown): Write | Mutate | null {
  if (!isObject(payload) || typeof payload['path'] !== 'string') return null;
  const { op } = payload;
  if (op !== 'mutate' && (!isOpName(op) || op === 'put_file')) return null;
  const fields = Object.entries(payload);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the rest is checked with the request
  return Object.fromEntries(
    fields.map(([name, value]) => [ownNames[name] ?? name, value]),
  ) as Write;
}

function preconditionOf(condition: unknown): Precondition | null {
  const { path, ...asked } = isObject(condition) ? condition : {};
  const [[kind, value] = ['', null], other] = Object.entries(asked);
  const said = other === undefined ? saidBy.get(kind) : undefined;
  if (said === undefined || (kind !== 'fence' && !isWirePath(path))) return null;
  const place = kind !== 'fence' && { path };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  return { kind, ...place, ...(said !== null && { [said]: value }) } as Precondition;
}

/** What a condition of each kind says besides its path. */
const saidBy: ReadonlyMap<string, string | null> = /* @__PURE__ */ new Map([
  ['fence', 'fence'],
  ['if_match', 'revision'],
  ['equals', 'value'],
  ['if_absent', null],
  ['exists', null],
]);
