import type { Path } from '@holdfast/protocol';
import { WatchedPaths } from './watched-paths.ts';

/** Something read of a store, at a path and below; null: anywhere. */
export type Read = {
  /** Those of equal keys read the same; null: nobody else reads this. */
  readonly key: string | null;
  readonly under: Path | null;
  readonly now: () => unknown;
};

type Hearer = { readonly changed: () => void };

type Kept = {
  last: unknown;
  readonly now: () => unknown;
  readonly hearers: Set<Hearer>;
  readonly forget: () => void;
};

/** What is read of one store, each once, however many have read the same: a commit reads it anew once for all of them. */
export class SharedReads {
  readonly #all = new Set<Kept>();
  readonly #byKey = new Map<string, Kept>();
  readonly #byPath = new WatchedPaths<Kept>();

  /** Calls back after each commit by which what is read became another, until the returned function is called. */
  follow(read: Read, changed: () => void): () => void {
    const kept = (read.key === null ? null : this.#byKey.get(read.key)) ?? this.#keep(read);
    const hearer: Hearer = { changed };
    kept.hearers.add(hearer);
    return () => {
      if (kept.hearers.delete(hearer) && kept.hearers.size === 0) kept.forget();
    };
  }

  /** Looks at what was read at these paths, above or below. */
  lookAt(paths: readonly Path[]): void {
    if (this.#all.size === 0) return;
    const found = new Set<Kept>();
    for (const path of paths) this.#byPath.collect(path, found);
    for (const kept of found) look(kept);
  }

  /** Looks at all that was read. */
  lookAtAll(): void {
    for (const kept of this.#all) look(kept);
  }

  /** Tells all who have read something that it is to be read anew. */
  turnAll(): void {
    for (const { hearers } of this.#all) for (const { changed } of hearers) changed();
  }

  #keep({ key, under, now }: Read): Kept {
    const kept: Kept = {
      last: now(),
      now,
      hearers: new Set(),
      forget: () => {
        this.#all.delete(kept);
        if (key !== null) this.#byKey.delete(key);
        leave();
      },
    };
    const leave = this.#byPath.add(under, kept);
    this.#all.add(kept);
    if (key !== null) this.#byKey.set(key, kept);
    return kept;
  }
}

function look(kept: Kept): void {
  const next = kept.now();
  if (next === kept.last) return;
  kept.last = next;
  for (const { changed } of kept.hearers) changed();
}
