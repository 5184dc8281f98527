import { Cell, Frame, type Readable } from './signal.ts';

/** A commit as the log shows it. */
export type LogLine = {
  /** Counts the lines of this log; a seq may have several. */
  readonly id: number;
  readonly seq: number | null;
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
  readonly own: boolean;
};

/** The lines that are shown, and how many more have come since the log was paused. */
export type LogView = {
  readonly lines: readonly LogLine[];
  readonly isPaused: boolean;
  readonly missed: number;
};

const LINES_MAX = 5000;

/** The newest commits of a store, oldest first. Paused, it shows what it showed, and goes on to collect. */
export class Log {
  #lines: LogLine[] = [];
  #count = 0;
  #pausedAt: number | null = null;
  readonly #view = new Cell<LogView>({ lines: [], isPaused: false, missed: 0 });
  readonly #frame = new Frame(() => this.#publish());

  get view(): Readable<LogView> {
    return this.#view;
  }

  add(line: Omit<LogLine, 'id'>): void {
    this.#count += 1;
    this.#lines.push({ ...line, id: this.#count });
    // Half of it goes at once, so that a line costs the same at any length.
    if (this.#lines.length > 2 * LINES_MAX) this.#lines = this.#lines.slice(-LINES_MAX);
    this.#frame.request();
  }

  pause(): void {
    if (this.#pausedAt !== null) return;
    this.#pausedAt = this.#count;
    this.#publish();
  }

  resume(): void {
    if (this.#pausedAt === null) return;
    this.#pausedAt = null;
    this.#publish();
  }

  close(): void {
    this.#frame.cancel();
  }

  #publish(): void {
    if (this.#pausedAt === null) {
      const lines = this.#lines.slice(-LINES_MAX);
      this.#view.set({ lines, isPaused: false, missed: 0 });
      return;
    }
    const { lines } = this.#view.get();
    this.#view.set({ lines, isPaused: true, missed: this.#count - this.#pausedAt });
  }
}
