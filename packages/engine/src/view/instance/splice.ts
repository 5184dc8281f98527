import { isObject, type Json, type JsonObject } from '@holdfast/protocol';
import type { Child, Rendered, ViewNode } from './node.ts';

/**
 * Puts the nodes that changed into those that hold them, up to the root: a changed descendant does not render its owners,
 * its new form is spliced in (views.md §11.3). What did not change stays the same object.
 */
export function assemble(
  rendered: ReadonlyMap<ViewNode, Rendered>,
  isAttached: (node: ViewNode) => boolean,
): ReadonlyMap<ViewNode, Rendered> {
  const done = new Map<ViewNode, Rendered>();
  const byDepth: Set<ViewNode>[] = [];
  const touch = (node: ViewNode): void => {
    (byDepth[node.depth] ??= new Set()).add(node);
  };
  for (const node of rendered.keys()) if (isAttached(node)) touch(node);
  for (let depth = byDepth.length - 1; depth >= 0; depth--) {
    for (const node of byDepth[depth] ?? []) {
      const former = rendered.get(node) ?? node.rendered;
      if (former === null) continue;
      const result = withChildren(former, done);
      done.set(node, result);
      if (node.parent !== null && !isSame(result, node.rendered)) touch(node.parent);
    }
  }
  return done;
}

function isSame(a: Rendered, b: Rendered | null): boolean {
  const isAlike = a.wire === b?.wire && a.totalWeight === b.totalWeight;
  return isAlike && a.totalHeight === b.totalHeight;
}

function withChildren(former: Rendered, done: ReadonlyMap<ViewNode, Rendered>): Rendered {
  let [totalWeight, totalHeight] = [former.weight, former.height];
  const changed: Child[] = [];
  for (const child of former.children) {
    const now = done.get(child.node) ?? child.node.rendered;
    if (now === null) continue;
    totalWeight += now.totalWeight;
    totalHeight = Math.max(totalHeight, child.holder.length + 1 + now.totalHeight);
    if (now.wire !== child.node.rendered?.wire) changed.push(child);
  }
  const wire = changed.length === 0 ? former.wire : splice(former.wire, changed, done);
  // Each member by its name: what is spread takes more room, and there is one of these for each node.
  const { children, weight, height } = former;
  return { wire, children, weight, height, totalWeight, totalHeight };
}

type Members = { [key: string]: Json };

/** Copies what lies on the way to the children that changed, each part once. */
function splice(
  wire: JsonObject,
  children: readonly Child[],
  done: ReadonlyMap<ViewNode, Rendered>,
): JsonObject {
  const own = new Set<Json>();
  const copy = (part: Json): Json => {
    if (own.has(part) || typeof part !== 'object' || part === null) return part;
    // Spreading keeps `__proto__` an ordinary member.
    const copied = isObject(part) ? { ...part } : part.slice();
    own.add(copied);
    return copied;
  };
  const root = { ...wire };
  own.add(root);
  for (const { node, holder, at: key } of children) {
    let at: Json = root;
    for (const part of holder) at = setMember(at, part, copy(memberOf(at, part)));
    setMember(at, key, done.get(node)?.wire ?? null);
  }
  return root;
}

function memberOf(holder: Json, key: string | number): Json {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a child stands where it was placed
  return (holder as Members)[key] ?? null;
}

function setMember(holder: Json, key: string | number, value: Json): Json {
  const own = { value, enumerable: true, configurable: true, writable: true };
  if (key === '__proto__') Object.defineProperty(holder, key, own);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a copy of ours, where a child was placed
  else (holder as Members)[key] = value;
  return value;
}
