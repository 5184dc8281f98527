import {
  childPath,
  type Entry,
  isPlainObject,
  type Json,
  type JsonObject,
  type Op,
  type Path,
  setOwn,
} from '@holdfast/protocol';
import type { Bound } from './scope.ts';

/** An op with the leaves whose old value vanished by it (stores.md §1.2.2). */
type RemovingOp = Op & { readonly removed: readonly Entry[] };

/**
 * The op as somebody may see it who has a part of the store only; null where nothing of it is theirs (stores.md
 * §11.2.3). `removes`: whether it removed a leaf in scope, for who knows that already.
 */
export function project(
  op: RemovingOp,
  scope: Bound,
  removes: (() => boolean) | null = null,
): RemovingOp | null {
  if (scope.coversSubtree(op.path)) return op;
  if (!scope.reaches(op.path)) return null;
  const removed = (): boolean => (removes ? removes() : removedIn(op, scope));
  if (op.op === 'set' || op.op === 'merge') {
    return stripped(op, scope) ?? (replaces(op) && removed() ? emptied(op) : null);
  }
  if (scope.covers(op.path)) return op;
  return isRemoval(op) && removed() ? op : null;
}

function isRemoval({ op }: Op): boolean {
  return op === 'delete' || op === 'release';
}

function stripped(op: RemovingOp, scope: Bound): RemovingOp | null {
  const { path, value } = op;
  const isMerge = op.op === 'merge' && isPlainObject(value);
  const left = isMerge ? membersIn(path, value, scope) : valueIn(path, value, scope);
  if (left === undefined) return null;
  return left === value ? op : { ...op, value: left };
}

/** What else a write removes, an op of its own does: only an object replaces what is at its path (stores.md §4.3.2). */
function replaces({ op, value }: RemovingOp): boolean {
  return op === 'set' && isPlainObject(value);
}

function emptied(op: RemovingOp): RemovingOp {
  return { ...op, op: 'delete', value: null };
}

function removedIn({ removed }: RemovingOp, scope: Bound): boolean {
  return removed.some(({ path }) => scope.covers(path));
}

/** What of a value that is written at a path is in scope; undefined where nothing is. */
export function valueIn(path: Path, value: Json, scope: Bound): Json | undefined {
  if (scope.coversSubtree(path)) return value;
  if (!isMap(value)) return scope.covers(path) ? value : undefined;
  return scope.reaches(path) ? membersIn(path, value, scope) : undefined;
}

function membersIn(path: Path, map: JsonObject, scope: Bound): JsonObject | undefined {
  let kept: { [key: string]: Json } | undefined;
  for (const [key, child] of Object.entries(map)) {
    const left = valueIn(childPath(path, key), child, scope);
    if (left !== undefined) setOwn((kept ??= {}), key, left);
  }
  return kept;
}

/** Whether a value is written as several leaves: `{}` is a leaf (stores.md §3.1.2). */
export function isMap(value: Json): value is JsonObject {
  return isPlainObject(value) && Object.keys(value).length > 0;
}
