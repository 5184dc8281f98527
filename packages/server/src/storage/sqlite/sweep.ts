import type { StatementSync } from 'node:sqlite';
import type { Desk } from './desk.ts';
import { prepareAll } from './statements.ts';

const tables = [
  'log',
  'op_files',
  'uploads',
  'entries',
  'maps',
  'markers',
  'answers',
  'highs',
  'webhooks',
] as const;
const keyOf = {
  log: 'seq',
  op_files: 'seq',
  uploads: 'hash',
  entries: 'path',
  maps: 'path',
  markers: 'path',
  answers: 'seq',
  highs: 'client',
  webhooks: 'key',
} as const;
/** The columns that may be large. */
const largeOf: Readonly<Partial<Record<(typeof tables)[number], readonly string[]>>> = {
  log: ['value', 'arg', 'removed'],
  entries: ['value'],
  answers: ['reply'],
};
const rowsPerStep = 500;
/** And of large ones fewer: all that a step deletes is overwritten in one turn of the event loop. */
const bytesPerStep = 1024 * 1024;
/** After a disk has refused a step, such as a full one. */
const restMs = 60_000;

/** Deletes what purged stores have left behind, a little at a time, so that no writer waits for it. */
export class Sweep {
  readonly #desk: Desk;
  readonly #deletes: readonly StatementSync[];
  readonly #sql;
  /** Of stores whose rows could not all be deleted yet. */
  readonly #resting = new Set<NodeJS.Timeout>();
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#deletes = tables.map((table) => desk.db.prepare(deletionOf(table)));
    this.#sql = prepareAll(desk.db, {
      pending: 'SELECT key FROM purged',
      done: 'DELETE FROM purged WHERE key = ?',
    });
  }

  /** Takes up what a former process has left. */
  resume(): void {
    for (const row of this.#sql.pending.all()) this.start(this.#desk.rows.integer(row, 'key'));
  }

  start(key: number): void {
    this.#running = this.#running.then(() => this.#sweep(key));
  }

  /** Stops at the next step; the rest waits for the next start. */
  stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#resting) clearTimeout(timer);
    return this.#running;
  }

  async #sweep(key: number): Promise<void> {
    try {
      // oxlint-disable-next-line no-await-in-loop -- table after table, step after step
      for (const statement of this.#deletes) await this.#drain(statement, key);
      if (!this.#stopped) await this.#desk.commits.enqueue(1, () => this.#sql.done.run(key));
    } catch {
      // The rows are invisible meanwhile.
      this.#startLater(key);
    }
  }

  #startLater(key: number): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#resting.delete(timer);
      this.start(key);
    }, restMs);
    this.#resting.add(timer.unref());
  }

  async #drain(statement: StatementSync, key: number): Promise<void> {
    for (let changes = 1; changes > 0 && !this.#stopped;) {
      // oxlint-disable-next-line no-await-in-loop -- other writers get their turn between two steps
      changes = await this.#desk.commits.enqueue(rowsPerStep, () => this.#erase(statement, key));
    }
  }

  /** Pages that become free are emptied, too, which `openWriter` has spared all other deletes: purged is for good. */
  #erase(statement: StatementSync, key: number): number {
    const { db } = this.#desk;
    db.exec('PRAGMA secure_delete = ON');
    try {
      return Number(statement.run(key).changes);
    } finally {
      db.exec('PRAGMA secure_delete = FAST');
    }
  }
}

/** Deletes the first rows of a store: up to so many, and up to the one with which they are large. */
function deletionOf(table: (typeof tables)[number]): string {
  const key = keyOf[table];
  const sizes = (largeOf[table] ?? []).map((column) => `coalesce(octet_length(${column}), 0)`);
  return `DELETE FROM ${table} WHERE store = ?1 AND ${key} IN (
    SELECT key FROM (
      SELECT key, sum(bytes) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING) - bytes AS before
      FROM (SELECT ${key} AS key, ${['0', ...sizes].join(' + ')} AS bytes FROM ${table}
        WHERE store = ?1 ORDER BY ${key} LIMIT ${rowsPerStep})
    ) WHERE before < ${bytesPerStep})`;
}
