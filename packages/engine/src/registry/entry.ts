import { Alarm } from './alarm.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Closing, Resident, Room } from './room.ts';
import type { Call } from './settings.ts';
import { Hold, Tenure } from './tenure.ts';
import type { EntryInfo, EntryState, Lease } from './types.ts';

const busyRecheckMs = 1000;

type Use = { readonly ttl: number; readonly signal?: AbortSignal | undefined };

/**
 * One key of a registry: its generations, and those who use them. Every deed is a step; when the outermost step ends
 * the entry is removed, or its alarm set for what comes next, and only then listeners hear of it (registry.md §2.5).
 */
export class Entry<T, O extends object> implements Resident {
  readonly key: string;
  readonly #room: Room<T, O>;
  readonly #tenure: Tenure;
  readonly #life: Lifecycle<T, O>;
  readonly #alarm: Alarm;
  /** The holds of `get` calls that wait for the load. */
  readonly #waiting = new Set<Hold>();
  #steps = 0;

  constructor(key: string, room: Room<T, O>) {
    const { env, timers, provisionalMs } = room.settings;
    const tenure = new Tenure(provisionalMs);
    this.key = key;
    this.#room = room;
    this.#tenure = tenure;
    this.#alarm = new Alarm(env, timers, () => this.#step(() => this.#catchUp()));
    this.#life = new Lifecycle(room, {
      key,
      tenure,
      step: (transition) => this.#step(transition),
      settled: () => this.#settled(),
    });
  }

  get state(): EntryState<T> {
    return this.#life.state;
  }

  get isHeld(): boolean {
    return this.#tenure.isHeld;
  }

  get info(): EntryInfo {
    const { key, state } = this;
    const { holds, ttl, protectedUntil, lastUsedAt } = this.#tenure;
    const { status, generation } = state;
    const info = { key, status, generation, holds: holds.size, ttl, protectedUntil, lastUsedAt };
    return 'error' in state ? { ...info, error: state.error } : info;
  }

  /** `get` (registry.md §4.1). */
  get(call: Call<O>): T | Promise<T> {
    return this.#step(() => {
      this.#approach(call);
      const found = this.demand(call);
      const { status } = this.state;
      const isPending = status === 'loading' || status === 'closing';
      const now = this.#now();
      if (isPending && call.hold !== false && call.signal?.aborted !== true) {
        this.#waiting.add(this.hold(call));
      } else this.#tenure.protect(now, call.ttl);
      if (call.provisional === true) {
        this.#tenure.protectProvisionally(now, call.ttl);
        if (isPending) this.#tenure.protectOnceSettled(call.ttl);
      }
      return found;
    });
  }

  /** Keeps the entry and has it loaded; how the load goes is told by events (registry.md §4.3). */
  retain(call: Call<O>): Hold {
    return this.#step(() => {
      const hold = this.enter(call);
      try {
        void this.demand(call);
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
    return this.#step(() => {
      this.#approach(call);
      return this.hold(call);
    });
  }

  /** Begins a hold. */
  hold({ ttl, signal }: Use): Hold {
    return this.#step(() => {
      const hold = new Hold(ttl, signal, (ended) => this.#step(() => this.#ended(ended)));
      const isFirst = !this.isHeld;
      this.#tenure.holds.add(hold);
      this.#touch();
      if (isFirst) this.#life.tell({ type: 'held' });
      return hold;
    });
  }

  /** The value, or the promise of it, for somebody who holds the entry. */
  demand(call: Call<O>): T | Promise<T> {
    return this.#step(() => this.#life.demand(call));
  }

  /** The lease of somebody who holds the entry; undefined while there is no value to hand out. */
  leaseOn(hold: Hold): Lease<T> | undefined {
    return this.#life.leaseOn(hold);
  }

  /** Closes what nobody uses, or with `force` whatever is there (registry.md §5.8). */
  evict(force: boolean): Closing | boolean {
    const mayGo = force || !(this.isHeld || this.#life.isBusy);
    return mayGo && this.#step(() => this.#life.part('evict'));
  }

  yieldPlace(): boolean {
    const now = this.#now();
    if (this.isHeld || this.#tenure.provisionalUntil > now) return false;
    if (!this.#isRested(now) || this.#life.isBusy) return false;
    return this.#step(() => this.#life.part('capacity') !== false);
  }

  reset(): Closing | undefined {
    return this.#step(() => this.#life.reset());
  }

  dispose(): void {
    this.#step(() => {
      this.#tenure.drop();
      this.#waiting.clear();
      this.#life.dispose();
    });
  }

  #now(): number {
    return this.#room.settings.env.now();
  }

  #step<R>(transition: () => R): R {
    return this.#room.announcer.run(() => {
      this.#steps += 1;
      try {
        return transition();
      } finally {
        this.#steps -= 1;
        if (this.#steps === 0) this.#conclude();
      }
    });
  }

  #conclude(): void {
    const { status } = this.state;
    const isIdle = (status === 'idle' || status === 'closed') && !this.isHeld;
    this.#alarm.set(isIdle || this.#room.isDisposed ? Infinity : this.#due());
    if (isIdle) this.#room.leave(this);
  }

  /** When there is something to do next. */
  #due(): number {
    const { state } = this;
    const { due } = this.#tenure;
    const { deadline, isBusy } = this.#life;
    const now = this.#now();
    if (state.status === 'failed') return this.isHeld ? Infinity : state.until;
    if (state.status === 'ready') return due <= now && isBusy ? now + busyRecheckMs : due;
    return state.status === 'loading' ? Math.min(deadline, due) : deadline;
  }

  /** Judges what has lapsed. */
  #catchUp(): void {
    const { state } = this;
    const { deadline, isBusy, liveOptions } = this.#life;
    const now = this.#now();
    const isLapsed = this.#tenure.due <= now && this.#isRested(now);
    if (state.status === 'failed') {
      if (!this.isHeld && state.until <= now) this.#life.forget();
    } else if (liveOptions !== undefined && isLapsed && !isBusy) this.#dropUnused();
    else if (deadline <= now) this.#life.ring();
  }

  /** Whether a macrotask has passed since the last use; without timers the clock must have moved. */
  #isRested(now: number): boolean {
    return this.#room.settings.timers || now > this.#tenure.lastUsedAt;
  }

  /** What every use does first: judge what lapsed unseen, and compare options. */
  #approach(call: Call<O>): void {
    if (!this.#room.settings.timers) this.#catchUp();
    const { liveOptions } = this.#life;
    if (liveOptions !== undefined && this.#room.mustReplace(this, call, liveOptions)) {
      this.#life.part('replace');
    }
    this.#touch();
  }

  #touch(): void {
    this.#tenure.touch(this.#now());
    this.#room.used(this);
  }

  #ended(hold: Hold): void {
    const now = this.#now();
    this.#waiting.delete(hold);
    this.#tenure.holds.delete(hold);
    this.#tenure.protect(now, hold.ttl);
    this.#room.used(this);
    if (this.isHeld) return;
    this.#life.tell({ type: 'released' });
    this.#room.vacated();
    const isHasty = this.#room.settings.abortUnused === 'immediate';
    if (isHasty && this.state.status === 'loading' && this.#tenure.provisionalUntil <= now) {
      this.#dropUnused();
    }
  }

  #dropUnused(): void {
    this.#life.tell({ type: 'unused' });
    this.#life.part('unused');
  }

  #settled(): void {
    this.#tenure.settled(this.#now());
    const holds = [...this.#waiting];
    this.#waiting.clear();
    for (const hold of holds) hold.end();
  }
}
