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

/** Looks at an object; `readable` null: nothing is hidden. */
export function lookAt(tree: Tree, readable: Scope | null, path: Path): Sight {
  if (readable === null) {
    const { value, revision = 0 } = tree.read(path) ?? { value: undefined };
    return { view: 'all', value, sequence: revision, seen: none, hidden: none };
  }
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
  const view = createHash('sha256').update(text).digest('base64url').slice(0, 22);
  return { view, value: readIn(tree, readable, path)?.value, sequence, seen, hidden };
}

/** Whether something that was hidden is seen now, or the other way round. */
export function hasTurned(before: Sight, now: Sight): boolean {
  return areShared(before.hidden, now.seen) || areShared(before.seen, now.hidden);
}

function areShared(some: ReadonlySet<Path>, others: ReadonlySet<Path>): boolean {
  for (const path of some) if (others.has(path)) return true;
  return false;
}
