import type { Frame, MonotonicMs } from '@holdfast/protocol';
import type { DialerEffect } from './types.ts';

/** What the parts of a dialer share in a step: the time, the line, what was said so far. */
export class Turn {
  readonly random: () => number;
  now: MonotonicMs = 0;
  /** The number of the last link. */
  link = 0;
  /** Whether that link is open. */
  isOpen = false;
  /** When something was last sent over it. */
  sentAt: MonotonicMs = 0;
  /** The wake that was announced and has not come. */
  announced: MonotonicMs = Infinity;
  #effects: DialerEffect[] = [];
  #ref = 0;

  constructor(random: () => number) {
    this.random = random;
  }

  emit(effect: DialerEffect): void {
    this.#effects.push(effect);
  }

  send(frame: Frame): void {
    this.sentAt = this.now;
    this.emit({ type: 'send', link: this.link, frame });
  }

  /** A number never given before: refs, join refs and generations are made of it. */
  ref(): string {
    this.#ref += 1;
    return String(this.#ref);
  }

  /**
   * The step is over; something is due next at that time. A wake that is announced may be early, for what has been settled
   * since, but never late; `isAnew`: it is none of those.
   */
  end(due: MonotonicMs, isAnew: boolean): readonly DialerEffect[] {
    if (isAnew ? due !== this.announced : due < this.announced) {
      this.announced = due;
      this.emit({ type: 'wake', at: due === Infinity ? null : due });
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
