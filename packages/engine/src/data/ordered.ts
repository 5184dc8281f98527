import { comparePaths } from '@holdfast/protocol';

/** Keys per node. Wide enough that most maps are one page, narrow enough that copying one is nothing. */
const width = 32;
const sparse = 8;

/** The end of an ordered map: keys in path order, each with its value. */
export class Page<V> {
  readonly owner: Editor<V>;
  keys: readonly string[];
  values: V[];

  constructor(owner: Editor<V>, keys: readonly string[], values: V[]) {
    this.owner = owner;
    this.keys = keys;
    this.values = values;
  }
}

/** An inner node: `keys[i]` (i ≥ 1) is at most the least key of `nodes[i]` and above all keys of `nodes[i - 1]`. */
export class Branch<V> {
  readonly owner: Editor<V>;
  keys: readonly string[];
  nodes: Ordered<V>[];

  constructor(owner: Editor<V>, keys: readonly string[], nodes: Ordered<V>[]) {
    this.owner = owner;
    this.keys = keys;
    this.nodes = nodes;
  }
}

/** The root of an ordered map from strings to values: a B+ tree of small nodes, in the order of paths (stores.md §1.3.4). */
export type Ordered<V> = Page<V> | Branch<V>;

type Split<V> = { readonly key: string; readonly node: Ordered<V> };

/**
 * Changes ordered maps, and is the stamp on the nodes it made: those it changes in place, all others it copies first. So
 * two editors may go on from one root without seeing each other's changes.
 */
export class Editor<V> {
  empty(): Ordered<V> {
    return new Page<V>(this, [], []);
  }

  /** The map of keys that are in order, each once; the arrays are its own from now on. */
  build(keys: readonly string[], values: V[]): Ordered<V> {
    if (keys.length <= width) return new Page<V>(this, keys, values);
    let nodes: Ordered<V>[] = [];
    for (let at = 0; at < keys.length; at += width) {
      const end = at + width;
      nodes.push(new Page<V>(this, keys.slice(at, end), values.slice(at, end)));
    }
    let least = everyWidth(keys);
    while (nodes.length > 1) {
      const branches: Ordered<V>[] = [];
      for (let at = 0; at < nodes.length; at += width) {
        const end = at + width;
        branches.push(new Branch<V>(this, least.slice(at, end), nodes.slice(at, end)));
      }
      nodes = branches;
      least = everyWidth(least);
    }
    return item(nodes, 0);
  }

  /** Inserts or replaces; returns the root to use from now on. */
  put(root: Ordered<V>, key: string, value: V): Ordered<V> {
    const node = this.#own(root);
    const split = this.#insert(node, key, value);
    return split === null ? node : new Branch<V>(this, ['', split.key], [node, split.node]);
  }

  /** Removes a key that may be absent; returns the root to use from now on. */
  remove(root: Ordered<V>, key: string): Ordered<V> {
    let node = this.#own(root);
    this.#delete(node, key);
    while (node instanceof Branch && node.nodes.length === 1) node = item(node.nodes, 0);
    return node;
  }

