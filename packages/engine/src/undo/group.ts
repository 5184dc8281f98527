import type { Path } from '@holdfast/protocol';
import { beforeBoth, isPlain, sameLeaf } from './capture.ts';
import type { Fate, LeafChange, Step } from './types.ts';

/** Writes that are to be one step, put together as they come: a drag makes hundreds of them at the same leaves. */
export class Group {
  #writes = new Writes();

  get isEmpty(): boolean {
    return this.#writes.isEmpty;
  }

  add(write: Step): void {
    this.#writes.add(write);
  }

  /** All of them as one step; begins anew. */
  take(): Step {
    const writes = this.#writes;
    this.#writes = new Writes();
    return writes;
  }
}

/** Several writes, one after the other, as one. Those that are decided are let go of: a group may go on for hours. */
class Writes implements Step {
  readonly #roots = new Set<Path>();
  readonly #decided = new Set<Fate>();
  /** Where writes went that came behind those of others. */
  readonly #rebased = new Set<Path>();
  readonly #done = new Sum();
  /** From the first one that is not decided on. */
  #open: Step[] = [];
  #openMax = 100;

  get isEmpty(): boolean {
    return this.#roots.size === 0;
  }

  get changes(): readonly LeafChange[] {
    this.#look();
    const sum = new Sum(this.#done);
    for (const { changes, fate } of this.#open) sum.add(changes, fate());
    return sum.changes;
  }

  get roots(): readonly Path[] {
    return [...this.#roots];
  }

  /** A group of which a part was refused is not what it was; what was cancelled is as if it had never been written. */
  readonly fate = (): Fate => {
    this.#look();
    const fates = new Set([...this.#decided, ...this.#open.map((write) => write.fate())]);
    const isKept = fates.has('pending') || fates.has('committed');
    if (fates.has('rebased') || (fates.has('refused') && isKept)) return 'rebased';
    if (!isKept) return fates.has('refused') ? 'refused' : 'cancelled';
    return fates.has('pending') ? 'pending' : 'committed';
  };

  /** Where a part was refused, nothing is sure. */
  readonly rebasedAt = (): readonly Path[] => {
    this.#look();
    const fates = this.#open.map((write) => write.fate());
    if (this.#decided.has('refused') || fates.includes('refused')) return this.roots;
    const open = this.#open.filter((_, at) => fates[at] === 'rebased');
    return [...this.#rebased, ...open.flatMap(rebasedAt)];
  };

  add(write: Step): void {
    for (const root of write.roots) this.#roots.add(root);
    this.#open.push(write);
    if (this.#open.length <= this.#openMax) return;
    this.#look();
    this.#openMax = 2 * this.#open.length + 100;
  }

  #look(): void {
    let count = 0;
    for (const step of this.#open) {
      const { changes, fate } = step;
      const now = fate();
      if (now === 'pending') break;
      if (now === 'rebased') for (const path of rebasedAt(step)) this.#rebased.add(path);
      this.#done.add(changes, now);
      this.#decided.add(now);
      count += 1;
    }
    this.#open.splice(0, count);
  }
}

function rebasedAt(step: Step): readonly Path[] {
  return step.rebasedAt?.() ?? step.roots;
}

/** What changes came to, of which those that were cancelled never were. */
class Sum {
  readonly #changes: Map<Path, LeafChange>;
  /** What was cancelled, by path: the next change there may begin with what that had shown. */
  readonly #cancelled: Map<Path, LeafChange>;

  /** Nothing yet, or what another has by now. */
  constructor(of: Sum | null = null) {
    this.#changes = new Map(of === null ? [] : of.#changes);
    this.#cancelled = new Map(of === null ? [] : of.#cancelled);
  }

  get changes(): readonly LeafChange[] {
    return [...this.#changes.values()].filter(({ before, after }) => !sameLeaf(before, after));
  }

  add(changes: readonly LeafChange[], fate: Fate): void {
    for (const change of changes) {
      const real = this.#withoutCancelled(change);
      const first = this.#changes.get(change.path);
      if (fate === 'cancelled') this.#cancelled.set(change.path, real);
      else if (first === undefined) this.#changes.set(change.path, real);
      else this.#changes.set(change.path, { ...real, before: beforeBoth(first, real) });
    }
  }

  /** Of totals and sets only what differs counts, wherever it began. */
  #withoutCancelled(change: LeafChange): LeafChange {
    const cancelled = this.#cancelled.get(change.path);
    const begins = cancelled !== undefined && sameLeaf(cancelled.after, change.before);
    const isWhole = change.before === undefined || isPlain(change.before);
    return begins && isWhole ? { ...change, before: cancelled.before } : change;
  }
}
