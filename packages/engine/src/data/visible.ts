import {
  comparePaths,
  type Entry,
  isAncestor,
  type Leaf,
  literalPrefix,
  parentOf,
  type Path,
  type Pattern,
  renderPath,
  type Seq,
} from '@holdfast/protocol';
import type { Scope } from './scope.ts';
import { Tree } from './tree.ts';
import { inside } from './walk.ts';

const PAUSE_LEAVES = 1000;

/** Where leaves in scope may lie: a path, or a path and what is below it; null: anywhere. */
type Place = { readonly under: Path | null } | { readonly at: Path };

/**
 * The leaves in scope, in path order, from a path on; null after each thousand that were looked at and are not, so that
 * whoever searches a large store for few leaves can pause. The tree must not change meanwhile; a fork of it may.
 */
export function* entriesIn(
  tree: Tree,
  scope: Scope,
  from?: Path,
): Generator<Entry | null, void, undefined> {
  for (const place of placesOf(tree, scope)) {
    if ('at' in place) {
      const leaf = inside(place.at, { from }) ? tree.leaf(place.at) : undefined;
      if (leaf !== undefined && scope.covers(place.at)) yield { path: place.at, ...leaf };
    } else {
      yield* entriesWithin(tree, { ...place, from }, scope);
    }
  }
}

/** The same of what lies below a path, or at it; null: of all. */
export function entriesUnder(
  tree: Tree,
  under: Path | null,
  scope: Scope,
): Generator<Entry | null, void, undefined> {
  return entriesWithin(tree, { under, from: undefined }, scope);
}

function* entriesWithin(
  tree: Tree,
  { under, from }: { readonly under: Path | null; readonly from: Path | undefined },
  scope: Scope,
): Generator<Entry | null, void, undefined> {
  const isAll = under === null ? scope.isWhole : scope.coversSubtree(under);
  let passed = 0;
  for (const entry of tree.entries({ ...(under !== null && { under }), from })) {
    if (isAll || scope.covers(entry.path)) {
      yield entry;
      continue;
    }
    passed += 1;
    if (passed % PAUSE_LEAVES === 0) yield null;
  }
}

/**
 * How many leaves are in scope, exactly as long as not more than so many have to be looked at that are not; beyond that
 * those count too. Where there are enough no more are looked for.
 */
export function countIn(
  tree: Tree,
  scope: Scope,
  { passedMax = Infinity, enough = Infinity }: { passedMax?: number; enough?: number } = {},
): number {
  let count = 0;
  for (const place of placesOf(tree, scope)) {
    const lacks = enough - count;
    if (lacks <= 0) break;
    if ('at' in place) count += isVisible(tree, scope, place.at) ? 1 : 0;
    else count += countUnder(tree, { under: place.under, scope }, { passedMax, lacks });
  }
  return count;
}

function isVisible(tree: Tree, scope: Scope, path: Path): boolean {
  return tree.leaf(path) !== undefined && scope.covers(path);
}

function countUnder(
  tree: Tree,
  { under, scope }: { readonly under: Path | null; readonly scope: Scope },
  { passedMax, lacks }: { readonly passedMax: number; readonly lacks: number },
): number {
  const all = under === null ? tree.size : tree.count(under);
  if (under === null ? scope.isWhole : scope.coversSubtree(under)) return all;
  let passes = passedMax / PAUSE_LEAVES;
  let count = 0;
  for (const entry of entriesUnder(tree, under, scope)) {
    if (entry !== null) count += 1;
    else if ((passes -= 1) < 0) return all;
    if (count >= lacks) break;
  }
  return count;
}

/** What somebody finds at a path who has the scope only: of a map, what is visible of it (stores.md §11.2.4). */
export function readIn(tree: Tree, scope: Scope, path: Path): Leaf | undefined {
  if (tree.leaf(path) !== undefined) return scope.covers(path) ? tree.leaf(path) : undefined;
  if (scope.coversSubtree(path)) return tree.read(path);
  if (!scope.reaches(path) || !tree.hasBelow(path)) return undefined;
  const visible = Tree.empty();
  for (const entry of tree.entries({ under: path })) {
    if (scope.covers(entry.path)) visible.put(entry.path, entry);
  }
  return visible.read(path);
}