  #own(node: Ordered<V>): Ordered<V> {
    if (node.owner === this) return node;
    return node instanceof Branch
      ? new Branch<V>(this, node.keys, node.nodes.slice())
      : new Page<V>(this, node.keys, node.values.slice());
  }

  #insert(node: Ordered<V>, key: string, value: V): Split<V> | null {
    const at = node instanceof Branch ? slotOf(node.keys, key) : lowerBound(node.keys, key);
    if (node instanceof Branch) {
      const child = this.#own(item(node.nodes, at));
      node.nodes[at] = child;
      const split = this.#insert(child, key, value);
      if (split === null) return null;
      node.keys = node.keys.toSpliced(at + 1, 0, split.key);
      node.nodes = node.nodes.toSpliced(at + 1, 0, split.node);
    } else if (node.keys[at] === key) {
      node.values[at] = value;
      return null;
    } else {
      node.keys = node.keys.toSpliced(at, 0, key);
      node.values = node.values.toSpliced(at, 0, value);
    }
    return node.keys.length > width ? this.#split(node, at) : null;
  }

  // Keys that arrive in order leave full nodes behind.
  #split(node: Ordered<V>, at: number): Split<V> {
    const size = node.keys.length;
    const cut = at >= size - 2 ? size - 1 : size >> 1;
    const key = item(node.keys, cut);
    const keys = node.keys.slice(cut);
    node.keys = node.keys.slice(0, cut);
    if (node instanceof Branch) {
      const nodes = node.nodes.slice(cut);
      node.nodes = node.nodes.slice(0, cut);
      return { key, node: new Branch<V>(this, keys, nodes) };
    }
    const values = node.values.slice(cut);
    node.values = node.values.slice(0, cut);
    return { key, node: new Page<V>(this, keys, values) };
  }

  #delete(node: Ordered<V>, key: string): void {
    if (node instanceof Branch) {
      const at = slotOf(node.keys, key);
      const child = this.#own(item(node.nodes, at));
      node.nodes[at] = child;
      this.#delete(child, key);
      if (child.keys.length < sparse) this.#thin(node, at);
      return;
    }
    const at = lowerBound(node.keys, key);
    if (node.keys[at] !== key) return;
    node.keys = node.keys.toSpliced(at, 1);
    node.values = node.values.toSpliced(at, 1);
  }

  /** Takes out a child that is empty, or joins a sparse one with a neighbour that has room. */
  #thin(parent: Branch<V>, at: number): void {
    if (item(parent.nodes, at).keys.length === 0) {
      parent.nodes = parent.nodes.toSpliced(at, 1);
      parent.keys = parent.keys.toSpliced(at, 1);
    } else if (!this.#join(parent, at - 1)) this.#join(parent, at);
  }

  /** Makes one node of two neighbours, if there are two and they fit into one. */
  #join(parent: Branch<V>, at: number): boolean {
    const left = parent.nodes[at];
    const right = parent.nodes[at + 1];
    const between = parent.keys[at + 1];
    if (left === undefined || right === undefined || between === undefined) return false;
    if (left.keys.length + right.keys.length > width) return false;
    parent.nodes = parent.nodes.toSpliced(at, 2, this.#joined(left, right, between));
    parent.keys = parent.keys.toSpliced(at + 1, 1);
    return true;
  }

  #joined(left: Ordered<V>, right: Ordered<V>, between: string): Ordered<V> {
    if (left instanceof Branch && right instanceof Branch) {
      const keys = [...left.keys, between, ...right.keys.slice(1)];
      return new Branch<V>(this, keys, [...left.nodes, ...right.nodes]);
    }
    if (left instanceof Page && right instanceof Page) {
      const keys = [...left.keys, ...right.keys];
      return new Page<V>(this, keys, [...left.values, ...right.values]);
    }
    throw new TypeError('neighbours in an ordered map have the same height');
  }
}

/** The value of a key. */
export function find<V>(root: Ordered<V>, key: string): V | undefined {
  let node = root;
  while (node instanceof Branch) node = item(node.nodes, slotOf(node.keys, key));
  const at = lowerBound(node.keys, key);
  return node.keys[at] === key ? node.values[at] : undefined;
}

/** Visits all in order. The map must not change meanwhile. */
export function each<V>(root: Ordered<V>, visit: (value: V, key: string) => void): void {
  if (root instanceof Branch) {
    for (const node of root.nodes) each(node, visit);
    return;
  }
  for (let i = 0; i < root.keys.length; i++) visit(item(root.values, i), item(root.keys, i));
}

/** Index of the first key that is not below the given one. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (comparePaths(item(keys, middle), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the only child of a branch that may hold the key. */
export function slotOf(keys: readonly string[], key: string): number {
  let low = 1;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (comparePaths(item(keys, middle), key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The least keys of nodes of full width. */
function everyWidth(keys: readonly string[]): string[] {
  const least: string[] = [];
  for (let at = 0; at < keys.length; at += width) least.push(item(keys, at));
  return least;
}

function item<T>(list: readonly T[], at: number): T {
  const found = list[at];
  if (found === undefined) throw new RangeError(`nothing at ${at} of ${list.length}`);
  return found;
}
