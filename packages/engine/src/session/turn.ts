import type { MonotonicMs } from '@holdfast/protocol';
import type { DialerEffect } from './types.ts';

/** One step of a dialer, shared by its parts: the time it is, what was said so far, when to be woken. */
export class Turn {
  now: MonotonicMs = 0;
  /** When something is due next. It may be early, for what has been settled since, but never late. */
  due: MonotonicMs = Infinity;
  /** The wake that was announced and has not come. */
  announced: MonotonicMs = Infinity;
  #effects: DialerEffect[] = [];
  #ref = 0;

  emit(effect: DialerEffect): void {
    this.#effects.push(effect);
  }

  /** A number never given before: refs, join refs and generations are made of it. */
  ref(): string {
    this.#ref += 1;
    return String(this.#ref);
  }

  /** Something may be due then. */
  remind(at: MonotonicMs): void {
    this.due = Math.min(this.due, at);
  }

  end(): readonly DialerEffect[] {
    if (this.due !== this.announced) {
      this.announced = this.due;
      this.emit({ type: 'wake', at: this.due === Infinity ? null : this.due });
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
