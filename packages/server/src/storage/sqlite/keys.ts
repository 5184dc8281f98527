import { keptKeysMs } from '../batch.ts';
import type { KeyRow, KeyTable } from '../port.ts';
import type { Desk } from './desk.ts';
import { prepareAll } from './statements.ts';

const prunedRows = 16;

/** The table of idempotency keys. */
export class SqliteKeys implements KeyTable {
  readonly #desk: Desk;
  readonly #sql;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#sql = prepareAll(desk.db, {
      find: 'SELECT * FROM keys WHERE name = ? AND at > ?',
      take: 'INSERT OR REPLACE INTO keys (name, print, at) VALUES (?, ?, ?)',
      answer: 'UPDATE keys SET answer = ? WHERE name = ?',
      free: 'DELETE FROM keys WHERE name = ?',
      prune: `DELETE FROM keys WHERE name IN (SELECT name FROM keys WHERE at <= ? ORDER BY at LIMIT ?)`,
    });
  }

  take({ name, print, at }: Omit<KeyRow, 'answer'>): Promise<KeyRow | null> {
    const { rows, now, settled } = this.#desk;
    return this.#desk.commits.enqueue(1, () => {
      const disbelievedMs = now() - settled();
      const old = at - disbelievedMs - keptKeysMs;
      const row = this.#sql.find.get(name, old);
      if (row !== undefined) {
        return {
          name,
          print: rows.integer(row, 'print'),
          at: rows.integer(row, 'at'),
          answer: rows.textOrNull(row, 'answer'),
        };
      }
      this.#sql.take.run(name, print, at);
      this.#sql.prune.run(old, prunedRows);
      return null;
    });
  }

  async answer(name: string, answer: string): Promise<void> {
    await this.#desk.commits.enqueue(1, () => this.#sql.answer.run(answer, name));
  }

  async free(name: string): Promise<void> {
    await this.#desk.commits.enqueue(1, () => this.#sql.free.run(name));
  }
}
