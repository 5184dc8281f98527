import type { Path } from '@holdfast/protocol';
import { type Placed, Places } from './places.ts';

/** What lies around a path, and whether something may lie below it. */
type Look<T> = { readonly around: readonly Placed<T>[]; readonly isAbove: boolean };

const LOOKS_MAX = 64;

/**
 * Places that remember what lies around the last paths: each of a thousand viewers asks about the few paths of one commit, and
 * about each of them several times.
 */
export class KnownPlaces<T> extends Places<T> {
  /** At the paths that were asked about last. */
  readonly #looks = new Map<Path, Look<T>>();

  override around(path: Path): readonly Placed<T>[] {
    return this.#at(path).around;
  }

  override lieBelow(path: Path): boolean {
    return this.#at(path).isAbove;
  }

  #at(path: Path): Look<T> {
    const known = this.#looks.get(path);
    if (known !== undefined) return known;
    if (this.#looks.size === LOOKS_MAX) this.#looks.clear();
    const look = { around: super.around(path), isAbove: super.lieBelow(path) };
    this.#looks.set(path, look);
    return look;
  }
}
