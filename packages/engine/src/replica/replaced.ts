import { jsonEquals, type Path, type Seq } from '@holdfast/protocol';
import { apply, revisionAt, targets, type Tree } from '../data/index.ts';
import { looksEqual } from './act.ts';
import { type Pending, writesOf } from './pending.ts';
import { ancestorsOf } from './touched.ts';

/** What was committed, what a snapshot puts in its place, and what is shown. */
type States = { readonly before: Tree; readonly after: Tree; readonly shown: Tree };

/**
 * The paths of own requests at which others have changed what is there, or in its way. What looks as it is shown may be our
 * own, and so may what looks as it was left by one of the requests that the snapshot may have.
 */
export function othersAt(
  requests: readonly Pending[],
  states: States,
  seq: Seq,
): ReadonlySet<Path> {
  const { before, after } = states;
  const found = new Set(requests.flatMap(pathsOf).filter((path) => isChanged(path, states)));
  if (found.size === 0) return found;
  const own = before.fork();
  for (const each of requests) {
    for (const op of each.ops) apply(own, op);
    if (!each.isUncertain && !isCommittedBy(each, seq)) continue;
    const bears = pathsOf(each).concat(each.leaves);
    for (const path of bears.flatMap((at) => ancestorsOf(at).concat(at))) {
      if (found.has(path) && looksAlike(path, own, after)) found.delete(path);
    }
  }
  return found;
}

/** Whether a request is known to be in the state at a seq. */
export function isCommittedBy({ status }: Pending, seq: Seq): boolean {
  return status.state === 'answered' && status.seq <= seq;
}

/** The paths that a request writes. */
export function pathsOf({ request }: Pending): Path[] {
  return writesOf(request).flatMap(targets);
}

function isChanged(path: Path, { before, after, shown }: States): boolean {
  const leaf = after.leaf(path);
  if (leaf !== undefined && looksEqual(leaf, shown.leaf(path))) return false;
  return (
    revisionAt(after, path) !== revisionAt(before, path) ||
    ancestorsOf(path).some((each) => after.leaf(each)?.revision !== before.leaf(each)?.revision)
  );
}

function looksAlike(path: Path, a: Tree, b: Tree): boolean {
  return (
    jsonEquals(a.read(path)?.value, b.read(path)?.value) &&
    ancestorsOf(path).every((each) => looksEqual(a.leaf(each), b.leaf(each)))
  );
}
