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

/** Where a log is scrolled to, and where it was before; `isAtEnd`: at its newest line. */
export type Scroll = { readonly top: number; readonly before: number; readonly isAtEnd: boolean };

/**
 * What a scroll of the log means; null: nothing. Only a person scrolls back, or comes down to the end again: what comes
 * in is followed, and that scroll is heard of later, when the log may have been paused.
 */
export function scrollMeans({ top, before, isAtEnd }: Scroll): 'pause' | 'resume' | null {
  if (isAtEnd) return top > before ? 'resume' : null;
  return top < before ? 'pause' : null;
}

/** Where the line of an id stands, for ids follow each other; -1: nowhere. */
export function placeOfLine(lines: readonly LogLine[], id: number): number {
  const place = id - (lines[0]?.id ?? 0);
  return lines[place]?.id === id ? place : -1;
}

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
