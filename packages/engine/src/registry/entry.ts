import { Alarm } from './alarm.ts';
import type { Call } from './call.ts';
import type { Closing } from './closings.ts';
import type { Keeper } from './keeper.ts';
import { Lifecycle } from './lifecycle.ts';
import { mustReplace } from './mismatch.ts';
import type { Occupant } from './occupant.ts';
import { Hold, Tenure } from './tenure.ts';
import type { EntryInfo, EntryState } from './types.ts';

const busyRecheckMs = 1000;

/**
 * One key of a registry: its generations, and those who use them. Every deed is a step; when the outermost step ends
 * the entry is removed, or its alarm set for what comes next, and only then listeners hear of it (registry.md §2.5).
 */
export class Entry<T, O extends object> {
  readonly key: string;
  readonly tenure: Tenure = new Tenure();
  readonly #keeper: Keeper<T, O>;
  readonly #life: Lifecycle<T, O>;
  readonly #alarm: Alarm;
  /** The holds of `get` calls that wait for the load. */
  readonly #waiting = new Set<Hold>();
  #steps = 0;

  constructor(key: string, keeper: Keeper<T, O>) {
    const { env, timers } = keeper.settings;
    const { tenure } = this;
    this.key = key;
    this.#keeper = keeper;
    this.#alarm = new Alarm(env, timers, () => this.step(() => this.#catchUp()));
    this.#life = new Lifecycle(key, keeper, {
      get held() {
        return tenure.held;
      },
      get waiting() {
        return tenure.due > env.now();
      },
      step: (transition) => this.step(transition),
      settled: () => this.#settled(),
    });
  }

  get state(): EntryState<T> {
    return this.#life.state;
  }

  /** The value with its generation, while it may be handed out. */
  get occupant(): Occupant<T, O> | undefined {
    return this.#life.occupant;
  }

  get info(): EntryInfo {
    const { key, state, tenure } = this;
    return {
      key,
      status: state.status,
      generation: state.generation,
      holds: tenure.holds,
      ttl: tenure.ttl,
      protectedUntil: tenure.protectedUntil,
      lastUsedAt: tenure.lastUsedAt,
      ...('error' in state ? { error: state.error } : {}),
    };
  }

  step<R>(transition: () => R): R {
    return this.#keeper.announcer.run(() => {
      this.#steps += 1;
      try {
        return transition();
      } finally {
        this.#steps -= 1;
        if (this.#steps === 0) this.#conclude();
      }
    });
  }

  /** `get` (registry.md §4.1). */
  get(call: Call<O>): T | Promise<T> {
    return this.step(() => {
      this.#approach(call);
      const found = this.#life.demand(call.given);
      const { status } = this.state;
      const pending = status === 'loading' || status === 'closing';
      if (pending && call.hold && call.signal?.aborted !== true) this.#waiting.add(this.hold(call));
      else this.tenure.protect(call.ttl, this.#now());
      if (call.provisional) this.#protectProvisionally(call.ttl, pending);
      return found;
    });
  }

  /** Keeps the entry and has it loaded; how the load goes is told by events (registry.md §4.3). */
  retain(call: Call<O>): Hold {
    return this.step(() => {
      const hold = this.enter(call);
      try {
        void this.#life.demand(call.given);
      } catch (error) {
        // A failed load stays in the entry's state; anything else is the caller's to hear.
        if (this.state.status !== 'failed') {
          hold.end();
          throw error;
        }
      }
      return hold;
    });
  }

  /** Keeps the entry, as a use of it. */
  enter(call: Call<O>): Hold {
    return this.step(() => {
      this.#approach(call);
      return this.hold(call);
    });
  }

  /** The value, or the promise of it, for somebody who holds the entry. */
  demand(call: Call<O>): T | Promise<T> {
    return this.step(() => this.#life.demand(call.given));
  }

  /** Begins a hold. */
  hold(call: Pick<Call<O>, 'ttl' | 'signal'>): Hold {
    return this.step(() => {
      const hold = new Hold(call.ttl, call.signal, (ended) => this.step(() => this.#ended(ended)));
      const first = !this.tenure.held;
      this.tenure.add(hold);
      this.#touch();
      if (first) this.#life.tell({ type: 'held' });
      return hold;
    });
  }

  /** Closes what nobody uses, or with `force` whatever is there (registry.md §5.8). */
  evict(force: boolean): Closing | boolean {
    return this.step(() => {
      if (!force && (this.tenure.held || this.occupant?.busy === true)) return false;
      return this.#life.part('evict');
    });
  }

  /** Closes for room what must not stay: what is held, busy or provisionally protected must (registry.md §5.6). */
  yieldPlace(): boolean {
    return this.step(() => {
      const now = this.#now();
      if (this.tenure.held || this.tenure.provisionalUntil > now) return false;
      if (!this.#isRested(now) || this.occupant?.busy === true) return false;
      return this.#life.part('capacity') !== false;
    });
  }

  reset(): Closing | undefined {
    return this.step(() => this.#life.reset());
  }

  dispose(): void {
    this.step(() => {
      this.tenure.drop();
      this.#waiting.clear();
      this.#life.dispose();
    });
  }

  #now(): number {
    return this.#keeper.settings.env.now();
  }

  #touch(): void {
    this.tenure.touch(this.#now());
    this.#keeper.used(this.key, this);
  }

  /** What every use does first: judge what lapsed unseen, and compare options. */
  #approach(call: Call<O>): void {
    if (!this.#keeper.settings.timers) this.#catchUp();
    const live = this.#life.liveOptions;
    if (live !== undefined) {
      const tell = (): void => this.#life.tell({ type: 'mismatch' });
      const use = { key: this.key, given: call.given, live, held: this.tenure.held, tell };
      if (mustReplace(this.#keeper, use)) this.#life.part('replace');
    }
    this.#touch();
  }

  #protectProvisionally(ttl: number, pending: boolean): void {
    const { provisionalMs } = this.#keeper.settings;
    this.tenure.protect(ttl, this.#now());
    this.tenure.protectProvisionally(provisionalMs, this.#now());
    if (pending) this.tenure.protectOnceSettled(ttl, provisionalMs);
  }

  #settled(): void {
    this.tenure.settled(this.#now());
    const holds = [...this.#waiting];
    this.#waiting.clear();
    for (const hold of holds) hold.end();
  }

  #ended(hold: Hold): void {
    this.#waiting.delete(hold);
    this.tenure.end(hold, this.#now());
    this.#keeper.used(this.key, this);
    if (this.tenure.held) return;
    this.#life.tell({ type: 'released' });
    this.#keeper.vacated();
    if (!this.#keeper.settings.abortAtOnce || this.state.status !== 'loading') return;
    if (this.tenure.provisionalUntil <= this.#now()) this.#dropUnused();
  }

  #dropUnused(): void {
    this.#life.tell({ type: 'unused' });
    this.#life.part('unused');
  }

  #conclude(): void {
    const { status } = this.state;
    if ((status === 'idle' || status === 'closed') && !this.tenure.held) {
      this.#alarm.clear();
      this.#keeper.removed(this.key, this);
    } else if (this.#keeper.disposed) this.#alarm.clear();
    else this.#alarm.set(this.#due());
  }

  /** When there is something to do next. */
  #due(): number {
    const state = this.state;
    switch (state.status) {
      case 'loading':
        return Math.min(this.#life.deadline, this.tenure.due);
      case 'ready':
        return this.tenure.due <= this.#now() && this.occupant?.busy === true
          ? this.#now() + busyRecheckMs
          : this.tenure.due;
      case 'failed':
        return this.tenure.held ? Infinity : state.until;
      case 'closing':
        return this.#life.deadline;
      case 'idle':
      case 'closed':
        break;
    }
    return Infinity;
  }

  #catchUp(): void {
    const state = this.state;
    const now = this.#now();
    const lapsed = this.tenure.due <= now && this.#isRested(now);
    if (state.status === 'failed') {
      if (!this.tenure.held && state.until <= now) this.#life.forget();
    } else if (state.status === 'loading' && lapsed) this.#dropUnused();
    else if (state.status === 'ready' && lapsed && this.occupant?.busy !== true) this.#dropUnused();
    else if (this.#life.deadline <= now) this.#life.ring();
  }

  /** Whether a macrotask has passed since the last use; without timers the clock must have moved. */
  #isRested(now: number): boolean {
    return this.#keeper.settings.timers || now > this.tenure.lastUsedAt;
  }
}
