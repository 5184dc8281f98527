import { comparePaths, endOf, nameOf, patternBelow } from './path.ts';

/** What listing needs of a store. */
export interface Lister {
  entry(path: string): object | undefined;
  entries(
    pattern: string,
    page: { readonly limit: number; readonly after?: string },
  ): { readonly items: readonly { readonly path: string }[]; readonly next: string | null };
}

/** One step below a map: a leaf, or a map that holds more. */
export type Child = { readonly path: string; readonly name: string; readonly isMap: boolean };

const PAGE_MAX = 4096;

/**
 * The children of a map, `''` being the top, in the order of their paths. A child that is a map is skipped over, not
 * read: a level costs as much as it has children, whatever lies below them.
 */
export function listChildren(store: Lister, base: string): readonly Child[] {
  const pattern = patternBelow(base);
  const start = base === '' ? 0 : base.length + 1;
  const children: Child[] = [];
  let limit = 1;
  let after: string | null = null;
  do {
    const page = store.entries(pattern, { limit, ...(after !== null && { after }) });
    const taken: readonly Child[] = takeUntilMap(page.items, start);
    // After the skip of a map its last leaves may come again, if they sort behind every sane name.
    children.push(...taken.filter(({ path }) => path !== children.at(-1)?.path));
    const last = taken.at(-1);
    // Leaves come in ever larger pages; at each map the next page begins behind it.
    after = last?.isMap === true ? endOf(last.path) : page.next;
    limit = last?.isMap === true ? 1 : Math.min(limit * 2, PAGE_MAX);
    if (last === undefined) after = null;
  } while (after !== null);
  return children;
}

function takeUntilMap(items: readonly { readonly path: string }[], start: number): Child[] {
  const children: Child[] = [];
  for (const { path } of items) {
    const child = childOn(path, start);
    children.push(child);
    if (child.isMap) break;
  }
  return children;
}

/** The child that lies on the way to a leaf; names of the level begin at `start`. */
function childOn(leaf: string, start: number): Child {
  const slash = leaf.indexOf('/', start);
  const path = slash === -1 ? leaf : leaf.slice(0, slash);
  return { path, name: nameOf(path), isMap: slash !== -1 };
}

/** What is at a path now, seen from its parent; null: nothing. */
export function findChild(store: Lister, path: string): Child | null {
  const isMap = store.entries(patternBelow(path), { limit: 1 }).items.length > 0;
  return isMap || store.entry(path) !== undefined ? { path, name: nameOf(path), isMap } : null;
}

/** The listing with what is at a path now; the same listing if nothing has come or gone. */
export function placeChild(
  children: readonly Child[],
  path: string,
  child: Child | null,
): readonly Child[] {
  const known = findAt(children, path) ?? findAt(children, `${path}/`);
  if (known === null && child === null) return children;
  if (known !== null && children[known]?.isMap === child?.isMap) return children;
  const others = known === null ? children : children.toSpliced(known, 1);
  return child === null ? others : others.toSpliced(placeOf(others, keyOf(child)), 0, child);
}

function findAt(children: readonly Child[], key: string): number | null {
  const place = placeOf(children, key);
  const found = children[place];
  return found !== undefined && keyOf(found) === key ? place : null;
}

function placeOf(children: readonly Child[], key: string): number {
  let low = 0;
  let high = children.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = children[middle];
    if (other !== undefined && comparePaths(keyOf(other), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What a child sorts by: a map by the paths below it. */
function keyOf({ path, isMap }: Child): string {
  return isMap ? `${path}/` : path;
}
