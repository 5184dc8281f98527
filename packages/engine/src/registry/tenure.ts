import { checkedTtl } from './settings.ts';
import type { HoldOptions } from './types.ts';

/** One use that keeps an entry. It ends once: by `end`, or by its signal. */
export class Hold {
  readonly #ended: (hold: Hold) => void;
  #ttl: number;
  #signal: AbortSignal | undefined;
  #isLive = true;

  constructor(ttl: number, signal: AbortSignal | undefined, ended: (hold: Hold) => void) {
    this.#ttl = ttl;
    this.#ended = ended;
    this.#listen(signal);
  }

  get ttl(): number {
    return this.#ttl;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  update({ ttl = this.#ttl, signal }: HoldOptions): void {
    this.#ttl = checkedTtl(ttl);
    if (signal === undefined || !this.#isLive) return;
    this.#listen(signal);
    if (signal.aborted) this.end();
  }

  readonly end = (): void => {
    if (!this.#isLive) return;
    this.drop();
    this.#ended(this);
  };

  /** Ends it without telling its entry. */
  drop(): void {
    this.#isLive = false;
    this.#listen(undefined);
  }

  #listen(signal: AbortSignal | undefined): void {
    this.#signal?.removeEventListener('abort', this.end);
    this.#signal = signal;
    signal?.addEventListener('abort', this.end);
  }
}

/** Who needs an entry, and until when it stays when nobody does (registry.md §5). */
export class Tenure {
  readonly holds: Set<Hold> = new Set();
  readonly #provisionalMs: number;
  #until = 0;
  #provisionalUntil = 0;
  /** The TTL of the provisional protections that start when the load settles, if any do. */
  #onceSettled: number | undefined;
  #lastUsedAt = 0;

  constructor(provisionalMs: number) {
    this.#provisionalMs = provisionalMs;
  }

  get isHeld(): boolean {
    return this.holds.size > 0;
  }

  get lastUsedAt(): number {
    return this.#lastUsedAt;
  }

  get protectedUntil(): number {
    return Math.max(this.#until, this.#provisionalUntil);
  }

  /** The longest TTL of the live holds. */
  get ttl(): number | null {
    let longest: number | null = null;
    for (const { ttl } of this.holds) longest = Math.max(longest ?? 0, ttl);
    return longest;
  }

  /** When nobody needs the entry any more; Infinity while somebody does. */
  get due(): number {
    return this.isHeld || this.#onceSettled !== undefined ? Infinity : this.protectedUntil;
  }

  /** Until when capacity must leave it alone, which for a TTL it need not: that may be Infinity (registry.md §5.1, §5.3). */
  get provisionalUntil(): number {
    return this.#onceSettled === undefined ? this.#provisionalUntil : Infinity;
  }

  touch(now: number): void {
    this.#lastUsedAt = now;
  }

  protect(now: number, ttl: number): void {
    this.#until = Math.max(this.#until, now + ttl);
    this.touch(now);
  }

  protectProvisionally(now: number, ttl: number): void {
    this.#provisionalUntil = Math.max(this.#provisionalUntil, now + this.#provisionalMs);
    this.protect(now, ttl);
  }

  /** Protects provisionally from when the load settles, however long that takes. */
  protectOnceSettled(ttl: number): void {
    this.#onceSettled = Math.max(this.#onceSettled ?? 0, ttl);
  }

  settled(now: number): void {
    const ttl = this.#onceSettled;
    this.#onceSettled = undefined;
    if (ttl === undefined) this.touch(now);
    else this.protectProvisionally(now, ttl);
  }

  /** Forgets every hold; nothing is told. */
  drop(): void {
    for (const hold of this.holds) hold.drop();
    this.holds.clear();
    this.#onceSettled = undefined;
  }
}