/**
 * Collects, from the leaves in scope in path order, the rows of the maps that are in scope as a whole and whose revision
 * exceeds that of every leaf below (stores.md §10.3.1). Other maps have none: their revision would tell of what is hidden.
 */
export class MapRows {
  readonly #tree: Tree;
  readonly #scope: Scope;
  readonly #open: { readonly path: Path; revision: Seq }[] = [];
  readonly #rows: (readonly [Path, Seq])[] = [];

  constructor(tree: Tree, scope: Scope) {
    this.#tree = tree;
    this.#scope = scope;
  }

  /** Takes the next leaf. */
  pass({ path, revision }: Entry): void {
    this.#closeUntil((map) => isAncestor(map, path));
    this.#openAbove(path);
    const last = this.#open.at(-1);
    if (last !== undefined) last.revision = Math.max(last.revision, revision);
  }

  /** All rows, in path order. */
  finish(): readonly (readonly [Path, Seq])[] {
    this.#closeUntil(() => false);
    return this.#rows.toSorted(([a], [b]) => comparePaths(a, b));
  }

  #openAbove(path: Path): void {
    const known = this.#open.at(-1)?.path;
    const fresh: Path[] = [];
    for (let map = parentOf(path); map !== null && map !== known; map = parentOf(map)) {
      fresh.push(map);
    }
    for (const map of fresh.toReversed()) this.#open.push({ path: map, revision: 0 });
  }

  #closeUntil(stays: (map: Path) => boolean): void {
    for (let last = this.#open.at(-1); last !== undefined; last = this.#open.at(-1)) {
      const { path, revision } = last;
      if (stays(path)) return;
      this.#open.pop();
      const above = this.#open.at(-1);
      if (above !== undefined) above.revision = Math.max(above.revision, revision);
      const own = this.#tree.mapRevision(path) ?? 0;
      if (own > revision && this.#scope.coversSubtree(path)) this.#rows.push([path, own]);
    }
  }
}

/** Places that do not overlap, in the order of the leaves they hold. */
function placesOf(tree: Tree, scope: Scope): readonly Place[] {
  if (scope.isWhole) return [{ under: null }];
  const wild = scope.patterns.filter((pattern) => !isExact(pattern)).map(rootOf);
  if (wild.includes(null)) return [{ under: null }];
  const roots = outermost(wild.filter((root) => root !== null));
  const exact = new Set(scope.patterns.filter(isExact).map(rootOf));
  const places: { readonly key: string; readonly place: Place }[] = [];
  for (const root of roots) {
    const key = tree.leaf(root) === undefined ? `${root}/` : root;
    places.push({ key, place: { under: root } });
  }
  for (const path of exact) {
    if (path === null || isUnder(path, new Set(roots))) continue;
    places.push({ key: path, place: { at: path } });
  }
  return places.toSorted((a, b) => comparePaths(a.key, b.key)).map(({ place }) => place);
}

function isExact({ parts }: Pattern): boolean {
  return parts.every(({ kind }) => kind === 'literal');
}

/** The path that all that a pattern covers lies at or below; null for the whole store. */
function rootOf(pattern: Pattern): Path | null {
  const prefix = literalPrefix(pattern);
  return prefix.length === 0 ? null : renderPath(prefix);
}

/** The paths without those that lie below another one. */
function outermost(paths: readonly Path[]): readonly Path[] {
  const all = new Set(paths);
  return [...all].filter((path) => {
    const parent = parentOf(path);
    return parent === null || !isUnder(parent, all);
  });
}

function isUnder(path: Path, roots: ReadonlySet<Path>): boolean {
  for (let at: Path | null = path; at !== null; at = parentOf(at)) if (roots.has(at)) return true;
  return false;
}
