import {
  type Fence,
  isObject,
  type Json,
  jsonEquals,
  type Leaf,
  type LeaseValue,
  type Path,
  type Precondition,
  type Refusal,
  refuse,
  type Seq,
} from '@holdfast/protocol';
import type { DecideContext, Intent } from './context.ts';
import type { Tree } from './tree.ts';

/** Whether a leaf's value is a lease; only the core writes such values (stores.md §3.1.3). */
export function isLease(value: Json): value is LeaseValue {
  return isObject(value) && value['_type'] === 'lease';
}

/** The lease that a leaf holds. */
export function leaseOf(leaf: Leaf | undefined): LeaseValue | null {
  return leaf !== undefined && isLease(leaf.value) ? leaf.value : null;
}

/** What speaks against a request before its op is looked at: fence, if_match, if_absent (stores.md §5.1). */
export function checkGuards(tree: Tree, request: Intent, context: DecideContext): Refusal | null {
  const { path } = request;
  if ('fence' in request && request.fence !== undefined) {
    const refusal = checkFence(tree, request.fence, context);
    if (refusal !== null) return refusal;
  }
  if ('ifMatch' in request && request.ifMatch !== undefined) {
    return context.dialect === 3 || request.leafOnly === true
      ? expect(tree.leaf(path)?.revision, request.ifMatch)
      : expect(revisionAt(tree, path), request.ifMatch);
  }
  return 'ifAbsent' in request && request.ifAbsent ? checkAbsent(tree, path) : null;
}

/** What speaks against a precondition of a transaction; refusals name its path (stores.md §10.5). */
export function checkPrecondition(
  tree: Tree,
  condition: Precondition,
  context: DecideContext,
): Refusal | null {
  if (condition.kind === 'fence') return checkFence(tree, condition.fence, context);
  const { path } = condition;
  const revision = revisionAt(tree, path);
  if (condition.kind === 'if_match') return expect(revision, condition.revision);
  if (condition.kind === 'if_absent') return checkAbsent(tree, path);
  if (revision === undefined) return conflict(revision);
  if (condition.kind === 'exists') return null;
  const found = tree.read(path)?.value ?? null;
  return jsonEquals(found, condition.value) ? null : conflict(revision);
}

function checkFence(tree: Tree, { key, token }: Fence, context: DecideContext): Refusal | null {
  const lease = leaseOf(tree.leaf(key));
  const holds = lease !== null && lease.token === token && context.live(key, lease);
  return holds ? null : refuse('fenced');
}

function checkAbsent(tree: Tree, path: Path): Refusal | null {
  const revision = revisionAt(tree, path);
  return revision === undefined ? null : refuse('exists', { current_revision: revision });
}

function expect(revision: Seq | undefined, wanted: Seq): Refusal | null {
  return revision === wanted ? null : conflict(revision);
}

function conflict(revision: Seq | undefined): Refusal {
  return refuse('conflict', { current_revision: revision ?? null });
}

function revisionAt(tree: Tree, path: Path): Seq | undefined {
  return tree.leaf(path)?.revision ?? tree.mapRevision(path);
}
