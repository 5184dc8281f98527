import type { Mutate, Precondition, Request, Write } from '../op.ts';

/** A request as a push, without its `client_op_id`: which event, which payload (stores.md §7.5, §10.5). */
export type EncodedRequest = { readonly event: 'write' | 'transact'; readonly payload: object };

/** Turns a request into the push that asks for it; `parseWrite` and `parseTransact` read it, and `decodeRequest` is the way back. */
export function encodeRequest(request: Request): EncodedRequest {
  if (request.op !== 'transact') return { event: 'write', payload: encodeWrite(request) };
  const ops = request.ops.map(encodeWrite);
  const preconditions = request.preconditions.map(encodePrecondition);
  return {
    event: 'transact',
    payload: preconditions.length === 0 ? { ops } : { ops, preconditions },
  };
}

const wireNames: { readonly [name: string]: string } = {
  ifMatch: 'if_match',
  ifAbsent: 'if_absent',
  ttlMs: 'ttl_ms',
};

function encodeWrite(write: Write | Mutate): object {
  const { leafOnly: _, ...fields }: (Write | Mutate) & { readonly leafOnly?: true } = write;
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [wireNames[name] ?? name, value]),
  );
}

function encodePrecondition(condition: Precondition): object {
  const { kind } = condition;
  if (kind === 'fence') return { fence: condition.fence };
  if (kind === 'if_match') return { path: condition.path, if_match: condition.revision };
  return { path: condition.path, [kind]: kind === 'equals' ? condition.value : true };
}
