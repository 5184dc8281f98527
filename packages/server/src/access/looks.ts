import { refuse, RejectedError } from '@holdfast/protocol';

import { type Looker, turn } from '../storage/turn.ts';

/** How long somebody may look: so much of each millisecond, and so many of them at once. */
export type LookPace = { readonly perMs: number; readonly burstMs: number };

/** What somebody has looked through one store. */
type Account = {
  /** Until when it is paid for, at its pace; monotonic milliseconds. */
  paidUntil: number;
  /** Looks that are under way or wait to be. */
  open: number;
  /** Ends with the last of those. */
  last: Promise<void>;
};

const ACCOUNTS_MAX = 10_000;
/** What takes no longer is paid for by the rates of reads and writes. */
const FREE_MS = 5;

/**
 * How long the server looks through a store for somebody. What it takes to look grows with the store, and not with what is
 * asked: a frame of sixty bytes may ask for seconds. Who asks for what takes more than {@link FREE_MS} looks for one thing at a
 * time, and later where it has looked for long.
 */
export class Looks {
  readonly #now: () => number;
  readonly #accounts = new Map<string, Account>();
  /** At how many accounts it is looked again for some that owe nothing. */
  #pruneAt = ACCOUNTS_MAX;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A look of whoever has this name; its account is opened once it takes long. */
  begin(name: string, pace: LookPace): Look {
    return new Look(() => this.#account(name), { pace, now: this.#now });
  }

  #account(name: string): Account {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    if (this.#accounts.size >= this.#pruneAt) this.#prune();
    const account = { paidUntil: this.#now(), open: 0, last: Promise.resolve() };
    this.#accounts.set(name, account);
    return account;
  }

  #prune(): void {
    const now = this.#now();
    for (const [name, { open, paidUntil }] of this.#accounts) {
      if (open === 0 && paidUntil <= now) this.#accounts.delete(name);
    }
    this.#pruneAt = Math.max(ACCOUNTS_MAX, 2 * this.#accounts.size);
  }
}

/** One look of somebody through a store. Whoever begins it ends it; what others do meanwhile does not count. */
export class Look implements Looker {
  readonly #accountOf: () => Account;
  readonly #pace: LookPace;
  readonly #now: () => number;
  #entered: { readonly account: Account; readonly leave: () => void } | null = null;
  #isOver = false;
  /** It has taken longer than what is free. */
  #isLong = false;
  #spentMs = 0;
  /** Since when it is looking; null: it waits. */
  #since: number | null;

  constructor(
    accountOf: () => Account,
    { pace, now }: { readonly pace: LookPace; readonly now: () => number },
  ) {
    this.#accountOf = accountOf;
    this.#pace = pace;
    this.#now = now;
    this.#since = now();
  }

  async enter(): Promise<void> {
    if (this.#entered !== null || this.#isOver || this.#pace.burstMs === Infinity) return;
    this.pause();
    const account = this.#accountOf();
    const before = account.last;
    const own = new Promise<void>((leave) => (this.#entered = { account, leave }));
    // Whoever is given up while it waits lets nobody in before those that it waits for.
    account.last = before.then(() => own);
    account.open += 1;
    await before;
    if (this.#isOver) return;
    const { perMs, burstMs } = this.#pace;
    const waitMs = account.paidUntil - this.#now() - burstMs / perMs;
    if (waitMs > 0) {
      // Of what is refused as of what is short nothing is owed, or the time that is told would not be true.
      this.#spentMs = 0;
      this.end();
      const retryMs = Math.max(1, Math.ceil(waitMs));
      throw RejectedError.from(refuse('rate_limited', { retry_after_ms: retryMs }));
    }
    this.#start();
  }

  async rest(): Promise<void> {
    this.pause();
    if (this.#spentMs > FREE_MS) await this.enter();
    await this.wait(turn());
  }

  async wait<T>(others: Promise<T>): Promise<T> {
    this.pause();
    try {
      return await others;
    } finally {
      this.#start();
    }
  }

  /** Others go on with it. */
  pause(): void {
    if (this.#since === null) return;
    this.#spentMs += this.#now() - this.#since;
    this.#since = null;
  }

  /**
   * Others look meanwhile, and what was looked at is owed: whoever is given it takes it as they like. {@link back} goes
   * on with it.
   */
  leave(): void {
    this.pause();
    this.#isLong ||= this.#spentMs > FREE_MS;
    if (this.#entered === null && (!this.#isLong || this.#pace.burstMs === Infinity)) return;
    this.#pay();
  }

  /** Goes on after {@link leave} when it is let in once more, if it has taken long. */
  async back(): Promise<void> {
    if (this.#isLong) await this.enter();
    this.#start();
  }

  /** A verdict that is asked for right before something is decided at one go: that is counted, too. */
  counting<T>(verdict: () => T): () => T {
    return () => {
      this.#start();
      queueMicrotask(() => this.pause());
      return verdict();
    };
  }

  /** Lets the next one look. */
  end(): void {
    this.pause();
    this.#isOver = true;
    if (this.#entered !== null) this.#pay();
  }

  #pay(): void {
    const account = this.#entered?.account ?? this.#accountOf();
    const paid = Math.max(account.paidUntil, this.#now());
    account.paidUntil = paid + this.#spentMs / this.#pace.perMs;
    this.#spentMs = 0;
    if (this.#entered === null) return;
    const { leave } = this.#entered;
    this.#entered = null;
    account.open -= 1;
    leave();
  }

  #start(): void {
    this.#since ??= this.#now();
  }
}
