import type { Path } from '@holdfast/protocol';
import { type Act, modeBits } from './act.ts';
import type { Pending } from './pending.ts';
import { TouchedPaths } from './touched.ts';

/** What the next refold is to tell of: who did something, the leaves that it may concern, and where all of that is. */
export class Stale {
  readonly acts: Act[] = [];
  readonly leaves: Set<Path> = new Set();
  readonly touched: TouchedPaths = new TouchedPaths();
  /** What requests bore on that are shown no more. */
  readonly paths: Path[] = [];
  /** More may have changed than these leaves. */
  isWhole = false;

  /** A request is shown no more. */
  drop({ leaves, touched }: Pending): void {
    for (const path of leaves) this.leaves.add(path);
    this.paths.push(...touched);
    this.touched.add(leaves, null);
  }

  /** The committed state was changed under what is shown. */
  rebase(acts: readonly Act[]): void {
    for (const act of acts) {
      for (const { path } of act.changes) this.leaves.add(path);
      this.acts.push({ ...act, audience: modeBits.all });
      this.touched.add([act.path], null);
    }
  }
}
