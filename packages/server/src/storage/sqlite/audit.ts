import type { AuditAct, AuditRow, AuditTable } from '../port.ts';
import type { Desk } from './desk.ts';
import type { Row } from './rows.ts';
import { prepareAll } from './statements.ts';

const keptMs = 400 * 86_400_000;
const prunedRows = 16;

/** The table of administrative acts. */
export class SqliteAudit implements AuditTable {
  readonly #desk: Desk;
  readonly #sql;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#sql = prepareAll(desk.db, {
      note: `INSERT INTO audit (at, org, act, actor, store_id, store_name, target, details)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      list: 'SELECT * FROM audit WHERE org = ? AND number < ? ORDER BY number DESC LIMIT ?',
      prune: `DELETE FROM audit WHERE number IN (SELECT number FROM audit ORDER BY number LIMIT ?)
        AND at < ?`,
    });
  }

  async note(row: AuditAct): Promise<void> {
    const { at, org, act, actor, store, target, details } = row;
    await this.#desk.commits.enqueue(1, () => {
      const text = JSON.stringify(details);
      const { id = null, name = null } = store ?? {};
      this.#sql.note.run(at, org, act, actor, id, name, target, text);
      // By a clock that has just been put ahead none is old.
      this.#sql.prune.run(prunedRows, this.#desk.settled() - keptMs);
    });
  }

  async list(page: Parameters<AuditTable['list']>[0]): Promise<readonly AuditRow[]> {
    const { org, before = Number.MAX_SAFE_INTEGER, limit } = page;
    return this.#desk.commits.read(() =>
      this.#sql.list.all(org, before, limit).map((row) => this.#read(row)),
    );
  }

  #read(row: Row): AuditRow {
    const { rows } = this.#desk;
    const id = rows.textOrNull(row, 'store_id');
    return {
      number: rows.integer(row, 'number'),
      at: rows.integer(row, 'at'),
      org: rows.text(row, 'org'),
      act: rows.text(row, 'act'),
      actor: rows.textOrNull(row, 'actor'),
      store: id === null ? null : { id, name: rows.text(row, 'store_name') },
      target: rows.textOrNull(row, 'target'),
      details: rows.facts(row, 'details'),
    };
  }
}
