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
export const width = 128;

/**
 * Arrays that grow in place take room for many more, and most maps are small for ever: those shorter than this are made
 * anew, so that maps with the same keys may have one list of them.
 */
export const few = 8;

/** What a map holds under one key. */
export type Child = Leaf | MapNode;

/** Marks what a tree made itself and may change in place; all else it copies first. */
export type Stamp = object;

/** Children in order, with their sort keys. */
export type Children = { readonly keys: string[]; readonly values: Child[] };

/** A run of children in order; never empty. */
export class Page {
  readonly stamp: Stamp;
  keys: string[];
  values: Child[];
  #make: (() => Children) | null;

  /** One that is `make`d when somebody looks for more than its first key is given that alone. */
  constructor(stamp: Stamp, { keys, values }: Children, make: (() => Children) | null = null) {
    this.stamp = stamp;
    this.keys = keys;
    this.values = values;
    this.#make = make;
  }

  /** The page itself, made. */
  open(): this {
    if (this.#make !== null) {
      const { keys, values } = this.#make();
      this.#make = null;
      this.keys = keys;
      this.values = values;
    }
    return this;
  }
}

/**
 * A map of the tree: its children by sort key, which is the escaped segment of a leaf and the escaped segment with `/`
 * of a map. As a leaf and its descendants never coexist, the order of sort keys, level by level, is the order of the
 * rendered paths (stores.md §1.3.4). They stand in pages, so that a change copies one of these and the list of them.
 */
export class MapNode {
  readonly stamp: Stamp;
  pages: Page[];
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
    const page = this.pages[pageOf(this.pages, key)]?.open();
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
    const last = this.pages.at(-1)?.open().keys.at(-1);
    return last === undefined || comparePaths(last, key) < 0;
  }

  /** Puts a child in its place, or with undefined takes out the one that is there; the node must be its owner's. */
  set(key: string, child: Child | undefined): void {
    const { pages } = this;
    const slot = pageOf(pages, key);
    const page = this.#ownPage(slot);
    const { keys, values } = page;
    const at = placeOf(keys, key);
    const isThere = keys[at] === key;
    if (child === undefined) {
      page.keys = keys.toSpliced(at, 1);
      page.values = values.toSpliced(at, 1);
    } else if (isThere) {
      values[at] = child;
    } else if (keys.length < few) {
      page.keys = keys.toSpliced(at, 0, key);
      page.values = values.toSpliced(at, 0, child);
    } else if (at === keys.length) {
      keys.push(key);
      values.push(child);
    } else {
      keys.splice(at, 0, key);
      values.splice(at, 0, child);
    }
    if (page.keys.length === 0) pages.splice(slot, 1);
    if (page.keys.length <= width) return;
    // Keys that arrive in order leave full pages behind.
    const cut = at === width ? width : width >> 1;
    const rest = { keys: page.keys.splice(cut), values: page.values.splice(cut) };
    pages.splice(slot + 1, 0, new Page(this.stamp, rest));
  }

  each(visit: (child: Child, key: string) => void): void {
    for (const page of this.pages) {
      const { keys, values } = page.open();
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
      const { keys = [], values = [] } = page?.open() ?? {};
      const own = keys.length < few ? keys : keys.slice();
      page = new Page(stamp, { keys: own, values: values.slice() });
      pages[slot] = page;
    }
    return page.open();
  }
}

/** The nested object of all leaves below, frozen; the same one until something below changes (stores.md §1.3.1). */
export function assemble(node: MapNode): JsonObject {
  if (node.value !== null) return node.value;
  const object: { [key: string]: Json } = {};
  node.each((child, key) => {
    const isMap = child instanceof MapNode;
    const segment = unescapeSegment(isMap ? key.slice(0, -1) : key);
    setOwn(object, segment, isMap ? assemble(child) : child.value);
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
  if (pages.length < 2) return 0;
  const at = bisect(pages, key, leastOf);
  return pages[at]?.keys[0] === key ? at : Math.max(0, at - 1);
}

/** Where in a page a key is, or belongs. */
export function placeOf(keys: readonly string[], key: string): number {
  return bisect(keys, key, itself);
}

function leastOf({ keys }: Page): string {
  return keys[0] ?? '';
}

function itself(key: string): string {
  return key;
}

/** The first index whose key is not below another one. Looks at the end first: most keys come in order. */
function bisect<T>(list: readonly T[], key: string, keyOf: (item: T) => string): number {
  let low = 0;
  let high = list.length;
  let middle = high - 1;
  while (low < high) {
    const item = list[middle];
    if (item !== undefined && comparePaths(keyOf(item), key) < 0) low = middle + 1;
    else high = middle;
    middle = (low + high) >>> 1;
  }
  return low;
}
