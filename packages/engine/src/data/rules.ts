import {
  childPath,
  type Fence,
  type Json,
  type Path,
  type Refusal,
  refuse,
  requestLimits,
  type Transaction,
} from '@holdfast/protocol';
import type { Intent } from './context.ts';
import type { Asked } from './gate.ts';
import { isMap } from './projection.ts';
import { impliedDeletes } from './reach.ts';
import type { ImportRequest } from './import.ts';
import type { RollbackRequest } from './rollback.ts';
import type { Scope } from './scope.ts';
import type { Tree } from './tree.ts';

/** What the path rules of a principal let it read and write (stores.md §11.2). */
export type PathGrants = { readonly read: Scope; readonly write: Scope };

/** The state that a request is decided on, and what whoever asks may do with it. */
type Ground = { readonly tree: Tree; readonly grants: PathGrants };

/** The ground of one request, and what has been found on it: of a thousand ops each may be about all of the same leaves. */
type Found = Ground & {
  /** Whether all that is at these paths and below may be written. */
  readonly writable: Map<Path, boolean>;
};

/**
 * Why path rules forbid a request (stores.md §11.2.2); null where they do not. It names a path of the request only.
 *
 * Judging all ops of a transaction on the state before it is exact: what is not writable before stays as it is throughout.
 */
export function checkRules(
  ground: Ground,
  request: Intent | Transaction | RollbackRequest | ImportRequest,
): Refusal | null {
  if (request.op === 'import') return unrestricted();
  if (request.op === 'rollback') return checkRollback(ground, request);
  const found: Found = { ...ground, writable: new Map() };
  if (request.op !== 'transact') return checkWrite(found, request);
  const look: Look = { left: requestLimits.max_leaves_per_write };
  for (const [index, condition] of request.preconditions.entries()) {
    const isFence = condition.kind === 'fence';
    const path = isFence ? condition.fence.key : condition.path;
    const isOpen = isFence
      ? ground.grants.read.covers(path)
      : mayGuard(ground, path) || (condition.kind === 'exists' && seesSome(ground, path, look));
    if (!isOpen) return forbidden(path).with({ precondition_index: index });
  }
  for (const [index, op] of request.ops.entries()) {
    const refusal = checkWrite(found, op);
    if (refusal !== null) return refusal.with({ op_index: index });
  }
  return null;
}

function unrestricted(): Refusal {
  const message = 'A token with path rules does this to paths only, not to a store.';
  return refuse('path_not_allowed', { message });
}

/**
 * A part must be writable as a whole; the store is for those without rules only (stores.md §11.2.5). What records hide of
 * it, now or then, is not brought back, nor told of by what there is to do (records.md §17).
 */
function checkRollback({ tree, grants }: Ground, request: RollbackRequest): Refusal | null {
  const { path, target } = request;
  if (path === null) return unrestricted();
  const isShown = [tree, target].every((state) =>
    grants.read.bounds.every((bound) => {
      const look = (): boolean => bound.coversSubtree(path);
      return bound.asOf?.((at) => state.read(at)?.value, look) ?? true;
    }),
  );
  const { write } = grants;
  // A leaf above goes where something comes back below it.
  const above = target.count(path) === 0 ? undefined : tree.leafAbove(path);
  const isWritable = [path, above ?? path].every((each) => write.covers(each));
  return isShown && isWritable && write.coversSubtree(path) ? null : forbidden(path);
}

/** A refusal without what it tells of a leaf that whoever asks may write but not read, or of how much there is of others. */
export function veil(
  refusal: Refusal,
  { tree, grants }: Ground,
  request: Intent | Transaction | RollbackRequest | ImportRequest,
): Refusal {
  if (refusal.code === 'limit_exceeded' && !grants.read.isWhole) {
    const { current: _, ...rest } = refusal.details;
    return refuse(refusal.code, rest);
  }
  if (refusal.code !== 'held' && refusal.code !== 'type_mismatch') return refusal;
  const { op_index: index } = refusal.details;
  const isIndexed = typeof index === 'number';
  if (request.op === 'rollback' || request.op === 'import') return refuse(refusal.code);
  const op = request.op === 'transact' ? request.ops[isIndexed ? index : 0] : request;
  if (op !== undefined && readsAll({ tree, grants }, op)) return refusal;
  return refuse(refusal.code, isIndexed ? { op_index: index } : {});
}

function readsAll(ground: Ground, { path }: Intent): boolean {
  const above = ground.tree.leafAbove(path);
  return (above === undefined || ground.grants.read.covers(above)) && mayGuard(ground, path);
}

