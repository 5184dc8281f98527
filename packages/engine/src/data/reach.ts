import {
  childPath,
  comparePaths,
  type Fence,
  isPlainObject,
  type OpName,
  type Path,
  type Leaf,
  type Refusal,
  type Request,
} from '@holdfast/protocol';
import type { DecideContext, Intent } from './context.ts';
import { leaseOf } from './guards.ts';
import { held } from './outcome.ts';
import type { Tree } from './tree.ts';

/** The paths that explicit deletes must clear before a request is applied, in path order (stores.md §4.3). */
export function impliedDeletes(tree: Tree, request: Intent): readonly Path[] {
  const { op, path } = request;
  if (op === 'delete' || op === 'release') return [];
  if (op === 'merge') return impliedByMerge(tree, request);
  const above = tree.leafAbove(path);
  if (above !== undefined) return [above];
  const isNative = op === 'set' && isPlainObject(request.value);
  return !isNative && tree.hasBelow(path) ? [path] : [];
}

type Merge = Extract<Intent, { readonly op: 'merge' }>;

function impliedByMerge(tree: Tree, { path, value }: Merge): readonly Path[] {
  const entries = Object.entries(value);
  if (entries.length === 0) return [];
  const above = tree.leaf(path) === undefined ? tree.leafAbove(path) : path;
  if (above !== undefined) return [above];
  const implied: Path[] = [];
  for (const [key, child] of entries) {
    const target = childPath(path, key);
    const goesDeeper = isPlainObject(child) && Object.keys(child).length > 0;
    const isLeafAbove = goesDeeper && tree.leaf(target) !== undefined;
    if (isLeafAbove || tree.hasBelow(target)) implied.push(target);
  }
  return implied.toSorted(comparePaths);
}

/** The paths that a request asks to write; it touches what is below them too. */
function targets(request: Intent): readonly Path[] {
  if (request.op !== 'merge') return [request.path];
  return Object.keys(request.value).map((key) => childPath(request.path, key));
}

/**
 * The paths that a request writes or guards (stores.md C4): what happens at none of them, nor above or below, does not
 * change what is decided.
 */
export function touches(request: Request | Intent): readonly Path[] {
  if (request.op !== 'transact') return [...targets(request), ...guarded(request)];
  return [
    ...request.ops.flatMap(touches),
    ...request.preconditions.map((each) => (each.kind === 'fence' ? each.fence.key : each.path)),
  ];
}

function guarded(request: Intent): readonly Path[] {
  const fence = 'fence' in request ? request.fence : undefined;
  return fence === undefined ? [] : [fence.key];
}

/** Whether the op is judged by the table of stores.md §5.2. */
export function isLeaseOp(op: OpName): boolean {
  return op === 'lease' || op === 'renew' || op === 'release';
}

/** What a write is about to remove or overwrite, and the leases it is fenced by. */
type Reach = {
  readonly tree: Tree;
  readonly context: DecideContext;
  readonly implied: readonly Path[];
  readonly fences: readonly Fence[];
};

/** Refuses to remove or overwrite a live lease that does not fence the request (stores.md §5.2.3). */
export function checkLeases(request: Intent, reach: Reach): Refusal | null {
  if (reach.context.forced === true) return null;
  // The table of §5.2 has judged the lease at its own path.
  const own = isLeaseOp(request.op) ? [] : targets(request);
  for (const path of [...reach.implied, ...own]) {
    const refusal = checkLeasesUnder(path, reach);
    if (refusal !== null) return refusal;
  }
  return null;
}

function checkLeasesUnder(path: Path, reach: Reach): Refusal | null {
  const leaf = reach.tree.leaf(path);
  if (leaf !== undefined) return checkLease(path, leaf, reach);
  if (!reach.tree.hasBelow(path)) return null;
  for (const entry of reach.tree.entries({ under: path })) {
    const refusal = checkLease(entry.path, entry, reach);
    if (refusal !== null) return refusal;
  }
  return null;
}

function checkLease(path: Path, leaf: Leaf, { context, fences }: Reach): Refusal | null {
  const lease = leaf.type === 'lease' ? leaseOf(leaf) : null;
  if (lease === null || !context.live(path, lease)) return null;
  const isFence = fences.some(({ key, token }) => key === path && token === lease.token);
  return isFence ? null : held(lease);
}
