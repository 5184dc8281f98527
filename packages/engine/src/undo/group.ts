import type { Path } from '@holdfast/protocol';
import { beforeBoth, sameLeaf } from './capture.ts';
import type { Fate, LeafChange, Step } from './types.ts';

/** Writes that are to be one step, put together as they come: a drag makes hundreds of them at the same leaves. */
export class Group {
  #changes = new Map<Path, LeafChange>();
  #roots = new Set<Path>();
  #fates: (() => Fate)[] = [];

  get isEmpty(): boolean {
    return this.#fates.length === 0;
  }

  add({ changes, roots, fate }: Step): void {
    for (const change of changes) {
      const first = this.#changes.get(change.path);
      const before = first === undefined ? change.before : beforeBoth(first, change);
      this.#changes.set(change.path, { ...change, before });
    }
    for (const root of roots) this.#roots.add(root);
    this.#fates.push(fate);
  }

  /** All of them as one step; begins anew. */
  take(): Step {
    const all = [...this.#changes.values()];
    const step = {
      changes: all.filter(({ before, after }) => !sameLeaf(before, after)),
      roots: [...this.#roots],
      fate: fateOfAll(this.#fates),
    };
    this.#changes = new Map();
    this.#roots = new Set();
    this.#fates = [];
    return step;
  }
}

/**
 * A group of which a part was refused is not what it was; what was cancelled is as if it had never been written. What is
 * decided is asked for no more.
 */
function fateOfAll(fates: readonly (() => Fate)[]): () => Fate {
  let open = fates;
  const decided = new Set<Fate>();
  return () => {
    open = open.filter((each) => {
      const fate = each();
      if (fate !== 'pending') decided.add(fate);
      return fate === 'pending';
    });
    const isKept = open.length > 0 || decided.has('committed');
    if (decided.has('rebased') || (decided.has('refused') && isKept)) return 'rebased';
    if (!isKept) return decided.has('refused') ? 'refused' : 'cancelled';
    return open.length > 0 ? 'pending' : 'committed';
  };
}
