import {
  escapeSegment,
  isObject,
  type Json,
  jsonEquals,
  type JsonObject,
} from '@holdfast/protocol';
import { nodeMarker, type PatchOp } from '@holdfast/protocol/views';
import { identityOf, isSameElement, isSameNode } from './identity.ts';
import { sizeUpTo } from './size.ts';
import { longestIncreasing } from './staying.ts';

/*
 * The ops that make one wire tree of another (views.md §11.5). What both trees share by reference is not looked at, so the
 * cost is that of what changed, of what holds it, and of the lists on the way.
 *
 * D1  Applied to the old tree in order, the ops give the new one.
 * D2  A node is changed in place or replaced as a whole; no op points into its id.
 * D3  In a list whose elements are told apart: at most gone + new + 2 · moved elements are added, removed or replaced.
 */

/** The ops that turn `before` into `after`. */
export function diff(before: Json, after: Json): PatchOp[] {
  const ops: PatchOp[] = [];
  diffValue(before, after, { path: '', ops });
  return ops;
}

/** Where in the tree, and what was found so far. */
type Place = { readonly path: string; readonly ops: PatchOp[] };

function inside({ path, ops }: Place, key: string | number): Place {
  return { path: `${path}/${typeof key === 'number' ? key : escapeSegment(key)}`, ops };
}

function diffValue(before: Json, after: Json, place: Place): void {
  if (before === after) return;
  if (Array.isArray(before) && Array.isArray(after)) diffList(before, after, place);
  else if (isObject(before) && isObject(after) && isSameNode(before, after)) {
    diffObject(before, after, place);
  } else place.ops.push({ op: 'replace', path: place.path, value: after });
}

function diffObject(before: JsonObject, after: JsonObject, place: Place): void {
  const keys = Object.keys(after);
  const old = Object.keys(before);
  // Most often the keys are what they were, in their order: then nobody has to look for them.
  const isSame = keys.length === old.length && keys.every((key, index) => key === old[index]);
  if (!isSame) diffKeys(before, after, place);
  for (const key of keys) {
    const [was, value] = [before[key], after[key]];
    // An id is as it was, or the node was replaced.
    if (was === value || key === nodeMarker) continue;
    if (isSame || Object.hasOwn(before, key)) {
      diffValue(was ?? null, value ?? null, inside(place, key));
    }
  }
}

function diffKeys(before: JsonObject, after: JsonObject, place: Place): void {
  for (const key of Object.keys(before)) {
    if (Object.hasOwn(after, key)) continue;
    place.ops.push({ op: 'remove', path: inside(place, key).path });
  }
  for (const key of Object.keys(after)) {
    if (Object.hasOwn(before, key)) continue;
    place.ops.push({ op: 'add', path: inside(place, key).path, value: after[key] ?? null });
  }
}

function diffList(before: readonly Json[], after: readonly Json[], place: Place): void {
  const start = place.ops.length;
  const lists = { before, after };
  const middle = alignKeyed(lists, endsOf(lists, isTwin));
  if (middle === null) diffByPosition(lists, place);
  else {
    moveElements(middle, after, place);
    diffStaying(lists, middle, place);
  }
  if (place.ops.length - start > 1) preferWhole(after, start, place);
}

type Lists = { readonly before: readonly Json[]; readonly after: readonly Json[] };

/** How many elements at both ends are the same in both lists. */
type Ends = { readonly head: number; readonly tail: number };

function endsOf({ before, after }: Lists, isSame: (a?: Json, b?: Json) => boolean): Ends {
  const length = Math.min(before.length, after.length);
  let head = 0;
  while (head < length && isSame(before[head], after[head])) head++;
  let tail = 0;
  while (tail < length - head && isSame(before.at(-1 - tail), after.at(-1 - tail))) tail++;
  return { head, tail };
}

function isTwin(a: Json = null, b: Json = null): boolean {
  return a === b || isSameElement(a, b);
}

/** How the elements between the shared ends go from one list to the other. */
type Middle = {
  /** How many elements are before it in both lists, and behind it. */
  readonly head: number;
  readonly tail: number;
  /** Its lengths before and after. */
  readonly sizes: readonly [number, number];
  /** Pairs of positions within the middle that stay in order. */
  readonly staying: readonly (readonly [number, number])[];
};

