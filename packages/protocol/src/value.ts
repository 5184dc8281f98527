import type { Path } from './brand.ts';
import { findEnvelopeFault, isTypedName, typedNameOf } from './envelope.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { defaultLimits, type Limits } from './limits.ts';
import type { LeafType } from './op.ts';
import { checkSegment, childPath, type PathLimits } from './path.ts';
import { type Reason, type Refusal, refuse } from './refusals.ts';
import { utf8Length } from './utf8.ts';

/** The limits that bound a value (stores.md §12.1). */
export type ValueLimits = PathLimits & Pick<Limits, 'max_value_bytes' | 'max_leaves_per_write'>;

/** An object that is not an envelope: it is flattened when written (stores.md §3.1.2). */
export function isPlainObject(value: Json): value is JsonObject {
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

type Check = { readonly limits: ValueLimits; leaves: number; refusal: Refusal | null };

/** Where a check stands: the path, its bytes and its depth. */
type Place = { readonly path: Path; readonly bytes: number; readonly depth: number };

/**
 * Everything that may be wrong with a value to be written at a valid path (stores.md §3.1.3–6, §12.1). What passes is
 * {@link Json}. Work ends at the first limit that is passed.
 */
export function checkValue(
  value: unknown,
  path: Path,
  limits: ValueLimits = defaultLimits,
): Refusal | null {
  const check: Check = { limits, leaves: 0, refusal: null };
  if (isObject(value)) {
    const depth = path.split('/').length;
    checkObject(value, { path, bytes: utf8Length(path), depth }, check);
  } else {
    checkLeaf(value, path, check);
    if (path === '_type' || path.endsWith('/_type')) checkTypeLeaf(value, path, check);
  }
  return check.refusal;
}

/** {@link checkValue}, with the value itself where nothing is wrong. */
export function readValue(value: unknown, path: Path, limits: ValueLimits): Json | Refusal {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what passes the check is JSON
  return checkValue(value, path, limits) ?? (value as Json);
}

function fail(check: Check, code: Reason, details: { readonly [field: string]: unknown }): -1 {
  check.refusal ??= refuse(code, details);
  return -1;
}

// Otherwise the map that holds it would read as an envelope (stores.md §3.1.4).
function checkTypeLeaf(value: unknown, path: Path, check: Check): void {
  if (isTypedName(value)) fail(check, 'reserved_type', { path });
}

function checkObject(value: { readonly [key: string]: unknown }, place: Place, check: Check): void {
  const name = typedNameOf(value);
  const keys = Object.keys(value);
  if (name !== null || keys.length === 0 || !isRecord(value)) {
    checkLeaf(value, place.path, check);
    return;
  }
  for (const key of keys) {
    checkChild(key, value[key], { place, check });
    if (check.refusal !== null) return;
  }
}

function checkChild(key: string, value: unknown, at: { place: Place; check: Check }): void {
  const { place, check } = at;
  const { limits } = check;
  const bytes = checkSegment(key, limits);
  if (typeof bytes !== 'number') {
    check.refusal = bytes.with({ path: place.path });
    return;
  }
  const total = place.bytes + 1 + bytes;
  if (place.depth === limits.max_depth) {
    fail(check, 'too_deep', { limit: limits.max_depth, path: place.path });
    return;
  }
  const path = childPath(place.path, key);
  if (total > limits.max_path_bytes) {
    fail(check, 'path_too_long', { limit: limits.max_path_bytes, path });
  } else if (isObject(value)) {
    checkObject(value, { path, bytes: total, depth: place.depth + 1 }, check);
  } else {
    checkLeaf(value, path, check);
  }
}

function checkLeaf(value: unknown, path: Path, check: Check): void {
  const { max_leaves_per_write: leavesMax, max_value_bytes: bytesMax } = check.limits;
  check.leaves++;
  if (check.leaves > leavesMax) {
    fail(check, 'too_many_leaves', { limit: leavesMax });
    return;
  }
  const bytes = measure(value, { path, check, level: 0 });
  if (bytes > bytesMax) fail(check, 'value_too_large', { limit: bytesMax, path });
}

type Inside = { readonly path: Path; readonly check: Check; readonly level: number };

/** Bytes of a leaf's value as JSON, at least; −1 once something is wrong with it. Stops soon after the limit. */
function measure(value: unknown, at: Inside): number {
  if (typeof value === 'string') return measureText(value, at);
  if (typeof value === 'number') return measureNumber(value, at);
  if (value === null || value === true) return 4;
  if (value === false) return 5;
  if (Array.isArray(value)) return measureList(value, at);
  return isRecord(value) ? measureRecord(value, at) : failInside(at, 'invalid_value');
}

function failInside(at: Inside, code: Reason): -1 {
  return fail(at.check, code, { path: at.path });
}

/** An object as a decoder or a literal makes it, not a Date, Map or class instance. */
function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function measureNumber(value: number, at: Inside): number {
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER
    ? String(value).length
    : failInside(at, 'number_out_of_range');
}

function measureText(text: string, at: Inside): number {
  const bytes = utf8Length(text);
  return bytes === -1 ? failInside(at, 'invalid_value') : bytes + 2 + escapes(text);
}

/** Bytes that JSON adds to a text by escaping. */
function escapes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // A quotation mark and a backslash take one more byte each, and so do \b \t \n \f \r; other controls take five.
    if (unit === 0x22 || unit === 0x5c) bytes += 1;
    else if (unit < 0x20) bytes += unit >= 8 && unit <= 13 && unit !== 11 ? 1 : 5;
  }
  return bytes;
}

function deeper(at: Inside): Inside | null {
  const { max_depth: limit } = at.check.limits;
  if (at.level < limit) return { ...at, level: at.level + 1 };
  fail(at.check, 'too_deep', { limit, path: at.path });
  return null;
}

function measureList(list: readonly unknown[], at: Inside): number {
  const inside = deeper(at);
  if (inside === null) return -1;
  let bytes = 2 + Math.max(0, list.length - 1);
  for (const item of list) {
    const size = measure(item, inside);
    if (size === -1) return -1;
    bytes += size;
    if (bytes > at.check.limits.max_value_bytes) break;
  }
  return bytes;
}

function measureRecord(value: { readonly [key: string]: unknown }, at: Inside): number {
  const name = typedNameOf(value);
  if (name !== null) {
    const fault =
      name === 'file' && at.level > 0 ? 'reserved_type' : findEnvelopeFault(name, value);
    if (fault !== null) return failInside(at, fault);
  }
  const inside = deeper(at);
  if (inside === null) return -1;
  const keys = Object.keys(value);
  let bytes = 2 + Math.max(0, keys.length - 1);
  for (const key of keys) {
    const keySize = measureText(key, inside);
    const size = keySize === -1 ? -1 : measure(value[key], inside);
    if (size === -1) return -1;
    bytes += keySize + 1 + size;
    if (bytes > at.check.limits.max_value_bytes) break;
  }
  return bytes;
}
