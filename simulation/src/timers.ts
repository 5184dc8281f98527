import type { Agenda } from './agenda.ts';

type Timer = { isOver: boolean };

/** The timers of one process: they end with it, and ring late where it sleeps. */
export class Timers {
  readonly #agenda: Agenda;
  readonly #running = new Set<Timer>();
  #isOver = false;
  /** Until when the process sleeps. */
  asleepUntil = 0;

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  /** How many have not rung. */
  get count(): number {
    return this.#running.size;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  readonly set = (run: () => void, ms: number): object => {
    const timer: Timer = { isOver: this.#isOver };
    if (this.#isOver) return timer;
    this.#running.add(timer);
    this.#agenda.later(ms, () => this.#ring(timer, run));
    return timer;
  };

  readonly clear = (handle: unknown): void => {
    for (const timer of this.#running) {
      if (timer !== handle) continue;
      timer.isOver = true;
      this.#running.delete(timer);
    }
  };

  /** The process is gone. */
  end(): void {
    this.#isOver = true;
    this.#running.clear();
  }

  #ring(timer: Timer, run: () => void): void {
    if (timer.isOver || this.#isOver) return;
    if (this.#agenda.now < this.asleepUntil) {
      this.#agenda.at(this.asleepUntil, () => this.#ring(timer, run));
      return;
    }
    this.#running.delete(timer);
    run();
  }
}
