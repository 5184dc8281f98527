import { asPath, type Entry, jsonEquals, type Leaf, type Path, type Seq } from '@holdfast/protocol';
import { assemble, type Child, freeze, MapNode, type Stamp } from './node.ts';
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

/** The maps from the root to the one that holds a path's last segment, all of them the tree's own. */
type Way = { readonly prefix: string; readonly map: MapNode; readonly steps: readonly Step[] };

/**
 * The state of a store: leaves by path (stores.md §1.2.1). Changed in place; {@link fork} gives a second tree in O(1),
 * after which each of the two copies the few small nodes on the way to what it changes.
 *
 * 1. No leaf has another leaf below it.
 * 2. Every map but the root has a leaf below it.
 * 3. A map's revision is that of the last op that wrote or removed a leaf below it (§1.3.2).
 */
export class Tree {
  #stamp: Stamp = {};
  #root: MapNode;
  /** The way of the last change: the next one is often beside it. */
  #way: Way | null = null;
  /** Rows of maps whose leaves are still to be loaded. */
  readonly #early = new Map<string, Seq>();

  private constructor(root: MapNode) {
    this.#root = root;
  }

  static empty(): Tree {
    return new Tree(new MapNode({}, []));
  }

  /** A second tree with the same content; either may change without the other seeing it. */
  fork(): Tree {
    this.#stamp = {};
    this.#way = null;
    return this.draft();
  }

