import type { Path } from './brand.ts';
import { findEnvelopeFault, isTypedName, typedNameOf } from './envelope.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { type Limits, requestLimits } from './limits.ts';
import type { LeafType } from './op.ts';
import { checkSegment, childPath, escapeSegment, type PathLimits } from './path.ts';
import { type Reason, type Refusal, refuse } from './refusals.ts';
import { utf8Length } from './utf8.ts';

/** The limits that bound a value (stores.md §12.1). */
export type ValueLimits = PathLimits & Pick<Limits, 'max_value_bytes' | 'max_leaves_per_write'>;

/** An object that is not an envelope: it is flattened when written (stores.md §3.1.2). */
export function isPlainObject(value: unknown): value is JsonObject {
  return isObject(value) && typedNameOf(value) === null;
}

/** The type of a leaf as its value alone tells it (stores.md §3.1); counters and sets are known by their op. */
export function typeOfValue(value: Json): LeafType {
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'float';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string') return 'string';
  return isObject(value) ? (typedNameOf(value) ?? 'map') : 'list';
}

/** The leaves that a value written at a path amounts to, in the order of its keys (stores.md §3.1.2). */
export function flatten(path: Path, value: Json): (readonly [Path, Json])[] {
  const leaves: [Path, Json][] = [];
  collect(path, value, leaves);
  return leaves;
}

function collect(path: Path, value: Json, leaves: [Path, Json][]): void {
  if (isPlainObject(value)) {
    const keys = Object.keys(value);
    for (const key of keys) collect(childPath(path, key), value[key] ?? null, leaves);
    if (keys.length > 0) return;
  }
  // −0 is stored as 0 (stores.md §3.1).
  leaves.push([path, value === 0 ? 0 : value]);
}

type Check = { readonly limits: ValueLimits; leaves: number };

/**
 * Everything that may be wrong with a value to be written at a valid path (stores.md §3.1.3–6, §12.1). What passes is
 * {@link Json}.
 */
export function checkValue(
  value: unknown,
  path: Path,
  limits: ValueLimits = requestLimits,
): Refusal | null {
  // Otherwise the map that holds it would read as an envelope (stores.md §3.1.4).
  const isType = path === '_type' || path.endsWith('/_type');
  if (isType && isTypedName(value)) return refuse('reserved_type', { path });
  return checkAt(value, { path, depth: path.split('/').length }, { limits, leaves: 0 });
}

/** Checks what is to stand at a path: a leaf, or a map, which is checked child by child. */
function checkAt(
  value: unknown,
  { path, depth }: { readonly path: Path; readonly depth: number },
  check: Check,
): Refusal | null {
  const { max_depth: depthMax, max_path_bytes: bytesMax } = check.limits;
  const map = isPlainObject(value) && isRecord(value) ? value : {};
  const keys = Object.keys(map);
  if (keys.length === 0) return checkLeaf(value, path, check);
  for (const key of keys) {
    const fault = checkSegment(escapeSegment(key), check.limits);
    if (fault !== null) return fault.with({ path });
    if (depth === depthMax) return refuse('too_deep', { limit: depthMax, path });
    const child = childPath(path, key);
    if (utf8Length(child) > bytesMax) {
      return refuse('path_too_long', { limit: bytesMax, path: child });
    }
    const refusal = checkAt(map[key], { path: child, depth: depth + 1 }, check);
    if (refusal !== null) return refusal;
  }
  return null;
}

function checkLeaf(value: unknown, path: Path, check: Check): Refusal | null {
  const {
    max_leaves_per_write: leavesMax,
    max_value_bytes: bytesMax,
    max_depth: depthMax,
  } = check.limits;
  check.leaves++;
  if (check.leaves > leavesMax) return refuse('too_many_leaves', { limit: leavesMax });
  const fault = faultOf(value, 0, depthMax);
  if (fault !== null) {
    return refuse(fault, fault === 'too_deep' ? { limit: depthMax, path } : { path });
  }
  return utf8Length(JSON.stringify(value)) > bytesMax
    ? refuse('value_too_large', { limit: bytesMax, path })
    : null;
}

/** What is wrong with a leaf's value, or with a part of it at a level. */
function faultOf(value: unknown, level: number, levelMax: number): Reason | null {
  const parts = partsOf(value);
  if (parts === null) return scalarFault(value);
  const fault = isObject(value) ? findEnvelopeFault(value, level) : null;
  if (fault !== null || level === levelMax) return fault ?? 'too_deep';
  for (const part of parts) {
    const inside = faultOf(part, level + 1, levelMax);
    if (inside !== null) return inside;
  }
  return null;
}

function scalarFault(value: unknown): Reason | null {
  if (typeof value === 'number') {
    return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? null : 'number_out_of_range';
  }
  const isText = typeof value === 'string' && utf8Length(value) !== -1;
  return isText || value === null || typeof value === 'boolean' ? null : 'invalid_value';
}

/** The items of a list, or the keys and values of an object; null for anything else. */
function partsOf(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value;
  return isRecord(value) ? [...Object.keys(value), ...Object.values(value)] : null;
}

/** An object as a decoder or a literal makes it, not a Date, Map or class instance. */
function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
