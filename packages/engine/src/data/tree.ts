import { asPath, type Entry, jsonEquals, type Leaf, type Path, type Seq } from '@holdfast/protocol';
import { assemble, type Child, freeze, MapNode, ownNode } from './node.ts';
import { each, Editor, find } from './ordered.ts';
import { entriesOf, entryOf, inside, type Range } from './walk.ts';

/** What happened to one leaf; undefined stands for absence. */
export type Change = {
  readonly path: Path;
  readonly before: Leaf | undefined;
  readonly after: Leaf | undefined;
};

/** A map's revision that no leaf below it has, or null where there is no longer one (stores.md §10.3.1). */
export type MapRow = readonly [Path, Seq | null];

/** Hears what a change of the tree did. */
export type Witness = { leaf(change: Change): void; map(row: MapRow): void };

/** A map on the way to a path; `end` is where its rendered path, with its `/`, ends. */
type Step = { readonly node: MapNode; readonly end: number };

/**
 * The state of a store: leaves by path (stores.md §1.2.1). Changed in place; {@link fork} gives a second tree in O(1),
 * after which each of the two copies the few small nodes on the way to what it changes.
 *
 * 1. No leaf has another leaf below it.
 * 2. Every map but the root has a leaf below it.
 * 3. A map's revision is that of the last op that wrote or removed a leaf below it (§1.3.2).
 */
export class Tree {
  #editor: Editor<Child>;
  #root: MapNode;
  /** Rows of maps whose leaves are still to be loaded. */
  readonly #early = new Map<Path, Seq>();

  private constructor(editor: Editor<Child>, root: MapNode) {
    this.#editor = editor;
    this.#root = root;
  }

  static empty(): Tree {
    const editor = new Editor<Child>();
    return new Tree(editor, new MapNode(editor, editor.empty()));
  }

  /** The tree of a root that nobody else holds; for {@link Loader}. */
  static of(editor: Editor<Child>, root: MapNode): Tree {
    return new Tree(editor, root);
  }

  /** A second tree with the same content; either may change without the other seeing it. */
  fork(): Tree {
    this.#editor = new Editor();
    return this.draft();
  }

  /** A fork to try something on, for as long as this tree does not change: it costs this tree nothing afterwards. */
  draft(): Tree {
    return new Tree(new Editor(), this.#root);
  }

  /** Number of leaves. */
  get size(): number {
    return this.#root.count;
  }

  leaf(path: Path): Leaf | undefined {
    const map = this.#mapAbove(path);
    return map === undefined ? undefined : leafIn(map, lastOf(path));
  }

  /** The leaf at the path, or the assembled map: frozen, the same object until something below it changes. */
  read(path: Path): Leaf | undefined {
    const leaf = this.leaf(path);
    if (leaf !== undefined) return leaf;
    const map = this.#map(path);
    return map && { value: assemble(map), type: 'map', revision: map.revision };
  }

  /** Whether the path is a map. */
  hasBelow(path: Path): boolean {
    return this.#map(path) !== undefined;
  }

  /** Leaves at the path and below it. */
  count(path: Path): number {
    return this.#map(path)?.count ?? (this.leaf(path) === undefined ? 0 : 1);
  }

  mapRevision(path: Path): Seq | undefined {
    return this.#map(path)?.revision;
  }

  /** The path of the leaf at a strict ancestor: there is at most one. */
  leafAbove(path: Path): Path | undefined {
    let map: MapNode | undefined = this.#root;
    let start = 0;
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', start)) {
      const next: MapNode | undefined = mapIn(map, path.slice(start, end + 1));
      if (next === undefined) {
        return leafIn(map, path.slice(start, end)) && asPath(path.slice(0, end));
      }
      map = next;
      start = end + 1;
    }
    return undefined;
  }

  /** Leaves in path order, sought in O(log n), lazily: until the end the tree must not change; a fork of it may. */
  entries(range: Range = {}): Iterable<Entry> {
    const { under } = range;
    const map = under === undefined ? this.#root : this.#map(under);
    if (map !== undefined) {
      const prefix = under === undefined ? '' : `${under}/`;
      return entriesOf({ node: map.children, prefix }, range);
    }
    const leaf = under === undefined ? undefined : this.leaf(under);
    if (under === undefined || leaf === undefined || !inside(under, range)) return [];
    return [entryOf(under, leaf)];
  }