  /** A fork to try something on, for as long as this tree does not change: it costs this tree nothing afterwards. */
  draft(): Tree {
    return new Tree(this.#root);
  }

  /** Number of leaves. */
  get size(): number {
    return this.#root.count;
  }

  leaf(path: Path): Leaf | undefined {
    return this.#mapAbove(path)?.leaf(lastOf(path));
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

  /** The path of the leaf at a strict ancestor: there is at most one, and none where there is a map. */
  leafAbove(path: Path): Path | undefined {
    if (this.#mapAbove(path) !== undefined) return undefined;
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
      const above = asPath(path.slice(0, end));
      if (this.leaf(above) !== undefined) return above;
    }
    return undefined;
  }

  /** Leaves in path order, sought in O(log n), lazily: until the end the tree must not change; a fork of it may. */
  entries(range: Range = {}): Iterable<Entry> {
    const { under } = range;
    if (under === undefined) return entriesOf(this.#root, '', range);
    const map = this.#map(under);
    if (map !== undefined) return entriesOf(map, `${under}/`, range);
    const leaf = this.leaf(under);
    return leaf !== undefined && inside(under, range) ? [entryOf(under, leaf)] : [];
  }

  /** Maps whose revision exceeds the greatest leaf revision below them, in path order (stores.md §10.3.1). */
  maps(): readonly (readonly [Path, Seq])[] {
    const rows: (readonly [Path, Seq])[] = [];
    hollowIn(this.#root, '', rows);
    return rows;
  }

  /**
   * Adds what a snapshot or a cache holds, in any number of pieces, fastest in path order; the row of a map may come
   * before its leaves. The leaves are the tree's from now on.
   */
  load(entries: Iterable<Entry>, maps: Iterable<readonly [Path, Seq]> = []): void {
    for (const [path, revision] of maps) {
      if (this.hasBelow(path)) this.#open(`${path}/`).map.removed(revision);
      else this.#early.set(path, revision);
    }
    for (const entry of entries) this.put(entry.path, entry);
  }

  /** Writes one leaf at its revision, in place of whatever is in its way: a leaf above, leaves below. */
  put(path: Path, { value, type, revision }: Leaf, witness?: Witness): void {
    const key = lastOf(path);
    const before = this.#isNext(path, key) ? undefined : this.#replaced(path, witness);
    const { map, steps } = this.#open(path);
    const equal = before !== undefined && jsonEquals(before.value, value);
    const after: Leaf = { value: equal ? before.value : freeze(value), type, revision };
    for (const { node, end } of steps) {
      if (before === undefined) node.count++;
      if (!equal) node.value = null;
      if (node.wrote(revision)) witness?.map([mapPath(path, end), null]);
    }
    map.set(key, after);
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
    for (const { node, end } of this.#cut(path, target)) {
      if (end === 0) continue;
      const isGone = node.count === 0;
      if (!isGone && node.removed(seq)) witness?.map([mapPath(path, end), seq]);
      if (isGone && node.hollow) witness?.map([mapPath(path, end), null]);
    }
  }

  /** Removes the leaves at and below a path that no op of this seq wrote. */
  sweep(path: Path, seq: Seq, witness?: Witness): void {
    const map = this.#map(path);
    const stale = { seq, paths: [] };
    if (map !== undefined) staleIn(map, `${path}/`, stale);
    for (const gone of stale.paths) this.remove(gone, 0, witness);
  }

  /** Whether a path comes right after all that is in the map where the last change was. */
  #isNext(path: Path, key: string): boolean {
    return this.#way !== null && isIn(path, this.#way) && this.#way.map.isBelow(key);
  }

  /** The leaf that one to come replaces; what it cannot stand beside is removed. */
  #replaced(path: Path, witness: Witness | undefined): Leaf | undefined {
    const before = this.leaf(path);
    if (before !== undefined) return before;
    const inTheWay = this.hasBelow(path) ? path : this.leafAbove(path);
    if (inTheWay !== undefined) this.remove(inTheWay, 0, witness);
    return undefined;
  }

  /** Takes a child out of the tree, with the maps above it that have nothing else; returns all maps above it. */
  #cut(path: Path, target: Child): readonly Step[] {
    const isMap = target instanceof MapNode;
    const { steps } = this.#open(path);
    this.#way = null;
    let gone: string | null = lastOf(path) + (isMap ? '/' : '');
    for (const { node, end } of steps.toReversed()) {
      if (gone !== null) node.set(gone, undefined);
      node.count -= isMap ? target.count : 1;
      node.value = null;
      gone = node.count === 0 && end > 0 ? `${lastOf(mapPath(path, end))}/` : null;
    }
    return steps;
  }

  /** The way to a path, made where missing, to be changed in place. */
  #open(path: string): Way {
    if (this.#way !== null && isIn(path, this.#way)) return this.#way;
    let map = this.#root.own(this.#stamp);
    this.#root = map;
    const steps: Step[] = [{ node: map, end: 0 }];
    let start = 0;
    for (let end = path.indexOf('/') + 1; end > 0; end = path.indexOf('/', end) + 1) {
      const key = path.slice(start, end);
      const child = map.map(key);
      const next = child?.own(this.#stamp) ?? this.#newMap(path.slice(0, end - 1));
      if (next !== child) map.set(key, next);
      map = next;
      start = end;
      steps.push({ node: map, end });
    }
    this.#way = { prefix: path.slice(0, start), map, steps };
    return this.#way;
  }

  #newMap(path: string): MapNode {
    const map = new MapNode(this.#stamp, []);
    map.removed(this.#early.get(path) ?? 0);
    return map;
  }

  /** The map that holds a path's last segment. */
  #mapAbove(path: string): MapNode | undefined {
    if (this.#way !== null && isIn(path, this.#way)) return this.#way.map;
    let map: MapNode | undefined = this.#root;
    let start = 0;
    for (let end = path.indexOf('/') + 1; end > 0 && map; end = path.indexOf('/', end) + 1) {
      map = map.map(path.slice(start, end));
      start = end;
    }
    return map;
  }

  #map(path: string): MapNode | undefined {
    return this.#mapAbove(path)?.map(`${lastOf(path)}/`);
  }
}

/** Whether the way to a path is known: it ends in the same map. */
function isIn(path: string, { prefix }: Way): boolean {
  return path.lastIndexOf('/') === prefix.length - 1 && path.startsWith(prefix);
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The path of a map on the way to a path. */
function mapPath(path: string, end: number): Path {
  return asPath(path.slice(0, end - 1));
}

/** Reports all that vanishes with a leaf or a map. */
function bury(target: Child, path: Path, witness: Witness): void {
  if (!(target instanceof MapNode)) {
    witness.leaf({ path, before: target, after: undefined });
    return;
  }
  if (target.hollow) witness.map([path, null]);
  target.each((child, key) => bury(child, below(`${path}/`, key), witness));
}

function hollowIn(map: MapNode, prefix: string, rows: (readonly [Path, Seq])[]): void {
  map.each((child, key) => {
    if (!(child instanceof MapNode)) return;
    if (child.hollow) rows.push([below(prefix, key), child.revision]);
    hollowIn(child, prefix + key, rows);
  });
}

/** The topmost leaves and maps below a map whose revision is not the given one. */
function staleIn(map: MapNode, prefix: string, found: { seq: Seq; paths: Path[] }): void {
  map.each((child, key) => {
    if (child.revision !== found.seq) found.paths.push(below(prefix, key));
    else if (child instanceof MapNode) staleIn(child, prefix + key, found);
  });
}

/** The path of a child by its sort key. */
function below(prefix: string, key: string): Path {
  return asPath(prefix + (key.endsWith('/') ? key.slice(0, -1) : key));
}
