import { createHash } from 'node:crypto';
import { type Scope, readIn, type Tree } from '@holdfast/engine/data';
import type { Json, Path } from '@holdfast/protocol';

/** What a viewer sees of an object (records.md §17). */
export type Sight = {
  /** Stands for the leaves that are seen, and tells of no other: equal views of equal sequences have equal values. */
  readonly view: string;
  /** undefined: nothing. */
  readonly value: Json | undefined;
  /** That of the last of the leaves that are seen; 0: none is. */
  readonly sequence: number;
  readonly seen: ReadonlySet<Path>;
  readonly hidden: ReadonlySet<Path>;
};

const none: ReadonlySet<Path> = new Set();

/** What viewers of one class see of one state of an object. */
type Projection = Pick<Sight, 'view' | 'value'>;

const pathsMax = 10_000;

/**
 * What is seen of the objects of a store, once for all viewers of whom the same is hidden: by object, its revision, and what is
 * seen of it (records.md §17). Who sees everything has the object itself.
 */
export class Projections {
  readonly #byPath = new Map<
    Path,
    { readonly revision: number; readonly byClass: Map<string, Projection> }
  >();

  /** Projections that are kept. */
  get size(): number {
    let size = 0;
    for (const { byClass } of this.#byPath.values()) size += byClass.size;
    return size;
  }

  /** Looks at an object; `readable` null: nothing is hidden. */
  lookAt(tree: Tree, readable: Scope | null, path: Path): Sight {
    const { value, revision = 0 } = tree.read(path) ?? { value: undefined };
    const sequence = revision;
    if (readable === null) return { view: 'all', value, sequence, seen: none, hidden: none };
    return this.#projected(tree, readable, { path, value, revision });
  }

  #projected(
    tree: Tree,
    readable: Scope,
    { path, value, revision }: { path: Path; value: Json | undefined; revision: number },
  ): Sight {
    const seen = new Set<Path>();
    const hidden = new Set<Path>();
    let sequence = 0;
    for (const leaf of tree.entries({ under: path })) {
      if (readable.covers(leaf.path)) {
        seen.add(leaf.path);
        sequence = Math.max(sequence, leaf.revision);
      } else hidden.add(leaf.path);
    }
    const text = JSON.stringify([...seen]);
    if (hidden.size === 0) return { view: viewOf(text), value, sequence, seen, hidden };
    const byClass = this.#at(path, revision);
    const known = byClass.get(text) ?? {
      view: viewOf(text),
      value: readIn(tree, readable, path)?.value,
    };
    byClass.set(text, known);
    return { ...known, sequence, seen, hidden };
  }

  #at(path: Path, revision: number): Map<string, Projection> {
    const known = this.#byPath.get(path);
    if (known?.revision === revision) return known.byClass;
    const byClass = new Map<string, Projection>();
    this.#byPath.delete(path);
    this.#byPath.set(path, { revision, byClass });
    const [oldest] = this.#byPath.size > pathsMax ? this.#byPath.keys() : [];
    if (oldest !== undefined) this.#byPath.delete(oldest);
    return byClass;
  }
}

/** Names what is seen, and tells of nothing else. */
function viewOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** Whether something that was hidden is seen now, or the other way round. */
export function hasTurned(before: Sight, now: Sight): boolean {
  return areShared(before.hidden, now.seen) || areShared(before.seen, now.hidden);
}

function areShared(some: ReadonlySet<Path>, others: ReadonlySet<Path>): boolean {
  for (const path of some) if (others.has(path)) return true;
  return false;
}