  /** Maps whose revision exceeds the greatest leaf revision below them, in path order (stores.md §10.3.1). */
  maps(): readonly (readonly [Path, Seq])[] {
    const rows: (readonly [Path, Seq])[] = [];
    hollowIn(this.#root, '', rows);
    return rows;
  }

  /** Adds what a snapshot or a cache holds, in any number of pieces; the row of a map may come before its leaves. */
  load(entries: Iterable<Entry>, maps: Iterable<readonly [Path, Seq]> = []): void {
    for (const [path, revision] of maps) {
      if (this.hasBelow(path)) this.#way(`${path}/`).at(-1)?.node.removed(revision);
      else this.#early.set(path, revision);
    }
    for (const entry of entries) this.put(entry.path, entry);
  }

  /** Writes one leaf at its revision, in place of whatever is in its way: a leaf above, leaves below. */
  put(path: Path, leaf: Leaf, witness?: Witness): void {
    const before = this.leaf(path);
    if (before === undefined) this.#clear(path, witness);
    const equal = before !== undefined && jsonEquals(before.value, leaf.value);
    const { type, revision } = leaf;
    const after: Leaf = { value: equal ? before.value : freeze(leaf.value), type, revision };
    const way = this.#way(path);
    for (const { node, end } of way) {
      if (before === undefined) node.count++;
      if (!equal) node.value = null;
      if (node.wrote(revision)) witness?.map([mapPath(path, end), null]);
    }
    const map = way.at(-1)?.node ?? this.#root;
    map.children = this.#editor.put(map.children, lastOf(path), after);
    witness?.leaf({ path, before, after });
  }

  /**
   * Removes the leaf at a path or all leaves below it, and the maps that this leaves empty. The maps that stay get the
   * seq as their revision; with 0 they keep the one they have, as befits a removal that is part of a write.
   */
  remove(path: Path, seq: Seq, witness?: Witness): void {
    const target = this.leaf(path) ?? this.#map(path);
    if (target === undefined) return;
    if (witness !== undefined) bury(target, path, witness);
    const way = this.#cut(path, target);
    for (const { node, end } of way) {
      if (end === 0) continue;
      const isGone = node.count === 0;
      if (!isGone && node.removed(seq)) witness?.map([mapPath(path, end), seq]);
      if (isGone && node.hollow) witness?.map([mapPath(path, end), null]);
    }
  }

  /** Removes the leaves at and below a path that no op of this seq wrote. */
  sweep(path: Path, seq: Seq, witness?: Witness): void {
    const map = this.#map(path);
    if (map === undefined) return;
    const stale = { seq, paths: [] };
    staleIn(map, `${path}/`, stale);
    for (const gone of stale.paths) this.remove(gone, 0, witness);
  }

  #clear(path: Path, witness: Witness | undefined): void {
    if (this.hasBelow(path)) this.remove(path, 0, witness);
    const above = this.leafAbove(path);
    if (above !== undefined) this.remove(above, 0, witness);
  }

  /** Takes a child out of the tree, with the maps above it that have nothing else; returns all maps above it. */
  #cut(path: Path, target: Child): Step[] {
    const isMap = target instanceof MapNode;
    const count = isMap ? target.count : 1;
    const way = this.#way(path);
    let gone: string | null = lastOf(path) + (isMap ? '/' : '');
    for (const { node, end } of way.toReversed()) {
      if (gone !== null) node.children = this.#editor.remove(node.children, gone);
      node.count -= count;
      node.value = null;
      gone = node.count === 0 && end > 0 ? `${lastOf(mapPath(path, end))}/` : null;
    }
    return way;
  }

  /** The maps from the root to the one that holds a path's last segment, made where missing, to be changed in place. */
  #way(path: string): Step[] {
    const editor = this.#editor;
    let node = ownNode(this.#root, editor);
    this.#root = node;
    const way: Step[] = [{ node, end: 0 }];
    let start = 0;
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', start)) {
      const key = path.slice(start, end + 1);
      const child = mapIn(node, key);
      const next = child ? ownNode(child, editor) : this.#newMap(path, end);
      if (next !== child) node.children = editor.put(node.children, key, next);
      node = next;
      start = end + 1;
      way.push({ node, end: start });
    }
    return way;
  }

  #newMap(path: string, end: number): MapNode {
    const map = new MapNode(this.#editor, this.#editor.empty());
    const row = this.#early.size > 0 ? mapPath(path, end + 1) : null;
    if (row !== null) map.removed(this.#early.get(row) ?? 0);
    return map;
  }

  /** The map that holds a path's last segment. */
  #mapAbove(path: string): MapNode | undefined {
    let map: MapNode | undefined = this.#root;
    let start = 0;
    for (let end = path.indexOf('/'); end !== -1 && map; end = path.indexOf('/', start)) {
      map = mapIn(map, path.slice(start, end + 1));
      start = end + 1;
    }
    return map;
  }

  #map(path: string): MapNode | undefined {
    return this.#mapAbove(`${path}/`);
  }
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The path of a map on the way to a path. */
function mapPath(path: string, end: number): Path {
  return asPath(path.slice(0, end - 1));
}

function mapIn(map: MapNode, key: string): MapNode | undefined {
  const child = find(map.children, key);
  return child instanceof MapNode ? child : undefined;
}

function leafIn(map: MapNode, key: string): Leaf | undefined {
  const child = find(map.children, key);
  return child instanceof MapNode ? undefined : child;
}

/** Reports all that vanishes with a leaf or a map. */
function bury(target: Child, path: Path, witness: Witness): void {
  if (!(target instanceof MapNode)) {
    witness.leaf({ path, before: target, after: undefined });
    return;
  }
  if (target.hollow) witness.map([path, null]);
  each(target.children, (child, key) => bury(child, below(`${path}/`, key), witness));
}

function hollowIn(map: MapNode, prefix: string, rows: (readonly [Path, Seq])[]): void {
  each(map.children, (child, key) => {
    if (!(child instanceof MapNode)) return;
    if (child.hollow) rows.push([below(prefix, key), child.revision]);
    hollowIn(child, prefix + key, rows);
  });
}

function staleIn(map: MapNode, prefix: string, found: { seq: Seq; paths: Path[] }): void {
  each(map.children, (child, key) => {
    if (child.revision !== found.seq) found.paths.push(below(prefix, key));
    else if (child instanceof MapNode) staleIn(child, prefix + key, found);
  });
}

/** The path of a child by its sort key. */
function below(prefix: string, key: string): Path {
  return asPath(prefix + (key.endsWith('/') ? key.slice(0, -1) : key));
}
