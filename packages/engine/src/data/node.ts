import {
  comparePaths,
  type Json,
  type JsonObject,
  type Leaf,
  type Seq,
  setOwn,
  unescapeSegment,
} from '@holdfast/protocol';

/** Children per page: most maps are one page, and copying one is nothing. */
const width = 128;

/** What a map holds under one key. */
export type Child = Leaf | MapNode;

/** Marks what a tree made itself and may change in place; all else it copies first. */
export type Stamp = object;

/** A run of children in order; never empty. */
export type Page = { readonly stamp: Stamp; readonly keys: string[]; readonly values: Child[] };

/**
 * A map of the tree: its children by sort key, which is the escaped segment of a leaf and the escaped segment with `/`
 * of a map. As a leaf and its descendants never coexist, the order of sort keys, level by level, is the order of the
 * rendered paths (stores.md §1.3.4). They stand in pages, so that a change copies one of these and the list of them.
 */
export class MapNode {
  readonly stamp: Stamp;
  readonly pages: Page[];
  /** Leaves below. */
  count = 0;
  /** stores.md §1.3.2. */
  revision: Seq = 0;
  /** The last op below only removed, so no leaf below has the map's revision (stores.md §10.3.1). */
  hollow = false;
  /** The assembled object, until something below changes. */
  value: JsonObject | null = null;

  constructor(stamp: Stamp, pages: Page[]) {
    this.stamp = stamp;
    this.pages = pages;
  }

  get(key: string): Child | undefined {
    const page = this.pages[pageOf(this.pages, key)];
    if (page === undefined) return undefined;
    const at = placeOf(page.keys, key);
    return page.keys[at] === key ? page.values[at] : undefined;
  }

  map(key: string): MapNode | undefined {
    const child = this.get(key);
    return child instanceof MapNode ? child : undefined;
  }

  leaf(key: string): Leaf | undefined {
    const child = this.get(key);
    return child instanceof MapNode ? undefined : child;
  }

  /** Whether all keys are below one: it is neither there nor has it anything in its way. */
  isBelow(key: string): boolean {
    const last = this.pages.at(-1)?.keys.at(-1);
    return last !== undefined && comparePaths(last, key) < 0;
  }

  /** Puts a child in its place, or with undefined takes out what is there; the node must be its owner's. */
  set(key: string, child: Child | undefined): void {
    const { pages } = this;
    const slot = pageOf(pages, key);
    const { keys, values } = this.#ownPage(slot);
    const at = placeOf(keys, key);
    const isThere = keys[at] === key;
    if (child === undefined) {
      if (isThere) keys.splice(at, 1);
      if (isThere) values.splice(at, 1);
    } else if (isThere) {
      values[at] = child;
    } else {
      keys.splice(at, 0, key);
      values.splice(at, 0, child);
    }
    if (keys.length === 0) pages.splice(slot, 1);
    if (keys.length <= width) return;
    // Keys that arrive in order leave full pages behind.
    const cut = at === width ? width : width >> 1;
    const { stamp } = this;
    pages.splice(slot + 1, 0, { stamp, keys: keys.splice(cut), values: values.splice(cut) });
  }

  each(visit: (child: Child, key: string) => void): void {
    for (const { keys, values } of this.pages) {
      for (const [at, key] of keys.entries()) {
        const child = values[at];
        if (child !== undefined) visit(child, key);
      }
    }
  }

  /** The node, or a copy of it that the owner of the stamp may change. */
  own(stamp: Stamp): MapNode {
    if (this.stamp === stamp) return this;
    const copy = new MapNode(stamp, this.pages.slice());
    copy.count = this.count;
    copy.revision = this.revision;
    copy.hollow = this.hollow;
    copy.value = this.value;
    return copy;
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

  #ownPage(slot: number): Page {
    const { pages, stamp } = this;
    let page = pages[slot];
    if (page?.stamp !== stamp) {
      const { keys = [], values = [] } = page ?? {};
      page = { stamp, keys: keys.slice(), values: values.slice() };
      pages[slot] = page;
    }
    return page;
  }
}

/** The nested object of all leaves below, frozen; the same one until something below changes (stores.md §1.3.1). */
export function assemble(node: MapNode): JsonObject {
  if (node.value !== null) return node.value;
  const object: { [key: string]: Json } = {};
  node.each((child, key) => {
    if (child instanceof MapNode)
      setOwn(object, unescapeSegment(key.slice(0, -1)), assemble(child));
    else setOwn(object, unescapeSegment(key), child.value);
  });
  node.value = Object.freeze(object);
  return node.value;
}

/** Freezes a leaf's value, all through. */
export function freeze(value: Json): Json {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const item of Object.values(value)) freeze(item);
  return Object.freeze(value);
}

/** Which page holds a key, or is the one to put it in. */
export function pageOf(pages: readonly Page[], key: string): number {
  return Math.max(
    0,
    firstAbove(pages.length, (at) => comparePaths(leastOf(pages, at), key) > 0) - 1,
  );
}

/** Where in a page a key is, or belongs. */
export function placeOf(keys: readonly string[], key: string): number {
  return firstAbove(keys.length, (at) => comparePaths(keys[at] ?? '', key) >= 0);
}

function leastOf(pages: readonly Page[], at: number): string {
  return pages[at]?.keys[0] ?? '';
}

/** The first index of which something holds that holds of all that come after it. Looks at the last one first: most come in order. */
function firstAbove(length: number, holds: (at: number) => boolean): number {
  if (length === 0 || !holds(length - 1)) return length;
  let low = 0;
  let high = length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
