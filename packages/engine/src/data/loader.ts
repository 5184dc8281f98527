import { comparePaths, type Entry, type Leaf, type Path, type Seq } from '@holdfast/protocol';
import { type Child, freeze, MapNode } from './node.ts';
import { Editor } from './ordered.ts';
import { Tree } from './tree.ts';

/** A map whose children are still coming. */
type OpenMap = {
  readonly node: MapNode;
  /** Rendered path with its `/`; empty for the root. */
  readonly prefix: string;
  readonly keys: string[];
  readonly values: Child[];
  /** The leaf added last, and those before it whose keys begin it: what a map's key must not meet. */
  leaf: string | null;
  shorter: string[] | null;
};

/**
 * Builds a tree from entries in path order, as snapshots and caches hold them: each map is built once, from full nodes,
 * when its last child has come. What is out of order is not lost; it is put in place one by one at the end.
 */
export class Loader {
  readonly #editor = new Editor<Child>();
  readonly #empty = this.#editor.empty();
  readonly #open: OpenMap[] = [];
  readonly #maps: (readonly [Path, Seq])[] = [];
  readonly #late: Entry[] = [];

  constructor() {
    this.#begin('');
  }

  /** Takes the next leaf, which is the tree's from now on; its value is frozen. */
  add(path: Path, leaf: Leaf): void {
    freeze(leaf.value);
    const map = this.#descend(path);
    if (map === null || !append(map, path.slice(map.prefix.length), leaf)) {
      this.#late.push({ ...leaf, path });
      return;
    }
    map.node.count += 1;
    map.node.wrote(leaf.revision);
  }

  /** Takes the rows of maps whose revision no leaf below them has. */
  addMaps(rows: Iterable<readonly [Path, Seq]>): void {
    for (const row of rows) this.#maps.push(row);
  }

  /** The tree of all that was added; nothing can be added after. */
  finish(): Tree {
    let root = this.#close();
    while (this.#open.length > 0) root = this.#close();
    const tree = Tree.of(this.#editor, root);
    tree.load(this.#late, this.#maps);
    return tree;
  }

  /** Opens the maps on the way to a path; null where the path comes too late, or a leaf is in its way. */
  #descend(path: Path): OpenMap | null {
    let map = this.#top();
    while (!path.startsWith(map.prefix)) {
      this.#close();
      map = this.#top();
    }
    let start = map.prefix.length;
    for (let end = path.indexOf('/', start); end !== -1; end = path.indexOf('/', start)) {
      const key = path.slice(start, end + 1);
      const parent = map;
      map = this.#begin(path.slice(0, end + 1));
      if (!append(parent, key, map.node)) {
        this.#open.pop();
        return null;
      }
      start = end + 1;
    }
    return map;
  }

  #begin(prefix: string): OpenMap {
    const node = new MapNode(this.#editor, this.#empty);
    const map: OpenMap = { node, prefix, keys: [], values: [], leaf: null, shorter: null };
    this.#open.push(map);
    return map;
  }

  #close(): MapNode {
    const map = this.#top();
    this.#open.pop();
    const { node } = map;
    node.children = this.#editor.build(map.keys, map.values);
    const above = this.#open.at(-1)?.node;
    if (above !== undefined) {
      above.count += node.count;
      above.wrote(node.revision);
    }
    return node;
  }

  #top(): OpenMap {
    const map = this.#open.at(-1);
    if (map === undefined) throw new RangeError('the loader has finished');
    return map;
  }
}

/** Adds a child if its key comes after those before, and no leaf has the name of a map. */
function append(map: OpenMap, key: string, child: Child): boolean {
  const { keys, values } = map;
  const last = keys.at(-1);
  if (last !== undefined && comparePaths(last, key) >= 0) return false;
  if (map.leaf !== null || map.shorter !== null) forgetLeaves(map, key);
  if (!(child instanceof MapNode)) map.leaf = key;
  else if (map.shorter?.includes(key.slice(0, -1)) === true) return false;
  keys.push(key);
  values.push(child);
  return true;
}

/** Keeps the leaves whose keys begin the next key: as keys come in order, no other can be met again. */
function forgetLeaves(map: OpenMap, key: string): void {
  const { leaf, shorter } = map;
  map.leaf = null;
  if (shorter !== null) map.shorter = shorter.filter((each) => key.startsWith(each));
  if (leaf !== null && key.startsWith(leaf)) map.shorter = [...(map.shorter ?? []), leaf];
}
