import { releaseOnce } from './release.ts';
import type { Env, Release } from './types.ts';

/** Something that is open while it is held, and a while longer. */
export interface Lasting {
  readonly key: string;
  /** True while it must not be closed unasked, such as with unsaved work. */
  readonly isBusy: boolean;
  open(): void;
  /** `signal` aborts when nobody waits for it any more. */
  close(signal: AbortSignal): void | Promise<void>;
}

/** How long a pool keeps what nobody holds, and how much of it. */
export type PoolConfig = {
  readonly env: Pick<Env, 'now' | 'setTimeout' | 'clearTimeout'>;
  readonly ttlMs: number;
  /** Above so many, those go first that were let go of first. */
  readonly max: number;
  /** False: no timer is armed, and what nobody holds stays until there is too much, or the end (registry.md §5.4). */
  readonly timers?: boolean;
  /** Hears of a close that failed. */
  readonly report: (error: unknown) => void;
};

/** Until when it stays, though nobody holds it, and until when even where there is too much. */
type Stay = { holds: number; until: number; firmUntil: number };

const busyRecheckMs = 1000;
const closeTimeoutMs = 10_000;

/**
 * The least of a registry (registry.md §5): counts holds, and closes what nobody has held for a while, nor needs. What it
 * keeps is made by others and there at once; who has to load it, may fail, or is watched by many uses a `Registry`.
 */
export class Pool {
  readonly #config: PoolConfig;
  /** Those that were let go of come in that order. */
  readonly #stays = new Map<Lasting, Stay>();
  readonly #closings = new Set<Promise<void>>();
  readonly #setAlarm: (at: number) => void;
  #isDue = false;

  constructor(config: PoolConfig) {
    this.#config = config;
    const { env, timers = true } = config;
    this.#setAlarm = timers ? alarm(env, () => this.#sweep()) : () => undefined;
  }

  /** Keeps a thing open, which is opened if it is not, and `ttlMs` longer than that; the longest that was asked for counts. */
  hold(thing: Lasting, ttlMs: number = this.#config.ttlMs): Release {
    const { env } = this.#config;
    const stay = this.#stay(thing);
    stay.holds += 1;
    return releaseOnce(() => {
      stay.holds -= 1;
      stay.until = Math.max(stay.until, env.now() + ttlMs);
      if (stay.holds > 0 || this.#stays.get(thing) !== stay) return;
      this.#stays.delete(thing);
      this.#stays.set(thing, stay);
      this.#lookSoon();
    });
  }

  /** Keeps it for a while without being held: `firmMs` even above the cap (registry.md §5.3). */
  keep(
    thing: Lasting,
    { ttlMs, firmMs }: { readonly ttlMs: number; readonly firmMs: number },
  ): void {
    const now = this.#config.env.now();
    const stay = this.#stay(thing);
    stay.firmUntil = Math.max(stay.firmUntil, now + firmMs);
    stay.until = Math.max(stay.until, now + ttlMs, stay.firmUntil);
  }

  /** Plain data about what is open. */
  list(): readonly object[] {
    return [...this.#stays].map(([{ key }, { holds, until }]) => ({ key, holds, until }));
  }

  /** Closes everything; resolves when all that takes its time is done, or given up. */
  async dispose(): Promise<void> {
    for (const thing of this.#stays.keys()) this.#close(thing);
    this.#isDue = false;
    this.#setAlarm(Infinity);
    await Promise.all(this.#closings);
  }

  /** A look that is due is not put off, or who takes up and lets go without a pause would keep all of it open. */
  #lookSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#setAlarm(this.#config.env.now());
  }

  #sweep(): void {
    this.#isDue = false;
    const { env, max } = this.#config;
    const now = env.now();
    let next = Infinity;
    for (const [thing, { holds, until, firmUntil }] of this.#stays) {
      if (holds > 0) continue;
      const end = this.#stays.size > max ? firmUntil : until;
      if (end > now) next = Math.min(next, end);
      else if (thing.isBusy) next = Math.min(next, now + busyRecheckMs);
      else this.#close(thing);
    }
    this.#setAlarm(next);
  }

  #stay(thing: Lasting): Stay {
    const known = this.#stays.get(thing);
    const stay = known ?? { holds: 0, until: 0, firmUntil: 0 };
    if (known !== undefined) return stay;
    // It is known before it is opened, which may have it held already; what cannot be opened is not kept.
    this.#stays.set(thing, stay);
    try {
      thing.open();
    } catch (error) {
      this.#stays.delete(thing);
      throw error;
    }
    // Nothing is closed from within: whoever lets go of one may take it up again. What is known already only stays longer.
    this.#lookSoon();
    return stay;
  }

  #close(thing: Lasting): void {
    const { env, report } = this.#config;
    this.#stays.delete(thing);
    const patience = new AbortController();
    const end = thing.close(patience.signal);
    if (!(end instanceof Promise)) return;
    const timer = env.setTimeout(() => patience.abort(), closeTimeoutMs);
    const closing = end.catch(report).finally(() => {
      env.clearTimeout(timer);
      this.#closings.delete(closing);
    });
    this.#closings.add(closing);
  }
}

/** The longest delay that platforms' timers keep. */
const delayMsMax = 2 ** 31 - 1;

/** A timer to be set to a time, anew at will; `Infinity` is never. It may ring early: whoever is rung looks at the clock. */
export function alarm(env: PoolConfig['env'], ring: () => void): (at: number) => void {
  let timer: { readonly handle: unknown } | null = null;
  return (at) => {
    if (timer !== null) env.clearTimeout(timer.handle);
    timer = null;
    if (at === Infinity) return;
    const delayMs = Math.min(Math.max(Math.ceil(at - env.now()), 0), delayMsMax);
    const handle = env.setTimeout(() => {
      timer = null;
      ring();
    }, delayMs);
    timer = { handle };
  };
}
