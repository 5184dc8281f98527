import {
  childPath,
  comparePaths,
  isObject,
  isPlainObject,
  type Path,
  type Request,
} from '@holdfast/protocol';
import type { Intent } from './context.ts';
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
  const above = tree.leafAbove(childPath(path, ''));
  if (above !== undefined) return [above];
  const places = entries.map(([key, child]) => [childPath(path, key), child] as const);
  const implied = places.filter(([target, child]) => {
    const goesDeeper = isPlainObject(child) && Object.keys(child).length > 0;
    return tree.hasBelow(target) || (goesDeeper && tree.leaf(target) !== undefined);
  });
  return implied.map(([target]) => target).toSorted(comparePaths);
}

type Target = { readonly op: string; readonly path: Path; readonly value?: unknown };

/** The paths at and below which a request, or an op of the log, changes something. */
export function targets({ op, path, value }: Target): readonly Path[] {
  if (op !== 'merge' || !isObject(value)) return [path];
  return Object.keys(value).map((key) => childPath(path, key));
}

/**
 * The paths that a request writes or guards (stores.md C4): what happens at none of them, nor above or below, does not
 * change what is decided.
 */
export function touches(request: Request | Intent): readonly Path[] {
  if (request.op === 'transact') {
    const guarded = request.preconditions.map((each) =>
      each.kind === 'fence' ? each.fence.key : each.path,
    );
    return [...request.ops.flatMap(touches), ...guarded];
  }
  const fence = 'fence' in request ? request.fence : undefined;
  return fence === undefined ? targets(request) : [...targets(request), fence.key];
}
