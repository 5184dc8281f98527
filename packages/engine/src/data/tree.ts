import {
  asPath,
  type Entry,
  type EntryTuple,
  entryTuple,
  jsonEquals,
  type Leaf,
  type Path,
  type Seq,
} from '@holdfast/protocol';
import { Adopted } from './adopted.ts';
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

/** A map on the way to a path, and those above it, all of them the tree's own. */
type Step = {
  readonly node: MapNode;
  /** Its rendered path with a `/`; empty for the root. */
  readonly prefix: string;
  readonly above: Step | null;
};

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
  #way: Step | null = null;
  /** What came before anybody looked into the tree. */
  #adopted: Adopted | null = null;
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
    return new Tree(this.#top);
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
    const map = this.map(path);
    return map && { value: assemble(map), type: 'map', revision: map.revision };
  }

  /** Whether the path is a map. */
  hasBelow(path: Path): boolean {
    return this.map(path) !== undefined;
  }

  /** Leaves at the path and below it. */
  count(path: Path): number {
    return this.map(path)?.count ?? (this.leaf(path) === undefined ? 0 : 1);
  }

  mapRevision(path: Path): Seq | undefined {
    return this.map(path)?.revision;
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
    if (under === undefined) return entriesOf(this.#top, '', range);
    const map = this.map(under);
    if (map !== undefined) return entriesOf(map, `${under}/`, range);
    const leaf = this.leaf(under);
    return leaf !== undefined && inside(under, range) ? [entryOf(under, leaf)] : [];
  }

  /** Maps whose revision exceeds the greatest leaf revision below them, in path order (stores.md §10.3.1). */
  maps(): readonly (readonly [Path, Seq])[] {
    const rows: (readonly [Path, Seq])[] = [];
    hollowIn(this.#top, '', rows);
    return rows;
  }

  /**
   * Adds what a snapshot or a cache holds, in any number of pieces, fastest in path order; the row of a map may come
   * before its leaves. The leaves are the tree's from now on.
   */
  load(entries: Iterable<Entry>, maps: Iterable<readonly [Path, Seq]> = []): void {
    this.adopt(Array.from(entries, entryTuple), maps);
  }

  /**
   * {@link load} of rows that stay as they are. Those that come in path order, before anybody looks into the tree, find
   * their places when something near them is looked at.
   */
  adopt(rows: readonly EntryTuple[], maps: Iterable<readonly [Path, Seq]>): void {
    for (const [path, value, type, revision] of rows.slice(this.#adopt(rows))) {
      this.put(path, { value, type, revision });
    }
    for (const [path, revision] of maps) {
      if (this.#adopted !== null || !this.hasBelow(path)) this.#early.set(path, revision);
      else this.#open(`${path}/`).node.removed(revision);
    }
  }

  /** Gives a map the revision that it has in another tree, though that be less, where it is a map in both. */
  revise(path: Path, from: Tree): void {
    const map = from.map(path);
    if (map === undefined || !this.hasBelow(path)) return;
    const { node } = this.#open(`${path}/`);
    node.revision = map.revision;
    node.hollow = map.hollow;
  }

  /** Writes one leaf at its revision, in place of whatever is in its way: a leaf above, leaves below. */
  put(path: Path, { value, type, revision }: Leaf, witness?: Witness): void {
    const key = lastOf(path);
    let way = this.#open(path, witness);
    const isNext = way.node.isBelow(key);
    const before = isNext ? undefined : way.node.leaf(key);
    if (!isNext && before === undefined) way = this.#cleared(path, witness);
    const equal = before !== undefined && jsonEquals(before.value, value);
    const after: Leaf = { value: equal ? before.value : freeze(value), type, revision };
    for (let step: Step | null = way; step !== null; step = step.above) {
      const { node } = step;
      if (before === undefined) node.count++;
      if (!equal) node.value = null;
      if (node.wrote(revision)) witness?.map([pathOf(step), null]);
    }
    way.node.set(key, after);
    witness?.leaf({ path, before, after });
  }

  /**
   * Removes the leaf at a path or all leaves below it, and the maps that this leaves empty. The maps that stay get the
   * seq as their revision; with 0 they keep the one they have, as befits a removal that is part of a write.
   */
  remove(path: Path, seq: Seq, witness?: Witness): void {
    const target = this.leaf(path) ?? this.map(path);
    if (target === undefined) return;
    if (witness !== undefined) bury(target, path, witness);
    for (let step = this.#cut(path, target); step.above !== null; step = step.above) {
      const { node } = step;
      const isGone = node.count === 0;
      if (!isGone && node.removed(seq)) witness?.map([pathOf(step), seq]);
      if (isGone && node.hollow) witness?.map([pathOf(step), null]);
    }
  }

  /** Removes the leaves at and below a path that no op of this seq wrote. */
  sweep(path: Path, seq: Seq, witness?: Witness): void {
    const map = this.map(path);
    const stale = { seq, paths: [] };
    if (map !== undefined) staleIn(map, `${path}/`, stale);
    for (const gone of stale.paths) this.remove(gone, 0, witness);
  }

  /** Takes rows that nobody has looked at, as far as they come in order, and returns how many. */
  #adopt(rows: readonly EntryTuple[]): number {
    if (this.#root.count === 0) {
      this.#way = null;
      this.#root = this.#root.own(this.#stamp);
      this.#adopted = new Adopted({ stamp: this.#stamp, early: this.#early });
    }
    if (this.#adopted === null) return 0;
    const { count, seq } = this.#adopted.take(rows);
    this.#root.count += count;
    this.#root.wrote(seq);
    return count;
  }

  /** The root, with what has come in its place. */
  get #top(): MapNode {
    if (this.#adopted !== null) this.#root.pages = this.#adopted.pages();
    this.#adopted = null;
    return this.#root;
  }

  /** The way to a path at which there is no leaf, and now no map. */
  #cleared(path: Path, witness: Witness | undefined): Step {
    if (this.hasBelow(path)) this.remove(path, 0, witness);
    return this.#open(path);
  }

  /** Takes a child out of the tree, with the maps above it that have nothing else; returns the way to it. */
  #cut(path: Path, target: Child): Step {
    const isMap = target instanceof MapNode;
    const way = this.#open(path);
    this.#way = null;
    let gone: string | null = lastOf(path) + (isMap ? '/' : '');
    for (let step: Step | null = way; step !== null; step = step.above) {
      const { node } = step;
      if (gone !== null) node.set(gone, undefined);
      node.count -= isMap ? target.count : 1;
      node.value = null;
      gone = node.count === 0 && step.above ? step.prefix.slice(step.above.prefix.length) : null;
    }
    return way;
  }

  /** The way to a path, made where missing, to be changed in place; a leaf that is in the way is removed. */
  #open(path: string, witness?: Witness): Step {
    let way = this.#near(path);
    if (way === null) {
      this.#root = this.#top.own(this.#stamp);
      way = { node: this.#root, prefix: '', above: null };
    }
    for (let end = endOf(path, way); end > 0; end = endOf(path, way)) {
      const map: MapNode = way.node;
      const key = path.slice(way.prefix.length, end);
      const prefix = path.slice(0, end);
      const leaf = key.slice(0, -1);
      const isNext = map.isBelow(leaf);
      const child = isNext ? undefined : map.map(key);
      if (!isNext && child === undefined && map.leaf(leaf) !== undefined) {
        this.remove(pathOf({ prefix }), 0, witness);
        return this.#open(path);
      }
      const node: MapNode = child?.own(this.#stamp) ?? this.#newMap(prefix);
      if (node !== child) map.set(key, node);
      way = { node, prefix, above: way };
    }
    this.#way = way;
    return way;
  }

  /** The last map of the last way that is also on the way to a path; null: there is no last way. */
  #near(path: string): Step | null {
    let step = this.#way;
    while (step !== null && !path.startsWith(step.prefix)) step = step.above;
    return step;
  }

  #newMap(prefix: string): MapNode {
    const map = new MapNode(this.#stamp, []);
    if (this.#early.size > 0) map.removed(this.#early.get(pathOf({ prefix })) ?? 0);
    return map;
  }

  /** The map that holds a path's last segment. */
  #mapAbove(path: string): MapNode | undefined {
    const near = this.#near(path);
    let map: MapNode | undefined = near?.node ?? this.#top;
    let start = near?.prefix.length ?? 0;
    for (let end = path.indexOf('/', start) + 1; end > 0 && map;) {
      map = map.map(path.slice(start, end));
      start = end;
      end = path.indexOf('/', start) + 1;
    }
    return map;
  }

  /** The node of the map at a path; null: the root. It is to be read only, and stays as it is in a fork. */
  map(path: string | null): MapNode | undefined {
    return path === null ? this.#top : this.#mapAbove(path)?.map(`${lastOf(path)}/`);
  }
}

/** Where in a path the next map below the way ends; 0: there is none. */
function endOf(path: string, { prefix }: Step): number {
  return path.indexOf('/', prefix.length) + 1;
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function pathOf({ prefix }: Pick<Step, 'prefix'>): Path {
  return asPath(prefix.slice(0, -1));
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
