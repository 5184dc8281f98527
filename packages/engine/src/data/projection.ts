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
import type { Scope } from './scope.ts';

/** An op with the leaves whose old value vanished by it (stores.md §1.2.2). */
type RemovingOp = Op & { readonly removed: readonly Entry[] };

/**
 * The op as somebody may see it who has a part of the store only; null where nothing of it is theirs (stores.md
 * §11.2.3). `removes`: whether it removed a leaf in scope, for who knows that already.
 */
export function project(
  op: RemovingOp,
  scope: Scope,
  removes: (() => boolean) | null = null,
): RemovingOp | null {
  const { path, value } = op;
  if (scope.coversSubtree(path)) return op;
  if (!scope.reaches(path)) return null;
  const removed = removes ?? (() => op.removed.some((entry) => scope.covers(entry.path)));
  switch (op.op) {
    case 'delete':
    case 'release':
      return scope.covers(path) || removed() ? op : null;
    case 'merge':
      return withValue(op, isPlainObject(value) ? membersIn(path, value, scope) : undefined);
    case 'set':
      if (!isPlainObject(value)) break;
      return (
        withValue(op, valueIn(path, value, scope)) ??
        (removed() ? { ...op, op: 'delete', value: null } : null)
      );
  }
  return scope.covers(path) ? op : null;
}

function withValue(op: RemovingOp, value: Json | undefined): RemovingOp | null {
  return value === undefined ? null : { ...op, value };
}

/** What of a value that is written at a path is in scope; undefined where nothing is. */
export function valueIn(path: Path, value: Json, scope: Scope): Json | undefined {
  if (scope.coversSubtree(path)) return value;
  if (!isMap(value)) return scope.covers(path) ? value : undefined;
  return scope.reaches(path) ? membersIn(path, value, scope) : undefined;
}

function membersIn(path: Path, map: JsonObject, scope: Scope): JsonObject | undefined {
  let kept: JsonObject | undefined;
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