/** Whether all that a request says and looks at may be read: that it was made then tells nothing that is hidden. */
export function seesRequest({ read }: PathGrants, request: Asked): boolean {
  if (request.op === 'rollback') return request.path !== null && read.coversSubtree(request.path);
  if (request.op === 'import' || request.op === 'migrate') return false;
  if (request.op !== 'transact') return seesIntent(read, request);
  return (
    request.ops.every((op) => seesIntent(read, op)) &&
    request.preconditions.every((condition) =>
      condition.kind === 'fence'
        ? read.covers(condition.fence.key)
        : read.coversSubtree(condition.path),
    )
  );
}

function seesIntent(read: Scope, request: Intent): boolean {
  if ('fence' in request && request.fence && !read.covers(request.fence.key)) return false;
  if (read.coversSubtree(request.path)) return true;
  if (request.op === 'mutate' || ('value' in request && isMap(request.value))) return false;
  return read.covers(request.path);
}

function checkWrite(ground: Found, request: Intent): Refusal | null {
  const { path } = request;
  return mayGuardAll(ground, request) &&
    mayWriteAll(ground, request) &&
    mayRemoveAll(ground, request)
    ? null
    : forbidden(path);
}

/** The refusal of whoever may not do that there; null: at a path of the request, it is not said which. */
export function forbidden(path: Path | null): Refusal {
  return refuse('path_not_allowed', {
    ...(path !== null && { path }),
    message: 'The path rules of this token do not allow this.',
  });
}

/** Guards and fences need what they look at readable. */
function mayGuardAll(ground: Ground, request: Intent): boolean {
  const fence: Fence | undefined = 'fence' in request ? request.fence : undefined;
  if (fence !== undefined && !ground.grants.read.covers(fence.key)) return false;
  const isGuarded =
    ('ifMatch' in request && request.ifMatch !== undefined) ||
    ('ifAbsent' in request && request.ifAbsent);
  if (!isGuarded) return true;
  const isLeafOnly = 'leafOnly' in request && request.leafOnly;
  return isLeafOnly ? ground.grants.read.covers(request.path) : mayGuard(ground, request.path);
}

function mayGuard({ tree, grants: { read } }: Ground, path: Path): boolean {
  return tree.hasBelow(path) ? read.coversSubtree(path) : read.covers(path);
}

/**
 * That there is something tells nothing to who sees some of it. There may be millions of leaves below a path, and thousand
 * guards in a request: all of them together look at no more than one write may make.
 */
function seesSome({ tree, grants: { read } }: Ground, path: Path, look: Look): boolean {
  if (!read.reaches(path)) return false;
  for (const entry of tree.entries({ under: path })) {
    if (look.left === 0) return false;
    look.left -= 1;
    if (read.covers(entry.path)) return true;
  }
  return false;
}

/** How many leaves may be looked at yet. */
type Look = { left: number };

function mayWriteAll({ tree, grants: { write } }: Ground, request: Intent): boolean {
  const { op, path } = request;
  // What it writes is known when it has run.
  if (op === 'mutate') return write.reaches(path);
  if (op === 'set') return coversValue(write, path, request.value);
  if (op === 'delete') return tree.hasBelow(path) || write.covers(path);
  if (op !== 'merge') return write.covers(path);
  const members = Object.entries(request.value);
  if (members.length === 0) return write.covers(path);
  return members.every(([key, child]) => coversValue(write, childPath(path, key), child));
}

function coversValue(scope: Scope, path: Path, value: Json): boolean {
  if (scope.coversSubtree(path)) return true;
  if (!isMap(value)) return scope.covers(path);
  return Object.entries(value).every(([key, child]) =>
    coversValue(scope, childPath(path, key), child),
  );
}

function mayRemoveAll({ tree, grants: { write }, writable }: Found, request: Intent): boolean {
  if (request.op === 'mutate') return true;
  const own =
    request.op === 'merge'
      ? Object.keys(request.value).map((key) => childPath(request.path, key))
      : [request.path];
  return [...impliedDeletes(tree, request), ...own].every((path) => {
    const isWritable = writable.get(path) ?? coversState(write, tree, path);
    writable.set(path, isWritable);
    return isWritable;
  });
}

/** Whether every leaf there is at a path and below it is in scope. */
function coversState(scope: Scope, tree: Tree, path: Path): boolean {
  if (scope.coversSubtree(path)) return true;
  if (!tree.hasBelow(path)) return tree.leaf(path) === undefined || scope.covers(path);
  for (const entry of tree.entries({ under: path })) if (!scope.covers(entry.path)) return false;
  return true;
}
