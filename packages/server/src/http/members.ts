import { entriesUnder, type Scope, type Tree } from '@holdfast/engine/data';
import { type Path, unescapeSegment } from '@holdfast/protocol';

/** A state, and what of it somebody may read: of the latter nothing may depend on what is committed later. */
export type Seen = { readonly tree: Tree; readonly scope: Scope };

/**
 * What may be read below a path, as the JSON of one object. It is made leaf by leaf as it is sent: a map may be most of a
 * large store, and to put it together at one go would keep everybody else waiting.
 */
export class Members {
  readonly #seen: Seen;
  readonly #path: Path;

  constructor(seen: Seen, path: Path) {
    this.#seen = seen;
    this.#path = path;
  }

  /** Its text in parts; an empty one where much was passed over that may not be read. */
  *parts(): Generator<string, void, undefined> {
    const { tree, scope } = this.#seen;
    let open: readonly string[] = [];
    let before = '';
    yield '{';
    for (const entry of entriesUnder(tree, this.#path, scope)) {
      if (entry === null) {
        yield '';
        continue;
      }
      const maps = entry.path.slice(this.#path.length + 1).split('/');
      const key = maps.pop() ?? '';
      const kept = sharedBy(open, maps);
      const entered = maps.slice(kept).map((map) => `${nameOf(map)}{`);
      const left = '}'.repeat(open.length - kept);
      yield `${left}${before}${entered.join('')}${nameOf(key)}${JSON.stringify(entry.value)}`;
      open = maps;
      before = ',';
    }
    yield '}'.repeat(open.length + 1);
    // Of many objects in one answer none may have had much that was passed over, and all of them together had.
    if (!scope.coversSubtree(this.#path)) yield '';
  }
}

/** How many of the maps on the way to one leaf are on the way to another. */
function sharedBy(one: readonly string[], other: readonly string[]): number {
  const end = one.findIndex((map, at) => map !== other[at]);
  return end === -1 ? one.length : end;
}

function nameOf(segment: string): string {
  return `${JSON.stringify(unescapeSegment(segment))}:`;
}
