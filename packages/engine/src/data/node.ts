import { type Json, type JsonObject, type Leaf, type Seq, setOwn } from '@holdfast/protocol';
import { each, type Editor, type Ordered } from './ordered.ts';

/** What a map holds under one key. */
export type Child = Leaf | MapNode;

/**
 * A map of the tree: its children by sort key, which is the escaped segment of a leaf and the escaped segment with `/`
 * of a map. As a leaf and its descendants never coexist, the order of sort keys, level by level, is the order of the
 * rendered paths (stores.md §1.3.4).
 */
export class MapNode {
  readonly owner: Editor<Child>;
  children: Ordered<Child>;
  /** Leaves below. */
  count = 0;
  /** stores.md §1.3.2. */
  revision: Seq = 0;
  /** The last op below only removed, so no leaf below has the map's revision (stores.md §10.3.1). */
  hollow = false;
  /** The assembled object, until something below changes. */
  value: JsonObject | null = null;

  constructor(owner: Editor<Child>, children: Ordered<Child>) {
    this.owner = owner;
    this.children = children;
  }

  /** An op wrote below; true if it was hollow until now. */
  wrote(seq: Seq): boolean {
    if (seq < this.revision) return false;
    const wasHollow = this.hollow;
    this.revision = seq;
    this.hollow = false;
    return wasHollow;
  }

  /** An op only removed below; false for a removal that is part of a write. */
  removed(seq: Seq): boolean {
    if (seq <= this.revision) return false;
    this.revision = seq;
    this.hollow = true;
    return true;
  }
}

/** The node, or a copy of it that the owner may change. */
export function ownNode(node: MapNode, owner: Editor<Child>): MapNode {
  if (node.owner === owner) return node;
  const copy = new MapNode(owner, node.children);
  copy.count = node.count;
  copy.revision = node.revision;
  copy.hollow = node.hollow;
  copy.value = node.value;
  return copy;
}

/** The nested object of all leaves below, frozen; the same one until something below changes (stores.md §1.3.1). */
export function assemble(node: MapNode): JsonObject {
  if (node.value !== null) return node.value;
  const object: { [key: string]: Json } = {};
  each(node.children, (child, key) => {
    if (child instanceof MapNode) setOwn(object, unescape(key.slice(0, -1)), assemble(child));
    else setOwn(object, unescape(key), child.value);
  });
  node.value = Object.freeze(object);
  return node.value;
}

function unescape(segment: string): string {
  return segment.includes('~') ? segment.replaceAll('~1', '/').replaceAll('~0', '~') : segment;
}

/** Freezes a leaf's value, all through. */
export function freeze(value: Json): Json {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const item of Object.values(value)) freeze(item);
  return Object.freeze(value);
}
