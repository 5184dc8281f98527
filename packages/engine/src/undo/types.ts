import type { Entry, Leaf, Path } from '@holdfast/protocol';

/** What undo reads: the view of a replica at this moment. */
export type UndoView = {
  /** The leaf exactly at a path. */
  leaf(path: Path): Leaf | undefined;
  /** The leaves strictly below a path, in path order, lazily; none where not all of them are known. */
  below(path: Path): Iterable<Entry>;
  /** Whether it is known what is at a path and below; a handle on a part of a store does not know all. */
  knows(path: Path): boolean;
};

/** What an own write did to one leaf. */
export type LeafChange = {
  readonly path: Path;
  readonly before: Leaf | undefined;
  readonly after: Leaf | undefined;
};

/**
 * What became of an own write. `rebased`: committed, but behind writes of others at its paths, so that what was there
 * before it is not what it was made on. `cancelled`: taken back by who made it, before it was sent.
 */
export type Fate = 'pending' | 'committed' | 'rebased' | 'refused' | 'cancelled';

/** One own write, or several that are undone together: all that changed, and where. */
export type Step = {
  readonly changes: readonly LeafChange[];
  /** The paths that were written. */
  readonly roots: readonly Path[];
  readonly fate: () => Fate;
  /** Of a `rebased` step: the paths at, above or below which others may have come before it. Default: its roots. */
  readonly rebasedAt?: () => readonly Path[];
};
