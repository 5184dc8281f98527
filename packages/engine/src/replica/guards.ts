import { isLeaseOp, type Mutate, type Request, type Write } from '@holdfast/protocol';

function writesOf(request: Request): readonly (Write | Mutate)[] {
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
export function isAboutLeases(request: Request): boolean {
  return writesOf(request).some(({ op }) => isLeaseOp(op));
}

/** Whether a request that is applied twice may do more than one that is applied once. */
export function addsUp(request: Request): boolean {
  return writesOf(request).some(
    ({ op }) => op === 'increment' || op === 'remove' || op === 'mutate',
  );
}
