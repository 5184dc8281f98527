import type { Path, RecordDef, Request } from '@holdfast/protocol';
import { isNear, writesOf } from './pending.ts';

/** The paths that a record has objects at. */
export type Objects = {
  readonly def: Pick<RecordDef, 'authority' | 'visibility'>;
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

  constructor(
    outbox: readonly { readonly request: Request }[],
    { def: { authority, visibility }, of, areBelow }: Objects,
  ) {
    const isMerged = (authority ?? visibility) !== null;
    for (const { request } of outbox) {
      const touched = new Set<Path>();
      for (const { op, path } of writesOf(request)) {
        const object = of(path);
        if (object !== null) touched.add(object);
        else if (areBelow(path)) this.#above.push(`${path}/`);
        const isMade = op === 'set' || (isMerged && makes(request, op, path));
        if (object === path && isMade) this.#made.add(path);
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
 * Whether a write may be a `set` of an object of which not all fields are a client's: that is a transaction of one write of
 * it (records.md §11.2). A patch is none, or guards fields; in a transaction of several objects one looks the same.
 */
function makes(request: Request, op: string, path: Path): boolean {
  if (request.op !== 'transact' || (op !== 'merge' && op !== 'mutate')) return false;
  return (
    request.ops.filter((each) => `${each.path}/`.startsWith(`${path}/`)).length === 1 &&
    request.preconditions.every(
      (each) =>
        each.kind === 'fence' ||
        !isNear(each.path, path) ||
        (each.kind === 'if_absent' && each.path === path),
    )
  );
}
