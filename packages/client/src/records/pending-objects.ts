import type { Path, Request } from '@holdfast/protocol';
import type { Slot } from '../slot.ts';
import { isMadeBy, type Mapped, writesOf } from './pending.ts';

/** The paths that a record has objects at. */
export type Objects = {
  readonly def: Mapped;
  /** The object that a path is in. */
  readonly of: (path: Path) => Path | null;
  /** Whether there may be objects below a path. */
  readonly areBelow: (path: Path) => boolean;
};

/** Which objects own unanswered requests touch, as far as they were looked at. */
export class PendingObjects {
  readonly #slot: Pick<Slot, 'outbox' | 'outboxNear'>;
  readonly #objects: Objects;
  readonly #touched = new Set<Path>();
  #isAbove = false;

  constructor(slot: Pick<Slot, 'outbox' | 'outboxNear'>, objects: Objects) {
    this.#slot = slot;
    this.#objects = objects;
  }

  get isEmpty(): boolean {
    return this.#touched.size === 0 && !this.#isAbove;
  }

  /** Those that are touched by themselves, and not from above. */
  get paths(): ReadonlySet<Path> {
    return this.#touched;
  }

  /** Looks at what may have changed; null: at all that waits. */
  look(changed: ReadonlySet<Path> | null): void {
    if (changed === null) return this.#survey();
    // Of each request once: a transaction of a thousand writes may touch a thousand of these.
    const known = new Map<Request, Set<Path | null>>();
    const touchedBy = ({ request }: { readonly request: Request }): Set<Path | null> => {
      const objects =
        known.get(request) ?? new Set(writesOf(request).map(({ path }) => this.#objects.of(path)));
      known.set(request, objects);
      return objects;
    };
    for (const object of changed) {
      const waiting = this.#slot.outboxNear(object);
      if (waiting.some((each) => touchedBy(each).has(object))) this.#touched.add(object);
      else this.#touched.delete(object);
    }
  }

  #survey(): void {
    this.#touched.clear();
    this.#isAbove = false;
    for (const { path } of this.#slot.outbox().flatMap(({ request }) => writesOf(request))) {
      const object = this.#objects.of(path);
      if (object !== null) this.#touched.add(object);
      else this.#isAbove ||= this.#objects.areBelow(path);
    }
  }

  /** How many requests touch an object. */
  at(path: Path): number {
    return this.#slot.outboxNear(path).length;
  }

  /** Whether all of an object is what a request made it. */
  isMade(path: Path): boolean {
    return isMadeBy(this.#slot.outboxNear(path), { record: this.#objects.def, path });
  }
}
