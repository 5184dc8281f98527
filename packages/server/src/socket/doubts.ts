import type { Path } from '@holdfast/protocol';

/** More objects than this are all of them. */
const OBJECTS_MAX = 50;

/** Objects of a store, or all that there are. */
export class Doubts {
  #objects: Set<Path> | 'all' = new Set();

  get isEmpty(): boolean {
    return this.#objects !== 'all' && this.#objects.size === 0;
  }

  /** null: all. */
  get objects(): readonly Path[] | null {
    return this.#objects === 'all' ? null : [...this.#objects];
  }

  has(object: Path): boolean {
    return this.#objects === 'all' || this.#objects.has(object);
  }

  /** Adds some; null: all. */
  add(more: Iterable<Path> | Doubts | null): void {
    const objects = more instanceof Doubts ? more.objects : more;
    if (objects === null) this.#objects = 'all';
    if (objects === null || this.#objects === 'all') return;
    for (const object of objects) this.#objects.add(object);
    if (this.#objects.size > OBJECTS_MAX) this.#objects = 'all';
  }

  /** What there is; there is nothing from now on. */
  taken(): Doubts {
    const taken = new Doubts();
    taken.add(this);
    this.#objects = new Set();
    return taken;
  }
}
