import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { DatabaseFile } from './file.ts';
import { closedStorage, isRefusedWrite, toStorageError, UnknownOutcome } from './faults.ts';

type Writable = Pick<DatabaseFile, 'name' | 'writer' | 'checkPlace'>;

type Job = {
  /** How many rows it is about to write, roughly. */
  readonly weight: number;
  /** Writes; what it returns tells the caller, after the commit. */
  readonly run: () => () => void;
  readonly reject: (error: unknown) => void;
};

/** Beyond this a group gains little speed and costs latency; the rest goes into the next transaction. */
const groupWeightMax = 1024;

/**
 * Group commit: what is asked for in one turn of the event loop, by whichever stores, is one transaction.
 *
 * 1. A caller hears of its change only after COMMIT has returned.
 * 2. A job that fails undoes itself alone (a savepoint); a failed transaction fails all of its jobs.
 * 3. A failed COMMIT may have written a commit record that was not synced: a crash could bring it back. So another
 *    transaction, which overwrites that record, has to succeed before the jobs are told that they failed. Until one has,
 *    their outcome is unknown, and {@link read} throws.
 */
export class Commits {
  readonly #file: Writable;
  readonly #db: DatabaseSync;
  readonly #bumpSettled: StatementSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  #queue: Job[] = [];
  #closed = false;
  #settled = true;
  /** Whether a transaction has run in this turn of the event loop. */
  #busy = false;

  constructor(file: Writable) {
    this.#file = file;
    this.#db = file.writer;
    this.#begin = this.#db.prepare('BEGIN IMMEDIATE');
    this.#commit = this.#db.prepare('COMMIT');
    this.#bumpSettled = this.#db.prepare('UPDATE settled SET count = count + 1');
  }

  /** Runs the job in the next transaction; resolves when its result is durable. */
  enqueue<T>(weight: number, job: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(closedStorage());
        return;
      }
      const run = (): (() => void) => {
        const result = job();
        return () => resolve(result);
      };
      this.#queue.push({ weight, run, reject });
      if (this.#queue.length === 1) this.#schedule();
    });
  }

  /** Reads what is committed; throws while the outcome of an earlier transaction is unknown. */
  read<T>(run: () => T): T {
    if (this.#closed) throw closedStorage();
    if (!this.#settled) this.#transact([]);
    try {
      return run();
    } catch (error) {
      throw toStorageError(error, this.#file.name);
    }
  }

  /** Commits what is queued; nothing is taken afterwards. */
  close(): void {
    this.#closed = true;
    while (this.#queue.length > 0) this.#flush();
  }

  #flush(): void {
    const group = this.#takeGroup();
    if (group.length === 0) return;
    if (!this.#busy) {
      this.#busy = true;
      setImmediate(() => (this.#busy = false));
    }
    try {
      for (const tell of this.#transact(group)) tell();
    } catch (error) {
      for (const job of group) job.reject(error);
    }
    if (this.#queue.length > 0) this.#schedule();
  }

  /**
   * The first transaction of a turn follows at once; one more waits for a turn, so that sockets are read in between. A large
   * one does so, too: deciding it has taken long already.
   */
  #schedule(): void {
    const isLarge = (this.#queue[0]?.weight ?? 0) > groupWeightMax;
    if (this.#busy || isLarge) setImmediate(() => this.#flush());
    else process.nextTick(() => this.#flush());
  }

  #takeGroup(): Job[] {
    let weight = 0;
    let count = 0;
    for (const job of this.#queue) {
      weight += job.weight;
      if (count > 0 && weight > groupWeightMax) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #transact(group: readonly Job[]): (() => void)[] {
    let tells: (() => void)[];
    try {
      this.#file.checkPlace();
      this.#begin.run();
      if (!this.#settled) this.#bumpSettled.run();
      tells =
        group.length === 1 ? group.map((job) => job.run()) : group.map((job) => this.#guard(job));
    } catch (error) {
      this.#rollback();
      throw toStorageError(error, this.#file.name);
    }
    this.#finish();
    return tells;
  }

  /** A job alone in its transaction needs no savepoint; among others it must not take them down. */
  #guard(job: Job): () => void {
    this.#db.exec('SAVEPOINT job');
    try {
      const tell = job.run();
      this.#db.exec('RELEASE job');
      return tell;
    } catch (error) {
      // Fails if the error ended the whole transaction; then that fails all.
      this.#db.exec('ROLLBACK TO job; RELEASE job');
      return () => job.reject(toStorageError(error, this.#file.name));
    }
  }

  #finish(): void {
    try {
      this.#commit.run();
      this.#settled = true;
    } catch (error) {
      this.#rollback();
      if (!isRefusedWrite(error)) this.#overwrite(error);
      throw toStorageError(error, this.#file.name);
    }
  }

  /** Invariant 3: makes sure that what COMMIT left behind is gone. */
  #overwrite(doubt: unknown): void {
    try {
      this.#begin.run();
      this.#bumpSettled.run();
      this.#commit.run();
      this.#settled = true;
    } catch {
      this.#rollback();
      this.#settled = false;
      throw new UnknownOutcome(this.#file.name, doubt);
    }
  }

  #rollback(): void {
    try {
      this.#db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself, as it does after some errors.
    }
  }
}
