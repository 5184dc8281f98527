import type { MonotonicMs } from '@holdfast/protocol';
import type { DialerEffect } from './types.ts';

/** One step of a dialer, shared by its parts: the time it is, what was said so far, when to be woken. */
export class Turn {
  #now: MonotonicMs = 0;
  #effects: DialerEffect[] = [];
  #ref = 0;
  #due: MonotonicMs | null = null;
  #announced: MonotonicMs | null = null;

  get now(): MonotonicMs {
    return this.#now;
  }

  begin(now: MonotonicMs): void {
    this.#now = now;
    this.#effects = [];
  }

  emit(effect: DialerEffect): void {
    this.#effects.push(effect);
  }

  /** A number never given before: refs, join refs and generations are made of it. */
  ref(): number {
    this.#ref += 1;
    return this.#ref;
  }

  /** Something may be due then. The wake announced may be early, for what has been settled since, but never late. */
  remind(at: MonotonicMs): void {
    if (this.#due === null || at < this.#due) this.#due = at;
  }

  /** The wake announced has come, perhaps a little early: what is due next is announced anew. */
  woken(): void {
    this.#announced = null;
  }

  /** Forgets what was due; who still has something due reminds again. */
  forget(): void {
    this.#due = null;
  }

  end(): readonly DialerEffect[] {
    if (this.#due !== this.#announced) {
      this.#announced = this.#due;
      this.emit({ type: 'wake', at: this.#due });
    }
    return this.#effects;
  }
}
