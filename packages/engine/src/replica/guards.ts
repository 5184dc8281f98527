import type { Request, Write } from '@holdfast/protocol';

/** Whether a request rests on revisions or tokens, which mean nothing in another incarnation (stores.md §10.1.3). */
export function isGuarded(request: Request): boolean {
  if (request.op !== 'transact') return isGuardedWrite(request);
  return (
    request.ops.some(isGuardedWrite) ||
    request.preconditions.some(({ kind }) => kind === 'if_match' || kind === 'fence')
  );
}

function isGuardedWrite(write: Write): boolean {
  return 'ifMatch' in write || 'fence' in write;
}

/** Whether a request is about leases: then it is neither shown nor kept while offline (stores.md §18 C1). */
export function isAboutLeases(request: Request): boolean {
  if (request.op === 'transact') return request.ops.some(isAboutLeases);
  return request.op === 'lease' || request.op === 'renew' || request.op === 'release';
}

/** Whether a request that is applied twice may do more than one that is applied once. */
export function addsUp(request: Request): boolean {
  if (request.op === 'transact') return request.ops.some(addsUp);
  return request.op === 'increment' || request.op === 'remove';
}
