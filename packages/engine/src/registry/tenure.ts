import type { HoldOptions } from './types.ts';

/** One use that keeps an entry. It ends once: by `end`, or by its signal. */
export class Hold {
  readonly #ended: (hold: Hold) => void;
  #ttl: number;
  #signal: AbortSignal | undefined;
  #live = true;

  constructor(ttl: number, signal: AbortSignal | undefined, ended: (hold: Hold) => void) {
    this.#ttl = ttl;
    this.#ended = ended;
    this.#listen(signal);
  }

  get ttl(): number {
    return this.#ttl;
  }

  get live(): boolean {
    return this.#live;
  }

  update(options: HoldOptions): void {
    if (options.ttl !== undefined) this.#ttl = options.ttl;
    if (options.signal === undefined || !this.#live) return;
    this.#deafen();
    this.#listen(options.signal);
    if (options.signal.aborted) this.end();
  }

  readonly end = (): void => {
    if (!this.#live) return;
    this.drop();
    this.#ended(this);
  };

  /** Ends it without telling its entry. */
  drop(): void {
    this.#live = false;
    this.#deafen();
  }

  #listen(signal: AbortSignal | undefined): void {
    this.#signal = signal;
    signal?.addEventListener('abort', this.end);
  }

  #deafen(): void {
    this.#signal?.removeEventListener('abort', this.end);
    this.#signal = undefined;
  }
}

/** Who needs an entry, and until when it stays when nobody does (registry.md §5). */
export class Tenure {
  readonly #holds = new Set<Hold>();
  #until = 0;
  #provisionalUntil = 0;
  /** The protections that start when the load settles, if any do. */
  #onceSettled: { readonly ttl: number; readonly provisionalMs: number } | undefined;
  #lastUsedAt = 0;

  get held(): boolean {
    return this.#holds.size > 0;
  }

  get holds(): number {
    return this.#holds.size;
  }

  get lastUsedAt(): number {
    return this.#lastUsedAt;
  }

  get protectedUntil(): number {
    return Math.max(this.#until, this.#provisionalUntil);
  }

  /** The longest TTL of the live holds. */
  get ttl(): number | null {
    return this.held ? Math.max(...[...this.#holds].map((hold) => hold.ttl)) : null;
  }

  /** When nobody needs the entry any more; Infinity while somebody does. */
  get due(): number {
    return this.held || this.#onceSettled !== undefined ? Infinity : this.protectedUntil;
  }

  /** Until when capacity must leave it alone. */
  get provisionalUntil(): number {
    return this.#onceSettled === undefined ? this.#provisionalUntil : Infinity;
  }

  add(hold: Hold): void {
    this.#holds.add(hold);
  }

  end(hold: Hold, now: number): void {
    this.#holds.delete(hold);
    this.protect(hold.ttl, now);
  }

  protect(ttl: number, now: number): void {
    this.#until = Math.max(this.#until, now + ttl);
    this.touch(now);
  }

  /** Against capacity too, which a TTL is not: the TTL may be Infinity (registry.md §5.1, §5.3). */
  protectProvisionally(ms: number, now: number): void {
    this.#provisionalUntil = Math.max(this.#provisionalUntil, now + ms);
    this.touch(now);
  }

  /** Protects from when the load settles, however long that takes. */
  protectOnceSettled(ttl: number, provisionalMs: number): void {
    this.#onceSettled = { ttl: Math.max(this.#onceSettled?.ttl ?? 0, ttl), provisionalMs };
  }

  settled(now: number): void {
    const late = this.#onceSettled;
    this.#onceSettled = undefined;
    this.touch(now);
    if (late === undefined) return;
    this.protect(late.ttl, now);
    this.protectProvisionally(late.provisionalMs, now);
  }

  touch(now: number): void {
    this.#lastUsedAt = now;
  }

  /** Forgets every hold; nothing is told. */
  drop(): void {
    for (const hold of this.#holds) hold.drop();
    this.#holds.clear();
    this.#onceSettled = undefined;
  }
}