/** Null: some element between the ends cannot be told from another. */
function alignKeyed({ before, after }: Lists, { head, tail }: Ends): Middle | null {
  const sizes = [before.length - head - tail, after.length - head - tail] as const;
  if (sizes[0] === 0 || sizes[1] === 0) return { head, tail, sizes, staying: [] };
  const old = positions(before, head, sizes[0]);
  const fresh = positions(after, head, sizes[1]);
  if (old === null || fresh === null) return null;
  const sources = [...fresh.keys()].map((identity) => old.get(identity) ?? -1);
  const staying = longestIncreasing(sources).map((to) => [sources[to] ?? 0, to] as const);
  return { head, tail, sizes, staying };
}

function positions(
  list: readonly Json[],
  head: number,
  size: number,
): ReadonlyMap<string | number, number> | null {
  const found = new Map<string | number, number>();
  for (let index = 0; index < size; index++) {
    const identity = identityOf(list[head + index]);
    if (identity === null || found.has(identity)) return null;
    found.set(identity, index);
  }
  return found;
}

/** Gaps between staying elements from the last to the first, so that the positions before them stay what they were. */
function moveElements(
  { head, sizes, staying }: Middle,
  after: readonly Json[],
  place: Place,
): void {
  let [oldEnd, newEnd] = sizes;
  for (let index = staying.length - 1; index >= -1; index--) {
    const [from, to] = staying[index] ?? [-1, -1];
    const gap = { at: head + from + 1, old: oldEnd - from - 1, source: head + to + 1 };
    fillGap({ ...gap, fresh: newEnd - to - 1 }, after, place);
    [oldEnd, newEnd] = [from, to];
  }
}

type Gap = {
  /** Where it begins before, and how many elements depart from it. */
  readonly at: number;
  readonly old: number;
  /** Where it begins after, and how many arrive. */
  readonly source: number;
  readonly fresh: number;
};

function fillGap({ at, old, source, fresh }: Gap, after: readonly Json[], place: Place): void {
  const both = Math.min(old, fresh);
  for (let index = 0; index < both; index++) {
    const value = after[source + index] ?? null;
    place.ops.push({ op: 'replace', path: inside(place, at + index).path, value });
  }
  for (let index = old - 1; index >= both; index--) {
    place.ops.push({ op: 'remove', path: inside(place, at + index).path });
  }
  for (let index = both; index < fresh; index++) {
    const value = after[source + index] ?? null;
    place.ops.push({ op: 'add', path: inside(place, at + index).path, value });
  }
}

/** Every element has found its place; what stayed is changed there. */
function diffStaying(lists: Lists, { head, tail, staying }: Middle, place: Place): void {
  const { before, after } = lists;
  for (let index = 0; index < head; index++) {
    if (before[index] !== after[index]) diffElement(lists, [index, index], place);
  }
  for (const [from, to] of staying) {
    diffElement(lists, [head + from, head + to], place);
  }
  for (let index = tail; index >= 1; index--) {
    const [from, to] = [before.length - index, after.length - index];
    if (before[from] !== after[to]) diffElement(lists, [from, to], place);
  }
}

function diffElement(
  { before, after }: Lists,
  [from, to]: readonly [number, number],
  place: Place,
): void {
  const [old, value] = [before[from] ?? null, after[to] ?? null];
  if (old !== value) diffValue(old, value, inside(place, to));
}

/** Elements that cannot be told apart: what is equal at both ends stays, the rest is compared as it stands. */
function diffByPosition(lists: Lists, place: Place): void {
  const { before, after } = lists;
  const { head, tail } = endsOf(lists, isEqual);
  const [old, fresh] = [before.length - head - tail, after.length - head - tail];
  const both = Math.min(old, fresh);
  for (let index = head; index < head + both; index++) diffElement(lists, [index, index], place);
  const from = head + both;
  fillGap({ at: from, old: old - both, source: from, fresh: fresh - both }, after, place);
}

function isEqual(a: Json = null, b: Json = null): boolean {
  return jsonEquals(a, b);
}

/** Sends the list where its ops would be longer; no more of it is measured than its ops are long. */
function preferWhole(after: readonly Json[], start: number, { path, ops }: Place): void {
  const opsSize = JSON.stringify(ops.slice(start)).length;
  const frame = path.length + '{"op":"replace","path":"","value":},'.length;
  if (sizeUpTo(after, opsSize) + frame >= opsSize) return;
  ops.length = start;
  ops.push({ op: 'replace', path, value: after });
}
