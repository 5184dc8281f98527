import {
  isObject,
  type Json,
  jsonEquals,
  type Path,
  type Precondition,
  type Refusal,
  refuse,
} from '@holdfast/protocol';
import type { DecideContext, FileWrite, Intent } from './context.ts';
import type { Tree } from './tree.ts';

type Guards = Pick<Intent, 'path'> &
  Partial<Pick<FileWrite, 'fence' | 'ifMatch' | 'ifAbsent' | 'leafOnly'>>;

/** What speaks against a request before its op is looked at: fence, if_match, if_absent (stores.md §5.1). */
export function checkGuards(tree: Tree, request: Intent, context: DecideContext): Refusal | null {
  const { path, fence, ifMatch, ifAbsent, leafOnly }: Guards = request;
  const fenced = fence && context.leases?.checkFence(tree, fence);
  if (fenced) return fenced;
  if (ifMatch !== undefined) {
    const isOfLeaf = leafOnly === true || context.dialect === 3;
    if (isOfLeaf && tree.hasBelow(path)) return conflict(null);
    return checkPrecondition(tree, { kind: 'if_match', path, revision: ifMatch }, context);
  }
  return ifAbsent ? checkPrecondition(tree, { kind: 'if_absent', path }, context) : null;
}

/** What speaks against a precondition of a transaction; refusals name its path (stores.md §10.5). */
export function checkPrecondition(
  tree: Tree,
  condition: Precondition,
  { leases, judges }: DecideContext,
): Refusal | null {
  if (condition.kind === 'fence') return leases?.checkFence(tree, condition.fence) ?? null;
  const { path } = condition;
  if (judges?.(path, condition.kind === 'if_match' ? condition.revision : 0) === false) return null;
  const found = revisionAt(tree, path);
  if (condition.kind !== 'if_absent') return holds(tree, condition, found) ? null : conflict(found);
  return found === null ? null : refuse('exists', { current_revision: found });
}

function holds(
  tree: Tree,
  condition: Exclude<Precondition, { readonly kind: 'fence' | 'if_absent' }>,
  found: number | null,
): boolean {
  if (found === null) return false;
  if (condition.kind === 'if_match') return condition.revision === found;
  if (condition.kind === 'exists') return true;
  const { path, value } = condition;
  // A large map is not put together for what has less in it.
  return tree.count(path) <= sizeOf(value) && jsonEquals(tree.read(path)?.value ?? null, value);
}

/** How many values there are in the objects of a value, itself included: no fewer than it has leaves. It may be of any depth. */
function sizeOf(value: Json): number {
  const all = [value];
  for (const each of all) {
    if (isObject(each)) for (const item of Object.values(each)) all.push(item);
  }
  return all.length;
}

function conflict(revision: number | null): Refusal {
  return refuse('conflict', { current_revision: revision });
}

/** The revision of the leaf or the map at a path; null where there is nothing. */
export function revisionAt(tree: Tree, path: Path): number | null {
  return tree.leaf(path)?.revision ?? tree.mapRevision(path) ?? null;
}
