import type { LoggedOp } from '@holdfast/engine/authority';
import type { Meters } from '../metrics/index.ts';

/** Counts what was committed: ops by their names, and commits. */
export function countOps(
  ops: readonly LoggedOp[],
  { commits, ops: counts }: Pick<Meters, 'commits' | 'ops'>,
): void {
  for (const { op, tx, seq } of ops) {
    counts.add(op);
    // A commit of several ops is named by the last of them.
    if (tx === null || tx === seq) commits.add();
  }
}
