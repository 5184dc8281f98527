import type { Path } from '@holdfast/protocol';
import { revisionAt, type Tree } from '../data/index.ts';
import { looksEqual } from './act.ts';
import { ancestorsOf } from './touched.ts';

/** What was committed, what a snapshot puts in its place, and what is shown. */
type States = { readonly before: Tree; readonly after: Tree; readonly shown: Tree };

/** Whether others have changed what is at a path, or in its way; what looks as it is shown may be our own. */
export function isOfOthers(path: Path, { before, after, shown }: States): boolean {
  const leaf = after.leaf(path);
  if (leaf !== undefined && looksEqual(leaf, shown.leaf(path))) return false;
  return (
    revisionAt(after, path) !== revisionAt(before, path) ||
    ancestorsOf(path).some((each) => after.leaf(each)?.revision !== before.leaf(each)?.revision)
  );
}
