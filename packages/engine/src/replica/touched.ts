import type { Path } from '@holdfast/protocol';

/**
 * A set of paths, counted, that says whether a path is one of them, above one or below one, at a cost that follows the
 * depth of the path and not the size of the set (stores.md §18 C4).
 */
export class TouchedPaths {
  /** How often each path is in the set, and with a `/` behind it how many in the set are below it. */
  readonly #counts = new Map<string, number>();

  add(paths: readonly Path[]): void {
    this.#count(paths, 1);
  }

  delete(paths: readonly Path[]): void {
    this.#count(paths, -1);
  }

  touches(path: Path): boolean {
    const counts = this.#counts;
    if (counts.size === 0) return false;
    return [path, `${path}/`, ...ancestorsOf(path)].some((each) => counts.has(each));
  }

  #count(paths: readonly Path[], by: 1 | -1): void {
    for (const path of paths) {
      for (const key of [path, ...ancestorsOf(path).map((each) => `${each}/`)]) {
        const next = (this.#counts.get(key) ?? 0) + by;
        if (next === 0) this.#counts.delete(key);
        else this.#counts.set(key, next);
      }
    }
  }
}

/** The strict ancestors of a path, nearest last. */
export function ancestorsOf(path: Path): Path[] {
  const ancestors: Path[] = [];
  for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what stands before a '/' of a path is a path
    ancestors.push(path.slice(0, end) as Path);
  }
  return ancestors;
}

/** Whether one of two paths is the other, or above it. */
export function overlaps(a: Path, b: Path): boolean {
  return `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`);
}
