import type { Path, Request } from '@holdfast/protocol';
import { makes, type Mapped, writesOf } from './pending.ts';

/** The paths that a record has objects at. */
export type Objects = {
  readonly def: Mapped;
  /** The object that a path is in. */
  readonly of: (path: Path) => Path | null;
  /** Whether there may be objects below a path. */
  readonly areBelow: (path: Path) => boolean;
};

/** Which objects own unanswered requests touch. */
export class PendingObjects {
  readonly #counts = new Map<Path, number>();
  readonly #made = new Set<Path>();
  /** Paths above objects, each for a request. */
  readonly #above: string[] = [];

  constructor(outbox: readonly { readonly request: Request }[], { def, of, areBelow }: Objects) {
    for (const { request } of outbox) {
      const touched = new Set<Path>();
      for (const write of writesOf(request)) {
        const { path } = write;
        const object = of(path);
        if (object !== null) touched.add(object);
        else if (areBelow(path)) this.#above.push(`${path}/`);
        if (object === path && makes(def, request, write)) this.#made.add(path);
      }
      for (const object of touched) this.#counts.set(object, (this.#counts.get(object) ?? 0) + 1);
    }
  }

  get isEmpty(): boolean {
    return this.#counts.size + this.#above.length === 0;
  }

  get objects(): readonly Path[] {
    return [...this.#counts.keys()];
  }

  /** How many requests touch an object. */
  at(path: Path): number {
    const above = this.#above.filter((each) => path.startsWith(each)).length;
    return (this.#counts.get(path) ?? 0) + above;
  }

  /** Whether all of an object is what a request made it. */
  isMade(path: Path): boolean {
    return this.#made.has(path);
  }
}
