import type { Path } from '@holdfast/protocol';
import { beforeBoth, sameLeaf } from './capture.ts';
import type { Fate, LeafChange, Step } from './types.ts';

/** Writes that are to be one step, put together as they come: a drag makes hundreds of them at the same leaves. */
export class Group {
  #changes = new Map<Path, LeafChange>();
  #roots = new Set<Path>();
  #fates = new Fates();

  get isEmpty(): boolean {
    return this.#fates.isEmpty;
  }

  add({ changes, roots, fate }: Step): void {
    for (const change of changes) {
      const first = this.#changes.get(change.path);
      const before = first === undefined ? change.before : beforeBoth(first, change);
      this.#changes.set(change.path, { ...change, before });
    }
    for (const root of roots) this.#roots.add(root);
    this.#fates.add(fate);
  }

  /** All of them as one step; begins anew. */
  take(): Step {
    const all = [...this.#changes.values()];
    const step = {
      changes: all.filter(({ before, after }) => !sameLeaf(before, after)),
      roots: [...this.#roots],
      fate: this.#fates.ofAll,
    };
    this.#changes = new Map();
    this.#roots = new Set();
    this.#fates = new Fates();
    return step;
  }
}

/** What became of several writes. Those that are decided are let go of: a group may go on for hours. */
class Fates {
  #open: (() => Fate)[] = [];
  #openMax = 100;
  readonly #decided = new Set<Fate>();

  get isEmpty(): boolean {
    return this.#open.length === 0 && this.#decided.size === 0;
  }

  add(fate: () => Fate): void {
    this.#open.push(fate);
    if (this.#open.length <= this.#openMax) return;
    this.#look();
    this.#openMax = 2 * this.#open.length + 100;
  }

  /** A group of which a part was refused is not what it was; what was cancelled is as if it had never been written. */
  readonly ofAll = (): Fate => {
    this.#look();
    const isOpen = this.#open.length > 0;
    const isKept = isOpen || this.#decided.has('committed');
    const isRefused = this.#decided.has('refused');
    if (this.#decided.has('rebased') || (isRefused && isKept)) return 'rebased';
    if (!isKept) return isRefused ? 'refused' : 'cancelled';
    return isOpen ? 'pending' : 'committed';
  };

  #look(): void {
    this.#open = this.#open.filter((each) => {
      const fate = each();
      if (fate !== 'pending') this.#decided.add(fate);
      return fate === 'pending';
    });
  }
}
