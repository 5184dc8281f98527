import type { Path, Request } from '@holdfast/protocol';
import { writesOf } from './pending.ts';

/** Which objects own unanswered requests touch. */
export class PendingObjects {
  readonly #counts = new Map<Path, number>();
  readonly #made = new Set<Path>();
  /** Paths above objects, each for a request. */
  readonly #above: string[] = [];

  constructor(
    outbox: readonly { readonly request: Request }[],
    objectOf: (path: Path) => Path | null,
    isAbove: (path: Path) => boolean,
  ) {
    for (const { request } of outbox) {
      const touched = new Set<Path>();
      for (const { op, path } of writesOf(request)) {
        const object = objectOf(path);
        if (object !== null) touched.add(object);
        else if (isAbove(path)) this.#above.push(`${path}/`);
        if (object === path && makes(request, op, path)) this.#made.add(path);
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

/**
 * Whether a write makes all of an object. Where not all fields are a client's, a `set` is a transaction of one write (records.md
 * §11.2); a patch is none, or guards fields.
 */
function makes(request: Request, op: string, path: Path): boolean {
  if (request.op !== 'transact' || (op !== 'merge' && op !== 'mutate')) return op === 'set';
  return (
    request.ops.filter((each) => `${each.path}/`.startsWith(`${path}/`)).length === 1 &&
    request.preconditions.every((each) => each.kind === 'if_absent' && each.path === path)
  );
}
