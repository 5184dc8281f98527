import type { DatabaseSync } from 'node:sqlite';
import type { EpochMs } from '@holdfast/protocol';
import { SettledClock } from '../settled.ts';
import type { Commits } from './commits.ts';
import type { RowReader } from './rows.ts';
import { prepareAll } from './statements.ts';

/** It is noted no more often, … */
const noteMs = 60_000;
/** … seldom where all that it reads is believed, … */
const calmNoteMs = 3_600_000;
/** … and at once where less is believed than before, by more than a clock is ever set right by itself. */
const fallMs = 1000;

type ClockRoom = {
  readonly db: DatabaseSync;
  readonly commits: Commits;
  readonly rows: RowReader;
  readonly now: () => EpochMs;
  readonly monotonic: () => number;
};

/**
 * The clock by which what is kept for a time is old, as the file knows it: a server that is started while its clock is ahead
 * goes on from what was believed before. What a file holds is no measure of the time: it may be stamped by such a clock.
 */
export class KeptClock {
  readonly #commits: Commits;
  readonly #monotonic: () => number;
  readonly #clock: SettledClock;
  readonly #sql;
  /** When it was noted last, and what was believed then. */
  #notedAt: number;
  #notedLeadMs: number;
  #notedCalm: boolean;

  constructor({ db, commits, rows, now, monotonic }: ClockRoom) {
    this.#commits = commits;
    this.#monotonic = monotonic;
    this.#sql = prepareAll(db, {
      known: 'SELECT reads, stood FROM clock ORDER BY reads',
      forget: 'DELETE FROM clock',
      note: 'INSERT INTO clock (reads, stood) VALUES (?, ?)',
    });
    const known = this.#sql.known.all().map((row) => ({
      reads: rows.integer(row, 'reads'),
      stoodMs: rows.integer(row, 'stood'),
    }));
    this.#clock = new SettledClock(now, monotonic, known);
    this.#notedAt = monotonic();
    this.#notedLeadMs = this.#clock.leadMs;
    this.#notedCalm = this.#isCalm;
    // Before anything is written that is to be kept for a time.
    if (known.length === 0) void this.#note();
  }

  read(): EpochMs {
    const read = this.#clock.read();
    if (this.#clock.leadMs < this.#notedLeadMs - fallMs) void this.#note();
    return read;
  }

  /** The same; notes how it stands, unless that was done a while ago. */
  async keep(): Promise<EpochMs> {
    const read = this.read();
    const dueMs = this.#isCalm && this.#notedCalm ? calmNoteMs : noteMs;
    if (this.#monotonic() - this.#notedAt >= dueMs) await this.#note();
    return read;
  }

  get #isCalm(): boolean {
    return this.#clock.standings.length === 1;
  }

  async #note(): Promise<void> {
    this.#notedAt = this.#monotonic();
    this.#notedLeadMs = this.#clock.leadMs;
    this.#notedCalm = this.#isCalm;
    try {
      await this.#commits.enqueue(1, () => {
        this.#sql.forget.run();
        for (const { reads, stoodMs } of this.#clock.standings) this.#sql.note.run(reads, stoodMs);
      });
    } catch {
      // As on a full disk: only how long things are kept depends on it.
    }
  }
}
