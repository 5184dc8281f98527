import {
  asGlob,
  containsScope,
  covers,
  type Glob,
  type MonotonicMs,
  type Path,
  type Pattern,
  patternsOf,
  type Refusal,
  refuse,
  segmentsOf,
} from '@holdfast/protocol';
import { toldMs } from './told.ts';

/** A set of patterns, and the scope that the server makes of it. */
export type Held = { readonly patterns: readonly Glob[]; readonly scope: string | null };

/** A `scope` push: patterns to add, or to remove. */
export type ScopeAsk = { readonly add: readonly Glob[] } | { readonly remove: readonly Glob[] };

const whole = asGlob('**');

/**
 * Which part of the store a replica has, which it is wanted to have, and the way from the one to the other (stores.md
 * §10.4.4, §10.4.6).
 *
 * 1. What is held says what the committed state is of: it changes with that, at once.
 * 2. One change is on its way at a time, and either adds or removes: a channel that is cut in the midst of it leaves a
 *    replica that the server knows.
 */
export class Extent {
  #held: Held;
  #wanted: readonly Glob[] = [];
  #denied: readonly Glob[] = [];
  /** Those that were denied for want of room. */
  #crowded: readonly Glob[] = [];
  /** Wanted and not held, to be had as far as is known; and held though not wanted. */
  #missing: readonly Glob[] = [];
  #spare: readonly Glob[] = [];
  #patterns: readonly Pattern[] | null = null;
  /** Whether these are in a part that is on its way, as long as that is so: it is asked of each write with each frame. */
  #awaited = new WeakMap<readonly Path[], boolean>();
  #asked: ScopeAsk | null = null;
  #denial: Refusal | null = null;
  /** Nothing is let go of for now. */
  isKept = false;
  /** The server has no place for what is missing, until something is let go of. */
  #isFull = false;
  /** From when on what is missing may be asked for; Infinity: at once. */
  retryAt: MonotonicMs = Infinity;

  constructor(held: Held, wanted: readonly Glob[]) {
    this.#held = held;
    this.want(wanted);
  }

  get held(): readonly Glob[] {
    return this.#held.patterns;
  }

  get scope(): string | null {
    return this.#held.scope;
  }

  get wanted(): readonly Glob[] {
    return this.#wanted;
  }

  /** Wanted, and not to be had on this channel. */
  get denied(): readonly Glob[] {
    return this.#denied;
  }

  /** Why that is not to be had, or what was denied last. */
  get denial(): Refusal | null {
    return this.#denied.length > 0 ? this.#denial : null;
  }

  /** Why nothing is held that is wanted; null where something is, or may yet be. */
  get refusal(): Refusal | null {
    return this.isSilent ? this.denial : null;
  }

  /** Neither has anything nor will: only writes, and replies. */
  get isSilent(): boolean {
    return this.held.length === 0 && this.#missing.length === 0;
  }

  /** Whether some of these leaves may be in a part that is on its way. */
  awaits(leaves: readonly Path[]): boolean {
    if (this.#missing.length === 0) return false;
    const isAwaited = this.#awaited.get(leaves) ?? this.#isBeyond(leaves);
    this.#awaited.set(leaves, isAwaited);
    return isAwaited;
  }

  /** Whether a leaf is in what is held. */
  holds(leaf: Path): boolean {
    return !this.#isBeyond([leaf]);
  }

  want(wanted: readonly Glob[]): void {
    this.#wanted = wanted.includes(whole) ? [whole] : wanted;
    this.#weigh();
  }

  /** A new channel: what was on its way is not, and what was denied may be granted. */
  joined(): void {
    this.#asked = null;
    this.#isFull = false;
    this.#denied = [];
    this.#crowded = [];
    this.#weigh();
  }

  /**
   * The next change to ask for. What is wanted comes before what is not goes, which the one may be a part of; unless the
   * server has no place for it.
   */
  ask(now: MonotonicMs): ScopeAsk | null {
    if (this.retryAt <= now) this.retryAt = Infinity;
    if (this.#asked !== null) return null;
    const maySpare = this.#spare.length > 0 && !this.isKept;
    if (maySpare && (this.#isFull || this.#missing.length === 0)) {
      this.#asked = { remove: this.#spare };
    } else if (this.#missing.length > 0 && this.retryAt === Infinity) {
      this.#asked = { add: this.#missing };
    }
    return this.#asked;
  }

  /** The channel is gone, and with it what it was told to wait for. */
  lost(): void {
    this.retryAt = Infinity;
  }

  /**
   * What was asked for is not to be had; where there was no place for it, what is not wanted makes some first. What may be had
   * later is asked for again when that is told, for another join would only draw from the same rate.
   */
  refused(refusal: Refusal, now: MonotonicMs): 'gap' | null {
    const asked = this.#asked;
    this.#asked = null;
    if (refusal.retry === 'later') {
      const ms = toldMs(refusal);
      this.retryAt = now + (ms ?? Infinity);
      return ms === null ? 'gap' : null;
    }
    if (asked !== null && 'add' in asked) this.#forgo(asked.add, refusal);
    return null;
  }

  #forgo(asked: readonly Glob[], refusal: Refusal): void {
    const isFull = refusal.code === 'too_many_patterns';
    if (isFull && !this.#isFull && this.#spare.length > 0) {
      this.#isFull = true;
      return;
    }
    if (isFull) this.#crowded = [...this.#crowded, ...asked];
    this.deny(asked, refusal);
  }

  deny(
    denied: readonly Glob[],
    refusal: Refusal = refuse('path_not_allowed', { patterns: denied }),
  ): void {
    if (denied.length === 0) return;
    this.#denied = [...this.#denied, ...denied];
    this.#denial = refusal;
    this.#weigh();
  }

  /** Something is wanted that is part of what the server is being asked to let go of, and of nothing that stays. */
  get isRegretted(): boolean {
    const asked = this.#asked;
    if (asked === null || !('remove' in asked)) return false;
    const [going, wanted] = [asked.remove, without(this.#wanted, without(this.held, asked.remove))];
    const from = wanted.length > 0 ? patternsOf(going) : [];
    return patternsOf(wanted).some((each) => from.some((one) => containsScope(one, each)));
  }

  /** The committed state is of this from now on; what was asked for is done. */
  hold(held: Held): void {
    this.#held = held;
    if (this.#asked !== null && 'remove' in this.#asked) {
      // There may be a place by now for what there was none for.
      this.#denied = without(this.#denied, this.#crowded);
      this.#crowded = [];
      this.#isFull = false;
    }
    this.#asked = null;
    this.#weigh();
  }

  #isBeyond(leaves: readonly Path[]): boolean {
    this.#patterns ??= patternsOf(this.held);
    const held = this.#patterns;
    return leaves.some((leaf) => {
      const segments = segmentsOf(leaf);
      return !held.some((each) => covers(each, segments));
    });
  }

  // There may be thousands of patterns, and what to ask for is asked with each frame.
  #weigh(): void {
    this.#missing = without(this.#wanted, [...this.held, ...this.#denied]);
    this.#spare = without(this.held, this.#wanted);
    this.#patterns = null;
    this.#awaited = new WeakMap();
  }
}

/** The patterns of one list that are not in the other. */
export function without(list: readonly Glob[], others: readonly Glob[]): readonly Glob[] {
  const known = new Set(others);
  return list.filter((each) => !known.has(each));
}
