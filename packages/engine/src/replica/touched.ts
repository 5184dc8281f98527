import type { Path } from '@holdfast/protocol';

/**
 * Paths, and by whom each is touched: says whether a path is one of them, above one or below one, and by whom, at a cost that
 * follows the depth of the path and not how many there are (stores.md §18 C4).
 */
export class TouchedPaths<By = null> {
  /** Who touches each path, and with a `/` behind it who touches something below it. */
  readonly #by = new Map<string, Set<By>>();

  add(paths: readonly Path[], by: By): void {
    for (const key of keysOf(paths)) {
      const here = this.#by.get(key);
      if (here === undefined) this.#by.set(key, new Set([by]));
      else here.add(by);
    }
  }

  /** Takes back what was added by somebody, all of it. */
  delete(paths: readonly Path[], by: By): void {
    for (const key of keysOf(paths)) {
      const here = this.#by.get(key);
      if (here?.delete(by) === true && here.size === 0) this.#by.delete(key);
    }
  }

  touches(path: Path): boolean {
    return this.#by.size > 0 && nearTo(path).some((each) => this.#by.has(each));
  }

  /** Who touches a path, or one above or below it; in no order. */
  at(path: Path): ReadonlySet<By> {
    const all = new Set<By>();
    for (const key of nearTo(path)) this.#by.get(key)?.forEach((by) => all.add(by));
    return all;
  }
}

function keysOf(paths: readonly Path[]): string[] {
  return paths.flatMap((path) => [path, ...ancestorsOf(path).map((each) => `${each}/`)]);
}

function nearTo(path: Path): string[] {
  return [path, `${path}/`, ...ancestorsOf(path)];
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
