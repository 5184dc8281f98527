import { asGlob, type Glob, type Refusal } from '@holdfast/protocol';

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
  #asked: ScopeAsk | null = null;
  #refusal: Refusal | null = null;
  /** What is held is what is wanted, as far as it is to be had. */
  #isEven = false;
  /** Nothing is let go of for now. */
  isKept = false;

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

  /** Why nothing is held that is wanted; null where something is, or may yet be. */
  get refusal(): Refusal | null {
    return this.isSilent && this.#denied.length > 0 ? this.#refusal : null;
  }

  /** Neither has anything nor will: only writes, and replies. */
  get isSilent(): boolean {
    return this.held.length === 0 && this.#asked === null && this.#lacks().length === 0;
  }

  want(wanted: readonly Glob[]): void {
    this.#isEven = false;
    this.#wanted = wanted.includes(whole) ? [whole] : wanted;
  }

  /** A new channel: what was on its way is not, and what was denied may be granted. */
  joined(): void {
    this.#asked = null;
    this.#isEven = false;
    this.#denied = [];
  }

  /** The next change to ask for. What is wanted comes before what is not goes, which the one may be a part of. */
  ask(): ScopeAsk | null {
    if (this.#asked !== null || this.#isEven) return null;
    const add = this.#lacks();
    const remove = this.isKept ? [] : without(this.held, this.#wanted);
    if (add.length > 0) this.#asked = { add };
    else if (remove.length > 0) this.#asked = { remove };
    // There may be thousands of patterns, and this is asked with each frame.
    this.#isEven = this.#asked === null && !this.isKept;
    return this.#asked;
  }

  /** What was asked for is not to be had. */
  refused(refusal: Refusal): void {
    if (this.#asked !== null && 'add' in this.#asked) this.deny(this.#asked.add, refusal);
    this.#asked = null;
  }

  deny(denied: readonly Glob[], refusal: Refusal): void {
    if (denied.length === 0) return;
    this.#denied = [...this.#denied, ...denied];
    this.#refusal = refusal;
  }

  /** The committed state is of this from now on; what was asked for is done. */
  hold(held: Held): void {
    this.#held = held;
    this.#asked = null;
    this.#isEven = false;
  }

  #lacks(): readonly Glob[] {
    return without(this.#wanted, [...this.held, ...this.#denied]);
  }
}

/** The patterns of one list that are not in the other. */
export function without(list: readonly Glob[], others: readonly Glob[]): readonly Glob[] {
  const known = new Set(others);
  return list.filter((each) => !known.has(each));
}
