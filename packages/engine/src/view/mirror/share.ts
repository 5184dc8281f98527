import { isObject, type Json, jsonEquals, setOwn } from '@holdfast/protocol';
import { isContainer, memberOf, type Members, type NodeKey } from './names.ts';

/** Which values are nodes, and what was shown of a node before. */
export type Nodes = {
  readonly keyOf: (value: Json) => NodeKey | undefined;
  readonly before: (node: NodeKey) => Json | undefined;
};

/**
 * The next value made of as much as possible of what was there: whatever is deep-equal at the same place, which is the
 * same node and member, the same identity in a list (views.md §12.6). Neither value is changed.
 */
export function share(next: Json, was: Json | undefined, nodes: Nodes): Json {
  if (next === was || !isContainer(next)) return next;
  const key = nodes.keyOf(next);
  const before = key === undefined ? was : nodes.before(key);
  // What was a node, or another one, is another thing, however equal.
  const isSame = isContainer(before) && (key !== undefined || nodes.keyOf(before) === undefined);
  const match = isSame ? before : undefined;
  if (next === match) return next;
  if (isObject(next)) return shareMembers(next, match, nodes);
  return shareList(next, Array.isArray(match) ? match : undefined, nodes);
}

function shareMembers(next: Members, was: Json | undefined, nodes: Nodes): Json {
  let made: { [name: string]: Json } | undefined;
  const names = Object.keys(next);
  let isEqual = isObject(was) && Object.keys(was).length === names.length;
  for (const name of names) {
    const value = next[name] ?? null;
    const before = memberOf(was, name);
    const shared = share(value, before, nodes);
    isEqual &&= shared === before;
    if (shared === value) continue;
    made ??= { ...next };
    setOwn(made, name, shared);
  }
  if (isEqual && was !== undefined) return was;
  return made ?? next;
}

function shareList(next: readonly Json[], was: readonly Json[] = [], nodes: Nodes): Json {
  const { start, end, of } = matchesOf(next, was, nodes.keyOf);
  let made: Json[] | undefined;
  let isEqual = next.length === was.length;
  for (let index = start; index < end; index++) {
    const value = next[index] ?? null;
    const shared = isContainer(value) ? share(value, of(index), nodes) : value;
    if (shared !== was[index]) isEqual = false;
    if (shared === value) continue;
    made ??= [...next];
    made[index] = shared;
  }
  return isEqual ? was : (made ?? next);
}

/** What of a list is to be looked at, and the counterpart of each element there. */
type Matches = {
  readonly start: number;
  readonly end: number;
  readonly of: (index: number) => Json | undefined;
};

/** The counterpart of each element: by identity where all have one and none twice, else by position (views.md §11.5). */
function matchesOf(next: readonly Json[], was: readonly Json[], keyOf: Nodes['keyOf']): Matches {
  const [start, fromEnd] = commonEnds(next, was, Object.is);
  const fresh = next.slice(start, next.length - fromEnd);
  const gone = was.slice(start, was.length - fromEnd);
  const byIdentity = new Map(gone.map((value) => [identityOf(value, keyOf), value]));
  const ids = fresh.map((value) => identityOf(value, keyOf));
  const isKeyed =
    byIdentity.size === gone.length &&
    new Set(ids).size === ids.length &&
    !byIdentity.has(undefined) &&
    !ids.includes(undefined);
  const shift = was.length - next.length;
  const [head, tail] = isKeyed ? [0, 0] : commonEnds(fresh, gone, jsonEquals);
  const of = (index: number): Json | undefined => {
    if (isKeyed) return byIdentity.get(ids[index - start]);
    if (index >= start + fresh.length - tail) return was[index + shift];
    // Of the rest, pairs stand at the same index.
    return index < start + Math.max(head, gone.length - tail) ? was[index] : undefined;
  };
  return { start, end: next.length - fromEnd, of };
}

function commonEnds(
  next: readonly Json[],
  was: readonly Json[],
  isSame: (a: Json, b: Json) => boolean,
): readonly [number, number] {
  const most = Math.min(next.length, was.length);
  let start = 0;
  while (start < most && isSame(next[start] ?? null, was[start] ?? null)) start += 1;
  let end = 0;
  const isSameFromEnd = (at: number): boolean =>
    isSame(next.at(-1 - at) ?? null, was.at(-1 - at) ?? null);
  while (end < most - start && isSameFromEnd(end)) end += 1;
  return [start, end];
}

/** What tells an element of a list from the others: 1 and "1" differ. */
function identityOf(value: Json, keyOf: Nodes['keyOf']): string | undefined {
  if (!isObject(value)) return undefined;
  const node = keyOf(value);
  if (node !== undefined) return `n${node}`;
  for (const name of ['id', 'key']) {
    const id = memberOf(value, name);
    if (typeof id === 'string' || typeof id === 'number') return `${typeof id} ${id}`;
  }
  return undefined;
}
